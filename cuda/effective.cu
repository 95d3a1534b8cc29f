/* EFFECTIVE of program/ops.h: the weights a step computes with, for all masked layers in one launch.
 *
 *   frozen [O][taps][I], gate bits [columns], slot [columns], value [a][L]  ->  w_eff [O][taps][I]
 *
 *   w_eff = value[slot of the column] where it has one, else frozen where its gate is on, else 0
 *
 * A thread makes a pack of neighbours along I: eight where no column border can fall into them, else one. A column
 * that is off is not read. */
#include "krsc.h"

namespace
{

constexpr unsigned THREADS = 256;
using effective_map = block_map<XST_CUDA_LAYERS_MAX>;

template <class T, int n>
__device__ __forceinline__ void write_pack(const xst_cuda_effective_layer &l, uint32_t pack_index)
{
    const xst_geometry &g = l.geometry;
    const uint32_t in = uint32_t(g.in), taps = uint32_t(g.kh * g.kw), packs = in / n;
    const uint32_t row = pack_index / packs, i = pack_index % packs * n, o = row / taps, tap = row % taps;
    if (o >= uint32_t(g.out))
        return;
    const uint32_t group = uint32_t(g.group);
    const uint32_t c = group == 0 ? (o * in + i) * taps + tap : o * uint32_t(g.groups) + i / group;
    const size_t at = size_t(row) * in + i;
    const int32_t slot = l.slot ? l.slot[c] : -1;
    float w[n] = {};
    if (slot >= 0) {
        const uint32_t e = group == 0 ? 0 : i % group * taps + tap;
        for (int k = 0; k < n; k++)
            w[k] = l.value[size_t(slot) * size_t(g.longest) + e + uint32_t(k) * taps];
    } else if (l.frozen && (l.bits[c / 32] >> (c % 32) & 1)) {
        load<n>(w, static_cast<const T *>(l.frozen) + at);
    }
    store<n>(static_cast<T *>(l.w_eff) + at, w);
}

template <class T>
__global__ void effective_kernel(const __grid_constant__ xst_cuda_effective_args p,
                                 const __grid_constant__ effective_map map)
{
    unsigned block;
    const xst_cuda_effective_layer &l = p.layer[layer_of(map, &block)];
    const uint32_t pack_index = block * THREADS + threadIdx.x;
    if (packs_of_8(l.geometry))
        write_pack<T, 8>(l, pack_index);
    else
        write_pack<T, 1>(l, pack_index);
}

unsigned blocks_of(const xst_geometry &g)
{
    return blocks_for(uint64_t(weights_of(g)), THREADS * (packs_of_8(g) ? 8 : 1));
}

} // namespace

extern "C" cudaError_t xst_cuda_effective(const xst_cuda_queue *q, const xst_cuda_effective_args *args)
{
    if (args->layers < 0 || args->layers > XST_CUDA_LAYERS_MAX)
        return cudaErrorInvalidValue;
    for (int l = 0; l < args->layers; l++)
        if (weights_of(args->layer[l].geometry) > INT32_MAX)
            return cudaErrorInvalidValue;
    const effective_map map =
        map_blocks<XST_CUDA_LAYERS_MAX>(args->layers, [&](int l) { return blocks_of(args->layer[l].geometry); });
    const unsigned blocks = map.first[args->layers];
    if (blocks == 0)
        return cudaSuccess;
    return args->type == XST_CUDA_F32 ? LAUNCH(q, effective_kernel<float>, blocks, THREADS, 0, *args, map)
                                      : LAUNCH(q, effective_kernel<uint16_t>, blocks, THREADS, 0, *args, map);
}
