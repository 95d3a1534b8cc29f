/* Recording graphs, and timing what one holds. */
#include "cuda.h"

#include "base/error.h"

#include <stdlib.h>

/* A capture that has begun is ended whatever happens in it, or the stream stays unusable. */
static xst_status capture(const xst_session *s, cuda_run *queue, const void *args, cudaGraph_t *graph, xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    const cudaStream_t stream = s->queue.stream;
    xst_status status = xst_cuda_check(s, cuda->cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
                                       "recording a graph", err);
    if (status != XST_OK)
        return status;
    status = queue(s, args, err);
    cudaError_t ended = cuda->cudaStreamEndCapture(stream, graph);
    if (ended != cudaSuccess && !*graph)
        (void)cuda->cudaStreamEndCapture(stream, graph);
    return status == XST_OK ? xst_cuda_check(s, ended, "recording a graph", err) : status;
}

xst_status xst_cuda_make_graph(const xst_session *s, cuda_run *queue, const void *args, cudaGraphExec_t *out,
                               xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    cudaGraph_t graph = NULL;
    xst_status status = capture(s, queue, args, &graph, err);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaGraphInstantiate(out, graph, 0), "recording a graph", err);
    if (graph) {
        const cudaError_t e = cuda->cudaGraphDestroy(graph);
        status = status == XST_OK ? xst_cuda_check(s, e, "recording a graph", err) : status;
    }
    return status;
}

xst_status xst_cuda_create_events(const xst_session *s, cudaEvent_t *events, int32_t count, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < count && status == XST_OK; i++)
        status =
            xst_cuda_check(s, s->backend->cuda.cudaEventCreateWithFlags(&events[i], cudaEventDefault), "timing", err);
    return status;
}

xst_status xst_cuda_destroy_events(const xst_session *s, cudaEvent_t *events, int32_t count, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < count; i++) {
        const cudaError_t e = events[i] ? s->backend->cuda.cudaEventDestroy(events[i]) : cudaSuccess;
        status = status == XST_OK ? xst_cuda_check(s, e, "timing", err) : status;
    }
    return status;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double xst_cuda_median(double *sample, size_t n)
{
    qsort(sample, n, sizeof *sample, ascending);
    return sample[n / 2];
}

/* Without graphs (XST_CUDA_GRAPHS=0) the calls of the host count too. */
static xst_status time_once(const xst_session *s, cuda_run *queue, const void *args, cudaGraphExec_t graph,
                            const cudaEvent_t events[2], double *ms, xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    float elapsed = 0.0f;
    xst_status status = xst_cuda_check(s, cuda->cudaEventRecord(events[0], s->queue.stream), "timing", err);
    if (status == XST_OK)
        status = graph ? xst_cuda_check(s, cuda->cudaGraphLaunch(graph, s->queue.stream), "timing", err)
                       : queue(s, args, err);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaEventRecord(events[1], s->queue.stream), "timing", err);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaEventSynchronize(events[1]), "timing", err);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaEventElapsedTime(&elapsed, events[0], events[1]), "timing", err);
    *ms = (double)elapsed;
    return status;
}

xst_status xst_cuda_time(const xst_session *s, cuda_run *queue, const void *args, double *ms, xst_error *err)
{
    enum { TRIES = 3 };
    cudaEvent_t events[2] = {0};
    cudaGraphExec_t graph = NULL;
    double sample[TRIES + 1] = {0}; /* the first also brings the graph to the device */
    xst_status status = s->backend->graphs ? xst_cuda_make_graph(s, queue, args, &graph, err) : XST_OK;
    if (status == XST_OK)
        status = xst_cuda_create_events(s, events, 2, err);
    for (int i = 0; i <= TRIES && status == XST_OK; i++)
        status = time_once(s, queue, args, graph, events, &sample[i], err);
    *ms = xst_cuda_median(sample + 1, TRIES);
    const xst_status destroyed = xst_cuda_destroy_events(s, events, 2, status == XST_OK ? err : NULL);
    status = status == XST_OK ? destroyed : status;
    if (graph) {
        const cudaError_t e = s->backend->cuda.cudaGraphExecDestroy(graph);
        status = status == XST_OK ? xst_cuda_check(s, e, "timing", err) : status;
    }
    return status;
}
