/* Where the weights of a column stand in [O][taps][I], taps = kh*kw (program/ops.h has them in (o, i, h, w) order,
 * columns/geometry.h says which belong together).
 *
 * Column (o, g): `taps` runs, one per tap, each of `channels` neighbours; the runs are `in` apart.
 *
 *     o:  tap 0 | .. g g g g ..... | tap 1 | .. g g g g ..... |
 *
 * With element granularity a column is one run of one weight. */
#ifndef XST_CUDA_KRSC_H
#define XST_CUDA_KRSC_H

#include "device.h"

struct krsc_column {
    int64_t first; /* of its weight (channel 0, tap 0) */
    int runs, channels;
};

__device__ __forceinline__ krsc_column column_at(const xst_geometry &g, uint32_t c)
{
    const uint32_t groups = uint32_t(g.groups), o = c / groups, k = c % groups, in = uint32_t(g.in);
    const uint32_t taps = uint32_t(g.kh * g.kw);
    if (g.group == 0) /* k = i * taps + tap */
        return {int64_t(o * taps + k % taps) * in + k / taps, 1, 1};
    const uint32_t channel = k * uint32_t(g.group);
    return {int64_t(o) * taps * in + channel, int(taps), int(min(uint32_t(g.group), in - channel))};
}

/* Of the weight that is number e of a column in (i, h, w) order. */
__device__ __forceinline__ int64_t weight_at(const krsc_column &column, int in, int e)
{
    return column.first + int64_t(e % column.runs) * in + e / column.runs;
}

__host__ __device__ inline int64_t weights_of(const xst_geometry &g)
{
    return int64_t(g.out) * g.in * g.kh * g.kw;
}

/* Whether the weights, eight neighbours at a time, never cross a column. */
__host__ __device__ inline bool packs_of_8(const xst_geometry &g)
{
    return g.in % 8 == 0 && g.group % 8 == 0 && g.group > 0;
}

#endif
