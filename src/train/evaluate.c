#include "train/evaluate.h"

#include "base/error.h"
#include "base/memory.h"
#include "methods/method.h"
#include "net/emit.h"
#include "train/programs.h"

#include <stdio.h>
#include <string.h>

struct xst_evaluator {
    const xst_backend_api *api;
    const xst_net *net;
    int classes;
    uint32_t images;
    xst_tensors tensors;
    xst_program program;
    xst_session *session;
    xst_executable *executable;
};

/* STATE tensors of a masked layer, "WEIGHT/what": all weights, and which columns count. The rest is constant: a gate
 * is on where m_r = 1 and the column counts, and no column is being trained. */
static xst_status declare_layer(xst_evaluator *v, const xst_layer *l, xst_error *err)
{
    const xst_geometry *const g = &l->geometry;
    const struct {
        const char *what;
        xst_dtype dtype;
        int rank;
        int64_t dim[4];
    } list[] = {
        {"frozen", XST_F32, 4, {g->out, g->in, g->kh, g->kw}},
        {"preserved", XST_U8, 1, {g->columns}},
        {"m_r", XST_F32, 1, {g->columns}},
        {"active", XST_U32, 1, {0}},
        {"value", XST_F32, 2, {0, g->longest}},
    };
    xst_status status = XST_OK;
    for (size_t i = 0; i < sizeof list / sizeof list[0] && status == XST_OK; i++) {
        char name[2 * XST_NAME_MAX];
        xst_tensor t;
        snprintf(name, sizeof name, "%s/%s", l->weight, list[i].what);
        status = xst_tensors_add(&v->tensors, name, list[i].dtype, XST_STATE, list[i].rank, list[i].dim, &t, err);
    }
    return status;
}

/* The hook that emits a layer's weights: the exported mask, as in the evaluations while training. */
static xst_status chosen_weights(void *user, xst_emitter *e, int masked, xst_tensor *w, xst_error *err)
{
    (void)user;
    const xst_config config = {.temperature = 1.0};
    const xst_task_plan plan = {.preserved = true, .layers = e->net->masked_count};
    xst_rows rows = {.config = &config, .plan = &plan};
    return xst_rows_weights(&rows, e, masked, w, err);
}

static xst_status declare(xst_evaluator *v, xst_error *err)
{
    const struct {
        const char *name;
        xst_dtype dtype;
        int rank;
        int64_t dim[4];
    } list[] = {
        {"t", XST_U32, 1, {1}}, /* of the gates, which draw nothing here */
        {"cursor", XST_U32, 1, {1}},
        {"norm", XST_F32, 2, {2, XST_CHANNELS}},
        {"images", XST_U8, 4, {v->images, XST_CHANNELS, XST_SIDE, XST_SIDE}},
        {"labels", XST_U32, 1, {v->images}},
        {"logits", XST_F32, 2, {v->images, v->classes}},
        {"metrics", XST_F64, 1, {2}},
    };
    xst_status status = XST_OK;
    xst_tensor t;
    for (size_t i = 0; i < sizeof list / sizeof list[0] && status == XST_OK; i++)
        status =
            xst_tensors_add(&v->tensors, list[i].name, list[i].dtype, XST_STATE, list[i].rank, list[i].dim, &t, err);
    for (int m = 0; m < v->net->masked_count && status == XST_OK; m++)
        status = declare_layer(v, xst_net_masked(v->net, m), err);
    return status == XST_OK ? xst_emit_params(v->net, v->classes, false, &v->tensors, err) : status;
}

static xst_tensor named(const xst_evaluator *v, const char *name)
{
    return xst_tensors_find(&v->tensors, name);
}

static xst_status emit(xst_evaluator *v, xst_error *err)
{
    const xst_weight_hooks hooks = {.weights = chosen_weights};
    xst_emitter e = {.net = v->net,
                     .tensors = &v->tensors,
                     .program = &v->program,
                     .hooks = &hooks,
                     .prefix = "eval",
                     .batch = XST_EVAL_BATCH,
                     .classes = v->classes,
                     .bn_counter = -1};
    xst_tensor x, y, logits;
    snprintf(v->program.name, sizeof v->program.name, "eval");
    xst_status status = xst_emit_temp(&e, "batch", "x", XST_F32, 4,
                                      (const int64_t[]){e.batch, XST_CHANNELS, XST_SIDE, XST_SIDE}, &x, err);
    if (status == XST_OK)
        status = xst_emit_temp(&e, "batch", "y", XST_U32, 1, &e.batch, &y, err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_EVAL_BATCH, "batch");
    op.p.batch.batch = XST_EVAL_BATCH;
    op.in[0] = named(v, "images");
    op.in[1] = named(v, "labels");
    op.in[2] = named(v, "cursor");
    op.in[3] = named(v, "norm");
    op.out[0] = x;
    op.out[1] = y;
    status = xst_program_add(&v->program, &v->tensors, &op, err);
    if (status == XST_OK)
        status = xst_emit_forward(&e, x, &logits, err);
    if (status != XST_OK)
        return status;
    op = xst_op_make(XST_OP_EVAL_LOSS, "loss");
    op.in[0] = logits;
    op.in[1] = y;
    op.in[2] = named(v, "cursor");
    op.out[0] = named(v, "logits");
    op.out[1] = named(v, "metrics");
    status = xst_program_add(&v->program, &v->tensors, &op, err);
    op = xst_op_make(XST_OP_COUNT, "cursor");
    op.out[0] = named(v, "cursor");
    return status == XST_OK ? xst_program_add(&v->program, &v->tensors, &op, err) : status;
}

static xst_status upload(xst_evaluator *v, const char *name, const void *from, xst_error *err)
{
    const xst_tensor t = named(v, name);
    if (t < 0)
        return xst_fail(err, XST_ERROR_RUN, "the task file has no tensor '%s' for this network", name);
    return v->api->upload(v->session, t, from, xst_tensor_bytes(&v->tensors.info[t]), err);
}

static xst_status upload_part(xst_evaluator *v, int masked, const char *what, const void *from, xst_error *err)
{
    char name[2 * XST_NAME_MAX];
    snprintf(name, sizeof name, "%s/%s", xst_net_masked(v->net, masked)->weight, what);
    return upload(v, name, from, err);
}

/* m_r = 1 everywhere. */
static xst_status open_gates(xst_evaluator *v, xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < v->net->masked_count && status == XST_OK; m++) {
        const uint32_t n = xst_net_masked(v->net, m)->geometry.columns;
        void *memory = NULL;
        status = xst_alloc(&memory, n, sizeof(float), "gates", err);
        float *const one = memory;
        for (uint32_t c = 0; c < n && status == XST_OK; c++)
            one[c] = 1.0f;
        if (status == XST_OK)
            status = upload_part(v, m, "m_r", one, err);
        xst_free(one);
    }
    return status;
}

xst_status xst_evaluator_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net, int classes,
                                uint32_t images, xst_evaluator **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_evaluator), "evaluator", err);
    if (status != XST_OK)
        return status;
    xst_evaluator *const v = memory;
    v->api = api;
    v->net = net;
    v->classes = classes;
    v->images = images;
    status = declare(v, err);
    if (status == XST_OK)
        status = emit(v, err);
    if (status == XST_OK)
        status = api->session_create(backend, &v->tensors, &v->session, err);
    if (status == XST_OK)
        status = api->compile(v->session, &v->program, &v->executable, err);
    if (status == XST_OK)
        status = open_gates(v, err);
    if (status != XST_OK)
        xst_evaluator_destroy(v);
    else
        *out = v;
    return status;
}

void xst_evaluator_destroy(xst_evaluator *v)
{
    if (!v)
        return;
    if (v->executable)
        v->api->executable_destroy(v->executable);
    if (v->session)
        v->api->session_destroy(v->session);
    xst_program_free(&v->program);
    xst_tensors_free(&v->tensors);
    xst_free(v);
}

bool xst_evaluator_fits(const xst_evaluator *v, int classes, uint32_t images)
{
    return v && v->classes == classes && v->images == images;
}

xst_status xst_evaluator_set_weights(xst_evaluator *v, const xst_model *model, xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < v->net->masked_count && status == XST_OK; m++)
        status = upload_part(v, m, "frozen", model->layer[m].frozen, err);
    return status;
}

xst_status xst_evaluator_set_columns(xst_evaluator *v, const xst_model *model, const xst_task_record *record,
                                     xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < v->net->masked_count && status == XST_OK; m++) {
        const uint32_t n = xst_net_masked(v->net, m)->geometry.columns;
        void *counts = NULL;
        status = xst_alloc(&counts, n, 1, "columns that count", err);
        if (status == XST_OK)
            xst_model_columns_of(model, m, record->position, record->layers[m].mask, counts);
        if (status == XST_OK)
            status = upload_part(v, m, "preserved", counts, err);
        xst_free(counts);
    }
    return status;
}

xst_status xst_evaluator_set_tensors(xst_evaluator *v, const xst_task_record *record, const xst_task_record *head,
                                     xst_error *err)
{
    xst_status status = XST_OK;
    const size_t n = strlen(v->net->head);
    for (int i = 0; i < record->tensor_count && status == XST_OK; i++) {
        const char *const name = record->tensors[i].name;
        const bool is_head = strncmp(name, v->net->head, n) == 0 && name[n] == '.';
        const xst_tensor_record *const t = is_head ? xst_task_record_find(head, name) : &record->tensors[i];
        status = t ? upload(v, name, t->values, err)
                   : xst_fail(err, XST_ERROR_RUN, "task %d has no tensor '%s'", head->position, name);
    }
    return status;
}

xst_status xst_evaluator_run(xst_evaluator *v, const xst_images *test, const double mean[XST_CHANNELS],
                             const double std[XST_CHANNELS], float *logits, double *accuracy, xst_error *err)
{
    float norm[2][XST_CHANNELS];
    double metrics[2] = {0.0, 0.0};
    const uint32_t zero = 0;
    for (int c = 0; c < XST_CHANNELS; c++) {
        norm[0][c] = (float)mean[c];
        norm[1][c] = (float)std[c];
    }
    xst_status status = upload(v, "norm", norm, err);
    if (status == XST_OK)
        status = upload(v, "images", test->pixels, err);
    if (status == XST_OK)
        status = upload(v, "labels", test->labels, err);
    if (status == XST_OK)
        status = upload(v, "cursor", &zero, err);
    if (status == XST_OK)
        status = upload(v, "metrics", metrics, err);
    for (uint32_t i = 0; i < v->images && status == XST_OK; i += XST_EVAL_BATCH)
        status = v->api->run(v->executable, err);
    if (status == XST_OK)
        status = v->api->download(v->session, named(v, "logits"), logits,
                                  (size_t)v->images * (size_t)v->classes * sizeof *logits, err);
    if (status == XST_OK)
        status = v->api->download(v->session, named(v, "metrics"), metrics, sizeof metrics, err);
    *accuracy = 100.0 * metrics[1] / v->images;
    return status;
}
