/* BN_RELU_FORWARD, BN_RELU_BACKWARD, BN_RELU_EVAL and BN_RELU_EVAL_BACKWARD of program/ops.h on maps [rows][C], rows =
 * B*H*W.
 *
 * Small maps are made in one launch (bn_small.cu). Two launches else, forward and backward alike (those of evaluation
 * have the second alone):
 *   reduce   two sums per channel (bn.h). A block has a tile of 32 channels and a chunk of groups of rows; the last
 *            block of a tile to finish adds the chunks up, in their order, and makes the statistics of its channels.
 *   apply    a thread makes a pack of channels of four rows.
 *
 * A pack has eight channels where C % 8 = 0, else one; a row of a tile is `wide` packs. Threads of a reducing block:
 * thread = y * wide + x, so that a warp has whole rows of the tile. */
#include "bn.h"

namespace
{

constexpr unsigned REDUCING = 512, WARPS = REDUCING / 32, THREADS = 256, COUNTERS = 256;
constexpr unsigned TILE = 32, SUMS = 2 * TILE; /* channels; sums of a tile: all s, then all t */
constexpr unsigned TARGET_BLOCKS = 132;        /* one for each multiprocessor of a large GPU */

/* How the reduction is cut up. */
struct cut {
    unsigned tiles, chunks; /* blocks: grid (chunks, tiles) */
    uint32_t chunk;         /* groups of a chunk */
};

cut cut_of(uint32_t rows, uint32_t channels)
{
    const unsigned wide = TILE / (channels % 8 == 0 ? 8 : 1), high = REDUCING / wide;
    const uint32_t groups = blocks_for(rows, FOUR);
    cut c;
    c.tiles = blocks_for(channels, TILE);
    /* at least every other thread has a group */
    c.chunk = blocks_for(groups, min(blocks_for(groups, high / 2), max(1u, TARGET_BLOCKS / c.tiles)));
    c.chunks = blocks_for(groups, c.chunk);
    return c;
}

/* Scratch memory: a counter per tile, always left at 0, then the chunks' sums [tiles][chunks][SUMS]. */
__device__ __forceinline__ float *sums_of(const xst_cuda_bn_args &p, const cut &c)
{
    float *const first = reinterpret_cast<float *>(static_cast<uint32_t *>(p.scratch) + COUNTERS);
    return first + size_t(blockIdx.y) * c.chunks * SUMS;
}

/* The warp's sums over its rows to out[SUMS]; sum: those of a thread. */
__device__ __forceinline__ void add_lanes(float (&sum)[16], float *out)
{
    const unsigned lane = threadIdx.x % 32, x = lane % 4;
    fold<8>(sum, 16); /* s or t */
    fold<4>(sum, 8);  /* four of the pack's channels */
    fold<2>(sum, 4);  /* two of them */
    const float kept[2] = {sum[0], sum[1]};
    store<2>(out + lane / 16 * TILE + x * 8 + lane / 8 % 2 * 4 + lane / 4 % 2 * 2, kept);
}
__device__ __forceinline__ void add_lanes(float (&sum)[2], float *out)
{
    out[threadIdx.x % 32] = sum[0];
    out[TILE + threadIdx.x % 32] = sum[1];
}

/* The last block of a tile: adds up the chunks. Part q has the chunks q, q + PARTS, ..; parts are added in their order.
 */
template <class Terms> __device__ void finish_tile(const xst_cuda_bn_args &p, const cut &c, double *shared)
{
    constexpr unsigned PARTS = REDUCING / SUMS;
    const float *const sums = sums_of(p, c);
    const unsigned which = threadIdx.x % SUMS;
    double part = 0.0, s = 0.0, t = 0.0;
    for (unsigned chunk = threadIdx.x / SUMS; chunk < c.chunks; chunk += PARTS)
        part += double(sums[size_t(chunk) * SUMS + which]);
    shared[threadIdx.x] = part;
    __syncthreads();
    const uint32_t channel = blockIdx.y * TILE + threadIdx.x;
    if (threadIdx.x >= TILE || channel >= p.channels)
        return;
    for (unsigned q = 0; q < PARTS; q++) {
        s += shared[q * SUMS + threadIdx.x];
        t += shared[q * SUMS + TILE + threadIdx.x];
    }
    Terms::finish(p, channel, s, t);
}

template <int n, class Terms> __device__ void reduce(const xst_cuda_bn_args &p, const cut &c, double *memory)
{
    constexpr unsigned wide = TILE / n, high = REDUCING / wide;
    int *const flag = reinterpret_cast<int *>(memory);
    float *const shared = reinterpret_cast<float *>(memory + 2);
    const uint32_t channel = blockIdx.y * TILE + threadIdx.x % wide * n;
    float sum[2 * n] = {};
    if (channel < p.channels) {
        const Terms terms(p, channel);
        const uint32_t end = min(blocks_for(p.rows, FOUR), (blockIdx.x + 1) * c.chunk);
        for (uint32_t group = blockIdx.x * c.chunk + threadIdx.x / wide; group < end; group += high)
            terms.add(terms.read(p, group, channel), sum);
    }
    add_lanes(sum, shared + threadIdx.x / 32 * SUMS);
    __syncthreads();
    if (threadIdx.x < SUMS) {
        float total = 0.0f;
        for (unsigned w = 0; w < WARPS; w++)
            total += shared[w * SUMS + threadIdx.x];
        sums_of(p, c)[size_t(blockIdx.x) * SUMS + threadIdx.x] = total;
    }
    if (last_block(static_cast<uint32_t *>(p.scratch) + blockIdx.y, c.chunks, flag))
        finish_tile<Terms>(p, c, memory + 2);
}

/* At most one block to a multiprocessor is wanted: else ptxas saves registers and puts loads off. */
template <class T, int n>
__global__ void __launch_bounds__(REDUCING, 1)
    bn_forward_reduce_kernel(const __grid_constant__ xst_cuda_bn_args p, const __grid_constant__ cut c)
{
    DYNAMIC_SHARED(double, memory);
    reduce<n, forward_terms<T, n, false>>(p, c, memory);
}

template <class T, int n, bool pooled>
__global__ void __launch_bounds__(REDUCING, 1)
    bn_backward_reduce_kernel(const __grid_constant__ xst_cuda_bn_args p, const __grid_constant__ cut c)
{
    DYNAMIC_SHARED(double, memory);
    reduce<n, backward_terms<T, n, pooled>>(p, c, memory);
}

/* The thread's pack of channels and group of rows; false: it has none. */
template <int n> __device__ __forceinline__ bool find(const xst_cuda_bn_args &p, uint32_t *group, uint32_t *channel)
{
    const uint32_t thread = blockIdx.x * THREADS + threadIdx.x, packs = p.channels / n;
    *group = thread / packs;
    *channel = thread % packs * n;
    return *group < blocks_for(p.rows, FOUR);
}

/* `eval`: with the running statistics. */
template <class T, int n, bool eval, bool pooled>
__global__ void bn_apply_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    uint32_t group, channel;
    if (!find<n>(p, &group, &channel))
        return;
    const forward_terms<T, n, pooled> of(p, channel);
    typename forward_terms<T, n, pooled>::rows r;
    float mean[n], inverse_std[n];
    read_rows<pooled>(r.x, p, p.x, group, channel);
    load<n>(mean, static_cast<const float *>(eval ? p.running_mean : p.mean) + channel);
    load<n>(inverse_std, static_cast<const float *>(eval ? p.running_var : p.inverse_std) + channel);
    for (int i = 0; i < n && eval; i++)
        inverse_std[i] = 1.0f / sqrtf(inverse_std[i] + p.eps);
    of.write(p, group, channel, r, mean, inverse_std);
}

template <class T, int n, bool pooled>
__global__ void bn_backward_apply_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    uint32_t group, channel;
    if (!find<n>(p, &group, &channel))
        return;
    float dgamma[n], dbeta[n];
    const backward_terms<T, n, pooled> of(p, channel);
    const typename backward_terms<T, n, pooled>::rows r = of.read(p, group, channel);
    load<n>(dgamma, static_cast<const float *>(p.dgamma) + channel);
    load<n>(dbeta, static_cast<const float *>(p.dbeta) + channel);
    of.write(p, group, channel, r, dgamma, dbeta);
}

/* The running statistics are constants. */
template <class T, int n> __global__ void bn_eval_backward_kernel(const __grid_constant__ xst_cuda_bn_args p)
{
    uint32_t group, channel;
    if (!find<n>(p, &group, &channel))
        return;
    bits<T, n> g[FOUR];
    float var[n], gamma[n], dx[n];
    read_gradient<false>(g, p, group, channel);
    load<n>(var, static_cast<const float *>(p.running_var) + channel);
    load<n>(gamma, p.gamma + channel);
    for (unsigned k = 0; k < FOUR; k++) {
        const uint32_t row = row_of<false>(p, group, k);
        for (int i = 0; i < n; i++)
            dx[i] = g[k].at(i) * (gamma[i] / sqrtf(var[i] + p.eps));
        if (row < p.rows)
            store<n>(static_cast<T *>(p.dx) + size_t(row) * p.channels + channel, dx);
    }
}

template <class T, int n> unsigned apply_blocks(const xst_cuda_bn_args &p)
{
    return blocks_for(uint64_t(blocks_for(p.rows, FOUR)) * (p.channels / n), THREADS);
}

/* The flag of the last block, then sums: of the warps, or of the parts in finish_tile. */
constexpr size_t SHARED = 16 + WARPS * SUMS * sizeof(float);
static_assert(REDUCING * sizeof(double) <= WARPS * SUMS * sizeof(float), "the parts have their place");

template <class T, int n, bool pooled> cudaError_t forward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    const cut c = cut_of(p.rows, p.channels);
    const cudaError_t e = LAUNCH(q, (bn_forward_reduce_kernel<T, n>), dim3(c.chunks, c.tiles), REDUCING, SHARED, p, c);
    return e != cudaSuccess ? e
                            : LAUNCH(q, (bn_apply_kernel<T, n, false, pooled>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

template <class T, int n, bool pooled> cudaError_t backward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    const cut c = cut_of(p.rows, p.channels);
    const cudaError_t e =
        LAUNCH(q, (bn_backward_reduce_kernel<T, n, pooled>), dim3(c.chunks, c.tiles), REDUCING, SHARED, p, c);
    return e != cudaSuccess
               ? e
               : LAUNCH(q, (bn_backward_apply_kernel<T, n, pooled>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

template <class T, int n> cudaError_t eval(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    return LAUNCH(q, (bn_apply_kernel<T, n, true, false>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

template <class T, int n> cudaError_t eval_backward(const xst_cuda_queue *q, const xst_cuda_bn_args &p)
{
    return LAUNCH(q, (bn_eval_backward_kernel<T, n>), (apply_blocks<T, n>(p)), THREADS, 0, p);
}

/* With a pool: whole packs and windows only. */
bool refused(const xst_cuda_bn_args *args)
{
    return uint64_t(args->rows) * args->channels > INT32_MAX || blocks_for(args->channels, TILE) > COUNTERS ||
           args->width % 2 != 0 ||
           (args->width > 0 && (args->channels % 8 != 0 || args->rows % (2 * args->width) != 0));
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
    const cut c = cut_of(rows, channels);
    return COUNTERS * sizeof(uint32_t) + size_t(c.tiles) * c.chunks * SUMS * sizeof(float);
}

extern "C" cudaError_t xst_cuda_bn_relu_forward(const xst_cuda_queue *q, const xst_cuda_bn_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (nothing(args))
        return cudaSuccess;
    if (bn_is_small(*args))
        return bn_small_forward(q, *args);
    if (args->width > 0)
        return args->type == XST_CUDA_F32 ? forward<float, 8, true>(q, *args) : forward<uint16_t, 8, true>(q, *args);
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? forward<float, 8, false>(q, *args) : forward<uint16_t, 8, false>(q, *args);
    return args->type == XST_CUDA_F32 ? forward<float, 1, false>(q, *args) : forward<uint16_t, 1, false>(q, *args);
}

extern "C" cudaError_t xst_cuda_bn_relu_backward(const xst_cuda_queue *q, const xst_cuda_bn_args *args)
{
    if (refused(args))
        return cudaErrorInvalidValue;
    if (nothing(args))
        return cudaSuccess;
    if (bn_is_small(*args))
        return bn_small_backward(q, *args);
    if (args->width > 0)
        return args->type == XST_CUDA_F32 ? backward<float, 8, true>(q, *args) : backward<uint16_t, 8, true>(q, *args);
    if (args->channels % 8 == 0)
        return args->type == XST_CUDA_F32 ? backward<float, 8, false>(q, *args)
                                          : backward<uint16_t, 8, false>(q, *args);
    return args->type == XST_CUDA_F32 ? backward<float, 1, false>(q, *args) : backward<uint16_t, 1, false>(q, *args);
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
