/* The k best of n by radix selection over 64-bit keys, across blocks and launches.
 *
 * A key is the order-preserving bits of a float score, then the inverted index: larger = taken earlier, equal scores go
 * by lowest index, and no two keys are equal, so the result cannot depend on timing. A NaN score has upper bits 0 and
 * comes after everything else.
 *
 * Six passes of 11 bits from the top. Pass p counts, among the keys whose upper bits are those of the k-th best as far
 * as known, the values of the next 11 bits (`histogram`); whoever comes next finds from those counts the next bits of
 * the k-th best (`advance`). After six, every key >= the k-th best is chosen. Each block does `advance` for itself: a
 * sum over 2048 counters is less than one more launch. */
#ifndef XST_CUDA_SELECT_H
#define XST_CUDA_SELECT_H

#include "device.h"

constexpr unsigned SELECT_THREADS = 256, SELECT_BINS = 2048, SELECT_PASSES = 6;

/* In device memory; zero counts before the first pass. */
struct selection {
    uint32_t k;
    uint32_t left[SELECT_PASSES + 1];   /* left[p]: how many are still to be found among the keys that match */
    uint64_t prefix[SELECT_PASSES + 1]; /* prefix[p]: the bits of the k-th best known before pass p */
    uint32_t count[SELECT_PASSES][SELECT_BINS];
};

/* What `advance` needs of shared memory. */
struct select_shared {
    uint32_t sum[SELECT_THREADS];
    uint32_t left;
    uint64_t prefix;
};

__device__ __forceinline__ int select_shift(int pass)
{
    return max(0, 53 - 11 * pass);
}

/* The bits that are known before a pass. */
__device__ __forceinline__ uint64_t select_known(int pass)
{
    return pass == 0 ? 0 : ~uint64_t(0) << select_shift(pass - 1);
}

__device__ __forceinline__ uint64_t select_key(float score, uint32_t index)
{
    const uint32_t u = __float_as_uint(score + 0.0f); /* -0 becomes 0 */
    const uint32_t upper = score != score ? 0 : u >> 31 ? ~u : u | 0x80000000u;
    return uint64_t(upper) << 32 | uint32_t(~index);
}

/* State before `pass` from that before pass - 1 and its counts; all threads of the block call it, and have it in
 * shared->prefix and shared->left afterwards. Block 0 also writes it down for the next launch. */
__device__ inline void select_advance(selection *s, int pass, select_shared *shared)
{
    constexpr uint32_t EACH = SELECT_BINS / SELECT_THREADS;
    const uint32_t me = threadIdx.x, k = s->k;
    if (me == 0) {
        shared->left = pass == 0 ? k : 0;
        shared->prefix = 0; /* stays, and so chooses all, if fewer than k take part */
    }
    if (pass > 0) { /* thread i sums the bins i*EACH .. of the descending order */
        const uint32_t *const count = s->count[pass - 1], left = s->left[pass - 1];
        uint32_t mine = 0;
        for (uint32_t i = 0; i < EACH; i++)
            mine += count[SELECT_BINS - 1 - (me * EACH + i)];
        shared->sum[me] = mine;
        __syncthreads();
        uint32_t above = 0;
        for (uint32_t i = 0; i < me; i++)
            above += shared->sum[i];
        if (above < left && left <= above + mine) { /* one thread at most */
            uint32_t bin = SELECT_BINS - 1 - me * EACH;
            for (; above + count[bin] < left; bin--)
                above += count[bin];
            shared->left = left - above;
            shared->prefix = s->prefix[pass - 1] | uint64_t(bin) << select_shift(pass - 1);
        }
    }
    if (me == 0 && k == 0) { /* a k-th best above every key */
        shared->left = 0;
        shared->prefix = ~uint64_t(0);
    }
    __syncthreads();
    if (blockIdx.x == 0 && me == 0) {
        s->left[pass] = shared->left;
        s->prefix[pass] = shared->prefix;
    }
}

/* Sum over the block of one number per thread; `before`: over the threads before this one. warp_sum: shared, a number
 * for each warp. */
__device__ inline uint32_t sum_block(uint32_t mine, uint32_t *warp_sum, uint32_t *before)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint32_t sum = mine; /* over the lanes up to this one */
    for (unsigned by = 1; by < 32; by *= 2) {
        const uint32_t left = __shfl_up_sync(ALL_LANES, sum, by);
        sum += lane >= by ? left : 0;
    }
    if (lane == 31)
        warp_sum[warp] = sum;
    __syncthreads();
    uint32_t total = 0, first = 0;
    for (unsigned i = 0; i < SELECT_THREADS / 32; i++) {
        first += i < warp ? warp_sum[i] : 0;
        total += warp_sum[i];
    }
    *before = first + sum - mine;
    return total;
}

/* Takes memory for n things off scratch memory, in steps of 16 bytes. */
template <class T> void take(uintptr_t *at, size_t n, T **out)
{
    *out = reinterpret_cast<T *>(*at);
    *at += (n * sizeof(T) + 15) / 16 * 16;
}

#endif
