/* Levels of quantised weights and activations, projection, and the scale of post-training quantisation (APoT, Li et
 * al., ICLR 2020; method notes, section 8).
 *
 * A weight of b bits is a sign and a magnitude of B = b - 1 bits, one of 2^B levels in 0..1 times a scale. Its code is
 * the signed index of the level: -(2^B - 1) .. 2^B - 1. */
#ifndef XST_QUANT_LEVELS_H
#define XST_QUANT_LEVELS_H

#include "xst/status.h"

#include <stddef.h>
#include <stdint.h>

enum { XST_QUANT_LEVELS_MAX = 256 };

typedef enum xst_quant_kind { XST_QUANT_APOT, XST_QUANT_UNIFORM } xst_quant_kind;

typedef struct xst_quant {
    xst_quant_kind kind;
    int bits;                              /* of a weight, sign included */
    int count;                             /* levels: 2^(bits - 1) */
    double level[XST_QUANT_LEVELS_MAX];    /* ascending, 0 .. 1 */
    double boundary[XST_QUANT_LEVELS_MAX]; /* [count - 1]: above boundary[i] the level is i + 1; on it, i */
} xst_quant;

/* 2^magnitude_bits levels, 1..8. Uniform: i/(2^B - 1). APoT: sums of floor(B/2) four-valued terms and, if B is odd, a
 * binary one, over the largest. */
void xst_levels_make(xst_quant_kind kind, int magnitude_bits, xst_quant *out);

/* "apot2" .. "apot8", "uniform2" .. "uniform8": bits of a weight. XST_ERROR_CONFIG names what there is. */
xst_status xst_quant_parse(const char *name, xst_quant *out, xst_error *err);

/* Index of the level nearest to x (x >= 0, cut to 1); on a tie the smaller. */
int xst_quant_project(const xst_quant *q, double x);

/* Signed code of w; scale 0 gives 0. */
static inline int xst_quant_code(const xst_quant *q, double scale, double w)
{
    if (!(scale > 0))
        return 0;
    const int index = xst_quant_project(q, (w < 0 ? -w : w) / scale);
    return w < 0 ? -index : index;
}

/* The value of a code. */
static inline double xst_quant_value(const xst_quant *q, double scale, int code)
{
    return code < 0 ? -scale * q->level[-code] : scale * q->level[code];
}

/* Post-training scale of n weights: max|w| * i/64, i in 1..64, of least squared error; the larger i on a tie. 0 where
 * all weights are 0. */
xst_status xst_quant_scale(const xst_quant *q, const float *w, size_t n, double *scale, xst_error *err);

#endif
