/* BN_RELU_FORWARD and BN_RELU_BACKWARD of program/ops.h where a map has few rows and C % 8 = 0: sums and results in one
 * launch. A block has one pack of eight channels and as many threads as there are groups of rows (bn.h), so that what
 * is read stays in registers until the sums are there. It reads half of each 32-byte sector, which costs less than a
 * second launch up to about 2048 rows. */
#include "bn.h"

namespace
{

constexpr int N = 8;
constexpr unsigned SUMS = 2 * N, WARPS_MOST = 16;

/* Rows of four bytes a channel take twice the registers. */
template <class T> constexpr unsigned MOST = sizeof(T) == 2 ? 512 : 256;

/* Adds up over the block, makes the statistics of its channels, and gives them to all threads. */
template <class Terms>
__device__ __forceinline__ void finish_block(const xst_cuda_bn_args &p, uint32_t channel, float (&sum)[SUMS],
                                             float (&a)[N], float (&b)[N], float *shared)
{
    const unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
    float *const made = shared + WARPS_MOST * SUMS;
    fold<8>(sum, 16);
    fold<4>(sum, 8);
    fold<2>(sum, 4);
    fold<1>(sum, 2); /* two lanes share a sum now */
    sum[0] += __shfl_xor_sync(ALL_LANES, sum[0], 1);
    if (lane % 2 == 0)
        shared[threadIdx.x / 32 * SUMS + lane / 2] = sum[0];
    __syncthreads();
    if (threadIdx.x < N) {
        double s = 0.0, t = 0.0;
        for (unsigned w = 0; w < warps; w++) {
            s += double(shared[w * SUMS + threadIdx.x]);
            t += double(shared[w * SUMS + N + threadIdx.x]);
        }
        const of_channel of = Terms::finish(p, channel + threadIdx.x, s, t);
        made[threadIdx.x] = of.a;
        made[N + threadIdx.x] = of.b;
    }
    __syncthreads();
    load<N>(a, static_cast<const float *>(made));
    load<N>(b, static_cast<const float *>(made) + N);
}

template <class Terms> __device__ __forceinline__ void make(const xst_cuda_bn_args &p, float *shared)
{
    const uint32_t channel = blockIdx.x * N, group = threadIdx.x;
    const bool works = group < blocks_for(p.rows, FOUR);
    const Terms terms(p, channel);
    typename Terms::rows r = {};
    float sum[SUMS] = {}, a[N], b[N];
    if (works) {
        r = terms.read(p, group, channel);
        terms.add(r, sum);
    }
    finish_block<Terms>(p, channel, sum, a, b, shared);
    if (works)
        terms.write(p, group, channel, r, a, b);
}

template <class T, bool pooled>
__global__ void __launch_bounds__(MOST<T>, 1) bn_small_forward_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    DYNAMIC_SHARED(float, shared);
    make<forward_terms<T, N, pooled>>(p, shared);
}

template <class T, bool pooled>
__global__ void __launch_bounds__(MOST<T>, 1) bn_small_backward_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    DYNAMIC_SHARED(float, shared);
    make<backward_terms<T, N, pooled>>(p, shared);
}

/* Of the warps; what is made of them. */
constexpr size_t SHARED = (WARPS_MOST + 1) * SUMS * sizeof(float);

unsigned threads_for(const xst_cuda_bn_args &p)
{
    return blocks_for(blocks_for(p.rows, FOUR), 32) * 32;
}

template <class T, bool pooled> cudaError_t forward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    return LAUNCH(q, (bn_small_forward_kernel<T, pooled>), p.channels / N, threads_for(p), SHARED, p);
}

template <class T, bool pooled> cudaError_t backward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    return LAUNCH(q, (bn_small_backward_kernel<T, pooled>), p.channels / N, threads_for(p), SHARED, p);
}

} // namespace

bool bn_is_small(const xst_cuda_bn_args &p)
{
    const unsigned most = p.type == XST_CUDA_F32 ? MOST<float> : MOST<uint16_t>;
    return p.channels % N == 0 && threads_for(p) <= most;
}

cudaError_t bn_small_forward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    if (p.width > 0)
        return p.type == XST_CUDA_F32 ? forward<float, true>(q, p) : forward<uint16_t, true>(q, p);
    return p.type == XST_CUDA_F32 ? forward<float, false>(q, p) : forward<uint16_t, false>(q, p);
}

cudaError_t bn_small_backward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    if (p.width > 0)
        return p.type == XST_CUDA_F32 ? backward<float, true>(q, p) : backward<uint16_t, true>(q, p);
    return p.type == XST_CUDA_F32 ? backward<float, false>(q, p) : backward<uint16_t, false>(q, p);
}
