/* LOSS and EVAL_LOSS of program/ops.h: softmax cross entropy of logits [rows][K], its gradient, and what it adds to the
 * metrics. One block; a thread has every 256th row; losses and counts are summed in double, in a fixed order. */
#include "device.h"

namespace
{

constexpr unsigned THREADS = 256;

struct row_summary {
    float most;      /* the largest logit */
    float rest;      /* sum of exp(logit - most) over the others */
    uint32_t argmax; /* lowest index on a tie */
};

template <class T> __device__ __forceinline__ row_summary summary_of(const T *row, uint32_t classes)
{
    row_summary s = {widen(row[0]), 0.0f, 0};
    for (uint32_t k = 1; k < classes; k++) {
        const float v = widen(row[k]);
        if (v > s.most) {
            s.most = v;
            s.argmax = k;
        }
    }
    for (uint32_t k = 0; k < classes; k++)
        s.rest += k == s.argmax ? 0.0f : expf(widen(row[k]) - s.most);
    return s;
}

/* Loss of a row (log1p keeps it exact when the row is nearly certain) and its gradient. */
template <class T>
__device__ __forceinline__ double row_loss(const xst_cuda_loss_args &p, uint32_t b, const row_summary &s)
{
    const T *const row = static_cast<const T *>(p.logits) + size_t(b) * p.classes;
    const uint32_t y = p.y[b];
    const float total = 1.0f + s.rest, share = 1.0f / float(p.rows);
    for (uint32_t k = 0; p.dlogits && k < p.classes; k++) {
        const float softmax = expf(widen(row[k]) - s.most) / total;
        static_cast<T *>(p.dlogits)[size_t(b) * p.classes + k] = narrow<T>((softmax - (k == y ? 1.0f : 0.0f)) * share);
    }
    return double(log1pf(s.rest)) + (double(s.most) - double(widen(row[y])));
}

template <class T> __device__ void add_rows(const xst_cuda_loss_args &p, double *loss, uint32_t *right)
{
    const uint64_t first = p.cursor ? uint64_t(*p.cursor) * p.rows : 0, total = p.cursor ? p.total : p.rows;
    for (uint32_t b = threadIdx.x; b < p.rows && first + b < total; b += THREADS) {
        const T *const row = static_cast<const T *>(p.logits) + size_t(b) * p.classes;
        const row_summary s = summary_of(row, p.classes);
        *loss += row_loss<T>(p, b, s);
        *right += s.argmax == p.y[b] ? 1 : 0;
        for (uint32_t k = 0; p.all && k < p.classes; k++)
            p.all[size_t(first + b) * p.classes + k] = widen(row[k]);
    }
}

__global__ void loss_kernel(const __grid_constant__ xst_cuda_loss_args p)
{
    __shared__ double loss[THREADS];
    __shared__ uint32_t right[THREADS];
    const unsigned me = threadIdx.x;
    double my_loss = 0.0;
    uint32_t my_right = 0;
    if (p.type == XST_CUDA_F32)
        add_rows<float>(p, &my_loss, &my_right);
    else
        add_rows<uint16_t>(p, &my_loss, &my_right);
    loss[me] = my_loss;
    right[me] = my_right;
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (me < half) {
            loss[me] += loss[me + half];
            right[me] += right[me + half];
        }
    }
    if (me == 0) {
        p.metrics[0] += loss[0];
        p.metrics[1] += double(right[0]);
    }
}

} // namespace

extern "C" cudaError_t xst_cuda_loss(const xst_cuda_queue *q, const xst_cuda_loss_args *args)
{
    if (args->classes == 0 || !args->all != !args->cursor || !args->dlogits == !args->all)
        return cudaErrorInvalidValue;
    return args->rows == 0 ? cudaSuccess : LAUNCH(q, loss_kernel, 1, THREADS, 0, *args);
}
