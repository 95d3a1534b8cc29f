/* ADAM of program/ops.h on one number. 1 - beta^t is computed as -expm1(t ln beta), exact to float rounding for any
 * t. */
#ifndef XST_CUDA_ADAM_H
#define XST_CUDA_ADAM_H

#include "device.h"

struct adam_step {
    float rate;            /* mask_lr / (1 - .9^t) */
    float root_correction; /* 1 / sqrt(1 - .999^t) */
};

__device__ __forceinline__ adam_step adam_at(const uint32_t *t, const float *rates)
{
    const float steps = float(*t);
    return {rates[1] / -expm1f(steps * -0.105360516f), 1.0f / sqrtf(-expm1f(steps * -0.00100050033f))};
}

__device__ __forceinline__ void adam(const adam_step &step, float g, float *w, float *m, float *v)
{
    const float m1 = fmaf(0.9f, *m, 0.1f * g), v1 = fmaf(0.999f, *v, 0.001f * g * g);
    *m = m1;
    *v = v1;
    *w -= step.rate * (m1 / fmaf(sqrtf(v1), step.root_correction, 1e-8f));
}

#endif
