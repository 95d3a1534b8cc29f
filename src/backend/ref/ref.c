/* The reference backend's table: sessions whose tensors are plain arrays, programs that are copied and walked through.
 */
#include "backend/ref/ref.h"

#include "backend/builtin.h"
#include "backend/ref/call.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xst_backend {
    const xst_backend_api *api;
};

struct xst_session {
    const xst_backend_api *api;
    xst_ref_tensor *tensor;
    int32_t count;
};

struct xst_executable {
    const xst_backend_api *api;
    xst_session *session;
    xst_op *op;
    int32_t count;
};

static const xst_ref_kernel kernels[XST_OP_KINDS] = {
    [XST_OP_COUNT] = xst_ref_count,
    [XST_OP_SHUFFLE] = xst_ref_shuffle,
    [XST_OP_TRAIN_BATCH] = xst_ref_train_batch,
    [XST_OP_EVAL_BATCH] = xst_ref_eval_batch,
    [XST_OP_GATES] = xst_ref_gates,
    [XST_OP_MASK_COUNT] = xst_ref_mask_count,
    [XST_OP_EFFECTIVE] = xst_ref_effective,
    [XST_OP_CONV_FORWARD] = xst_ref_conv_forward,
    [XST_OP_CONV_BACKWARD_DATA] = xst_ref_conv_backward_data,
    [XST_OP_CONV_BACKWARD_WEIGHTS] = xst_ref_conv_backward_weights,
    [XST_OP_BN_RELU_FORWARD] = xst_ref_bn_relu_forward,
    [XST_OP_BN_RELU_BACKWARD] = xst_ref_bn_relu_backward,
    [XST_OP_BN_RELU_EVAL] = xst_ref_bn_relu_eval,
    [XST_OP_BN_RELU_EVAL_BACKWARD] = xst_ref_bn_relu_eval_backward,
    [XST_OP_POOL_FORWARD] = xst_ref_pool_forward,
    [XST_OP_POOL_BACKWARD] = xst_ref_pool_backward,
    [XST_OP_RESHAPE] = xst_ref_reshape,
    [XST_OP_LINEAR_FORWARD] = xst_ref_linear_forward,
    [XST_OP_LINEAR_BACKWARD_DATA] = xst_ref_linear_backward_data,
    [XST_OP_LINEAR_BACKWARD_WEIGHTS] = xst_ref_linear_backward_weights,
    [XST_OP_RELU_BACKWARD] = xst_ref_relu_backward,
    [XST_OP_LOSS] = xst_ref_loss,
    [XST_OP_EVAL_LOSS] = xst_ref_eval_loss,
    [XST_OP_MASK_GRADIENT] = xst_ref_mask_gradient,
    [XST_OP_ADAM] = xst_ref_adam,
    [XST_OP_COLUMN_SGD] = xst_ref_column_sgd,
    [XST_OP_SGD] = xst_ref_sgd,
    [XST_OP_DROP_GROW] = xst_ref_drop_grow,
    [XST_OP_PRUNE] = xst_ref_prune,
};

static xst_status ref_open(const xst_backend_options *options, xst_backend **out, xst_error *err)
{
    (void)options; /* double on one thread, whatever is asked for */
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, 1, sizeof(xst_backend), "ref backend", err);
    *out = memory;
    if (status == XST_OK)
        (*out)->api = &xst_ref_backend;
    return status;
}

static void ref_close(xst_backend *backend)
{
    xst_free(backend);
}

static void ref_facts(const xst_backend *backend, xst_backend_facts *facts)
{
    (void)backend;
    *facts = (xst_backend_facts){.threads = 1, .deterministic = true};
    snprintf(facts->device, sizeof facts->device, "plain loops in double");
    snprintf(facts->libraries, sizeof facts->libraries, "none");
}

static bool is_real(xst_dtype dtype)
{
    return dtype == XST_F32 || dtype == XST_F64;
}

static size_t element_size(xst_dtype dtype)
{
    return is_real(dtype) ? sizeof(double) : xst_dtype_size(dtype);
}

static void ref_session_destroy(xst_session *session)
{
    if (!session)
        return;
    for (int32_t i = 0; session->tensor && i < session->count; i++)
        xst_free(session->tensor[i].data);
    xst_free(session->tensor);
    xst_free(session);
}

static xst_status make_tensors(xst_session *session, const xst_tensors *tensors, xst_error *err)
{
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, (size_t)tensors->count, sizeof *session->tensor, "ref tensors", err);
    session->tensor = memory;
    for (int32_t i = 0; i < tensors->count && status == XST_OK; i++) {
        xst_ref_tensor *const t = &session->tensor[session->count++];
        t->info = tensors->info[i];
        t->elements = xst_tensor_elements(&t->info);
        status = xst_alloc(&t->data, (size_t)t->elements, element_size(t->info.dtype), t->info.name, err);
    }
    return status;
}

static xst_status ref_session_create(xst_backend *backend, const xst_tensors *tensors, xst_session **out,
                                     xst_error *err)
{
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_session), "ref session", err);
    xst_session *session = memory;
    if (status == XST_OK) {
        session->api = backend->api;
        status = make_tensors(session, tensors, err);
    }
    if (status != XST_OK) {
        ref_session_destroy(session);
        session = NULL;
    }
    *out = session;
    return status;
}

static size_t ref_session_bytes(const xst_session *session)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < session->count; i++)
        bytes += (size_t)session->tensor[i].elements * element_size(session->tensor[i].info.dtype);
    return bytes;
}

/* The STATE tensor with that index and size, for moving its values; NULL for anything else, a bug of the caller. */
static xst_ref_tensor *state_tensor(const xst_session *session, xst_tensor tensor, size_t bytes, xst_error *err)
{
    if (tensor < 0 || tensor >= session->count) {
        xst_fail(err, XST_ERROR_INTERNAL, "ref: there is no tensor %d", (int)tensor);
        return NULL;
    }
    xst_ref_tensor *const t = &session->tensor[tensor];
    if (t->info.kind == XST_STATE && bytes == xst_tensor_bytes(&t->info))
        return t;
    xst_fail(err, XST_ERROR_INTERNAL, "ref: %s: only a whole STATE tensor (%zu bytes) can be moved, not %zu",
             t->info.name, xst_tensor_bytes(&t->info), bytes);
    return NULL;
}

static xst_status ref_upload(xst_session *session, xst_tensor tensor, const void *from, size_t bytes, xst_error *err)
{
    xst_ref_tensor *const t = state_tensor(session, tensor, bytes, err);
    if (!t)
        return XST_ERROR_INTERNAL;
    if (t->info.dtype == XST_F32)
        for (int64_t i = 0; i < t->elements; i++)
            xst_ref_reals(t)[i] = (double)((const float *)from)[i];
    else
        memcpy(t->data, from, bytes);
    return XST_OK;
}

static xst_status ref_download(xst_session *session, xst_tensor tensor, void *to, size_t bytes, xst_error *err)
{
    const xst_ref_tensor *const t = state_tensor(session, tensor, bytes, err);
    if (!t)
        return XST_ERROR_INTERNAL;
    if (t->info.dtype == XST_F32)
        for (int64_t i = 0; i < t->elements; i++)
            ((float *)to)[i] = (float)xst_ref_reals(t)[i];
    else
        memcpy(to, t->data, bytes);
    return XST_OK;
}

static void ref_executable_destroy(xst_executable *executable)
{
    if (!executable)
        return;
    xst_free(executable->op);
    xst_free(executable);
}

static xst_status copy_program(xst_executable *executable, const xst_program *program, xst_error *err)
{
    void *ops = NULL;
    const xst_status status = xst_alloc(&ops, (size_t)program->count, sizeof *executable->op, program->name, err);
    if (status != XST_OK)
        return status;
    executable->op = ops;
    executable->count = program->count;
    if (program->count > 0)
        memcpy(ops, program->op, (size_t)program->count * sizeof *program->op);
    return XST_OK;
}

static xst_status ref_compile(xst_session *session, const xst_program *program, xst_executable **out, xst_error *err)
{
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_executable), "ref executable", err);
    xst_executable *executable = memory;
    if (status == XST_OK) {
        executable->api = session->api;
        executable->session = session;
        status = copy_program(executable, program, err);
    }
    if (status != XST_OK) {
        ref_executable_destroy(executable);
        executable = NULL;
    }
    *out = executable;
    return status;
}

static xst_status run_op(const xst_session *session, const xst_op *op, xst_error *err)
{
    xst_ref_call call = {.op = op, .err = err};
    for (int i = 0; i < XST_OP_INPUTS; i++)
        call.in[i] = op->in[i] >= 0 && op->in[i] < session->count ? &session->tensor[op->in[i]] : NULL;
    for (int i = 0; i < XST_OP_OUTPUTS; i++)
        call.out[i] = op->out[i] >= 0 && op->out[i] < session->count ? &session->tensor[op->out[i]] : NULL;
    return kernels[op->kind](&call);
}

static xst_status ref_run(xst_executable *executable, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < executable->count && status == XST_OK; i++)
        status = run_op(executable->session, &executable->op[i], err);
    return status;
}

static xst_status ref_synchronise(xst_session *session, xst_error *err)
{
    (void)session; /* run returns when all is done */
    (void)err;
    return XST_OK;
}

static int compare_times(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static xst_status ref_profile(xst_executable *executable, int repeats, double *ms, xst_error *err)
{
    const size_t count = (size_t)executable->count, rounds = repeats > 0 ? (size_t)repeats : 1;
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, count * rounds, sizeof(double), "profile", err);
    double *const times = memory; /* [operation][repeat] */
    for (size_t r = 0; r < rounds && status == XST_OK; r++)
        for (size_t i = 0; i < count && status == XST_OK; i++) {
            const double start = xst_clock_seconds();
            status = run_op(executable->session, &executable->op[i], err);
            times[i * rounds + r] = 1e3 * (xst_clock_seconds() - start);
        }
    for (size_t i = 0; i < count && status == XST_OK; i++) {
        qsort(&times[i * rounds], rounds, sizeof *times, compare_times);
        ms[i] = times[i * rounds + rounds / 2];
    }
    xst_free(times);
    return status;
}

const xst_backend_api xst_ref_backend = {
    .version = XST_BACKEND_VERSION,
    .name = "ref",
    .open = ref_open,
    .close = ref_close,
    .facts = ref_facts,
    .session_create = ref_session_create,
    .session_destroy = ref_session_destroy,
    .session_bytes = ref_session_bytes,
    .upload = ref_upload,
    .download = ref_download,
    .compile = ref_compile,
    .run = ref_run,
    .synchronise = ref_synchronise,
    .profile = ref_profile,
    .executable_destroy = ref_executable_destroy,
};

void xst_ref_get(const xst_session *session, xst_tensor tensor, double *out)
{
    const xst_ref_tensor *const t = &session->tensor[tensor];
    for (int64_t i = 0; i < t->elements; i++)
        out[i] = is_real(t->info.dtype)     ? xst_ref_reals(t)[i]
                 : t->info.dtype == XST_U32 ? (double)xst_ref_words(t)[i]
                                            : (double)xst_ref_bytes(t)[i];
}

void xst_ref_set(xst_session *session, xst_tensor tensor, const double *from)
{
    const xst_ref_tensor *const t = &session->tensor[tensor];
    for (int64_t i = 0; i < t->elements; i++)
        if (is_real(t->info.dtype))
            xst_ref_reals(t)[i] = from[i];
        else if (t->info.dtype == XST_U32)
            xst_ref_words(t)[i] = (uint32_t)from[i];
        else
            xst_ref_bytes(t)[i] = (uint8_t)from[i];
}
