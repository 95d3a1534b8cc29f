/* What stands around the products of the fully connected layers (LINEAR_FORWARD, LINEAR_BACKWARD_WEIGHTS and
 * RELU_BACKWARD of program/ops.h): bias with ReLU; the backward of ReLU with the gradient of the bias. */
#include "device.h"

namespace
{

constexpr unsigned THREADS = 256;

template <class From, class To> __global__ void bias_kernel(const __grid_constant__ xst_cuda_bias_args p)
{
    const uint64_t i = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    if (i >= uint64_t(p.rows) * p.n)
        return;
    const float v = widen(static_cast<const From *>(p.from)[i]) + p.bias[i % p.n];
    static_cast<To *>(p.y)[i] = narrow<To>(p.relu && !(v > 0.0f) ? 0.0f : v);
}

/* A block has 32 neighbouring columns, a warp every 32nd row of them: at a usual batch a thread has one element, and
 * nobody waits for a second read. Rows of a warp are summed first, then warps, each in order. */
constexpr unsigned COLUMNS = 32, ROWS = 32;

template <class T>
__global__ void __launch_bounds__(COLUMNS *ROWS) relu_backward_kernel(const __grid_constant__ xst_cuda_relu_args p)
{
    DYNAMIC_SHARED(float, part); /* [ROWS][COLUMNS] */
    const unsigned lane = threadIdx.x % COLUMNS, warp = threadIdx.x / COLUMNS;
    const uint32_t o = blockIdx.x * COLUMNS + lane;
    float sum = 0.0f;
    for (uint32_t row = warp; row < p.rows && o < p.n; row += ROWS) {
        const size_t at = size_t(row) * p.n + o;
        const T dy = static_cast<const T *>(p.dy)[at];
        const T g = !p.y || widen(static_cast<const T *>(p.y)[at]) > 0.0f ? dy : T(0);
        if (p.dx)
            static_cast<T *>(p.dx)[at] = g;
        sum += widen(g);
    }
    if (!p.dbias)
        return;
    part[threadIdx.x] = sum;
    __syncthreads();
    if (warp > 0 || o >= p.n)
        return;
    for (unsigned i = 1; i < ROWS; i++)
        sum += part[i * COLUMNS + lane];
    p.dbias[o] = sum;
}

template <class From> cudaError_t bias(const xst_cuda_queue *q, const xst_cuda_bias_args &p, unsigned blocks)
{
    return p.type == XST_CUDA_F32 ? LAUNCH(q, (bias_kernel<From, float>), blocks, THREADS, 0, p)
                                  : LAUNCH(q, (bias_kernel<From, uint16_t>), blocks, THREADS, 0, p);
}

} // namespace

extern "C" cudaError_t xst_cuda_relu_backward(const xst_cuda_queue *q, const xst_cuda_relu_args *args)
{
    const unsigned blocks = blocks_for(args->n, COLUMNS), threads = COLUMNS * ROWS;
    const size_t shared = args->dbias ? threads * sizeof(float) : 0;
    if (!args->y != !args->dx)
        return cudaErrorInvalidValue;
    if (blocks == 0)
        return cudaSuccess;
    return args->type == XST_CUDA_F32 ? LAUNCH(q, relu_backward_kernel<float>, blocks, threads, shared, *args)
                                      : LAUNCH(q, relu_backward_kernel<uint16_t>, blocks, threads, shared, *args);
}

extern "C" cudaError_t xst_cuda_bias(const xst_cuda_queue *q, const xst_cuda_bias_args *args)
{
    const unsigned blocks = blocks_for(uint64_t(args->rows) * args->n, THREADS);
    if (blocks == 0)
        return cudaSuccess;
    return args->from_type == XST_CUDA_F32 ? bias<float>(q, *args, blocks) : bias<uint16_t>(q, *args, blocks);
}
