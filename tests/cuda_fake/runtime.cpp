// The CUDA runtime on the CPU: memory, streams that run at once, graphs as recorded calls.
#include "fake.hpp"

#include "cuda_on_cpu.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sys/mman.h>
#include <vector>

namespace
{

using Work = std::vector<std::function<cudaError_t()>>;

struct Stream {
    std::unique_ptr<Work> recording;
};
struct Event {
    double at; // milliseconds
    bool recorded;
};

double now()
{
    const std::chrono::duration<double, std::milli> since = std::chrono::steady_clock::now().time_since_epoch();
    return since.count() + fake_state()->clock_ms;
}

// Sanitizers' bookkeeping of very large blocks, workspaces that nobody fills, takes longer than all else: they come
// from the system. More poison would only take time, too.
constexpr size_t LARGE = size_t(128) << 20, POISONED = size_t(1) << 20;
std::map<void *, size_t> large;

std::map<void (*)(), size_t> shared_asked; // by kernel: dynamic shared memory beyond what each may have

int captures; // going on: nothing may be allocated or waited for meanwhile

Stream *stream_of(cudaStream_t s)
{
    return reinterpret_cast<Stream *>(s);
}

} // namespace

cudaError_t fake_enqueue(cudaStream_t s, std::function<cudaError_t()> work)
{
    if (!s)
        return cudaErrorInvalidResourceHandle; // the backend never uses the default stream
    Stream *const stream = stream_of(s);
    if (stream->recording) {
        stream->recording->push_back(std::move(work));
        return cudaSuccess;
    }
    return work();
}

cudaError_t fake_cudaGetDeviceCount(int *n)
{
    *n = 1;
    return cudaSuccess;
}

cudaError_t fake_cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t fake_cudaGetDeviceProperties(cudaDeviceProp *p, int device)
{
    *p = {};
    snprintf(p->name, sizeof p->name, "no GPU: CUDA calls done on the CPU");
    p->major = 9;
    p->multiProcessorCount = 4;
    return fake_cudaSetDevice(device);
}

cudaError_t fake_cudaDriverGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t fake_cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t fake_cudaMalloc(void **p, size_t n)
{
    if (captures > 0)
        return cudaErrorStreamCaptureUnsupported;
    if (n >= LARGE) {
        *p = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (*p == MAP_FAILED)
            return cudaErrorMemoryAllocation;
        large[*p] = n;
    } else if (posix_memalign(p, 256, n) != 0) {
        return cudaErrorMemoryAllocation;
    }
    memset(*p, 0xff, n < POISONED ? n : POISONED);
    fake_state()->live++;
    return cudaSuccess;
}

cudaError_t fake_cudaFree(void *p)
{
    if (captures > 0)
        return cudaErrorStreamCaptureUnsupported;
    fake_state()->live -= p != nullptr;
    const auto found = large.find(p);
    if (found == large.end()) {
        free(p);
    } else {
        munmap(p, found->second);
        large.erase(found);
    }
    return cudaSuccess;
}

cudaError_t fake_cudaMemcpyAsync(void *to, const void *from, size_t n, cudaMemcpyKind kind, cudaStream_t s)
{
    if (stream_of(s)->recording && kind != cudaMemcpyDeviceToDevice)
        return cudaErrorStreamCaptureUnsupported; // a graph must not hold on to the host's memory
    return fake_enqueue(s, [=] { return memcpy(to, from, n), cudaSuccess; });
}

cudaError_t fake_cudaMemsetAsync(void *p, int value, size_t n, cudaStream_t s)
{
    return fake_enqueue(s, [=] { return memset(p, value, n), cudaSuccess; });
}

cudaError_t fake_cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    fake_make(s, new Stream{});
    return cudaSuccess;
}

cudaError_t fake_cudaStreamDestroy(cudaStream_t s)
{
    captures -= stream_of(s)->recording != nullptr;
    fake_drop<Stream>(s);
    return cudaSuccess;
}

cudaError_t fake_cudaStreamSynchronize(cudaStream_t s)
{
    return stream_of(s)->recording ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t fake_cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode)
{
    if (stream_of(s)->recording || mode != cudaStreamCaptureModeThreadLocal)
        return cudaErrorIllegalState;
    stream_of(s)->recording = std::make_unique<Work>();
    captures++;
    return cudaSuccess;
}

cudaError_t fake_cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    if (!stream_of(s)->recording)
        return cudaErrorIllegalState;
    fake_make(graph, stream_of(s)->recording.release());
    captures--;
    return cudaSuccess;
}

cudaError_t fake_cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    fake_make(exec, new Work(*reinterpret_cast<Work *>(graph)));
    return cudaSuccess;
}

cudaError_t fake_cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    if (stream_of(s)->recording)
        return cudaErrorStreamCaptureUnsupported;
    for (const auto &work : *reinterpret_cast<Work *>(exec))
        if (const cudaError_t e = work())
            return e;
    return cudaSuccess;
}

cudaError_t fake_cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    fake_drop<Work>(exec);
    return cudaSuccess;
}

cudaError_t fake_cudaGraphDestroy(cudaGraph_t graph)
{
    fake_drop<Work>(graph);
    return cudaSuccess;
}

cudaError_t fake_cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    fake_make(e, new Event{});
    return cudaSuccess;
}

cudaError_t fake_cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    Event *const event = reinterpret_cast<Event *>(e);
    return fake_enqueue(s, [=] { return *event = {now(), true}, cudaSuccess; });
}

cudaError_t fake_cudaEventSynchronize(cudaEvent_t e)
{
    return reinterpret_cast<Event *>(e)->recorded ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

cudaError_t fake_cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    const Event *const a = reinterpret_cast<Event *>(from), *const b = reinterpret_cast<Event *>(to);
    if (!a->recorded || !b->recorded)
        return cudaErrorInvalidResourceHandle;
    *ms = float(b->at - a->at);
    return cudaSuccess;
}

cudaError_t fake_cudaEventDestroy(cudaEvent_t e)
{
    fake_drop<Event>(e);
    return cudaSuccess;
}

cudaError_t fake_cudaFuncSetAttribute(const void *f, cudaFuncAttribute attribute, int value)
{
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0)
        return cudaErrorInvalidValue;
    shared_asked[static_cast<const SimKernel *>(f)->kernel] = size_t(value);
    return cudaSuccess;
}

cudaError_t fake_cudaLaunchKernel(const void *f, dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t s)
{
    const SimKernel kernel = *static_cast<const SimKernel *>(f);
    if (shared > 48 * 1024 && shared > shared_asked[kernel.kernel])
        return cudaErrorInvalidValue;
    const std::shared_ptr<void> copy = kernel.copy(arguments); // as in CUDA, the arguments are taken now
    return fake_enqueue(s, [=] {
        fake_state()->launches++;
        return sim_launch(kernel, grid, block, shared, copy.get());
    });
}

cudaError_t fake_cudaGetLastError(void)
{
    return cudaSuccess;
}

// A kernel that breaks the rules says how.
const char *fake_cudaGetErrorString(cudaError_t e)
{
    return sim_error() ? sim_error() : e == cudaErrorUnknown ? "made to fail" : "failed";
}
