/* LINEAR_BACKWARD_WEIGHTS, MASK_GRADIENT and ADAM of program/ops.h for a masked FC layer of group 8, in one launch: the
 * gradient dw = dy^T x (bf16, tensor cores) never goes to memory as a whole.
 *
 *   dy [M][O], x [M][I]  ->  per column c = (o, i / 8), eight weights:
 *     preserved:  g = slope * sum dw*w, Adam on m_r, m, v
 *     active:     dw_compact[slot][8] = dw
 *     not preserved, where norm is asked for:  norm[c] = sum dw^2
 *
 * A block makes 64 x 64 of dw, 512 columns; a warp 16 rows x 4 columns of it. In a tile of the tensor core (16 x 8) a
 * row is a column of the layer, held by four lanes, two weights each. Lane t of the four looks after column t of its
 * rows: it reads what it is, tells the others, and in the end has its sum. All that it needs of it, it asks for before
 * the product, in two rounds: what the column is; then, if preserved, weights and state.
 *
 *     lane 4g+t:   row g, weights 2t, 2t+1 of each of the 4 columns j;   row g + 8 the same */
#include "adam.h"
#include "krsc.h"
#include "tile.h"

namespace
{

constexpr int CHUNK = 32, SIDE = 64, THREADS = 256; /* CHUNK: rows of the batch at a time */
constexpr int FREE = -1, PRESERVED = -2;

/* This lane's row (and 8 further) of the block's 64, and its warp's first column of the block's 8. */
__device__ __forceinline__ int own_row()
{
    return int(threadIdx.x) / 32 % 4 * 16 + int(threadIdx.x) % 32 / 4;
}
__device__ __forceinline__ int first_column()
{
    return int(threadIdx.x) / 128 * 4;
}

/* dw of the warp's rows: sum[column j][weights of row g, then of row g + 8]. */
__device__ __forceinline__ void multiply(float (&sum)[4][4], const uint16_t *dy, const uint16_t *x)
{
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    for (int m = 0; m < CHUNK; m += 16) {
        uint32_t a[4];
        tile_load4_turned(a, &dy[pack_at(m + lane / 16 * 8 + lane % 8, warp % 4 * 2 + lane / 8 % 2)]);
        for (int j = 0; j < 4; j += 2) {
            uint32_t b[4]; /* columns j: batch 0-7, 8-15; j + 1: the same */
            tile_load4_turned(b, &x[pack_at(m + lane % 16, first_column() + j + lane / 16)]);
            tile_mma(sum[j], a, b[0], b[1]);
            tile_mma(sum[j + 1], a, b[2], b[3]);
        }
    }
}

/* A column that this lane looks after. */
struct column {
    uint32_t c;
    bool exists;
    int kind;               /* PRESERVED, FREE, or the slot of an active one */
    float slope, m_r, m, v; /* PRESERVED only; the last three where Adam is asked for */
};

/* Slots are read where they do not count too: to wait for `preserved` first would take longer. */
__device__ __forceinline__ column own_column(const xst_cuda_fc_gradient_args &p, int half)
{
    const int o = int(blockIdx.y) * SIDE + own_row() + 8 * half, groups = p.geometry.groups;
    const int pack = int(blockIdx.x) * (SIDE / 8) + first_column() + int(threadIdx.x) % 4;
    column k = {};
    k.c = uint32_t(o) * uint32_t(groups) + uint32_t(pack);
    k.exists = o < p.geometry.out && pack < groups;
    const int slot = k.exists && p.slot ? p.slot[k.c] : FREE;
    k.kind = k.exists && p.preserved && p.preserved[k.c] ? PRESERVED : slot;
    return k;
}

/* A preserved column's weights, to their place in w [SIDE rows][8 columns], and its state. */
__device__ __forceinline__ void fetch_preserved(uint16_t *w, column *k, const xst_cuda_fc_gradient_args &p, int half)
{
    if (k->kind != PRESERVED)
        return;
    copy16(&w[pack_at(own_row() + 8 * half, first_column() + int(threadIdx.x) % 4)], p.w + size_t(k->c) * 8, 16);
    k->slope = p.slope[k->c];
    if (p.m_r)
        k->m_r = p.m_r[k->c], k->m = p.m[k->c], k->v = p.v[k->c];
}

/* This lane's part of a column's sum; an active column's gradients are kept on the way. from: the two weights. */
__device__ __forceinline__ float part_of(const xst_cuda_fc_gradient_args &p, int kind, float d0, float d1,
                                         const uint16_t *from)
{
    if (kind == PRESERVED) {
        float w[2];
        load<2>(w, from);
        return fmaf(d0, w[0], d1 * w[1]);
    }
    if (kind >= 0) {
        const float d[2] = {d0, d1};
        store<2>(p.dw_compact + size_t(kind) * 8 + threadIdx.x % 4 * 2, d);
    }
    return fmaf(d0, d0, d1 * d1);
}

/* v[i] summed over the four lanes, for i = this lane's place among them. */
__device__ __forceinline__ float sum_of_lane(const float (&v)[4])
{
    const bool high = threadIdx.x & 2, odd = threadIdx.x & 1;
    const float even_sum = (high ? v[2] : v[0]) + __shfl_xor_sync(ALL_LANES, high ? v[0] : v[2], 2);
    const float odd_sum = (high ? v[3] : v[1]) + __shfl_xor_sync(ALL_LANES, high ? v[1] : v[3], 2);
    return (odd ? odd_sum : even_sum) + __shfl_xor_sync(ALL_LANES, odd ? even_sum : odd_sum, 1);
}

__device__ __forceinline__ void settle(const xst_cuda_fc_gradient_args &p, const adam_step &step, column k, float sum)
{
    const float g = k.kind == PRESERVED ? k.slope * sum : 0.0f;
    if (p.g)
        p.g[k.c] = g;
    if (k.kind == PRESERVED && p.m_r) {
        adam(step, g, &k.m_r, &k.m, &k.v);
        p.m_r[k.c] = k.m_r, p.m[k.c] = k.m, p.v[k.c] = k.v;
    }
    if (k.kind != PRESERVED && p.norm)
        p.norm[k.c] = sum;
}

/* The warp's four columns of one row, of which this lane looks after k: the sum of k. */
__device__ __forceinline__ float contract(const xst_cuda_fc_gradient_args &p, const float (&sum)[4][4],
                                          const uint16_t *w, const column &k, int half)
{
    const int lane = int(threadIdx.x) % 32;
    float v[4];
    for (int j = 0; j < 4; j++) {
        const int kind = __shfl_sync(ALL_LANES, k.kind, lane / 4 * 4 + j);
        const int pair = pack_at(own_row() + 8 * half, first_column() + j) + lane % 4 * 2;
        v[j] = part_of(p, kind, sum[j][2 * half], sum[j][2 * half + 1], &w[pair]);
    }
    return sum_of_lane(v);
}

__device__ __forceinline__ void fetch_chunk(uint16_t *dy, uint16_t *x, const xst_cuda_fc_gradient_args &p, int m0)
{
    fetch_slice<CHUNK, THREADS>(dy, p.dy, m0, int(p.rows), int(blockIdx.y) * SIDE, p.geometry.out);
    fetch_slice<CHUNK, THREADS>(x, p.x, m0, int(p.rows), int(blockIdx.x) * SIDE, p.geometry.in);
    copy_commit();
}

__global__ void __launch_bounds__(THREADS, 4) fc_gradient_kernel(const __grid_constant__ xst_cuda_fc_gradient_args p)
{
    __shared__ __align__(16) uint16_t dy[CHUNK * SIDE], x[CHUNK * SIDE], w[SIDE * SIDE];
    __shared__ adam_step step;
    column own[2] = {own_column(p, 0), own_column(p, 1)};
    float sum[4][4] = {};
    fetch_chunk(dy, x, p, 0);
    for (int half = 0; half < 2; half++)
        fetch_preserved(w, &own[half], p, half);
    copy_commit();
    if (threadIdx.x == 0 && p.m_r)
        step = adam_at(p.t, p.rates);
    for (int m0 = 0;; m0 += CHUNK) {
        copy_wait<0>();
        __syncthreads(); /* the chunk is here, from every thread; the first time the preserved columns' needs too */
        multiply(sum, dy, x);
        if (m0 + CHUNK >= int(p.rows))
            break;
        __syncthreads(); /* nobody needs this chunk any more */
        fetch_chunk(dy, x, p, m0 + CHUNK);
    }
    for (int half = 0; half < 2; half++) {
        const float total = contract(p, sum, w, own[half], half);
        if (own[half].exists)
            settle(p, step, own[half], total);
    }
}

} // namespace

extern "C" bool xst_cuda_fc_gradient_fits(const xst_geometry *g)
{
    return xst_cuda_fc_fits(g) && g->group == 8;
}

extern "C" cudaError_t xst_cuda_fc_gradient(const xst_cuda_queue *q, const xst_cuda_fc_gradient_args *args)
{
    const xst_geometry &g = args->geometry;
    if (!xst_cuda_fc_gradient_fits(&g) || args->rows > INT32_MAX - CHUNK)
        return cudaErrorInvalidValue;
    const dim3 blocks(blocks_for(uint64_t(g.in), SIDE), blocks_for(uint64_t(g.out), SIDE));
    return LAUNCH(q, fc_gradient_kernel, blocks, THREADS, 0, *args);
}
