// The CUDA runtime on the CPU: memory, streams that run at once, graphs as recorded calls with what each must wait for.
// A graph runs in the order of recording, or, by XST_FAKE_ORDER, in another that its edges allow: `late`: what was
// recorded first waits for as long as it can; a number: a random one, by that seed.
#include "fake.hpp"

#include "cuda_on_cpu.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <sys/mman.h>
#include <vector>

namespace
{

struct Stream;

struct Node {
    std::function<cudaError_t()> work;
    std::vector<size_t> after;
};
struct Graph {
    std::vector<Node> nodes;
    std::vector<Stream *> streams; // that are recorded into it; the first one began
};
struct Stream {
    std::shared_ptr<Graph> recording;
    std::vector<size_t> last; // nodes that the next one comes after
};
struct Event {
    double at; // milliseconds
    bool recorded;
    std::weak_ptr<Graph> graph; // where it was recorded while capturing
    std::vector<size_t> last;
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
        stream->recording->nodes.push_back({std::move(work), stream->last});
        stream->last = {stream->recording->nodes.size() - 1};
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

static void end_recording(Graph *graph)
{
    for (Stream *const stream : graph->streams)
        *stream = {};
    captures--;
}

cudaError_t fake_cudaStreamDestroy(cudaStream_t s)
{
    if (const std::shared_ptr<Graph> graph = stream_of(s)->recording)
        end_recording(graph.get());
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
    *stream_of(s) = {std::make_shared<Graph>(), {}};
    stream_of(s)->recording->streams = {stream_of(s)};
    captures++;
    return cudaSuccess;
}

// Whether the stream that began comes after every node, so that no other is left running.
static bool joined(const Graph &graph)
{
    std::vector<bool> reached(graph.nodes.size());
    for (const size_t i : graph.streams[0]->last)
        reached[i] = true;
    for (size_t i = graph.nodes.size(); i-- > 0;)
        for (const size_t before : graph.nodes[i].after)
            reached[before] = reached[before] || reached[i];
    return std::find(reached.begin(), reached.end(), false) == reached.end();
}

cudaError_t fake_cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    const std::shared_ptr<Graph> recorded = stream_of(s)->recording;
    if (!recorded || recorded->streams[0] != stream_of(s))
        return cudaErrorIllegalState;
    const bool whole = joined(*recorded);
    end_recording(recorded.get());
    if (!whole)
        return cudaErrorStreamCaptureUnjoined;
    recorded->streams.clear();
    fake_make(graph, new Graph(*recorded));
    return cudaSuccess;
}

cudaError_t fake_cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    fake_make(exec, new Graph(*reinterpret_cast<Graph *>(graph)));
    return cudaSuccess;
}

static cudaError_t run_in_order(const Graph &graph, const char *order)
{
    const bool late = strcmp(order, "late") == 0;
    std::minstd_rand dice(unsigned(1 + atoi(order)));
    std::vector<size_t> waits(graph.nodes.size());
    std::vector<std::vector<size_t>> next(graph.nodes.size());
    std::vector<size_t> ready;
    for (size_t i = 0; i < graph.nodes.size(); i++) {
        waits[i] = graph.nodes[i].after.size();
        for (const size_t before : graph.nodes[i].after)
            next[before].push_back(i);
        if (waits[i] == 0)
            ready.push_back(i);
    }
    while (!ready.empty()) {
        const auto at =
            late ? std::max_element(ready.begin(), ready.end()) : ready.begin() + long(dice() % ready.size());
        const size_t i = *at;
        ready.erase(at);
        if (const cudaError_t e = graph.nodes[i].work())
            return e;
        for (const size_t k : next[i])
            if (--waits[k] == 0)
                ready.push_back(k);
    }
    return cudaSuccess;
}

cudaError_t fake_cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    const Graph &graph = *reinterpret_cast<Graph *>(exec);
    if (stream_of(s)->recording)
        return cudaErrorStreamCaptureUnsupported;
    if (const char *const order = getenv("XST_FAKE_ORDER"))
        return run_in_order(graph, order);
    for (const Node &node : graph.nodes)
        if (const cudaError_t e = node.work())
            return e;
    return cudaSuccess;
}

cudaError_t fake_cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    fake_drop<Graph>(exec);
    return cudaSuccess;
}

cudaError_t fake_cudaGraphDestroy(cudaGraph_t graph)
{
    fake_drop<Graph>(graph);
    return cudaSuccess;
}

cudaError_t fake_cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    fake_make(e, new Event{});
    return cudaSuccess;
}

static cudaError_t record_time(Event *event, cudaStream_t s)
{
    return fake_enqueue(s, [=] {
        event->at = now();
        event->recorded = true;
        return cudaSuccess;
    });
}

// In a capture it marks what others can wait for.
cudaError_t fake_cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    Event *const event = reinterpret_cast<Event *>(e);
    const Stream *const stream = stream_of(s);
    if (!stream->recording)
        return record_time(event, s);
    event->graph = stream->recording;
    event->last = stream->last;
    return cudaSuccess;
}

// In a capture only an external event gets a time, when the graph runs.
cudaError_t fake_cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned flags)
{
    if ((flags == cudaEventRecordExternal) != (stream_of(s)->recording != nullptr))
        return cudaErrorInvalidValue;
    return record_time(reinterpret_cast<Event *>(e), s);
}

// Streams run at once: outside of a capture there is nothing to wait for. In one, the stream joins it.
cudaError_t fake_cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
    const Event *const event = reinterpret_cast<Event *>(e);
    const std::shared_ptr<Graph> graph = event->graph.lock();
    Stream *const stream = stream_of(s);
    if (stream->recording != graph && (stream->recording || !graph))
        return cudaErrorStreamCaptureIsolation;
    if (!graph)
        return cudaSuccess;
    if (!stream->recording) {
        stream->recording = graph;
        graph->streams.push_back(stream);
    }
    stream->last.insert(stream->last.end(), event->last.begin(), event->last.end());
    return cudaSuccess;
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
