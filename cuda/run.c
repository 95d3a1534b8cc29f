/* Running a compiled program: once on the side, to load kernels and let libraries settle; then recorded as a graph that
 * each run replays. */
#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

#include <nvtx3/nvToolsExt.h>
#include <stdlib.h>

/* Queues the steps one by one; where events is not NULL, records one before the first and one after each. */
static xst_status queue_steps(const xst_executable *x, const cudaEvent_t *events, xst_error *err)
{
    const xst_session *const s = x->session;
    const xst_cuda_api *const cuda = &s->backend->cuda;
    xst_status status = XST_OK;
    if (events)
        status = xst_cuda_check(s, cuda->cudaEventRecord(events[0], s->queue.stream), "timing", err);
    for (int32_t i = 0; i < x->steps && status == XST_OK; i++) {
        const cuda_step *const step = &x->step[i];
        nvtxRangePushA(x->label[step->op]);
        status = step->run(s, step->args, err);
        nvtxRangePop();
        if (status != XST_OK)
            xst_fail_context(err, status, "%s", x->label[step->op]);
        if (status == XST_OK && events)
            status = xst_cuda_check(s, cuda->cudaEventRecord(events[i + 1], s->queue.stream), "timing", err);
    }
    return status;
}

static xst_status refresh_shadows(xst_executable *x, xst_error *err)
{
    xst_status status = XST_OK;
    for (xst_tensor t = 0; t < x->session->tensors.count && status == XST_OK; t++)
        if (x->reads[t])
            status = xst_cuda_refresh(x->session, t, err);
    return status;
}

/* Shadows of what a program writes are old; but slots, which the program that writes active keeps right. */
static void age_shadows(xst_executable *x)
{
    for (xst_tensor t = 0; t < x->session->tensors.count; t++)
        if (x->writes[t] && x->session->state[t].shadow_form == CUDA_FORM_BF16)
            x->session->state[t].stale = true;
}

/* Active columns that could be: the first ones. Kernels rely on a list without repetitions. */
static xst_status make_active(xst_executable *x, xst_error *err)
{
    xst_session *const s = x->session;
    xst_status status = XST_OK;
    for (xst_tensor t = 0; t < s->tensors.count && status == XST_OK; t++) {
        const size_t a = (size_t)s->tensors.info[t].dim[0];
        void *memory = NULL;
        if (!x->reads[t] || s->state[t].shadow_form != CUDA_FORM_SLOTS || a == 0)
            continue;
        status = xst_alloc(&memory, a, sizeof(uint32_t), "warming up", err);
        uint32_t *const first = memory;
        for (size_t i = 0; i < a && status == XST_OK; i++)
            first[i] = (uint32_t)i;
        if (status == XST_OK)
            status = xst_cuda_upload(s, t, first, a * sizeof *first, err);
        xst_free(memory);
    }
    return status;
}

/* Runs every step with the state put aside, and puts it back. */
static xst_status warm_up(xst_executable *x, xst_error *err)
{
    xst_session *const s = x->session;
    const xst_cuda_api *const cuda = &s->backend->cuda;
    void *aside = NULL;
    xst_status status = xst_cuda_memory(s, s->block_bytes, false, "warming up", &aside, err);
    if (status == XST_OK)
        status = xst_cuda_check(
            s, cuda->cudaMemcpyAsync(aside, s->block, s->block_bytes, cudaMemcpyDeviceToDevice, s->queue.stream),
            "warming up", err);
    if (status == XST_OK)
        status = make_active(x, err);
    if (status == XST_OK)
        status = refresh_shadows(x, err);
    if (status == XST_OK)
        status = queue_steps(x, NULL, err);
    if (status == XST_OK)
        status = xst_cuda_check(
            s, cuda->cudaMemcpyAsync(s->block, aside, s->block_bytes, cudaMemcpyDeviceToDevice, s->queue.stream),
            "warming up", err);
    if (status == XST_OK)
        status = xst_cuda_synchronise(s, err);
    for (xst_tensor t = 0; t < s->tensors.count; t++)
        s->state[t].stale = s->state[t].stale || x->writes[t] || x->reads[t];
    const xst_status returned = xst_cuda_memory_return(s, aside, status == XST_OK ? err : NULL);
    return status == XST_OK ? returned : status;
}

/* A capture that has begun is ended whatever happens in it, or the stream stays unusable. */
static xst_status capture(const xst_session *s, cuda_run *queue, const void *args, cudaGraph_t *graph, xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    xst_status status = xst_cuda_check(
        s, cuda->cudaStreamBeginCapture(s->queue.stream, cudaStreamCaptureModeThreadLocal), "recording a graph", err);
    if (status != XST_OK)
        return status;
    status = queue(s, args, err);
    cudaError_t ended = cuda->cudaStreamEndCapture(s->queue.stream, graph);
    if (ended != cudaSuccess && !*graph)
        (void)cuda->cudaStreamEndCapture(s->queue.stream, graph);
    return status == XST_OK ? xst_cuda_check(s, ended, "recording a graph", err) : status;
}

static xst_status record(const xst_session *s, cuda_run *queue, const void *args, cudaGraphExec_t *out, xst_error *err)
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

static xst_status queue_all(const xst_session *s, const void *executable, xst_error *err)
{
    (void)s;
    return queue_steps(executable, NULL, err);
}

xst_status xst_cuda_record(xst_executable *x, xst_error *err)
{
    const xst_status status = warm_up(x, err);
    return status == XST_OK && x->session->backend->graphs ? record(x->session, queue_all, x, &x->graph, err) : status;
}

xst_status xst_cuda_run(xst_executable *x, xst_error *err)
{
    const xst_session *const s = x->session;
    xst_status status = refresh_shadows(x, err);
    if (status != XST_OK)
        return status;
    nvtxRangePushA(x->name);
    status = x->graph ? xst_cuda_check(s, s->backend->cuda.cudaGraphLaunch(x->graph, s->queue.stream), x->name, err)
                      : queue_steps(x, NULL, err);
    nvtxRangePop();
    age_shadows(x);
    return status;
}

/* ---- profile ----------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One run, step by step; adds each step's time to its operation in ms[ops]. */
static xst_status time_once(xst_executable *x, const cudaEvent_t *events, double *ms, xst_error *err)
{
    const xst_session *const s = x->session;
    const xst_cuda_api *const cuda = &s->backend->cuda;
    xst_status status = refresh_shadows(x, err);
    if (status == XST_OK)
        status = queue_steps(x, events, err);
    age_shadows(x);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaEventSynchronize(events[x->steps]), "timing", err);
    for (int32_t i = 0; i < x->steps && status == XST_OK; i++) {
        float elapsed = 0.0f;
        status = xst_cuda_check(s, cuda->cudaEventElapsedTime(&elapsed, events[i], events[i + 1]), "timing", err);
        ms[x->step[i].op] += (double)elapsed;
    }
    return status;
}

static xst_status create_events(const xst_session *s, cudaEvent_t *events, int32_t count, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < count && status == XST_OK; i++)
        status =
            xst_cuda_check(s, s->backend->cuda.cudaEventCreateWithFlags(&events[i], cudaEventDefault), "timing", err);
    return status;
}

static xst_status destroy_events(const xst_session *s, cudaEvent_t *events, int32_t count, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < count; i++) {
        const cudaError_t e = events[i] ? s->backend->cuda.cudaEventDestroy(events[i]) : cudaSuccess;
        status = status == XST_OK ? xst_cuda_check(s, e, "timing", err) : status;
    }
    return status;
}

xst_status xst_cuda_profile(xst_executable *x, int repeats, double *ms, xst_error *err)
{
    const size_t rounds = repeats > 0 ? (size_t)repeats : 1, ops = (size_t)x->ops;
    void *events = NULL, *samples = NULL, *column = NULL;
    xst_status status = xst_alloc(&events, (size_t)x->steps + 1, sizeof(cudaEvent_t), "profile", err);
    if (status == XST_OK)
        status = xst_alloc(&samples, rounds * ops, sizeof(double), "profile", err);
    if (status == XST_OK)
        status = xst_alloc(&column, rounds, sizeof(double), "profile", err);
    if (status == XST_OK)
        status = create_events(x->session, events, x->steps + 1, err);
    double *const sample = samples, *const one = column;
    for (size_t r = 0; r < rounds && status == XST_OK; r++)
        status = time_once(x, events, sample + r * ops, err);
    for (size_t i = 0; i < ops && status == XST_OK; i++) {
        for (size_t r = 0; r < rounds; r++)
            one[r] = sample[r * ops + i];
        qsort(one, rounds, sizeof *one, compare_doubles);
        ms[i] = one[rounds / 2];
    }
    if (events) {
        const xst_status destroyed = destroy_events(x->session, events, x->steps + 1, status == XST_OK ? err : NULL);
        status = status == XST_OK ? destroyed : status;
    }
    xst_free(column);
    xst_free(samples);
    xst_free(events);
    return status;
}

/* ---- one thing alone --------------------------------------------------------------------------------------------- */

static xst_status time_graph(const xst_session *s, cudaGraphExec_t graph, const cudaEvent_t events[2], double *ms,
                             xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    float elapsed = 0.0f;
    xst_status status = xst_cuda_check(s, cuda->cudaEventRecord(events[0], s->queue.stream), "timing", err);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaGraphLaunch(graph, s->queue.stream), "timing", err);
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
    xst_status status = record(s, queue, args, &graph, err);
    if (status == XST_OK)
        status = create_events(s, events, 2, err);
    for (int i = 0; i <= TRIES && status == XST_OK; i++)
        status = time_graph(s, graph, events, &sample[i], err);
    qsort(sample + 1, TRIES, sizeof *sample, compare_doubles);
    *ms = sample[1 + TRIES / 2];
    const xst_status destroyed = destroy_events(s, events, 2, status == XST_OK ? err : NULL);
    status = status == XST_OK ? destroyed : status;
    if (graph) {
        const cudaError_t e = s->backend->cuda.cudaGraphExecDestroy(graph);
        status = status == XST_OK ? xst_cuda_check(s, e, "timing", err) : status;
    }
    return status;
}
