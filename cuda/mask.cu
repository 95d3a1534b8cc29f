/* MASK_GRADIENT and ADAM of program/ops.h (method notes, section 5): each preserved column's dw contracted with its
 * frozen weights, and the mask's update, for all masked layers in one launch.
 *
 *   g[c] = slope[c] * sum over the column of dw * frozen
 *
 * `parts` neighbouring threads share a column and meet by shuffles; short columns have one thread each, so that a warp
 * reads neighbouring columns. Frozen weights and dw of other columns are not read. */
#include "adam.h"
#include "krsc.h"

namespace
{

constexpr unsigned THREADS = 256;
constexpr int SHARE = 128; /* weights that one thread takes on before a second one joins */
using mask_map = block_map<XST_CUDA_LAYERS_MAX>;

__host__ __device__ unsigned parts_of(const xst_geometry &g)
{
    unsigned parts = 1;
    while (parts < 32 && g.longest > SHARE * int(parts))
        parts *= 2;
    return parts;
}

template <class D, class F, int n>
__device__ __forceinline__ float contract(const D *dw, const F *frozen, const krsc_column &column, int in, int part,
                                          int parts)
{
    float sum = 0.0f;
    for (int run = 0; run < column.runs; run++)
        for (int i = part * n; i < column.channels; i += parts * n) {
            const int64_t at = column.first + int64_t(run) * in + i;
            float a[n], b[n];
            load<n>(a, dw + at);
            load<n>(b, frozen + at);
            for (int k = 0; k < n; k++)
                sum = fmaf(a[k], b[k], sum);
        }
    return sum;
}

template <class D, class F>
__global__ void mask_kernel(const __grid_constant__ xst_cuda_mask_args p, const __grid_constant__ mask_map map)
{
    unsigned block;
    const xst_cuda_mask_layer &l = p.layer[layer_of(map, &block)];
    const unsigned parts = parts_of(l.geometry), thread = block * THREADS + threadIdx.x;
    const uint32_t c = thread / parts;
    const bool wanted = c < l.geometry.columns && l.preserved[c];
    float sum = 0.0f;
    if (wanted) {
        const D *const dw = static_cast<const D *>(l.dw);
        const F *const frozen = static_cast<const F *>(l.frozen);
        const krsc_column column = column_at(l.geometry, c);
        const int part = int(thread % parts), in = l.geometry.in;
        sum = packs_of_8(l.geometry) ? contract<D, F, 8>(dw, frozen, column, in, part, int(parts))
                                     : contract<D, F, 1>(dw, frozen, column, in, part, int(parts));
    }
    for (unsigned by = parts / 2; by > 0; by /= 2)
        sum += __shfl_xor_sync(ALL_LANES, sum, int(by));
    if (thread % parts != 0 || c >= l.geometry.columns)
        return;
    const float g = wanted ? l.slope[c] * sum : 0.0f;
    if (l.g)
        l.g[c] = g;
    if (wanted && l.m_r)
        adam(adam_at(p.t, p.rates), g, &l.m_r[c], &l.m[c], &l.v[c]);
}

__global__ void adam_kernel(const __grid_constant__ xst_cuda_adam_args p)
{
    const uint32_t c = blockIdx.x * THREADS + threadIdx.x;
    if (c < p.n && p.preserved[c])
        adam(adam_at(p.t, p.rates), p.g[c], &p.m_r[c], &p.m[c], &p.v[c]);
}

template <class D, class F>
cudaError_t contract_all(const xst_cuda_queue *q, unsigned blocks, const xst_cuda_mask_args &args, const mask_map &map)
{
    return LAUNCH(q, (mask_kernel<D, F>), blocks, THREADS, 0, args, map);
}

} // namespace

extern "C" cudaError_t xst_cuda_mask_gradient(const xst_cuda_queue *q, const xst_cuda_mask_args *args)
{
    if (args->layers < 0 || args->layers > XST_CUDA_LAYERS_MAX)
        return cudaErrorInvalidValue;
    const mask_map map = map_blocks<XST_CUDA_LAYERS_MAX>(args->layers, [&](int l) {
        const xst_geometry &g = args->layer[l].geometry;
        return blocks_for(uint64_t(g.columns) * parts_of(g), THREADS);
    });
    const unsigned blocks = map.first[args->layers];
    if (blocks == 0)
        return cudaSuccess;
    if (args->dw_type == XST_CUDA_F32)
        return args->frozen_type == XST_CUDA_F32 ? contract_all<float, float>(q, blocks, *args, map)
                                                 : contract_all<float, uint16_t>(q, blocks, *args, map);
    return args->frozen_type == XST_CUDA_F32 ? contract_all<uint16_t, float>(q, blocks, *args, map)
                                             : contract_all<uint16_t, uint16_t>(q, blocks, *args, map);
}

extern "C" cudaError_t xst_cuda_adam(const xst_cuda_queue *q, const xst_cuda_adam_args *args)
{
    return args->n == 0 ? cudaSuccess : LAUNCH(q, adam_kernel, blocks_for(args->n, THREADS), THREADS, 0, *args);
}
