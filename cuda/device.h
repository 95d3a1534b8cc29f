/* What each .cu file includes: CUDA itself under nvcc, its stand-in on the CPU (tests/cuda_on_cpu) under a C++
 * compiler.
 *
 * LAUNCH(queue, kernel, blocks, threads, shared_bytes, args...) gives a cudaError_t and goes through the queue's table.
 * DYNAMIC_SHARED(type, name) declares the launch's dynamic shared memory (16-byte aligned).
 *
 * Rules for kernels: no __shared__ in templates (the CPU build could not fill it with garbage); no return before a
 * barrier or full-mask shuffle, except by whole warps; float sums in a fixed order; atomics on integers only.
 * Contraction is off (-fmad=false); a fused multiply-add is written fmaf. */
#ifndef XST_CUDA_DEVICE_H
#define XST_CUDA_DEVICE_H

#include "api.h"
#include "kernels.h"

#include <tuple>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#define DYNAMIC_SHARED(type, name)                                                                                     \
    extern __shared__ __align__(16) unsigned char dynamic_shared_bytes[];                                              \
    type *const name = reinterpret_cast<type *>(dynamic_shared_bytes)
#define LAUNCHABLE(kernel, ...) reinterpret_cast<const void *>(kernel)
#else
#include "cuda_on_cpu.h"
#endif

template <class... P, class... A>
cudaError_t launch(const xst_cuda_queue *q, const char *name, void (*kernel)(P...), dim3 blocks, dim3 threads,
                   size_t shared, A... args)
{
    (void)name;
    std::tuple<P...> values(args...);
    return std::apply(
        [&](P &...p) {
            void *addresses[] = {&p...};
            cudaError_t e = cudaSuccess;
            if (shared > 48 * 1024) /* more than a kernel gets unasked */
                e = q->api->cudaFuncSetAttribute(LAUNCHABLE(kernel, name, P),
                                                 cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared));
            return e != cudaSuccess ? e
                                    : q->api->cudaLaunchKernel(LAUNCHABLE(kernel, name, P), blocks, threads, addresses,
                                                               shared, q->stream);
        },
        values);
}
#define LAUNCH(queue, kernel, ...) launch(queue, #kernel, kernel, __VA_ARGS__)

constexpr unsigned ALL_LANES = ~0u;

/* Blocks of `per` items that hold n. */
__host__ __device__ inline unsigned blocks_for(uint64_t n, unsigned per)
{
    return unsigned((n + per - 1) / per);
}

/* ---- storage types: float, or uint16_t for bf16 ------------------------------------------------------------------ */

__device__ __forceinline__ float widen(float x)
{
    return x;
}
__device__ __forceinline__ float widen(uint16_t x)
{
    return __uint_as_float(unsigned(x) << 16);
}
template <class T> __device__ __forceinline__ T narrow(float x);
template <> __device__ __forceinline__ float narrow<float>(float x)
{
    return x;
}
template <> __device__ __forceinline__ uint16_t narrow<uint16_t>(float x)
{
    return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

/* n neighbours, as one access of 16 bytes at most where they are aligned to their size. */
template <class T, int n> struct alignas(sizeof(T) * n < 16 ? sizeof(T) * n : 16) pack {
    T at[n];
};
template <int n, class T> __device__ __forceinline__ void load(float (&out)[n], const T *from)
{
    const pack<T, n> p = *reinterpret_cast<const pack<T, n> *>(from);
    for (int i = 0; i < n; i++)
        out[i] = widen(p.at[i]);
}
template <int n, class T> __device__ __forceinline__ void store(T *to, const float (&values)[n])
{
    pack<T, n> p;
    for (int i = 0; i < n; i++)
        p.at[i] = narrow<T>(values[i]);
    *reinterpret_cast<pack<T, n> *>(to) = p;
}

/* ---- many layers in one launch ----------------------------------------------------------------------------------- */

/* Layer l has the blocks first[l] .. first[l + 1] - 1. */
template <int max> struct block_map {
    unsigned first[max + 1];
    int layers;
};

template <int max> __device__ __forceinline__ int layer_of(const block_map<max> &map, unsigned *block)
{
    int l = 0;
    while (l + 1 < map.layers && blockIdx.x >= map.first[l + 1])
        l++;
    *block = blockIdx.x - map.first[l];
    return l;
}

/* count(l) = blocks that layer l needs. */
template <int max, class F> block_map<max> map_blocks(int layers, F count)
{
    block_map<max> map = {};
    map.layers = layers;
    for (int l = 0; l < layers; l++)
        map.first[l + 1] = map.first[l] + count(l);
    return map;
}

/* ---- the last block adds up ---------------------------------------------------------------------------------------
 */

/* Whether this block is the last of `blocks` to come here; it then sees what all of them wrote before. counter is in
 * device memory, 0 to begin with and again afterwards; flag is in shared memory. All threads of the block call it. */
__device__ __forceinline__ bool last_block(uint32_t *counter, unsigned blocks, int *flag)
{
    __threadfence();
    __syncthreads(); /* all threads have written and fenced */
    if (threadIdx.x == 0) {
        const bool last = atomicAdd(counter, 1u) == blocks - 1;
        if (last)
            atomicExch(counter, 0u);
        *flag = last;
    }
    __syncthreads();
    __threadfence();
    return *flag;
}

#endif
