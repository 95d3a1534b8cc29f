/* GATES of program/ops.h (method notes, section 5; paper Eq. 1 and 2): the column mask of every masked layer, drawn in
 * one launch.
 *
 *   m_r[n], preserved[n], slot[n]  ->  bits[(n + 31) / 32], slope[n]
 *
 * A thread draws four columns from one Philox block; eight threads make a word of bits. Bits of active columns are set
 * too, so that a reader of bits knows which weights count at all. */
#include "words.h"

#include "base/exact.h"

namespace
{

constexpr unsigned THREADS = 256, COLUMNS = 4 * THREADS;
using gates_map = block_map<XST_CUDA_LAYERS_MAX>;

struct gate {
    bool on;
    float slope;
};

/* p(1-p)/T of p = sigmoid(x), from e = exp(-|x|) so that nothing overflows. */
__device__ __forceinline__ float soft_slope(float x, float temperature)
{
    const float e = expf(-fabsf(x / temperature));
    return e / ((1.0f + e) * (1.0f + e)) / temperature;
}

__device__ __forceinline__ gate draw(const xst_cuda_gates_args &p, float m_r, uint32_t word)
{
    if (!p.training || p.identity)
        return {m_r > 0.0f, p.training ? 1.0f : 0.0f};
    const float z = xst_exact_logistic(word);
    if (!p.paper)
        return {m_r + z > 0.0f, soft_slope(m_r + z, p.temperature)};
    const float e = expf(-fabsf(m_r)), rest = (m_r > 0.0f ? e : 1.0f) / (1.0f + e); // 1 - pi0
    const float sum = fminf(m_r, 0.0f) - log1pf(e) + z;
    return {sum > 0.0f, soft_slope(sum, p.temperature) * rest};
}

__global__ void gates_kernel(const __grid_constant__ xst_cuda_gates_args p, const __grid_constant__ gates_map map)
{
    unsigned block;
    const xst_cuda_gates_layer &l = p.layer[layer_of(map, &block)];
    const uint32_t quad = block * THREADS + threadIdx.x;
    const uint4 w = l.preserved ? random_words(p.key, quad, l.layer, *p.t, p.stage) : make_uint4(0, 0, 0, 0);
    const uint32_t word[4] = {w.x, w.y, w.z, w.w};
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t c = 4 * quad + i;
        if (c >= l.n)
            continue;
        gate g = {false, 0.0f};
        if (l.preserved && l.preserved[c])
            g = draw(p, l.m_r[c], word[i]);
        if (l.slope)
            l.slope[c] = g.slope;
        bits |= (g.on || (l.slot && l.slot[c] >= 0) ? 1u : 0u) << (4 * (quad % 8) + i);
    }
    for (int with = 1; with < 8; with *= 2)
        bits |= __shfl_xor_sync(ALL_LANES, bits, with);
    if (quad % 8 == 0 && 4 * quad < l.n)
        l.bits[quad / 8] = bits;
}

/* MASK_COUNT: a thread looks at four neighbours; integer sums, so their order does not matter. */
__global__ void mask_count_kernel(const __grid_constant__ xst_cuda_mask_count_args p)
{
    const uint32_t first = (blockIdx.x * THREADS + threadIdx.x) * 4;
    uint32_t on = 0, all = 0;
    for (uint32_t c = first; c < min(first + 4, p.n); c++) {
        const bool there = p.preserved[c] != 0;
        all += there ? 1 : 0;
        on += there && p.m_r[c] > 0.0f ? 1 : 0;
    }
    for (int with = 1; with < 32; with *= 2) {
        on += __shfl_xor_sync(ALL_LANES, on, with);
        all += __shfl_xor_sync(ALL_LANES, all, with);
    }
    if (threadIdx.x % 32 == 0 && all > 0) {
        atomicAdd(&p.counts[0], on);
        atomicAdd(&p.counts[1], all);
    }
}

} // namespace

extern "C" cudaError_t xst_cuda_mask_count(const xst_cuda_queue *q, const xst_cuda_mask_count_args *args)
{
    return args->n == 0 ? cudaSuccess : LAUNCH(q, mask_count_kernel, blocks_for(args->n, COLUMNS), THREADS, 0, *args);
}

extern "C" cudaError_t xst_cuda_gates(const xst_cuda_queue *q, const xst_cuda_gates_args *args)
{
    if (args->layers < 0 || args->layers > XST_CUDA_LAYERS_MAX || !(args->temperature > 0.0f))
        return cudaErrorInvalidValue;
    const gates_map map =
        map_blocks<XST_CUDA_LAYERS_MAX>(args->layers, [&](int l) { return blocks_for(args->layer[l].n, COLUMNS); });
    const unsigned blocks = map.first[args->layers];
    return blocks == 0 ? cudaSuccess : LAUNCH(q, gates_kernel, blocks, THREADS, 0, *args, map);
}
