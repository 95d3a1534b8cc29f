/* Choosing columns by random word: the k candidates of smallest (word, index), as an ascending list (method.md section
 * 5, purpose 1). Linear time at any granularity: two histograms of 16 bits instead of a sort. */
#ifndef XST_COLUMNS_SELECT_H
#define XST_COLUMNS_SELECT_H

#include "base/random.h"
#include "xst/status.h"

#include <stdint.h>

/* candidate[n]: nonzero = may be chosen; at least k of them are. chosen[k] comes out ascending. word of column c =
 * random(key; c; layer). */
xst_status xst_select_random(const uint8_t *candidate, uint32_t n, uint32_t k, xst_random_key key, uint32_t layer,
                             uint32_t *chosen, xst_error *err);

#endif
