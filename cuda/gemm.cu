/* C[m][n] = A[m][k] B[k][n] (+ bias, relu) with f32 sums on plain cores: the general path of the LINEAR operations of
 * program/ops.h. Any size and any of the three orientations; each element is summed over k in ascending order, so the
 * result is the same bits every time.
 *
 * A block makes a tile of 64 x 64, a thread 4 x 4 of it (rows y + 16 i, columns x + 16 j); slices of 16 k go through
 * shared memory, turned so that both are read along k. */
#include "device.h"

namespace
{

constexpr unsigned TILE = 64, DEPTH = 16, THREADS = 256, STRIDE = TILE + 1; /* + 1: other banks when written turned */

/* Element (row, k) of a matrix stored [row][k], or turned, [k][row]; 0 outside. */
template <class T>
__device__ __forceinline__ float element(const T *from, bool turned, uint32_t row, uint32_t k, uint32_t rows,
                                         uint32_t depth)
{
    if (row >= rows || k >= depth)
        return 0.0f;
    return widen(turned ? from[size_t(k) * rows + row] : from[size_t(row) * depth + k]);
}

/* slice[k][row] of 64 rows and 16 k; neighbours in a warp read neighbours in memory. */
template <class T>
__device__ __forceinline__ void fetch(float *slice, const T *from, bool turned, uint32_t row0, uint32_t k0,
                                      uint32_t rows, uint32_t depth)
{
    for (unsigned i = threadIdx.x; i < TILE * DEPTH; i += THREADS) {
        const unsigned row = turned ? i % TILE : i / DEPTH, k = turned ? i / TILE : i % DEPTH;
        slice[k * STRIDE + row] = element(from, turned, row0 + row, k0 + k, rows, depth);
    }
}

__device__ __forceinline__ void multiply(float (&sum)[4][4], const float *a, const float *b)
{
    const unsigned x = threadIdx.x % 16, y = threadIdx.x / 16;
    for (unsigned k = 0; k < DEPTH; k++) {
        float u[4], v[4];
        for (unsigned i = 0; i < 4; i++) {
            u[i] = a[k * STRIDE + y + 16 * i];
            v[i] = b[k * STRIDE + x + 16 * i];
        }
        for (unsigned i = 0; i < 4; i++)
            for (unsigned j = 0; j < 4; j++)
                sum[i][j] = fmaf(u[i], v[j], sum[i][j]);
    }
}

template <class To> __device__ __forceinline__ void write(const xst_cuda_gemm_args &p, const float (&sum)[4][4])
{
    const unsigned x = threadIdx.x % 16, y = threadIdx.x / 16;
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 4; j++) {
            const uint32_t row = blockIdx.y * TILE + y + 16 * i, column = blockIdx.x * TILE + x + 16 * j;
            if (row >= p.m || column >= p.n)
                continue;
            const float v = p.bias ? sum[i][j] + p.bias[column] : sum[i][j];
            static_cast<To *>(p.c)[size_t(row) * p.n + column] = narrow<To>(p.relu && !(v > 0.0f) ? 0.0f : v);
        }
}

template <class T> __global__ void gemm_kernel(const __grid_constant__ xst_cuda_gemm_args p)
{
    DYNAMIC_SHARED(float, slice);
    float *const a = slice, *const b = slice + DEPTH * STRIDE;
    float sum[4][4] = {};
    for (uint32_t k = 0; k < p.k; k += DEPTH) {
        fetch(a, static_cast<const T *>(p.a), p.a_transposed, blockIdx.y * TILE, k, p.m, p.k);
        fetch(b, static_cast<const T *>(p.b), !p.b_transposed, blockIdx.x * TILE, k, p.n, p.k);
        __syncthreads();
        multiply(sum, a, b);
        __syncthreads(); /* nobody needs the slices any more */
    }
    if (p.c_type == XST_CUDA_F32)
        write<float>(p, sum);
    else
        write<uint16_t>(p, sum);
}

} // namespace

extern "C" cudaError_t xst_cuda_gemm(const xst_cuda_queue *q, const xst_cuda_gemm_args *args)
{
    const dim3 blocks(blocks_for(args->n, TILE), blocks_for(args->m, TILE));
    const size_t shared = 2 * DEPTH * STRIDE * sizeof(float);
    if (blocks.y > 65535)
        return cudaErrorInvalidValue;
    if (args->m == 0 || args->n == 0)
        return cudaSuccess;
    return args->type == XST_CUDA_F32 ? LAUNCH(q, gemm_kernel<float>, blocks, THREADS, shared, *args)
                                      : LAUNCH(q, gemm_kernel<uint16_t>, blocks, THREADS, shared, *args);
}
