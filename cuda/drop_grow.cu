/* DROP_GROW of program/ops.h (method notes, section 5; RigL on columns) for one layer, all on the device.
 *
 *   begin       k from the quota; counters to 0
 *   weakness    of each active column: minus its mean square
 *   6 passes    the k largest weaknesses: they are dropped
 *   strength    of each column that is neither preserved nor still active: sum dw^2
 *   6 passes    the k largest strengths: they are grown
 *   number      how many columns of each stretch of 1024 are active now
 *   settle      active and slot in ascending order; where each row of value and velocity comes from
 *   move, back  the rows
 *
 * Every launch but the last two reads what the one before wrote; none waits for the host. */
#include "krsc.h"
#include "select.h"

namespace
{

constexpr unsigned THREADS = SELECT_THREADS, STRETCH = 4 * THREADS;
constexpr int32_t NEW = -1;

enum fate : uint8_t { OUT, STAYS, CANDIDATE };

/* Pieces of the scratch memory; sizes: n columns, a active, L weights of a column. */
struct work {
    selection *drop, *grow;
    float *weakness;         /* [a] */
    float *strength;         /* [n] */
    int32_t *source;         /* [a]: row that a row comes from, or NEW */
    float *value, *velocity; /* [a][L] */
    uint32_t *stretch;       /* [ceil(n / STRETCH)]: active columns of each */
    uint8_t *fate;           /* [n] */
};

using drop_grow_args = xst_cuda_drop_grow_args;

/* Threads that share a column; they meet by shuffles. */
__host__ __device__ unsigned parts_of(const xst_geometry &g)
{
    unsigned parts = 1;
    while (parts < 32 && g.longest > 128 * int(parts))
        parts *= 2;
    return parts;
}

__device__ __forceinline__ float meet(float sum, unsigned parts)
{
    for (unsigned by = parts / 2; by > 0; by /= 2)
        sum += __shfl_xor_sync(ALL_LANES, sum, int(by));
    return sum;
}

__device__ __forceinline__ uint32_t active_count(const drop_grow_args &p)
{
    return p.count ? min(*p.count, p.a) : p.a;
}

__global__ void begin_kernel(const __grid_constant__ drop_grow_args p, const __grid_constant__ work w)
{
    selection *const s = blockIdx.x == 0 ? w.drop : w.grow;
    for (unsigned i = threadIdx.x; i < SELECT_PASSES * SELECT_BINS; i += THREADS)
        s->count[i / SELECT_BINS][i % SELECT_BINS] = 0;
    if (threadIdx.x == 0) {
        const uint32_t event = *p.t / p.update_every; /* from 1 */
        s->k = event >= 1 && event <= p.events ? min(p.quota[event - 1], active_count(p)) : 0;
    }
}

__global__ void weakness_kernel(const __grid_constant__ drop_grow_args p, const __grid_constant__ work w)
{
    const unsigned parts = parts_of(p.geometry), thread = blockIdx.x * THREADS + threadIdx.x, part = thread % parts;
    const uint32_t k = thread / parts;
    const bool exists = k < active_count(p);
    float sum = 0.0f;
    int length = 1;
    if (exists) {
        const krsc_column column = column_at(p.geometry, p.active[k]);
        length = column.runs * column.channels;
        for (int e = int(part); e < length; e += int(parts)) {
            const float v = p.value[size_t(k) * size_t(p.geometry.longest) + size_t(e)];
            sum = fmaf(v, v, sum);
        }
    }
    sum = meet(sum, parts);
    if (exists && part == 0)
        w.weakness[k] = -(sum / float(length));
}

/* dw^2 summed over the thread's part of a column. */
template <class D> __device__ float squares(const D *dw, const krsc_column &column, int in, int part, int parts)
{
    float sum = 0.0f;
    for (int run = 0; run < column.runs; run++)
        for (int i = part; i < column.channels; i += parts) {
            const float v = widen(dw[column.first + int64_t(run) * in + i]);
            sum = fmaf(v, v, sum);
        }
    return sum;
}

__global__ void strength_kernel(const __grid_constant__ drop_grow_args p, const __grid_constant__ work w)
{
    __shared__ select_shared shared;
    select_advance(w.drop, SELECT_PASSES, &shared);
    const unsigned parts = parts_of(p.geometry), thread = blockIdx.x * THREADS + threadIdx.x, part = thread % parts;
    const uint32_t c = thread / parts;
    const bool exists = c < p.geometry.columns;
    fate f = OUT;
    float sum = 0.0f;
    if (exists) {
        const int32_t slot = p.slot[c];
        if (slot >= 0 && select_key(w.weakness[slot], uint32_t(slot)) < shared.prefix)
            f = STAYS;
        else if (!p.preserved[c])
            f = CANDIDATE;
    }
    if (f == CANDIDATE && p.norm) {
        sum = part == 0 ? p.norm[c] : 0.0f;
    } else if (f == CANDIDATE) {
        const krsc_column column = column_at(p.geometry, c);
        const int in = p.geometry.in;
        sum = p.dw_type == XST_CUDA_F32
                  ? squares(static_cast<const float *>(p.dw), column, in, int(part), int(parts))
                  : squares(static_cast<const uint16_t *>(p.dw), column, in, int(part), int(parts));
    }
    sum = meet(sum, parts);
    if (exists && part == 0) {
        w.strength[c] = sum;
        w.fate[c] = f;
    }
}

/* One pass of the selection among score[0 .. n-1]; fate NULL: all up to *n_active take part, else the candidates. */
__global__ void pass_kernel(selection *s, const float *score, const uint8_t *fates,
                            const __grid_constant__ drop_grow_args p, int pass)
{
    __shared__ select_shared shared;
    __shared__ uint32_t count[SELECT_BINS];
    for (unsigned i = threadIdx.x; i < SELECT_BINS; i += THREADS)
        count[i] = 0;
    select_advance(s, pass, &shared); /* its last barrier also stands between the zeros and the counting */
    const uint32_t n = fates ? p.geometry.columns : active_count(p);
    const uint64_t known = select_known(pass), prefix = shared.prefix & known;
    for (uint32_t i = blockIdx.x * STRETCH + threadIdx.x; i < min(n, (blockIdx.x + 1) * STRETCH); i += THREADS) {
        const uint64_t key = select_key(score[i], i);
        if ((!fates || fates[i] == CANDIDATE) && (key & known) == prefix)
            atomicAdd(&count[key >> select_shift(pass) & (SELECT_BINS - 1)], 1u);
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < SELECT_BINS; i += THREADS)
        if (count[i])
            atomicAdd(&s->count[pass][i], count[i]);
}

/* Settles the fate of each column and counts those that are active now. A thread has four neighbours. */
__global__ void number_kernel(const __grid_constant__ drop_grow_args p, const __grid_constant__ work w)
{
    __shared__ select_shared shared;
    __shared__ uint32_t warp_sum[THREADS / 32];
    select_advance(w.grow, SELECT_PASSES, &shared);
    uint32_t mine = 0, before;
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t c = blockIdx.x * STRETCH + threadIdx.x * 4 + i;
        if (c >= p.geometry.columns)
            continue;
        fate f = fate(w.fate[c]);
        if (f == CANDIDATE && select_key(w.strength[c], c) < shared.prefix)
            f = OUT;
        w.fate[c] = f;
        mine += f != OUT ? 1 : 0;
    }
    const uint32_t total = sum_block(mine, warp_sum, &before);
    if (threadIdx.x == 0)
        w.stretch[blockIdx.x] = total;
}

/* Row that a column's weights come from: its own, if it stayed, or was dropped and grown and keeps them. */
__device__ __forceinline__ int32_t source_of(const drop_grow_args &p, fate f, int32_t slot)
{
    return f == STAYS || (slot >= 0 && !p.reset) ? slot : NEW;
}

__global__ void settle_kernel(const __grid_constant__ drop_grow_args p, const __grid_constant__ work w)
{
    __shared__ uint32_t warp_sum[2][THREADS / 32];
    uint32_t earlier = 0, mine = 0, before;
    for (uint32_t i = threadIdx.x; i < blockIdx.x; i += THREADS)
        earlier += w.stretch[i];
    earlier = sum_block(earlier, warp_sum[0], &before);
    const uint32_t first = blockIdx.x * STRETCH + threadIdx.x * 4;
    for (uint32_t c = first; c < min(first + 4, p.geometry.columns); c++)
        mine += w.fate[c] != OUT ? 1 : 0;
    sum_block(mine, warp_sum[1], &before);
    uint32_t row = earlier + before;
    for (uint32_t c = first; c < min(first + 4, p.geometry.columns); c++) {
        const int32_t slot = p.slot[c];
        if (w.fate[c] == OUT) {
            p.slot[c] = -1;
            continue;
        }
        w.source[row] = source_of(p, fate(w.fate[c]), slot);
        p.active[row] = c;
        p.slot[c] = int32_t(row++);
    }
}

__global__ void move_kernel(const __grid_constant__ drop_grow_args p, const __grid_constant__ work w, bool back)
{
    const uint64_t thread = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    const uint32_t L = uint32_t(p.geometry.longest), row = uint32_t(thread / L), e = uint32_t(thread % L);
    if (row >= active_count(p))
        return;
    const int32_t source = w.source[row];
    if (back) {
        p.value[thread] = w.value[thread];
        p.velocity[thread] = w.velocity[thread];
    } else {
        const size_t from = source == NEW ? 0 : size_t(source) * L + e;
        w.value[thread] = source == NEW ? 0.0f : p.value[from];
        w.velocity[thread] = source == NEW ? 0.0f : p.velocity[from];
    }
}

work work_at(void *scratch, const xst_geometry &g, uint32_t a, size_t *bytes)
{
    const uintptr_t start = reinterpret_cast<uintptr_t>(scratch);
    const size_t n = g.columns, rows = size_t(a) * size_t(g.longest);
    uintptr_t at = start;
    work w;
    take(&at, 1, &w.drop);
    take(&at, 1, &w.grow);
    take(&at, a, &w.weakness);
    take(&at, n, &w.strength);
    take(&at, a, &w.source);
    take(&at, rows, &w.value);
    take(&at, rows, &w.velocity);
    take(&at, blocks_for(n, STRETCH), &w.stretch);
    take(&at, n, &w.fate);
    *bytes = size_t(at - start);
    return w;
}

cudaError_t select_k(const xst_cuda_queue *q, selection *s, const float *score, const uint8_t *fates, uint32_t n,
                     const drop_grow_args &p)
{
    cudaError_t e = cudaSuccess;
    for (int pass = 0; pass < int(SELECT_PASSES) && e == cudaSuccess; pass++)
        e = LAUNCH(q, pass_kernel, blocks_for(n, STRETCH), THREADS, 0, s, score, fates, p, pass);
    return e;
}

} // namespace

extern "C" size_t xst_cuda_drop_grow_scratch(const xst_geometry *geometry, uint32_t a)
{
    size_t bytes;
    work_at(nullptr, *geometry, a, &bytes);
    return bytes;
}

extern "C" cudaError_t xst_cuda_drop_grow(const xst_cuda_queue *q, const xst_cuda_drop_grow_args *args)
{
    const drop_grow_args &p = *args;
    const uint32_t n = p.geometry.columns;
    if (!p.dw == !p.norm || p.update_every == 0 || p.a > n)
        return cudaErrorInvalidValue;
    if (p.a == 0)
        return cudaSuccess;
    size_t bytes;
    const work w = work_at(p.scratch, p.geometry, p.a, &bytes);
    const unsigned parts = parts_of(p.geometry);
    const unsigned rows = blocks_for(uint64_t(p.a) * uint64_t(p.geometry.longest), THREADS);
    cudaError_t e = LAUNCH(q, begin_kernel, 2, THREADS, 0, p, w);
    if (e == cudaSuccess)
        e = LAUNCH(q, weakness_kernel, blocks_for(uint64_t(p.a) * parts, THREADS), THREADS, 0, p, w);
    if (e == cudaSuccess)
        e = select_k(q, w.drop, w.weakness, nullptr, p.a, p);
    if (e == cudaSuccess)
        e = LAUNCH(q, strength_kernel, blocks_for(uint64_t(n) * parts, THREADS), THREADS, 0, p, w);
    if (e == cudaSuccess)
        e = select_k(q, w.grow, w.strength, w.fate, n, p);
    if (e == cudaSuccess)
        e = LAUNCH(q, number_kernel, blocks_for(n, STRETCH), THREADS, 0, p, w);
    if (e == cudaSuccess)
        e = LAUNCH(q, settle_kernel, blocks_for(n, STRETCH), THREADS, 0, p, w);
    if (e == cudaSuccess)
        e = LAUNCH(q, move_kernel, rows, THREADS, 0, p, w, false);
    if (e == cudaSuccess)
        e = LAUNCH(q, move_kernel, rows, THREADS, 0, p, w, true);
    return e;
}
