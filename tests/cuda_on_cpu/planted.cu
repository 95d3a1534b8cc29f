/* Kernels with one fault each. The comment says which; tests/cuda_on_cpu/CMakeLists.txt says which build finds it. */
#include "planted.h"

#include "device.h"

namespace
{

/* Reads what other threads wrote with no barrier between. */
__global__ void missing_barrier_kernel(float *out, int n)
{
    __shared__ float s[64];
    s[threadIdx.x] = float(threadIdx.x);
    if (int(threadIdx.x) < n)
        out[threadIdx.x] = s[(threadIdx.x + 1) % 64];
}

/* A shuffle orders no memory: here belongs __syncwarp. */
__global__ void missing_syncwarp_kernel(float *out, int n)
{
    __shared__ float s[32];
    s[threadIdx.x] = float(threadIdx.x);
    const float x = __shfl_xor_sync(ALL_LANES, 1.0f, 1);
    if (int(threadIdx.x) < n)
        out[threadIdx.x] = x + s[31 - threadIdx.x];
}

/* Some threads return; the others wait for them. */
__global__ void divergent_barrier_kernel(float *out, int n)
{
    if (int(threadIdx.x) >= n)
        return;
    out[threadIdx.x] = 1;
    __syncthreads();
}

/* Lanes >= n never come. */
__global__ void divergent_shuffle_kernel(float *out, int n)
{
    if (int(threadIdx.x) < n)
        out[threadIdx.x] = __shfl_down_sync(ALL_LANES, 1.0f, 1);
}

__global__ void beyond_static_kernel(float *out, int n)
{
    __shared__ float s[64];
    s[threadIdx.x] = 1;
    __syncthreads();
    const float *const p = s + 4;
    if (int(threadIdx.x) < n)
        out[threadIdx.x] = p[threadIdx.x * 2]; /* 4 + 30 * 2 = 64 */
}

__global__ void beyond_dynamic_kernel(float *, int)
{
    DYNAMIC_SHARED(float, s);
    s[threadIdx.x + 1] = 1;
}

__global__ void beyond_global_kernel(float *out, int n)
{
    if (int(threadIdx.x) <= n) /* <= */
        out[threadIdx.x] = 1;
}

/* Every block writes the same place. */
__global__ void block_race_kernel(float *out, int n)
{
    if (int(threadIdx.x) < n)
        out[threadIdx.x] = float(blockIdx.x);
}

__global__ void not_atomic_kernel(float *out, int)
{
    out[0] += 1;
}

/* s[0] is never set. */
__global__ void uninitialised_kernel(float *out, int n)
{
    __shared__ float s[64];
    if (threadIdx.x > 0)
        s[threadIdx.x] = 1;
    __syncthreads();
    if (int(threadIdx.x) < n)
        out[threadIdx.x] = s[threadIdx.x] > 0 ? 1.0f : 2.0f;
}

using kernel = void(float *, int);

template <kernel *k, unsigned blocks, unsigned threads, size_t shared>
cudaError_t run(const xst_cuda_queue *q, float *out, int n)
{
    return LAUNCH(q, k, blocks, threads, shared, out, n);
}

const struct {
    const char *name;
    planted *run;
} list[] = {
    {"missing_barrier", run<missing_barrier_kernel, 1, 64, 0>},
    {"missing_syncwarp", run<missing_syncwarp_kernel, 1, 32, 0>},
    {"divergent_barrier", run<divergent_barrier_kernel, 1, 64, 0>},
    {"divergent_shuffle", run<divergent_shuffle_kernel, 1, 64, 0>},
    {"beyond_static", run<beyond_static_kernel, 1, 64, 0>},
    {"beyond_dynamic", run<beyond_dynamic_kernel, 1, 64, 64 * sizeof(float)>},
    {"beyond_global", run<beyond_global_kernel, 1, 64, 0>},
    {"block_race", run<block_race_kernel, 2, 64, 0>},
    {"not_atomic", run<not_atomic_kernel, 1, 64, 0>},
    {"uninitialised", run<uninitialised_kernel, 1, 64, 0>},
};

} // namespace

extern "C" planted *planted_find(const char *name)
{
    for (const auto &p : list)
        if (strcmp(p.name, name) == 0)
            return p.run;
    return nullptr;
}
