#include "backend/cpu/bn_planes.h"

#include <math.h>
#include <stddef.h>

/* Loads vector i of a plane of m floats; past the end there are zeros. (Vectors go by pointer: by value they would have
 * another calling convention in each instruction set.) */
XST_CPU_BODY void load(cpu_v16 *v, const float *p, int64_t i, int64_t m)
{
    if (i + 16 <= m) {
        *v = *(const cpu_v16u *)(p + i);
        return;
    }
    *v = (cpu_v16){0};
    for (int64_t l = 0; l < m - i; l++)
        (*v)[l] = p[i + l];
}

XST_CPU_BODY void store(float *p, int64_t i, int64_t m, const cpu_v16 *v)
{
    if (i + 16 <= m) {
        *(cpu_v16u *)(p + i) = *v;
        return;
    }
    for (int64_t l = 0; l < m - i; l++)
        p[i + l] = (*v)[l];
}

/* Sums around the first pixel, so that they do not cancel. */
XST_CPU_BODY void plane_sums_body(const float *x, int64_t m, cpu_lane_sums *out)
{
    cpu_v16 shift;
    load(&shift, x, 0, m);
    cpu_v16 sum[4] = {{0}}, square[4] = {{0}};
    int64_t i = 0;
    for (; i + 64 <= m; i += 64)
        for (int k = 0; k < 4; k++) {
            const cpu_v16 d = *(const cpu_v16u *)(x + i + 16 * k) - shift;
            sum[k] += d;
            square[k] += d * d;
        }
    for (; i + 16 <= m; i += 16) {
        const cpu_v16 d = *(const cpu_v16u *)(x + i) - shift;
        sum[0] += d;
        square[0] += d * d;
    }
    cpu_v16 s = (sum[0] + sum[1]) + (sum[2] + sum[3]), q = (square[0] + square[1]) + (square[2] + square[3]);
    for (int64_t l = 0; l < 16; l++) {
        const float tail = l < m - i ? x[i + l] - shift[l] : 0.0f;
        const float count = (float)(m / 16 + (l < m - i));
        const float lane_sum = s[l] + tail, lane_square = q[l] + tail * tail;
        out->count[l] = count;
        out->mean[l] = count > 0.0f ? shift[l] + lane_sum / count : 0.0f;
        out->square[l] = count > 0.0f ? fmaxf(0.0f, lane_square - lane_sum * lane_sum / count) : 0.0f;
    }
}
XST_CPU_KERNEL(plane_sums, (const float *x, int64_t m, cpu_lane_sums *out), (x, m, out))

/* y = relu((x - factor[0]) * factor[1] + factor[2]) */
XST_CPU_BODY void plane_normalise_body(const float *x, int64_t m, const float *factor, float *y)
{
    const cpu_v16 mean = *(const cpu_v16u *)factor, scale = *(const cpu_v16u *)(factor + 16),
                  shift = *(const cpu_v16u *)(factor + 32), zero = {0};
    for (int64_t i = 0; i < m; i += 16) {
        cpu_v16 v;
        load(&v, x, i, m);
        v = (v - mean) * scale + shift;
        v = (cpu_v16)((cpu_i16)v & ~(v <= zero)); /* a NaN stays one */
        store(y, i, m, &v);
    }
}
XST_CPU_KERNEL(plane_normalise, (const float *x, int64_t m, const float *factor, float *y), (x, m, factor, y))

/* One vector of the backward passes: x - mean, and g = dy*[y > 0]. */
XST_CPU_BODY void load_pair(const float *x, const float *y, const float *dy, int64_t i, int64_t m, const float *factor,
                            cpu_v16 *centred, cpu_v16 *g)
{
    const cpu_v16 scale = *(const cpu_v16u *)(factor + 64), beta = *(const cpu_v16u *)(factor + 80), zero = {0};
    cpu_v16 vy;
    load(centred, x, i, m);
    load(g, dy, i, m);
    *centred -= *(const cpu_v16u *)factor;
    if (y)
        load(&vy, y, i, m);
    else
        vy = *centred * scale + beta; /* as plane_normalise, bit for bit */
    *g = (cpu_v16)((cpu_i16)*g & (vy > zero));
}

XST_CPU_BODY void pair_sums(const float *x, const float *y, const float *dy, int64_t m, const float *factor,
                            cpu_pair_sums *out)
{
    cpu_v16 g[2] = {{0}}, gx[2] = {{0}};
    for (int64_t i = 0, k = 0; i < m; i += 16, k ^= 1) {
        cpu_v16 centred, v;
        load_pair(x, y, dy, i, m, factor, &centred, &v);
        g[k] += v;
        gx[k] += v * centred;
    }
    *(cpu_v16u *)out->g = g[0] + g[1];
    *(cpu_v16u *)out->gx = gx[0] + gx[1];
}

XST_CPU_BODY void backward(const float *x, const float *y, const float *dy, int64_t m, const float *factor, float *dx)
{
    const cpu_v16 a = *(const cpu_v16u *)(factor + 16), b = *(const cpu_v16u *)(factor + 32),
                  c = *(const cpu_v16u *)(factor + 48);
    for (int64_t i = 0; i < m; i += 16) {
        cpu_v16 centred, g;
        load_pair(x, y, dy, i, m, factor, &centred, &g);
        g = g * a + (centred * b + c);
        store(dx, i, m, &g);
    }
}

/* Each twice, with and without y, so that the choice is not in the loop. */
XST_CPU_BODY void plane_pair_sums_body(const float *x, const float *y, const float *dy, int64_t m, const float *factor,
                                       cpu_pair_sums *out)
{
    if (y)
        pair_sums(x, y, dy, m, factor, out);
    else
        pair_sums(x, NULL, dy, m, factor, out);
}
XST_CPU_KERNEL(plane_pair_sums,
               (const float *x, const float *y, const float *dy, int64_t m, const float *factor, cpu_pair_sums *out),
               (x, y, dy, m, factor, out))

XST_CPU_BODY void plane_backward_body(const float *x, const float *y, const float *dy, int64_t m, const float *factor,
                                      float *dx)
{
    if (y)
        backward(x, y, dy, m, factor, dx);
    else
        backward(x, NULL, dy, m, factor, dx);
}
XST_CPU_KERNEL(plane_backward,
               (const float *x, const float *y, const float *dy, int64_t m, const float *factor, float *dx),
               (x, y, dy, m, factor, dx))

void xst_cpu_plane_sums(xst_cpu_isa isa, const float *x, int64_t m, cpu_lane_sums *out)
{
    plane_sums[isa](x, m, out);
}

void xst_cpu_plane_normalise(xst_cpu_isa isa, const float *x, int64_t m, const float *factor, float *y)
{
    plane_normalise[isa](x, m, factor, y);
}

void xst_cpu_plane_pair_sums(xst_cpu_isa isa, const float *x, const float *y, const float *dy, int64_t m,
                             const float *factor, cpu_pair_sums *out)
{
    plane_pair_sums[isa](x, y, dy, m, factor, out);
}

void xst_cpu_plane_backward(xst_cpu_isa isa, const float *x, const float *y, const float *dy, int64_t m,
                            const float *factor, float *dx)
{
    plane_backward[isa](x, y, dy, m, factor, dx);
}
