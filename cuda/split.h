/* Products whose depth is split among blocks: the splits' sums go to scratch memory, and the last block of a tile adds
 * them up in order. */
#ifndef XST_CUDA_SPLIT_H
#define XST_CUDA_SPLIT_H

#include "device.h"

constexpr int SPLIT_COUNTERS = 4096;     /* tiles that a launch with splits can have */
constexpr int SPLIT_WANTED_BLOCKS = 264; /* two for each multiprocessor of a large GPU */

/* Scratch memory: a counter per tile, zero before the first use and again afterwards, then the sums. tile: numbers of a
 * tile. */
inline size_t split_scratch(unsigned tiles, int splits, int tile)
{
    const size_t sums = splits > 1 ? size_t(tiles) * size_t(splits) * size_t(tile) : 0;
    return SPLIT_COUNTERS * sizeof(uint32_t) + sums * sizeof(float);
}

/* Adds the sums of all splits (blockIdx.y) of this tile (blockIdx.x and z); true in the block that then has them. Each
 * thread keeps its own numbers, four at a time beside its neighbours'. flag: in shared memory. */
template <int A, int B> __device__ __forceinline__ bool split_meet(uint32_t *scratch, float (&sum)[A][B][4], int *flag)
{
    const unsigned tile = blockIdx.z * gridDim.x + blockIdx.x, splits = gridDim.y, size = A * B * 4 * blockDim.x;
    float *const sums = reinterpret_cast<float *>(scratch + SPLIT_COUNTERS) + size_t(tile) * splits * size;
    for (int i = 0; i < A * B; i++)
        store<4>(sums + blockIdx.y * size + (unsigned(i) * blockDim.x + threadIdx.x) * 4, sum[i / B][i % B]);
    if (!last_block(scratch + tile, splits, flag))
        return false;
    for (int i = 0; i < A * B; i++)
        for (int k = 0; k < 4; k++)
            sum[i / B][i % B][k] = 0.0f;
    for (unsigned split = 0; split < splits; split++)
        for (int i = 0; i < A * B; i++) {
            float part[4];
            load<4>(part,
                    static_cast<const float *>(sums) + split * size + (unsigned(i) * blockDim.x + threadIdx.x) * 4);
            for (int k = 0; k < 4; k++)
                sum[i / B][i % B][k] += part[k];
        }
    return true;
}

#endif
