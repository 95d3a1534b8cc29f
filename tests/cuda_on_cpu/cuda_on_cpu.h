/* Compiles a .cu file as C++17 so that its kernels run on the CPU, one block after the other. For tests only.
 *
 * Each thread of a block is a fiber; barriers and warp functions are the only points where the CPU goes from one fiber
 * to another. blocks.cpp schedules them and reports a barrier or warp function that not every thread reaches. */
#ifndef XST_TESTS_CUDA_ON_CPU_H
#define XST_TESTS_CUDA_ON_CPU_H

#include <stddef.h>
#include <stdint.h>

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>
#include <vector_functions.h>

#include "sim_control.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>

// All static shared memory lies in one section of the program, so the runner can fill it with garbage before each
// block.
#undef __shared__
#undef __grid_constant__
#define __shared__ static __attribute__((section("cuda_shared")))
#define __launch_bounds__(...)
#define __grid_constant__

using std::max;
using std::min;

// ---- what kernels see -----------------------------------------------------------------------------------------------

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

#define DYNAMIC_SHARED(type, name) type *const name = static_cast<type *>(sim_dynamic_shared())

struct SimSite {
    const char *what, *file;
    int line;
};
#define SIM_SITE(what)                                                                                                 \
    SimSite                                                                                                            \
    {                                                                                                                  \
        what, file, line                                                                                               \
    }
#define SIM_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

enum SimVote { SIM_NONE, SIM_OR, SIM_AND, SIM_COUNT };

void *sim_dynamic_shared();
int sim_block_sync(SimSite site, int predicate, SimVote vote);
void sim_warp_sync(SimSite site, unsigned mask);
uint64_t sim_shuffle(SimSite site, unsigned mask, uint64_t bits, int source); // source: a lane of the warp
unsigned sim_ballot(SimSite site, unsigned mask, bool predicate);
void sim_mma(SimSite site, float d[4], const uint32_t a[4], const uint32_t b[2]);
bool sim_left_out(SimSite site);
bool sim_fenced();
void sim_fence();

inline void __syncthreads(SIM_HERE)
{
    sim_block_sync(SIM_SITE("__syncthreads"), 0, SIM_NONE);
}
inline int __syncthreads_or(int p, SIM_HERE)
{
    return sim_block_sync(SIM_SITE("__syncthreads_or"), p, SIM_OR);
}
inline int __syncthreads_and(int p, SIM_HERE)
{
    return sim_block_sync(SIM_SITE("__syncthreads_and"), p, SIM_AND);
}
inline int __syncthreads_count(int p, SIM_HERE)
{
    return sim_block_sync(SIM_SITE("__syncthreads_count"), p, SIM_COUNT);
}
inline void __syncwarp(unsigned mask = ~0u, SIM_HERE)
{
    sim_warp_sync(SIM_SITE("__syncwarp"), mask);
}
inline unsigned __ballot_sync(unsigned mask, int p, SIM_HERE)
{
    return sim_ballot(SIM_SITE("__ballot_sync"), mask, p != 0);
}
inline int __any_sync(unsigned mask, int p, SIM_HERE)
{
    return sim_ballot(SIM_SITE("__any_sync"), mask, p != 0) != 0;
}
inline int __all_sync(unsigned mask, int p, SIM_HERE)
{
    return sim_ballot(SIM_SITE("__all_sync"), mask, p != 0) == mask;
}

inline int sim_lane()
{
    return int((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32);
}

template <class T> T sim_shuffle_value(SimSite site, unsigned mask, T value, int source)
{
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value, "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = sim_shuffle(site, mask, bits, source);
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T> T __shfl_sync(unsigned mask, T v, int source, int width = 32, SIM_HERE)
{
    const int from = (sim_lane() & ~(width - 1)) | (source & (width - 1));
    return sim_shuffle_value(SIM_SITE("__shfl_sync"), mask, v, from);
}
template <class T> T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32, SIM_HERE)
{
    // A lane of a later segment is out of reach, one of an earlier is not.
    const int lane = sim_lane(), from = lane ^ with;
    const int source = from < (lane & ~(width - 1)) + width ? from : lane;
    return sim_shuffle_value(SIM_SITE("__shfl_xor_sync"), mask, v, source);
}
template <class T> T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32, SIM_HERE)
{
    const int lane = sim_lane(), from = lane + int(by);
    const int source = from < (lane & ~(width - 1)) + width ? from : lane;
    return sim_shuffle_value(SIM_SITE("__shfl_down_sync"), mask, v, source);
}
template <class T> T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32, SIM_HERE)
{
    const int lane = sim_lane(), from = lane - int(by);
    const int source = from >= (lane & ~(width - 1)) ? from : lane;
    return sim_shuffle_value(SIM_SITE("__shfl_up_sync"), mask, v, source);
}

inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
inline unsigned __float_as_uint(float x)
{
    unsigned u;
    memcpy(&u, &x, 4);
    return u;
}
inline float __uint_as_float(unsigned u)
{
    float x;
    memcpy(&x, &u, 4);
    return x;
}

// Atomic operations take part in no ordering until the thread has called __threadfence; from then on they publish what
// it wrote.
inline void __threadfence()
{
    sim_fence();
}
template <class T, class F> T sim_atomic(T *p, F next)
{
    using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    static_assert(sizeof(T) == sizeof(Bits), "atomics work on 4 or 8 bytes");
    static_assert(std::is_integral<T>::value, "float sums in any order are not allowed in this project");
    Bits *const word = reinterpret_cast<Bits *>(p);
    const int order = sim_fenced() ? __ATOMIC_ACQ_REL : __ATOMIC_ACQUIRE;
    Bits seen = __atomic_load_n(word, __ATOMIC_RELAXED), want;
    T old, fresh;
    do {
        memcpy(&old, &seen, sizeof old);
        fresh = next(old);
        memcpy(&want, &fresh, sizeof want);
    } while (!__atomic_compare_exchange_n(word, &seen, want, false, order, __ATOMIC_ACQUIRE));
    return old;
}
template <class T> using SimSame = std::common_type_t<T>; // not deduced: atomicAdd(unsigned *, 1) adds 1u
template <class T> T atomicAdd(T *p, SimSame<T> v)
{
    return sim_atomic(p, [v](T old) { return T(old + v); });
}
template <class T> T atomicMax(T *p, SimSame<T> v)
{
    return sim_atomic(p, [v](T old) { return max(old, v); });
}
template <class T> T atomicExch(T *p, SimSame<T> v)
{
    return sim_atomic(p, [v](T) { return v; });
}
template <class T> T atomicOr(T *p, SimSame<T> v)
{
    return sim_atomic(p, [v](T old) { return T(old | v); });
}

// ---- asynchronous copies: bytes arrive as late as the rules allow, and until then the target holds garbage ----------

struct SimCopy {
    void *to;
    const void *from;
    int bytes, size;
    unsigned group;
};
struct SimCopies {
    SimCopy waiting[64];
    int n;
    unsigned group;
};
SimCopies *sim_copies();
void sim_too_many_copies();

inline void sim_copy_async(void *to, const void *from, int size, int bytes)
{
    SimCopies *const q = sim_copies();
    if (q->n == 64)
        return sim_too_many_copies();
    for (int i = 0; i < size; i++)
        static_cast<unsigned char *>(to)[i] = 0xff;
    q->waiting[q->n++] = {to, from, bytes, size, q->group};
}
inline void sim_copy_commit()
{
    sim_copies()->group++;
}
inline void sim_copy_arrive(const SimCopy &c)
{
    unsigned char *const to = static_cast<unsigned char *>(c.to);
    for (int b = 0; b < c.size; b++)
        to[b] = b < c.bytes ? static_cast<const unsigned char *>(c.from)[b] : (unsigned char)0;
}
inline void sim_copy_wait(unsigned groups_left, SimSite site)
{
    if (sim_left_out(site))
        return;
    SimCopies *const q = sim_copies();
    int kept = 0;
    for (int i = 0; i < q->n; i++) {
        const SimCopy c = q->waiting[i];
        if (c.group + groups_left >= q->group)
            q->waiting[kept++] = c;
        else
            sim_copy_arrive(c);
    }
    q->n = kept;
}

// ---- launch ---------------------------------------------------------------------------------------------------------

// What stands for a kernel where CUDA has the address of its host stub: it knows the types of the arguments.
struct SimKernel {
    const char *name;
    void (*kernel)();
    std::shared_ptr<void> (*copy)(void **args);
    void (*call)(const SimKernel &k, void *copy);
};
// Runs it now, with arguments that `copy` made.
cudaError_t sim_launch(const SimKernel &kernel, dim3 grid, dim3 block, size_t shared, void *args);

template <class... P> struct SimCall {
    using Args = std::tuple<P...>;
    template <size_t... i> static std::shared_ptr<void> gather(void **args, std::index_sequence<i...>)
    {
        return std::make_shared<Args>(*static_cast<P *>(args[i])...);
    }
    static std::shared_ptr<void> copy(void **args)
    {
        return gather(args, std::index_sequence_for<P...>());
    }
    static void call(const SimKernel &k, void *args)
    {
        std::apply(reinterpret_cast<void (*)(P...)>(k.kernel), *static_cast<Args *>(args));
    }
};
#define LAUNCHABLE(kernel, name, P)                                                                                    \
    &static_cast<const SimKernel &>(                                                                                   \
        SimKernel{name, reinterpret_cast<void (*)()>(kernel), SimCall<P...>::copy, SimCall<P...>::call})

#endif
