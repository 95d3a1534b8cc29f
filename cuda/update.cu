/* COLUMN_SGD and SGD of program/ops.h: Nesterov momentum on the active columns, kept compact, and on plain tensors;
 * each one launch for all. Frozen and free columns cost nothing.
 *
 *   g = gradient + decay*w;  velocity = mu*velocity + g;  w -= lr*(g + mu*velocity)
 *
 *   value, velocity [a][L]: thread e of column k has weight e in (i, h, w) order; in a short last group the rest of the
 *   row is left alone. dw is read where the column stands in [O][taps][I]. */
#include "krsc.h"

namespace
{

constexpr unsigned THREADS = 256;
using layer_map = block_map<XST_CUDA_LAYERS_MAX>;
using tensor_map = block_map<XST_CUDA_TENSORS_MAX>;

__device__ __forceinline__ void nesterov(float lr, float mu, float decay, float gradient, float *w, float *velocity)
{
    const float g = fmaf(decay, *w, gradient), v = fmaf(mu, *velocity, g);
    *velocity = v;
    *w -= lr * fmaf(mu, v, g);
}

/* Which weight of which column a thread has. */
struct place {
    bool exists;
    size_t compact; /* in value and velocity */
    int64_t krsc;   /* in dw and w */
};

__device__ __forceinline__ place place_of(const xst_cuda_column_sgd_layer &l, unsigned block)
{
    const uint64_t thread = uint64_t(block) * THREADS + threadIdx.x;
    const uint32_t longest = uint32_t(l.geometry.longest), k = uint32_t(thread / longest);
    const int e = int(thread % longest);
    const uint32_t count = l.count ? min(*l.count, l.a) : l.a;
    const uint32_t c = k < count ? l.active[k] : l.geometry.columns;
    if (c >= l.geometry.columns)
        return {false, 0, 0};
    const krsc_column column = column_at(l.geometry, c);
    return {e < column.runs * column.channels, size_t(thread), weight_at(column, l.geometry.in, e)};
}

__device__ __forceinline__ float read_as(const void *from, xst_cuda_type type, int64_t at)
{
    return type == XST_CUDA_F32 ? static_cast<const float *>(from)[at] : widen(static_cast<const uint16_t *>(from)[at]);
}

__device__ __forceinline__ void write_as(void *to, xst_cuda_type type, int64_t at, float value)
{
    if (type == XST_CUDA_F32)
        static_cast<float *>(to)[at] = value;
    else
        static_cast<uint16_t *>(to)[at] = narrow<uint16_t>(value);
}

__global__ void column_sgd_kernel(const __grid_constant__ xst_cuda_column_sgd_args p,
                                  const __grid_constant__ layer_map map)
{
    unsigned block;
    const xst_cuda_column_sgd_layer &l = p.layer[layer_of(map, &block)];
    const place at = place_of(l, block);
    if (!at.exists)
        return;
    const float g = l.dw ? read_as(l.dw, p.dw_type, at.krsc) : l.dw_compact[at.compact];
    float w = l.value[at.compact];
    nesterov(p.rates[0], p.momentum, p.decay, g, &w, &l.velocity[at.compact]);
    l.value[at.compact] = w;
    if (l.w)
        write_as(l.w, p.w_type, at.krsc, w);
}

__global__ void scatter_kernel(const __grid_constant__ xst_cuda_column_sgd_args p,
                               const __grid_constant__ layer_map map)
{
    unsigned block;
    const xst_cuda_column_sgd_layer &l = p.layer[layer_of(map, &block)];
    const place at = place_of(l, block);
    if (at.exists)
        write_as(l.w, p.w_type, at.krsc, l.value[at.compact]);
}

__global__ void sgd_kernel(const __grid_constant__ xst_cuda_sgd_args p, const __grid_constant__ tensor_map map)
{
    unsigned block;
    const xst_cuda_sgd_tensor &t = p.tensor[layer_of(map, &block)];
    const uint32_t i = block * THREADS + threadIdx.x;
    if (i < t.n)
        nesterov(p.rates[0], t.momentum, t.decay, t.g[i], &t.w[i], &t.velocity[i]);
}

layer_map blocks_of(const xst_cuda_column_sgd_args &args)
{
    return map_blocks<XST_CUDA_LAYERS_MAX>(args.layers, [&](int l) {
        return blocks_for(uint64_t(args.layer[l].a) * uint64_t(args.layer[l].geometry.longest), THREADS);
    });
}

} // namespace

extern "C" cudaError_t xst_cuda_column_sgd(const xst_cuda_queue *q, const xst_cuda_column_sgd_args *args)
{
    if (args->layers < 0 || args->layers > XST_CUDA_LAYERS_MAX)
        return cudaErrorInvalidValue;
    for (int l = 0; l < args->layers; l++)
        if (!args->layer[l].dw == !args->layer[l].dw_compact)
            return cudaErrorInvalidValue;
    const layer_map map = blocks_of(*args);
    const unsigned blocks = map.first[args->layers];
    return blocks == 0 ? cudaSuccess : LAUNCH(q, column_sgd_kernel, blocks, THREADS, 0, *args, map);
}

extern "C" cudaError_t xst_cuda_scatter(const xst_cuda_queue *q, const xst_cuda_column_sgd_args *args)
{
    if (args->layers < 0 || args->layers > XST_CUDA_LAYERS_MAX)
        return cudaErrorInvalidValue;
    const layer_map map = blocks_of(*args);
    const unsigned blocks = map.first[args->layers];
    return blocks == 0 ? cudaSuccess : LAUNCH(q, scatter_kernel, blocks, THREADS, 0, *args, map);
}

extern "C" cudaError_t xst_cuda_sgd(const xst_cuda_queue *q, const xst_cuda_sgd_args *args)
{
    if (args->tensors < 0 || args->tensors > XST_CUDA_TENSORS_MAX)
        return cudaErrorInvalidValue;
    const tensor_map map =
        map_blocks<XST_CUDA_TENSORS_MAX>(args->tensors, [&](int t) { return blocks_for(args->tensor[t].n, THREADS); });
    const unsigned blocks = map.first[args->tensors];
    return blocks == 0 ? cudaSuccess : LAUNCH(q, sgd_kernel, blocks, THREADS, 0, *args, map);
}
