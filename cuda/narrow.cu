/* LINEAR_FORWARD, LINEAR_BACKWARD_DATA and LINEAR_BACKWARD_WEIGHTS of program/ops.h where the outputs are few: heads,
 * a handful of classes wide. The tensor cores' tiles would be nearly empty, and what counts is that many blocks share
 * the reading. Weights, their gradients, y and dy are f32 as they are stored; x and dx of either type.
 *
 * Backward is one launch with two kinds of blocks: those of dx, and those of dw and dbias. */
#include "device.h"

namespace
{

/* ---- forward: a block per 2 rows and 2 outputs, its threads along the inputs ----------------------------------------
 */

constexpr unsigned THREADS = 256, WARPS = THREADS / 32, ROWS = 2, OUTPUTS = 2, SUMS = ROWS * OUTPUTS;

__device__ __forceinline__ uint32_t inside(uint32_t i, uint32_t n)
{
    return i < n ? i : n - 1; /* what is beyond the last is computed from the last, and not written */
}

/* This thread's part of the block's sums, n inputs at a time. */
template <class X, int n>
__device__ __forceinline__ void multiply(float (&sum)[SUMS], const xst_cuda_narrow_args &p, uint32_t row0, uint32_t o0)
{
    for (uint32_t k = threadIdx.x * n; k < p.in; k += THREADS * n) {
        float x[ROWS][n], w[OUTPUTS][n];
        for (unsigned r = 0; r < ROWS; r++)
            load<n>(x[r], static_cast<const X *>(p.x) + size_t(inside(row0 + r, p.rows)) * p.in + k);
        for (unsigned o = 0; o < OUTPUTS; o++)
            load<n>(w[o], p.w + size_t(inside(o0 + o, p.out)) * p.in + k);
        for (unsigned i = 0; i < SUMS; i++)
            for (int j = 0; j < n; j++)
                sum[i] = fmaf(x[i / OUTPUTS][j], w[i % OUTPUTS][j], sum[i]);
    }
}

template <class X, int n> __global__ void narrow_forward_kernel(const __grid_constant__ xst_cuda_narrow_args p)
{
    DYNAMIC_SHARED(float, part); /* [WARPS][SUMS] */
    const unsigned me = threadIdx.x;
    const uint32_t row0 = blockIdx.x * ROWS, o0 = blockIdx.y * OUTPUTS;
    float sum[SUMS] = {};
    multiply<X, n>(sum, p, row0, o0);
    for (unsigned i = 0; i < SUMS; i++) {
        for (int by = 16; by > 0; by /= 2)
            sum[i] += __shfl_xor_sync(ALL_LANES, sum[i], by);
        if (me % 32 == 0)
            part[me / 32 * SUMS + i] = sum[i];
    }
    __syncthreads();
    const uint32_t row = row0 + me / OUTPUTS, o = o0 + me % OUTPUTS;
    if (me >= SUMS || row >= p.rows || o >= p.out)
        return;
    float v = part[me];
    for (unsigned warp = 1; warp < WARPS; warp++)
        v += part[warp * SUMS + me];
    v += p.bias[o];
    p.y[size_t(row) * p.out + o] = p.relu && !(v > 0.0f) ? 0.0f : v;
}

/* ---- backward: a thread has n neighbouring inputs, of 4 rows of dx or of 2 rows of dw -------------------------------
 */

constexpr unsigned STRIP = 64, DATA_ROWS = 4; /* STRIP: threads of a block */

template <class X, int n>
__device__ __forceinline__ void make_dx(const xst_cuda_narrow_args &p, uint32_t row0, uint32_t k)
{
    float sum[DATA_ROWS][n] = {};
    for (uint32_t o = 0; o < p.out; o++) {
        float w[n];
        load<n>(w, p.w + size_t(o) * p.in + k);
        for (unsigned r = 0; r < DATA_ROWS; r++) {
            const float dy = p.dy[size_t(inside(row0 + r, p.rows)) * p.out + o];
            for (int j = 0; j < n; j++)
                sum[r][j] = fmaf(dy, w[j], sum[r][j]);
        }
    }
    for (unsigned r = 0; r < DATA_ROWS && row0 + r < p.rows; r++)
        store<n>(static_cast<X *>(p.dx) + size_t(row0 + r) * p.in + k, sum[r]);
}

/* Each thread sums dy on its way; the first one keeps it. */
template <class X, int n>
__device__ __forceinline__ void make_dw(const xst_cuda_narrow_args &p, uint32_t o0, uint32_t k)
{
    float sum[OUTPUTS][n] = {}, dbias[OUTPUTS] = {};
    for (uint32_t row = 0; row < p.rows; row++) {
        float x[n];
        load<n>(x, static_cast<const X *>(p.x) + size_t(row) * p.in + k);
        for (unsigned o = 0; o < OUTPUTS; o++) {
            const float dy = p.dy[size_t(row) * p.out + inside(o0 + o, p.out)];
            dbias[o] += dy;
            for (int j = 0; j < n; j++)
                sum[o][j] = fmaf(dy, x[j], sum[o][j]);
        }
    }
    for (unsigned o = 0; o < OUTPUTS && o0 + o < p.out; o++) {
        store<n>(p.dw + size_t(o0 + o) * p.in + k, sum[o]);
        if (k == 0)
            p.dbias[o0 + o] = dbias[o];
    }
}

/* strips: blocks side by side along the inputs; the first `data_blocks` blocks make dx. */
template <class X, int n>
__global__ void narrow_backward_kernel(const __grid_constant__ xst_cuda_narrow_args p, unsigned strips,
                                       unsigned data_blocks)
{
    const bool data = blockIdx.x < data_blocks;
    const unsigned block = data ? blockIdx.x : blockIdx.x - data_blocks;
    const uint32_t k = (block % strips * STRIP + threadIdx.x) * n;
    if (k >= p.in)
        return;
    if (data)
        make_dx<X, n>(p, block / strips * DATA_ROWS, k);
    else
        make_dw<X, n>(p, block / strips * OUTPUTS, k);
}

template <class X, int n> cudaError_t forward(const xst_cuda_queue *q, const xst_cuda_narrow_args &p)
{
    const dim3 blocks(blocks_for(p.rows, ROWS), blocks_for(p.out, OUTPUTS));
    return LAUNCH(q, (narrow_forward_kernel<X, n>), blocks, THREADS, WARPS * SUMS * sizeof(float), p);
}

template <class X, int n> cudaError_t backward(const xst_cuda_queue *q, const xst_cuda_narrow_args &p)
{
    const unsigned strips = blocks_for(p.in, STRIP * n);
    const unsigned data_blocks = p.dx ? strips * blocks_for(p.rows, DATA_ROWS) : 0;
    const unsigned weight_blocks = p.dw ? strips * blocks_for(p.out, OUTPUTS) : 0;
    return LAUNCH(q, (narrow_backward_kernel<X, n>), data_blocks + weight_blocks, STRIP, 0, p, strips, data_blocks);
}

} // namespace

extern "C" cudaError_t xst_cuda_narrow_forward(const xst_cuda_queue *q, const xst_cuda_narrow_args *args)
{
    if (args->in == 0 || args->out > XST_CUDA_NARROW_MAX)
        return cudaErrorInvalidValue;
    if (args->rows == 0 || args->out == 0)
        return cudaSuccess;
    if (args->type == XST_CUDA_F32)
        return args->in % 4 == 0 ? forward<float, 4>(q, *args) : forward<float, 1>(q, *args);
    return args->in % 8 == 0 ? forward<uint16_t, 8>(q, *args) : forward<uint16_t, 1>(q, *args);
}

extern "C" cudaError_t xst_cuda_narrow_backward(const xst_cuda_queue *q, const xst_cuda_narrow_args *args)
{
    const bool wide = args->in % 4 == 0;
    if (args->in == 0 || args->rows == 0 || args->out == 0 || args->out > XST_CUDA_NARROW_MAX ||
        (!args->dx && !args->dw) || !args->dw != !args->dbias)
        return cudaErrorInvalidValue;
    if (args->type == XST_CUDA_F32)
        return wide ? backward<float, 4>(q, *args) : backward<float, 1>(q, *args);
    return wide ? backward<uint16_t, 4>(q, *args) : backward<uint16_t, 1>(q, *args);
}
