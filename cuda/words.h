/* The random words of base/random.h on the device: cuRAND's Philox4x32-10 and Random123's give the same. */
#ifndef XST_CUDA_WORDS_H
#define XST_CUDA_WORDS_H

#include "device.h"

#include <curand_philox4x32_x.h>

/* Words of the elements 4*quad .. 4*quad + 3. */
__device__ __forceinline__ uint4 random_words(const uint32_t key[2], uint32_t quad, uint32_t layer, uint32_t step,
                                              uint32_t stage)
{
    return curand_Philox4x32_10(make_uint4(quad, layer, step, stage), make_uint2(key[0], key[1]));
}

__device__ __forceinline__ uint32_t random_word(const uint32_t key[2], uint32_t element, uint32_t layer, uint32_t step,
                                                uint32_t stage)
{
    const uint4 w = random_words(key, element / 4, layer, step, stage);
    const uint32_t lane = element % 4;
    return lane == 0 ? w.x : lane == 1 ? w.y : lane == 2 ? w.z : w.w;
}

#endif
