/* BN_RELU_FORWARD, BN_RELU_BACKWARD, BN_RELU_EVAL and BN_RELU_EVAL_BACKWARD of program/ops.h on maps [rows][C], rows =
 * B*H*W.
 *
 * Two launches, forward and backward alike (those of evaluation have the second alone):
 *   reduce   two sums per channel. A block has a tile of channels and a chunk of rows; the last block of a tile to
 *            finish adds the chunks up, in their order, and makes the statistics of its channels.
 *              forward   sum of (x - x0), of (x - x0)^2; x0 = the channel's first value, so that a large mean does not
 *                        cancel the variance away
 *              backward  sum of g, of g*xh; g = dy*[y > 0], xh = (x - mean)*inverse_std
 *   apply    a thread makes a pack of channels of one row.
 *
 * A thread has `lane` channels of a pack (eight where C % 8 = 0, else one); threads of a block: cx packs wide, cy rows
 * high, thread = y * cx + x. */
#include "device.h"

namespace
{

constexpr unsigned THREADS = 256, COUNTERS = 256;
constexpr unsigned TARGET_BLOCKS = 132; /* one for each multiprocessor of a large GPU */

/* How the reduction is cut up. */
struct cut {
    unsigned cx, cy;        /* threads */
    unsigned tiles, chunks; /* blocks: grid (chunks, tiles) */
    unsigned rows;          /* of a chunk */
};

cut cut_of(uint32_t rows, uint32_t channels)
{
    const unsigned packs = channels % 8 == 0 ? channels / 8 : channels;
    cut c;
    c.tiles = blocks_for(packs, 32);
    c.cx = blocks_for(packs, c.tiles);
    c.cy = THREADS / c.cx;
    const unsigned most = blocks_for(rows, 4 * c.cy); /* no fewer than four rows for a thread */
    const unsigned wanted = max(1u, TARGET_BLOCKS / c.tiles);
    c.rows = blocks_for(rows, min(most, wanted));
    c.chunks = blocks_for(rows, c.rows);
    return c;
}

/* Scratch memory: a counter per tile, always left at 0, then the chunks' sums [2][chunks][C]. */
__device__ __forceinline__ float *sums_of(void *scratch)
{
    return reinterpret_cast<float *>(static_cast<uint32_t *>(scratch) + COUNTERS);
}

/* Adds up over the block's rows of threads, in their order: sum[k] of the threads (x, y) goes to out[x * n + k] where
 * out is shared memory [cy][cx * n] to begin with. */
template <int n> __device__ void add_rows(float *shared, const cut &c, unsigned x, unsigned y, float (&sum)[n])
{
    if (y < c.cy)
        for (int k = 0; k < n; k++)
            shared[(y * c.cx + x) * n + unsigned(k)] = sum[k];
    __syncthreads();
    if (y == 0)
        for (int k = 0; k < n; k++) {
            float total = 0.0f;
            for (unsigned r = 0; r < c.cy; r++)
                total += shared[(r * c.cx + x) * n + unsigned(k)];
            sum[k] = total;
        }
    __syncthreads(); /* shared may be used again */
}

/* The two numbers that each element adds. */
template <class T, int n> struct forward_terms {
    float x0[n];
    __device__ forward_terms(const xst_cuda_bn_args &p, uint32_t c)
    {
        load<n>(x0, static_cast<const T *>(p.x) + c);
    }
    __device__ void add(const xst_cuda_bn_args &p, size_t at, float (&s)[n], float (&t)[n]) const
    {
        float x[n];
        load<n>(x, static_cast<const T *>(p.x) + at);
        for (int k = 0; k < n; k++) {
            const float d = x[k] - x0[k];
            s[k] += d;
            t[k] = fmaf(d, d, t[k]);
        }
    }
    /* From the sums of all rows; in double, for there are few of them. */
    __device__ static void finish(const xst_cuda_bn_args &p, uint32_t c, double s, double t)
    {
        const double rows = p.rows, mean = double(widen(static_cast<const T *>(p.x)[c])) + s / rows;
        const double var = max((t - s * s / rows) / rows, 0.0);
        const double f = p.counter ? 1.0 / (*p.counter + 1.0) : double(p.momentum);
        p.mean[c] = float(mean);
        p.inverse_std[c] = float(1.0 / sqrt(var + double(p.eps)));
        p.running_mean[c] = float((1.0 - f) * double(p.running_mean[c]) + f * mean);
        p.running_var[c] = float((1.0 - f) * double(p.running_var[c]) + f * var * rows / (rows - 1.0));
    }
};

template <class T, int n> struct backward_terms {
    float mean[n], inverse_std[n];
    __device__ backward_terms(const xst_cuda_bn_args &p, uint32_t c)
    {
        load<n>(mean, static_cast<const float *>(p.mean) + c);
        load<n>(inverse_std, static_cast<const float *>(p.inverse_std) + c);
    }
    __device__ void add(const xst_cuda_bn_args &p, size_t at, float (&s)[n], float (&t)[n]) const
    {
        float x[n], y[n], dy[n];
        load<n>(x, static_cast<const T *>(p.x) + at);
        load<n>(y, static_cast<const T *>(p.y) + at);
        load<n>(dy, static_cast<const T *>(p.dy) + at);
        for (int k = 0; k < n; k++) {
            const float g = y[k] > 0.0f ? dy[k] : 0.0f;
            s[k] += g;
            t[k] = fmaf(g, (x[k] - mean[k]) * inverse_std[k], t[k]);
        }
    }
    __device__ static void finish(const xst_cuda_bn_args &p, uint32_t c, double s, double t)
    {
        p.dbeta[c] = float(s);
        p.dgamma[c] = float(t);
    }
};

/* The last block of a tile: each channel's chunks. `parts` threads share a channel (part q has the chunks q, q + parts,
 * ..) and are added in their order. */
template <class Terms>
__device__ void finish_tile(const xst_cuda_bn_args &p, const cut &c, uint32_t first, uint32_t width, double *shared)
{
    const float *const sums = sums_of(p.scratch);
    const size_t plane = size_t(c.chunks) * p.channels;
    const unsigned parts = THREADS / width, part = threadIdx.x / width;
    const uint32_t channel = first + threadIdx.x % width;
    double s = 0.0, t = 0.0;
    for (unsigned chunk = part; chunk < c.chunks && part < parts; chunk += parts) {
        s += double(sums[size_t(chunk) * p.channels + channel]);
        t += double(sums[plane + size_t(chunk) * p.channels + channel]);
    }
    shared[threadIdx.x] = s;
    shared[THREADS + threadIdx.x] = t;
    __syncthreads();
    if (part != 0)
        return;
    for (unsigned other = 1; other < parts; other++) {
        s += shared[other * width + threadIdx.x];
        t += shared[THREADS + other * width + threadIdx.x];
    }
    Terms::finish(p, channel, s, t);
}

template <class T, int n, template <class, int> class Terms>
__device__ void reduce(const xst_cuda_bn_args &p, const cut &c, double *memory)
{
    int *const flag = reinterpret_cast<int *>(memory);
    float *const shared = reinterpret_cast<float *>(memory + 2);
    const unsigned x = threadIdx.x % c.cx, y = threadIdx.x / c.cx, packs = p.channels / n;
    const uint32_t pack_index = blockIdx.y * c.cx + x, channel = pack_index * n;
    const bool works = pack_index < packs && y < c.cy;
    float s[n] = {}, t[n] = {};
    if (works) {
        const Terms<T, n> terms(p, channel);
        const uint32_t end = min(p.rows, (blockIdx.x + 1) * c.rows);
        for (uint32_t row = blockIdx.x * c.rows + y; row < end; row += c.cy)
            terms.add(p, size_t(row) * p.channels + channel, s, t);
    }
    add_rows<n>(shared, c, x, y, s);
    add_rows<n>(shared, c, x, y, t);
    if (works && y == 0) {
        float *const sums = sums_of(p.scratch) + size_t(blockIdx.x) * p.channels + channel;
        const size_t plane = size_t(c.chunks) * p.channels;
        for (int k = 0; k < n; k++) {
            sums[k] = s[k];
            sums[plane + size_t(k)] = t[k];
        }
    }
    if (!last_block(static_cast<uint32_t *>(p.scratch) + blockIdx.y, c.chunks, flag))
        return;
    const uint32_t first = blockIdx.y * c.cx * n;
    finish_tile<Terms<T, n>>(p, c, first, min(p.channels - first, c.cx * n), memory + 2);
}

template <class T, int n>
__global__ void bn_forward_reduce_kernel(const __grid_constant__ xst_cuda_bn_args p, const __grid_constant__ cut c)
{
    DYNAMIC_SHARED(double, memory);
    reduce<T, n, forward_terms>(p, c, memory);
}

template <class T, int n>
__global__ void bn_backward_reduce_kernel(const __grid_constant__ xst_cuda_bn_args p, const __grid_constant__ cut c)
{
    DYNAMIC_SHARED(double, memory);
    reduce<T, n, backward_terms>(p, c, memory);
}

/* The channels of the thread's pack, and where it stands in the map. */
struct place {
    bool exists;
    uint32_t channel;
    size_t at;
};

template <int n> __device__ __forceinline__ place place_of(const xst_cuda_bn_args &p)
{
    const uint64_t thread = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    const uint32_t packs = p.channels / n;
    return {thread < uint64_t(packs) * p.rows, uint32_t(thread % packs) * n, size_t(thread) * n};
}

/* y = relu((x - mean) * (gamma * inverse_std) + beta); `eval`: with the running statistics. */
template <class T, int n, bool eval> __global__ void bn_apply_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    const place at = place_of<n>(p);
    if (!at.exists)
        return;
    float x[n], y[n], mean[n], scale[n], gamma[n], beta[n];
    load<n>(x, static_cast<const T *>(p.x) + at.at);
    load<n>(mean, static_cast<const float *>(eval ? p.running_mean : p.mean) + at.channel);
    load<n>(scale, static_cast<const float *>(eval ? p.running_var : p.inverse_std) + at.channel);
    load<n>(gamma, p.gamma + at.channel);
    load<n>(beta, p.beta + at.channel);
    for (int k = 0; k < n; k++) {
        const float inverse_std = eval ? 1.0f / sqrtf(scale[k] + p.eps) : scale[k];
        const float v = fmaf(x[k] - mean[k], gamma[k] * inverse_std, beta[k]);
        y[k] = v > 0.0f ? v : 0.0f;
    }
    store<n>(static_cast<T *>(p.y) + at.at, y);
}

template <class T, int n> __global__ void bn_backward_apply_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    const place at = place_of<n>(p);
    if (!at.exists)
        return;
    float x[n], y[n], dy[n], mean[n], inverse_std[n], gamma[n], dgamma[n], dbeta[n], dx[n];
    load<n>(x, static_cast<const T *>(p.x) + at.at);
    load<n>(y, static_cast<const T *>(p.y) + at.at);
    load<n>(dy, static_cast<const T *>(p.dy) + at.at);
    load<n>(mean, static_cast<const float *>(p.mean) + at.channel);
    load<n>(inverse_std, static_cast<const float *>(p.inverse_std) + at.channel);
    load<n>(gamma, p.gamma + at.channel);
    load<n>(dgamma, static_cast<const float *>(p.dgamma) + at.channel);
    load<n>(dbeta, static_cast<const float *>(p.dbeta) + at.channel);
    const float share = 1.0f / float(p.rows);
    for (int k = 0; k < n; k++) {
        const float g = y[k] > 0.0f ? dy[k] : 0.0f, xh = (x[k] - mean[k]) * inverse_std[k];
        dx[k] = gamma[k] * inverse_std[k] * (g - dbeta[k] * share - xh * (dgamma[k] * share));
    }
    store<n>(static_cast<T *>(p.dx) + at.at, dx);
}

/* The running statistics are constants. */
template <class T, int n> __global__ void bn_eval_backward_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    const place at = place_of<n>(p);
    if (!at.exists)
        return;
    float y[n], dy[n], var[n], gamma[n], dx[n];
    load<n>(y, static_cast<const T *>(p.y) + at.at);
    load<n>(dy, static_cast<const T *>(p.dy) + at.at);
    load<n>(var, static_cast<const float *>(p.running_var) + at.channel);
    load<n>(gamma, p.gamma + at.channel);
    for (int k = 0; k < n; k++)
        dx[k] = y[k] > 0.0f ? dy[k] * (gamma[k] / sqrtf(var[k] + p.eps)) : 0.0f;
    store<n>(static_cast<T *>(p.dx) + at.at, dx);
}

template <class T, int n> unsigned apply_blocks(const xst_cuda_bn_args &p)
{
    return blocks_for(uint64_t(p.rows) * p.channels / n, THREADS);
}

/* The flag of the last block, then the sums of add_rows or of finish_tile. */
size_t shared_bytes(const cut &c, int n)
{
    return 16 + max(size_t(c.cx) * c.cy * size_t(n) * sizeof(float), 2 * THREADS * sizeof(double));
}

template <class T, int n> cudaError_t forward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    const cut c = cut_of(p.rows, p.channels);
    const size_t shared = shared_bytes(c, n);
    const cudaError_t e = LAUNCH(q, (bn_forward_reduce_kernel<T, n>), dim3(c.chunks, c.tiles), THREADS, shared, p, c);
    return e != cudaSuccess ? e : LAUNCH(q, (bn_apply_kernel<T, n, false>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

template <class T, int n> cudaError_t backward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    const cut c = cut_of(p.rows, p.channels);
    const size_t shared = shared_bytes(c, n);
    const cudaError_t e = LAUNCH(q, (bn_backward_reduce_kernel<T, n>), dim3(c.chunks, c.tiles), THREADS, shared, p, c);
    return e != cudaSuccess ? e : LAUNCH(q, (bn_backward_apply_kernel<T, n>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

template <class T, int n> cudaError_t eval(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    return LAUNCH(q, (bn_apply_kernel<T, n, true>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

template <class T, int n> cudaError_t eval_backward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    return LAUNCH(q, (bn_eval_backward_kernel<T, n>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

bool refused(const xst_cuda_bn_args *args)
{
    return uint64_t(args->rows) * args->channels > INT32_MAX || blocks_for(args->channels, 32) > COUNTERS;
}

bool nothing(const xst_cuda_bn_args *args)
{
    return args->rows == 0 || args->channels == 0;
}

} // namespace

extern "C" size_t xst_cuda_bn_scratch(uint32_t rows, uint32_t channels)
{
    if (rows == 0 || channels == 0)
        return COUNTERS * sizeof(uint32_t);
    return COUNTERS * sizeof(uint32_t) + size_t(2) * cut_of(rows, channels).chunks * channels * sizeof(float);
}

extern "C" cudaError_t xst_cuda_bn_relu_forward(const xst_cuda_queue *q, const xst_cuda_bn_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (nothing(args))
        return cudaSuccess;
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? forward<float, 8>(q, *args) : forward<uint16_t, 8>(q, *args);
    return args->type == XST_CUDA_F32 ? forward<float, 1>(q, *args) : forward<uint16_t, 1>(q, *args);
}

extern "C" cudaError_t xst_cuda_bn_relu_backward(const xst_cuda_queue *q, const xst_cuda_bn_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (nothing(args))
        return cudaSuccess;
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? backward<float, 8>(q, *args) : backward<uint16_t, 8>(q, *args);
    return args->type == XST_CUDA_F32 ? backward<float, 1>(q, *args) : backward<uint16_t, 1>(q, *args);
}

extern "C" cudaError_t xst_cuda_bn_relu_eval(const xst_cuda_queue *q, const xst_cuda_bn_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (nothing(args))
        return cudaSuccess;
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? eval<float, 8>(q, *args) : eval<uint16_t, 8>(q, *args);
    return args->type == XST_CUDA_F32 ? eval<float, 1>(q, *args) : eval<uint16_t, 1>(q, *args);
}

extern "C" cudaError_t xst_cuda_bn_relu_eval_backward(const xst_cuda_queue *q, const xst_cuda_bn_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (nothing(args))
        return cudaSuccess;
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? eval_backward<float, 8>(q, *args) : eval_backward<uint16_t, 8>(q, *args);
    return args->type == XST_CUDA_F32 ? eval_backward<float, 1>(q, *args) : eval_backward<uint16_t, 1>(q, *args);
}
