/* Random numbers as functions of (seed, task, purpose, layer, step, stage, element): Philox4x32-10 (method.md section
 * 5).
 *
 * key = (seed, position of the task * 256 + purpose); counter = (element div 4, layer, step or epoch, stage); element e
 * takes word e mod 4. Positions count from 1, steps t from 1, epochs from 0, masked layers from 0, the head is the
 * last. No state: a run restarts anywhere. */
#ifndef XST_BASE_RANDOM_H
#define XST_BASE_RANDOM_H

#include <stdint.h>

typedef enum xst_purpose {
    XST_RANDOM_WEIGHTS = 0, /* element = flat index (o, i, h, w) */
    XST_RANDOM_ACTIVE = 1,  /* element = column */
    XST_RANDOM_SHUFFLE = 2, /* element = image, step = epoch */
    XST_RANDOM_AUGMENT = 3, /* element = image, step = epoch */
    XST_RANDOM_GATES = 4,   /* element = column, step = t */
} xst_purpose;

typedef struct xst_random_key {
    uint32_t seed;
    uint32_t task_purpose;
} xst_random_key;

static inline xst_random_key xst_random_key_of(uint32_t seed, int position, xst_purpose purpose)
{
    return (xst_random_key){seed, (uint32_t)position * 256u + (uint32_t)purpose};
}

/* One Philox block: the words of elements 4*quad .. 4*quad+3. */
void xst_random_block(uint32_t word[4], xst_random_key key, uint32_t quad, uint32_t layer, uint32_t step,
                      uint32_t stage);

/* words[i] = word of element first + i; first is a multiple of 4. */
void xst_random_words(uint32_t *words, uint32_t first, uint32_t n, xst_random_key key, uint32_t layer, uint32_t step,
                      uint32_t stage);

/* out[i] = deviation * normal number of element first + i (Box-Muller, base/exact.h); first is a multiple of 4. */
void xst_random_normal(float *out, uint32_t first, uint32_t n, float deviation, xst_random_key key, uint32_t layer,
                       uint32_t step, uint32_t stage);

#endif
