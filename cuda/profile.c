/* Timing the steps of a program. They are recorded as a graph of their own, with an event after each: single launches
 * would time the host's calls wherever a kernel is shorter than these. */
#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

/* One run; adds each step's time to its operation in ms[ops]. */
static xst_status time_once(xst_executable *x, const cuda_events *events, cudaGraphExec_t graph, double *ms,
                            xst_error *err)
{
    const xst_session *const s = x->session;
    const xst_cuda_api *const cuda = &s->backend->cuda;
    xst_status status = xst_cuda_queue_run(x, events, graph, err);
    if (status == XST_OK)
        status = xst_cuda_synchronise(x->session, err);
    for (int32_t i = 0; i < x->steps && status == XST_OK; i++) {
        float elapsed = 0.0f;
        status = xst_cuda_check(s, cuda->cudaEventElapsedTime(&elapsed, events->event[i], events->event[i + 1]),
                                "timing", err);
        ms[x->step[i].op] += (double)elapsed;
    }
    return status;
}

/* Times every step in each of the rounds: sample[rounds][ops]. */
static xst_status time_all(xst_executable *x, size_t rounds, double *sample, xst_error *err)
{
    const xst_session *const s = x->session;
    void *memory = NULL;
    cudaGraphExec_t graph = NULL;
    xst_status status = xst_alloc(&memory, (size_t)x->steps + 1, sizeof(cudaEvent_t), "profile", err);
    cuda_events events = {.event = memory, .flags = x->graph ? cudaEventRecordExternal : cudaEventRecordDefault};
    if (status != XST_OK)
        return status;
    status = xst_cuda_create_events(s, events.event, x->steps + 1, err);
    if (status == XST_OK && x->graph)
        status = xst_cuda_record_steps(x, &events, &graph, err);
    for (size_t r = 0; r < rounds && status == XST_OK; r++)
        status = time_once(x, &events, graph, sample + r * (size_t)x->ops, err);
    if (graph) {
        const cudaError_t e = s->backend->cuda.cudaGraphExecDestroy(graph);
        status = status == XST_OK ? xst_cuda_check(s, e, "timing", err) : status;
    }
    const xst_status destroyed = xst_cuda_destroy_events(s, events.event, x->steps + 1, status == XST_OK ? err : NULL);
    xst_free(events.event);
    return status == XST_OK ? destroyed : status;
}

xst_status xst_cuda_profile(xst_executable *x, int repeats, double *ms, xst_error *err)
{
    const size_t rounds = repeats > 0 ? (size_t)repeats : 1, ops = (size_t)x->ops;
    void *samples = NULL, *column = NULL;
    xst_status status = xst_alloc(&samples, rounds * ops, sizeof(double), "profile", err);
    if (status == XST_OK)
        status = xst_alloc(&column, rounds, sizeof(double), "profile", err);
    double *const sample = samples, *const one = column;
    if (status == XST_OK)
        status = time_all(x, rounds, sample, err);
    for (size_t i = 0; i < ops && status == XST_OK; i++) {
        for (size_t r = 0; r < rounds; r++)
            one[r] = sample[r * ops + i];
        ms[i] = xst_cuda_median(one, rounds);
    }
    xst_free(column);
    xst_free(samples);
    return status;
}
