/* The passes of batch normalisation over one plane [H*W][block] of m floats, in vectors of 16 lanes. With blocks of 8
 * channels lane l and l + 8 are two pixels of one channel. factor: the vectors of the plane's channel block. */
#ifndef XST_BACKEND_CPU_BN_PLANES_H
#define XST_BACKEND_CPU_BN_PLANES_H

#include "backend/cpu/isa.h"

#include <stdint.h>

/* Sums of one plane, by lane. */
typedef struct cpu_lane_sums {
    float count[16], mean[16], square[16]; /* pixels, their mean, sum of squared differences from it */
} cpu_lane_sums;

typedef struct cpu_pair_sums {
    float g[16], gx[16]; /* sum of g = dy*[y > 0], sum of g * (x - mean) */
} cpu_pair_sums;

void xst_cpu_plane_sums(xst_cpu_isa isa, const float *x, int64_t m, cpu_lane_sums *out);
/* y = relu((x - factor[0]) * factor[1] + factor[2]) */
void xst_cpu_plane_normalise(xst_cpu_isa isa, const float *x, int64_t m, const float *factor, float *y);
/* The backward passes. factor: mean, a, b, c, and scale and beta as for normalise: with y NULL the sign of y is found
 * again from x, which spares reading y. */
void xst_cpu_plane_pair_sums(xst_cpu_isa isa, const float *x, const float *y, const float *dy, int64_t m,
                             const float *factor, cpu_pair_sums *out);
/* dx = g * a + (x - mean) * b + c */
void xst_cpu_plane_backward(xst_cpu_isa isa, const float *x, const float *y, const float *dy, int64_t m,
                            const float *factor, float *dx);

#endif
