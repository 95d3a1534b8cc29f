/* LINEAR_BACKWARD_WEIGHTS, MASK_GRADIENT and ADAM of program/ops.h for a masked FC layer of group 8, in one launch: the
 * gradient dw = dy^T x (bf16, tensor cores) never goes to memory as a whole.
 *
 *   dy [M][O], x [M][I]  ->  per column c = (o, i / 8), eight weights:
 *     preserved:  g = slope * sum dw*w, Adam on m_r, m, v
 *     active:     dw_compact[slot][8] = dw
 *     not preserved, where norm is asked for:  norm[c] = sum dw^2
 *
 * A block makes 64 x 64 of dw, 512 columns; a warp 16 rows of it. In a tile of the tensor core (16 x 8) a row is a
 * column of the layer, held by four lanes, two weights each. Lane t of the four looks after columns 4q + t of a row: it
 * reads what they are, tells the others, and in the end has their sums.
 *
 *     lane 4g+t:   row g, weights 2t, 2t+1 of each of the 8 columns j;   row g + 8 the same */
#include "adam.h"
#include "krsc.h"
#include "tile.h"

namespace
{

constexpr int CHUNK = 32, SIDE = 64, THREADS = 128; /* CHUNK: rows of the batch at a time */
constexpr int FREE = -1, PRESERVED = -2;

/* dw of the warp's rows: sum[column j][weights of row g, then of row g + 8]. */
__device__ __forceinline__ void multiply(float (&sum)[8][4], const uint16_t *dy, const uint16_t *x)
{
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    for (int m = 0; m < CHUNK; m += 16) {
        uint32_t a[4];
        tile_load4_turned(a, &dy[pack_at(m + lane / 16 * 8 + lane % 8, warp * 2 + lane / 8 % 2)]);
        for (int j = 0; j < 8; j += 2) {
            uint32_t b[4]; /* columns j: batch 0-7, 8-15; j + 1: the same */
            tile_load4_turned(b, &x[pack_at(m + lane % 16, j + lane / 16)]);
            tile_mma(sum[j], a, b[0], b[1]);
            tile_mma(sum[j + 1], a, b[2], b[3]);
        }
    }
}

/* What column c is: PRESERVED, FREE, or the slot of an active one. */
__device__ __forceinline__ int kind_of(const xst_cuda_fc_gradient_args &p, bool exists, uint32_t c)
{
    if (!exists)
        return FREE;
    if (p.preserved && p.preserved[c])
        return PRESERVED;
    return p.slot ? p.slot[c] : FREE;
}

/* This lane's part of a column's sum; an active column's gradients are kept on the way. */
__device__ __forceinline__ float part_of(const xst_cuda_fc_gradient_args &p, int kind, float d0, float d1, size_t at)
{
    if (kind == PRESERVED) {
        float w[2];
        load<2>(w, p.w + at);
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

__device__ __forceinline__ void settle(const xst_cuda_fc_gradient_args &p, int kind, uint32_t c, float sum)
{
    const float g = kind == PRESERVED ? p.slope[c] * sum : 0.0f;
    if (p.g)
        p.g[c] = g;
    if (kind == PRESERVED && p.m_r)
        adam(adam_at(p.t, p.rates), g, &p.m_r[c], &p.m[c], &p.v[c]);
    if (kind != PRESERVED && p.norm)
        p.norm[c] = sum;
}

/* Four columns 4q .. 4q + 3 of one row. */
__device__ __forceinline__ void contract(const xst_cuda_fc_gradient_args &p, const float (&sum)[8][4], int q, int half,
                                         int o, int pack0)
{
    const int lane = int(threadIdx.x) % 32, groups = p.geometry.groups, mine = pack0 + 4 * q + lane % 4;
    const bool exists = o < p.geometry.out && mine < groups;
    const uint32_t c = uint32_t(o) * uint32_t(groups) + uint32_t(mine);
    const int kind = kind_of(p, exists, c);
    float v[4];
    for (int i = 0; i < 4; i++) {
        const int j = 4 * q + i, other = __shfl_sync(ALL_LANES, kind, lane / 4 * 4 + i);
        const size_t at = size_t(o) * size_t(p.geometry.in) + size_t((pack0 + j) * 8 + lane % 4 * 2);
        v[i] = part_of(p, other, sum[j][2 * half], sum[j][2 * half + 1], at);
    }
    const float total = sum_of_lane(v);
    if (exists)
        settle(p, kind, c, total);
}

__global__ void __launch_bounds__(THREADS) fc_gradient_kernel(const __grid_constant__ xst_cuda_fc_gradient_args p)
{
    __shared__ __align__(16) uint16_t dy[CHUNK * SIDE], x[CHUNK * SIDE];
    const int o0 = int(blockIdx.y) * SIDE, i0 = int(blockIdx.x) * SIDE, lane = int(threadIdx.x) % 32;
    float sum[8][4] = {};
    for (int m0 = 0; m0 < int(p.rows); m0 += CHUNK) {
        fetch_slice<CHUNK, THREADS>(dy, p.dy, m0, int(p.rows), o0, p.geometry.out);
        fetch_slice<CHUNK, THREADS>(x, p.x, m0, int(p.rows), i0, p.geometry.in);
        copy_commit();
        copy_wait<0>();
        __syncthreads();
        multiply(sum, dy, x);
        __syncthreads(); /* nobody needs this chunk any more */
    }
    const int o = o0 + int(threadIdx.x) / 32 * 16 + lane / 4;
    for (int half = 0; half < 2; half++)
        for (int q = 0; q < 2; q++)
            contract(p, sum, q, half, o + 8 * half, i0 / 8);
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
