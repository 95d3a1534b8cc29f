/* What stands around the products of the fully connected layers (LINEAR_FORWARD, LINEAR_BACKWARD_WEIGHTS and
 * RELU_BACKWARD of program/ops.h): bias with ReLU, the gradient of the bias, the backward of ReLU. */
#include "device.h"

namespace
{

constexpr unsigned THREADS = 256;

template <class T> __global__ void relu_backward_kernel(const __grid_constant__ xst_cuda_relu_args p)
{
    const uint64_t i = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    if (i < p.n)
        static_cast<T *>(p.dx)[i] =
            widen(static_cast<const T *>(p.y)[i]) > 0.0f ? static_cast<const T *>(p.dy)[i] : T(0);
}

template <class From, class To> __global__ void bias_kernel(const __grid_constant__ xst_cuda_bias_args p)
{
    const uint64_t i = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    if (i >= uint64_t(p.rows) * p.n)
        return;
    const float v = widen(static_cast<const From *>(p.from)[i]) + p.bias[i % p.n];
    static_cast<To *>(p.y)[i] = narrow<To>(p.relu && !(v > 0.0f) ? 0.0f : v);
}

/* A thread sums one column: neighbours read neighbours, and a batch is short. */
template <class T> __global__ void bias_gradient_kernel(const __grid_constant__ xst_cuda_bias_gradient_args p)
{
    const uint32_t o = blockIdx.x * THREADS + threadIdx.x;
    if (o >= p.n)
        return;
    float sum = 0.0f;
    for (uint32_t row = 0; row < p.rows; row++)
        sum += widen(static_cast<const T *>(p.dy)[size_t(row) * p.n + o]);
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
    const unsigned blocks = blocks_for(args->n, THREADS);
    if (args->n == 0)
        return cudaSuccess;
    return args->type == XST_CUDA_F32 ? LAUNCH(q, relu_backward_kernel<float>, blocks, THREADS, 0, *args)
                                      : LAUNCH(q, relu_backward_kernel<uint16_t>, blocks, THREADS, 0, *args);
}

extern "C" cudaError_t xst_cuda_bias(const xst_cuda_queue *q, const xst_cuda_bias_args *args)
{
    const unsigned blocks = blocks_for(uint64_t(args->rows) * args->n, THREADS);
    if (blocks == 0)
        return cudaSuccess;
    return args->from_type == XST_CUDA_F32 ? bias<float>(q, *args, blocks) : bias<uint16_t>(q, *args, blocks);
}

extern "C" cudaError_t xst_cuda_bias_gradient(const xst_cuda_queue *q, const xst_cuda_bias_gradient_args *args)
{
    const unsigned blocks = blocks_for(args->n, THREADS);
    if (blocks == 0)
        return cudaSuccess;
    return args->type == XST_CUDA_F32 ? LAUNCH(q, bias_gradient_kernel<float>, blocks, THREADS, 0, *args)
                                      : LAUNCH(q, bias_gradient_kernel<uint16_t>, blocks, THREADS, 0, *args);
}
