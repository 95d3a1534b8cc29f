/* exp for `omp simd` loops; relative error about 2e-7. */
#ifndef XST_BACKEND_CPU_FASTMATH_H
#define XST_BACKEND_CPU_FASTMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* exp(-|x|), 2e-38 where |x| > 87. -|x| = n ln 2 + r with |r| <= ln2/2, exp(r) by Taylor's series to r^7. The bound is
 * a minimum of integers: a comparison of floats would become a branch, and keep loops from vectors. */
static inline __attribute__((always_inline)) float xst_cpu_exp_minus(float x)
{
    const uint32_t limit = 0x42ae0000u; /* 87.0f */
    uint32_t magnitude;
    memcpy(&magnitude, &x, sizeof magnitude);
    magnitude &= 0x7fffffffu;
    magnitude = magnitude < limit ? magnitude : limit;
    float y;
    memcpy(&y, &magnitude, sizeof y);
    const int32_t n = (int32_t)(y * 1.44269504f + 0.5f);
    const float r = ((float)n * 0.693359375f - y) - (float)n * 2.12194440e-4f;
    float p = 1.0f / 5040 * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    const int32_t bits = (127 - n) * (1 << 23);
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

#endif
