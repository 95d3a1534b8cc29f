/* POOL_FORWARD and POOL_BACKWARD of program/ops.h: 2x2 maximum, stride 2, on maps [B][H][W][C].
 *
 * A thread has a pack of channels of one window (eight where C % 8 = 0, else one). The backward finds the first maximum
 * again and writes all four places of the window; windows that stick out over an odd border have only zeros to write.
 * So every output has one owner, and needs no atomics. */
#include "device.h"

namespace
{

constexpr unsigned THREADS = 256;

/* Which window, and where its places are in x. */
struct window {
    uint32_t b, h, w, channel; /* of the window */
    bool full;
};

template <int n>
__device__ __forceinline__ bool window_of(const xst_cuda_pool_args &p, uint32_t height, uint32_t width, window *out)
{
    const uint32_t packs = p.channels / n, thread = blockIdx.x * THREADS + threadIdx.x;
    const uint32_t at = thread / packs;
    *out = {at / (height * width), at / width % height, at % width, thread % packs * n, false};
    out->full = 2 * out->h + 1 < p.height && 2 * out->w + 1 < p.width;
    return out->b < p.batch;
}

__device__ __forceinline__ size_t input_at(const xst_cuda_pool_args &p, const window &v, unsigned k)
{
    const uint32_t h = 2 * v.h + k / 2, w = 2 * v.w + k % 2;
    return ((size_t(v.b) * p.height + h) * p.width + w) * p.channels + v.channel;
}

__device__ __forceinline__ size_t output_at(const xst_cuda_pool_args &p, const window &v)
{
    return ((size_t(v.b) * (p.height / 2) + v.h) * (p.width / 2) + v.w) * p.channels + v.channel;
}

/* The largest of a window's four, and which it is: the first in row order. */
template <class T, int n>
__device__ __forceinline__ void maximum(const xst_cuda_pool_args &p, const window &v, float (&most)[n],
                                        unsigned (&which)[n])
{
    for (unsigned k = 0; k < 4; k++) {
        float x[n];
        load<n>(x, static_cast<const T *>(p.x) + input_at(p, v, k));
        for (int i = 0; i < n; i++)
            if (k == 0 || x[i] > most[i]) {
                most[i] = x[i];
                which[i] = k;
            }
    }
}

template <class T, int n> __global__ void pool_forward_kernel(const __grid_constant__ xst_cuda_pool_args p)
{
    window v;
    if (!window_of<n>(p, p.height / 2, p.width / 2, &v))
        return;
    float most[n] = {};
    unsigned which[n] = {};
    maximum<T, n>(p, v, most, which);
    store<n>(static_cast<T *>(p.y) + output_at(p, v), most);
}

template <class T, int n> __global__ void pool_backward_kernel(const __grid_constant__ xst_cuda_pool_args p)
{
    window v;
    if (!window_of<n>(p, (p.height + 1) / 2, (p.width + 1) / 2, &v))
        return;
    float most[n] = {}, dy[n] = {};
    unsigned which[n] = {};
    if (v.full) {
        maximum<T, n>(p, v, most, which);
        load<n>(dy, static_cast<const T *>(p.dy) + output_at(p, v));
    }
    for (unsigned k = 0; k < 4; k++) {
        if (2 * v.h + k / 2 >= p.height || 2 * v.w + k % 2 >= p.width)
            continue;
        float dx[n];
        for (int i = 0; i < n; i++)
            dx[i] = which[i] == k ? dy[i] : 0.0f;
        store<n>(static_cast<T *>(p.dx) + input_at(p, v, k), dx);
    }
}

template <class T, int n> cudaError_t forward(const xst_cuda_queue *q, const xst_cuda_pool_args &p)
{
    const uint64_t windows = uint64_t(p.batch) * (p.height / 2) * (p.width / 2) * (p.channels / n);
    return windows == 0 ? cudaSuccess
                        : LAUNCH(q, (pool_forward_kernel<T, n>), blocks_for(windows, THREADS), THREADS, 0, p);
}

template <class T, int n> cudaError_t backward(const xst_cuda_queue *q, const xst_cuda_pool_args &p)
{
    const uint64_t windows = uint64_t(p.batch) * ((p.height + 1) / 2) * ((p.width + 1) / 2) * (p.channels / n);
    return windows == 0 ? cudaSuccess
                        : LAUNCH(q, (pool_backward_kernel<T, n>), blocks_for(windows, THREADS), THREADS, 0, p);
}

bool refused(const xst_cuda_pool_args *p)
{
    return uint64_t(p->batch) * p->height * p->width * p->channels > INT32_MAX;
}

} // namespace

extern "C" cudaError_t xst_cuda_pool_forward(const xst_cuda_queue *q, const xst_cuda_pool_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? forward<float, 8>(q, *args) : forward<uint16_t, 8>(q, *args);
    return args->type == XST_CUDA_F32 ? forward<float, 1>(q, *args) : forward<uint16_t, 1>(q, *args);
}

extern "C" cudaError_t xst_cuda_pool_backward(const xst_cuda_queue *q, const xst_cuda_pool_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? backward<float, 8>(q, *args) : backward<uint16_t, 8>(q, *args);
    return args->type == XST_CUDA_F32 ? backward<float, 1>(q, *args) : backward<uint16_t, 1>(q, *args);
}
