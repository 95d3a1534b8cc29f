/* 3x3 windows on maps that lie in shared memory as whole images, a row per place, channels across. A tap reads the row
 * that lies `shift` further, or, outside the map, one of eight rows of zeros behind the others: so a slice is fetched
 * once and serves all nine taps.
 *
 *     tap  0 1 2      row r = (image, h, w)      shift of tap t = (t / 3 - 1) * W + t % 3 - 1
 *          3 4 5
 *          6 7 8 */
#ifndef XST_CUDA_SMALL_CONV_H
#define XST_CUDA_SMALL_CONV_H

#include "tile.h"

constexpr int TAPS = 9, ZERO_ROWS = 8;

/* A bit per tap: whether it hits the map from row r. */
__device__ __forceinline__ uint32_t taps_of(int r, int height, int width)
{
    const int h = r / width % height, w = r % width;
    uint32_t bits = 0;
    for (int tap = 0; tap < TAPS; tap++) {
        const int y = h + tap / 3 - 1, x = w + tap % 3 - 1;
        bits |= uint32_t(y >= 0 && y < height && x >= 0 && x < width) << tap;
    }
    return bits;
}

/* The row of a slice of `rows` rows that a tap reads from row r. Rows of zeros keep the bank. */
__device__ __forceinline__ int tap_row(int r, int tap, uint32_t bits, int width, int rows)
{
    const int row = r + (tap / 3 - 1) * width + tap % 3 - 1;
    return bits >> tap & 1 ? row : rows + (row & 7);
}

__device__ __forceinline__ void clear_zero_rows(uint16_t *slice, int rows)
{
    for (int i = int(threadIdx.x); i < ZERO_ROWS * SLICE_WIDTH; i += int(blockDim.x))
        slice[rows * SLICE_WIDTH + i] = 0;
}

#endif
