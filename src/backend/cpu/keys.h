/* Choosing by score: 64-bit keys hold the order of a score above an index, so that all keys differ. */
#ifndef XST_BACKEND_CPU_KEYS_H
#define XST_BACKEND_CPU_KEYS_H

#include <stdint.h>

/* Words in the order of non-negative floats; NaN last. */
uint32_t xst_cpu_key_order(float score);
/* Puts the k smallest of n different keys in front. */
void xst_cpu_select_smallest(uint64_t *key, int64_t n, int64_t k);

#endif
