/* Between the host's layouts and the device's; kernels.h says what each does. None is on a step's critical path, so
 * they are plain: a thread per element. */
#include "device.h"

namespace
{

constexpr unsigned THREADS = 256;

/* to[b][s][r] = from[b][r][s] */
template <class From, class To>
__global__ void transpose_kernel(const From *from, To *to, int64_t rows, int64_t columns, int64_t n)
{
    const int64_t at = int64_t(blockIdx.x) * THREADS + threadIdx.x, each = rows * columns;
    if (at >= n)
        return;
    const int64_t b = at / each, s = at % each / rows, r = at % rows;
    to[at] = narrow<To>(widen(from[b * each + r * columns + s]));
}

template <class From, class To> cudaError_t transpose(const xst_cuda_queue *q, const xst_cuda_transpose_args *p)
{
    const int64_t n = p->batch * p->rows * p->columns;
    return LAUNCH(q, (transpose_kernel<From, To>), blocks_for(uint64_t(n), THREADS), THREADS, 0,
                  static_cast<const From *>(p->from), static_cast<To *>(p->to), p->rows, p->columns, n);
}

/* A warp makes one word. */
__global__ void bits_pack_kernel(const __grid_constant__ xst_cuda_bits_args p)
{
    const uint32_t c = blockIdx.x * THREADS + threadIdx.x;
    const unsigned word = __ballot_sync(ALL_LANES, c < p.n && p.gate[c] != 0.0f);
    if (c % 32 == 0 && c < p.n)
        p.bits[c / 32] = word;
}

__global__ void bits_unpack_kernel(const __grid_constant__ xst_cuda_bits_args p)
{
    const uint32_t c = blockIdx.x * THREADS + threadIdx.x;
    if (c < p.n)
        p.gate[c] = float(p.bits[c / 32] >> (c % 32) & 1);
}

/* Place of c in the ascending active[0 .. count-1], by bisection. */
__global__ void slots_kernel(const __grid_constant__ xst_cuda_slots_args p)
{
    const uint32_t c = blockIdx.x * THREADS + threadIdx.x, count = p.count ? min(*p.count, p.a) : p.a;
    if (c >= p.n)
        return;
    uint32_t low = 0, high = count; // the first entry >= c lies in low .. high
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (p.active[middle] < c)
            low = middle + 1;
        else
            high = middle;
    }
    p.slot[c] = low < count && p.active[low] == c ? int32_t(low) : -1;
}

} // namespace

extern "C" cudaError_t xst_cuda_transpose(const xst_cuda_queue *q, const xst_cuda_transpose_args *args)
{
    if (args->batch < 0 || args->rows < 0 || args->columns < 0 || args->from == args->to)
        return cudaErrorInvalidValue;
    if (args->batch == 0 || args->rows == 0 || args->columns == 0)
        return cudaSuccess;
    if (args->from_type == XST_CUDA_F32)
        return args->to_type == XST_CUDA_F32 ? transpose<float, float>(q, args) : transpose<float, uint16_t>(q, args);
    return args->to_type == XST_CUDA_F32 ? transpose<uint16_t, float>(q, args) : transpose<uint16_t, uint16_t>(q, args);
}

extern "C" cudaError_t xst_cuda_bits_pack(const xst_cuda_queue *q, const xst_cuda_bits_args *args)
{
    return args->n == 0 ? cudaSuccess : LAUNCH(q, bits_pack_kernel, blocks_for(args->n, THREADS), THREADS, 0, *args);
}

extern "C" cudaError_t xst_cuda_bits_unpack(const xst_cuda_queue *q, const xst_cuda_bits_args *args)
{
    return args->n == 0 ? cudaSuccess : LAUNCH(q, bits_unpack_kernel, blocks_for(args->n, THREADS), THREADS, 0, *args);
}

extern "C" cudaError_t xst_cuda_slots(const xst_cuda_queue *q, const xst_cuda_slots_args *args)
{
    return args->n == 0 ? cudaSuccess : LAUNCH(q, slots_kernel, blocks_for(args->n, THREADS), THREADS, 0, *args);
}
