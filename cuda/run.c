/* Running a compiled program: once on the side, to load kernels and let libraries settle; then recorded as a graph that
 * each run replays. */
#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

#include <nvtx3/nvToolsExt.h>

static xst_status record_event(const xst_session *s, const cuda_events *events, int32_t i, xst_error *err)
{
    return xst_cuda_check(
        s, s->backend->cuda.cudaEventRecordWithFlags(events->event[i], s->queue.stream, events->flags), "timing", err);
}

/* Exchanges the branch that steps are queued on for the other one. */
static void change_branch(xst_session *s)
{
    const cudaStream_t stream = s->queue.stream;
    const cudnnHandle_t dnn = s->dnn;
    s->queue.stream = s->side_stream;
    s->dnn = s->side_dnn;
    s->side_stream = stream;
    s->side_dnn = dnn;
}

/* `later` goes on when all that `earlier` has now is done. */
static xst_status wait_for(const xst_session *s, cudaEvent_t event, cudaStream_t earlier, cudaStream_t later,
                           xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    const xst_status status = xst_cuda_check(s, cuda->cudaEventRecord(event, earlier), "branching", err);
    return status == XST_OK ? xst_cuda_check(s, cuda->cudaStreamWaitEvent(later, event, 0), "branching", err) : status;
}

static xst_status queue_step(const xst_executable *x, const cuda_step *step, xst_error *err)
{
    nvtxRangePushA(x->label[step->op]);
    const xst_status status = step->run(x->session, step->args, err);
    nvtxRangePop();
    return status == XST_OK ? XST_OK : xst_fail_context(err, status, "%s", x->label[step->op]);
}

/* Queues the steps on two branches, which end as one: for recording only. */
static xst_status queue_branches(xst_executable *x, xst_error *err)
{
    xst_session *const s = x->session;
    const cudaStream_t main = s->queue.stream, side = s->side_stream;
    xst_status status = XST_OK;
    bool ahead = true, busy = false; /* main has steps that side does not wait for; the reverse */
    for (int32_t i = 0; i < x->steps && status == XST_OK; i++) {
        const cuda_step *const step = &x->step[i];
        if (step->side && ahead)
            status = wait_for(s, s->fork, main, side, err);
        else if (step->joins)
            status = wait_for(s, s->join, side, main, err);
        if (status != XST_OK)
            break;
        if (step->side)
            change_branch(s);
        status = queue_step(x, step, err);
        if (step->side)
            change_branch(s);
        ahead = !step->side;
        busy = step->side || (busy && !step->joins);
    }
    return status == XST_OK && busy ? wait_for(s, s->join, side, main, err) : status;
}

/* Queues the steps one by one; with events, records one before the first and one after each. */
static xst_status queue_steps(xst_executable *x, const cuda_events *events, xst_error *err)
{
    const xst_session *const s = x->session;
    xst_status status = events ? record_event(s, events, 0, err) : XST_OK;
    for (int32_t i = 0; i < x->steps && status == XST_OK; i++) {
        status = queue_step(x, &x->step[i], err);
        if (status == XST_OK && events)
            status = record_event(s, events, i + 1, err);
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

/* A program being recorded: in two branches, or in one with events. */
typedef struct recording {
    xst_executable *executable;
    const cuda_events *events;
} recording;

static xst_status queue_recording(const xst_session *s, const void *args, xst_error *err)
{
    const recording *const r = args;
    (void)s;
    return r->events ? queue_steps(r->executable, r->events, err) : queue_branches(r->executable, err);
}

xst_status xst_cuda_record_steps(xst_executable *x, const cuda_events *events, cudaGraphExec_t *out, xst_error *err)
{
    return xst_cuda_make_graph(x->session, queue_recording, &(recording){x, events}, out, err);
}

xst_status xst_cuda_record(xst_executable *x, xst_error *err)
{
    const xst_status status = warm_up(x, err);
    return status == XST_OK && x->session->backend->graphs ? xst_cuda_record_steps(x, NULL, &x->graph, err) : status;
}

/* Runs the program, by its graph if there is one. */
xst_status xst_cuda_queue_run(xst_executable *x, const cuda_events *events, cudaGraphExec_t graph, xst_error *err)
{
    const xst_session *const s = x->session;
    xst_status status = refresh_shadows(x, err);
    if (status != XST_OK)
        return status;
    nvtxRangePushA(x->name);
    status = graph ? xst_cuda_check(s, s->backend->cuda.cudaGraphLaunch(graph, s->queue.stream), x->name, err)
                   : queue_steps(x, events, err);
    nvtxRangePop();
    age_shadows(x);
    return status;
}

xst_status xst_cuda_run(xst_executable *x, xst_error *err)
{
    return xst_cuda_queue_run(x, NULL, x->graph, err);
}
