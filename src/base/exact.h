/* Noise from random words, the same float on every machine and backend (invariant 8).
 *
 * Each step is one correctly rounded +, -, x, /, sqrt or explicit fma, so nothing is left for a compiler to contract or
 * a library to approximate. Plain C, C++ and CUDA. Never build it with fast-math; contraction is off
 * (-ffp-contract=off). */
#ifndef XST_BASE_EXACT_H
#define XST_BASE_EXACT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define XST_EXACT static __host__ __device__ __forceinline__
#else
#define XST_EXACT static inline
#endif

/* Uniform in (0, 1) from the upper 23 bits: ((w >> 9) + 0.5) * 2^-23. */
XST_EXACT float xst_exact_uniform(uint32_t word)
{
    return fmaf((float)(word >> 9), 0x1p-23f, 0x1p-24f);
}

/* ln(x), 0 < x < 1, to about 2 units in the last place: x = m 2^e with sqrt(1/2) <= m < sqrt(2), s = (m-1)/(m+1),
 * ln m = 2s (1 + s^2/3 + s^4/5 + ...). */
XST_EXACT float xst_exact_log(float x)
{
    uint32_t u;
    float m;
    memcpy(&u, &x, 4);
    const uint32_t shifted = u - 0x3f3504f3u;
    const int32_t e = (int32_t)shifted >> 23;
    u = (shifted & 0x007fffffu) + 0x3f3504f3u;
    memcpy(&m, &u, 4);
    const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
    float p = fmaf(z, 1.0f / 9, 1.0f / 7);
    p = fmaf(z, p, 1.0f / 5);
    p = fmaf(z, p, 1.0f / 3);
    p = fmaf(z, p, 1.0f);
    return fmaf((float)e, 0.693147182f, 2.0f * s * p);
}

/* The difference of two standard Gumbels: log u - log(1 - u); 1 - u is exact. */
XST_EXACT float xst_exact_logistic(uint32_t word)
{
    const float u = xst_exact_uniform(word);
    return xst_exact_log(u) - xst_exact_log(1.0f - u);
}

/* cos and sin of 2 pi u, 0 < u < 1: the nearest quarter turn q is taken off exactly, then Taylor in x = 2 pi (u - q/4),
 * |x| <= pi/4. */
XST_EXACT void xst_exact_turn(float u, float *cosine, float *sine)
{
    const int32_t q = (int32_t)fmaf(u, 4.0f, 0.5f);
    const float x = (u - (float)q * 0.25f) * 6.28318531f, z = x * x;
    float s = fmaf(z, 2.75573192e-6f, -1.98412698e-4f);
    s = fmaf(z, s, 8.33333333e-3f);
    s = fmaf(z, s, -1.66666667e-1f);
    s = fmaf(x * z, s, x);
    float c = fmaf(z, -2.75573192e-7f, 2.48015873e-5f);
    c = fmaf(z, c, -1.38888889e-3f);
    c = fmaf(z, c, 4.16666667e-2f);
    c = fmaf(z, c, -0.5f);
    c = fmaf(z, c, 1.0f);
    const float cc = (q & 1) ? s : c, ss = (q & 1) ? c : s;
    *cosine = ((q + 1) & 2) ? -cc : cc;
    *sine = (q & 2) ? -ss : ss;
}

/* Box-Muller: two normal numbers from two words. */
XST_EXACT void xst_exact_normal(uint32_t w0, uint32_t w1, float *n0, float *n1)
{
    const float r = sqrtf(-2.0f * xst_exact_log(xst_exact_uniform(w0)));
    float c, s;
    xst_exact_turn(xst_exact_uniform(w1), &c, &s);
    *n0 = r * c;
    *n1 = r * s;
}

#endif
