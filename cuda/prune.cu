/* PRUNE of program/ops.h (method notes, section 7): weights of small magnitude leave the active list of one layer.
 *
 *   begin      k from the quota; counters to 0
 *   3 passes   the magnitude of the k-th smallest: the upper 32 bits of its key (select.h, by minus the magnitude)
 *   number     how many entries of each stretch of 1024 stay
 *   settle     those that stay, in order, in scratch memory
 *   back       the list again, with empty entries after them
 *   slots      of the new list
 *
 * Equal magnitudes go together, so the index in a key does not matter. */
#include "select.h"

namespace
{

constexpr unsigned THREADS = SELECT_THREADS, STRETCH = 4 * THREADS;
constexpr int PASSES = 3; /* 33 bits */
using prune_args = xst_cuda_prune_args;

/* Pieces of the scratch memory. */
struct work {
    selection *chosen;
    uint32_t *active;        /* [a] */
    float *value, *velocity; /* [a] */
    uint32_t *stretch;       /* [ceil(a / STRETCH)]: entries of each that stay */
    uint32_t *kept;          /* [1]: of all */
};

__device__ __forceinline__ uint64_t key_of(const prune_args &p, uint32_t i)
{
    return select_key(-fabsf(p.value[i]), i);
}

/* A NaN has upper bits 0: it stays, and as the k-th it releases nothing. */
__device__ __forceinline__ bool stays(const prune_args &p, uint32_t i, uint32_t threshold)
{
    return p.active[i] < p.n && (threshold == 0 || uint32_t(key_of(p, i) >> 32) < threshold);
}

__global__ void begin_kernel(const __grid_constant__ prune_args p, const __grid_constant__ work w)
{
    for (unsigned i = threadIdx.x; i < PASSES * SELECT_BINS; i += THREADS)
        w.chosen->count[i / SELECT_BINS][i % SELECT_BINS] = 0;
    if (threadIdx.x == 0) {
        const uint32_t event = (*p.t - 1) / p.every; /* from 1 */
        w.chosen->k = event >= 1 && event <= p.events ? min(p.quota[event - 1], p.a) : 0;
    }
}

__global__ void pass_kernel(const __grid_constant__ prune_args p, const __grid_constant__ work w, int pass)
{
    __shared__ select_shared shared;
    __shared__ uint32_t count[SELECT_BINS];
    for (unsigned i = threadIdx.x; i < SELECT_BINS; i += THREADS)
        count[i] = 0;
    select_advance(w.chosen, pass, &shared); /* its last barrier also stands between the zeros and the counting */
    const uint64_t known = select_known(pass), prefix = shared.prefix & known;
    for (uint32_t i = blockIdx.x * STRETCH + threadIdx.x; i < min(p.a, (blockIdx.x + 1) * STRETCH); i += THREADS) {
        const uint64_t key = key_of(p, i);
        if ((key & known) == prefix)
            atomicAdd(&count[key >> select_shift(pass) & (SELECT_BINS - 1)], 1u);
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < SELECT_BINS; i += THREADS)
        if (count[i])
            atomicAdd(&w.chosen->count[pass][i], count[i]);
}

/* A thread has four neighbours. */
__global__ void number_kernel(const __grid_constant__ prune_args p, const __grid_constant__ work w)
{
    __shared__ select_shared shared;
    __shared__ uint32_t warp_sum[THREADS / 32];
    select_advance(w.chosen, PASSES, &shared);
    const uint32_t threshold = uint32_t(shared.prefix >> 32), first = blockIdx.x * STRETCH + threadIdx.x * 4;
    uint32_t mine = 0, before;
    for (uint32_t i = first; i < min(first + 4, p.a); i++)
        mine += stays(p, i, threshold) ? 1 : 0;
    const uint32_t total = sum_block(mine, warp_sum, &before);
    if (threadIdx.x == 0)
        w.stretch[blockIdx.x] = total;
}

__global__ void settle_kernel(const __grid_constant__ prune_args p, const __grid_constant__ work w)
{
    __shared__ uint32_t warp_sum[2][THREADS / 32];
    const uint32_t threshold = uint32_t(w.chosen->prefix[PASSES] >> 32);
    const uint32_t first = blockIdx.x * STRETCH + threadIdx.x * 4;
    uint32_t earlier = 0, mine = 0, before;
    for (uint32_t i = threadIdx.x; i < blockIdx.x; i += THREADS)
        earlier += w.stretch[i];
    earlier = sum_block(earlier, warp_sum[0], &before);
    for (uint32_t i = first; i < min(first + 4, p.a); i++)
        mine += stays(p, i, threshold) ? 1 : 0;
    const uint32_t total = sum_block(mine, warp_sum[1], &before);
    uint32_t row = earlier + before;
    for (uint32_t i = first; i < min(first + 4, p.a); i++) {
        if (!stays(p, i, threshold))
            continue;
        w.active[row] = p.active[i];
        w.value[row] = p.value[i];
        w.velocity[row++] = p.velocity[i];
    }
    if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0)
        *w.kept = earlier + total;
}

__global__ void back_kernel(const __grid_constant__ prune_args p, const __grid_constant__ work w)
{
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= p.a)
        return;
    const bool there = i < *w.kept;
    p.active[i] = there ? w.active[i] : p.n;
    p.value[i] = there ? w.value[i] : 0.0f;
    p.velocity[i] = there ? w.velocity[i] : 0.0f;
}

work work_at(void *scratch, uint32_t a, size_t *bytes)
{
    const uintptr_t start = reinterpret_cast<uintptr_t>(scratch);
    uintptr_t at = start;
    work w;
    take(&at, 1, &w.chosen);
    take(&at, a, &w.active);
    take(&at, a, &w.value);
    take(&at, a, &w.velocity);
    take(&at, blocks_for(a, STRETCH), &w.stretch);
    take(&at, 1, &w.kept);
    *bytes = size_t(at - start);
    return w;
}

} // namespace

extern "C" size_t xst_cuda_prune_scratch(uint32_t a)
{
    size_t bytes;
    work_at(nullptr, a, &bytes);
    return bytes;
}

extern "C" cudaError_t xst_cuda_prune(const xst_cuda_queue *q, const xst_cuda_prune_args *args)
{
    const prune_args &p = *args;
    if (p.every == 0 || p.a > p.n)
        return cudaErrorInvalidValue;
    if (p.a == 0)
        return cudaSuccess;
    size_t bytes;
    const work w = work_at(p.scratch, p.a, &bytes);
    const unsigned stretches = blocks_for(p.a, STRETCH);
    const xst_cuda_slots_args slots = {p.active, nullptr, p.slot, p.a, p.n};
    cudaError_t e = LAUNCH(q, begin_kernel, 1, THREADS, 0, p, w);
    for (int pass = 0; pass < PASSES && e == cudaSuccess; pass++)
        e = LAUNCH(q, pass_kernel, stretches, THREADS, 0, p, w, pass);
    if (e == cudaSuccess)
        e = LAUNCH(q, number_kernel, stretches, THREADS, 0, p, w);
    if (e == cudaSuccess)
        e = LAUNCH(q, settle_kernel, stretches, THREADS, 0, p, w);
    if (e == cudaSuccess)
        e = LAUNCH(q, back_kernel, blocks_for(p.a, THREADS), THREADS, 0, p, w);
    return e == cudaSuccess ? xst_cuda_slots(q, &slots) : e;
}
