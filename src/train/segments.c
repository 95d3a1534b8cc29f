#include "train/segments.h"

#include "base/error.h"
#include "base/memory.h"
#include "net/emit.h"

#include <stdio.h>
#include <string.h>

typedef struct builder {
    const xst_net *net;
    xst_segment *s;
    int64_t batch;
    xst_error *err;
} builder;

static xst_status declare(builder *b, const char *name, xst_tensor_kind kind, int rank, const int64_t *dim,
                          xst_tensor *out)
{
    return xst_tensors_add(&b->s->tensors, name, XST_F32, kind, rank, dim, out, b->err);
}

/* Adds an operation with inputs in[0..n) and one output of the given shape; *at becomes the output. */
static xst_status append(builder *b, xst_op_kind kind, const char *label, const xst_tensor *in, int n, int rank,
                         const int64_t *dim, xst_tensor *at)
{
    char name[XST_NAME_MAX];
    xst_op op = xst_op_make(kind, label);
    snprintf(name, sizeof name, "%s/out%d", label, (int)b->s->program.count);
    const xst_status status = declare(b, name, XST_TEMP, rank, dim, &op.out[0]);
    if (status != XST_OK)
        return status;
    for (int i = 0; i < n; i++)
        op.in[i] = in[i];
    op.p.bn = (xst_bn_params){.eps = 1e-5f};
    if (kind == XST_OP_LINEAR_FORWARD)
        op.p.linear = (xst_linear_params){.relu = true};
    *at = op.out[0];
    return xst_program_add(&b->s->program, &b->s->tensors, &op, b->err);
}

static xst_status append_conv(builder *b, const xst_layer *l, xst_tensor *at)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    const int64_t dim[] = {b->batch, l->out, l->side, l->side}, n = l->out;
    xst_tensor in[5] = {*at, b->s->weight};
    xst_status status = append(b, XST_OP_CONV_FORWARD, l->name, in, 2, 4, dim, at);
    in[0] = *at;
    for (int i = 0; i < 4 && status == XST_OK; i++) {
        char name[XST_NAME_MAX];
        snprintf(name, sizeof name, "%s.%s", l->bn, parts[i]);
        status = declare(b, name, XST_STATE, 1, &n, &in[i + 1]);
    }
    return status == XST_OK ? append(b, XST_OP_BN_RELU_EVAL, l->bn, in, 5, 4, dim, at) : status;
}

static xst_status append_linear(builder *b, const xst_layer *l, xst_tensor *at)
{
    const int64_t n = l->out;
    char name[XST_NAME_MAX];
    xst_tensor in[3] = {*at, b->s->weight};
    snprintf(name, sizeof name, "%s.bias", l->name);
    const xst_status status = declare(b, name, XST_STATE, 1, &n, &in[2]);
    return status == XST_OK ? append(b, XST_OP_LINEAR_FORWARD, l->name, in, 3, 2, (const int64_t[]){b->batch, n}, at)
                            : status;
}

/* Pools that follow, and the flattening before the first FC layer or the head. */
static xst_status append_rest(builder *b, int first, int end, xst_tensor *at)
{
    xst_status status = XST_OK;
    for (int i = first + 1; i < end && status == XST_OK; i++) {
        const xst_layer *const l = &b->net->layer[i];
        status = append(b, XST_OP_POOL_FORWARD, l->name, at, 1, 4,
                        (const int64_t[]){b->batch, l->out, l->side / 2, l->side / 2}, at);
    }
    const bool flatten = end == b->net->count || b->net->layer[end].kind == XST_LAYER_LINEAR;
    if (status == XST_OK && b->net->layer[first].kind == XST_LAYER_CONV && flatten)
        status = append(b, XST_OP_RESHAPE, "flatten", at, 1, 2, (const int64_t[]){b->batch, b->net->flat}, at);
    return status;
}

/* The result must be STATE to be read: a copy, which a backend that likes another layout makes in any case. */
static xst_status append_output(builder *b, xst_tensor at)
{
    const xst_tensor_info info = b->s->tensors.info[at];
    xst_op op = xst_op_make(XST_OP_RESHAPE, "output");
    const xst_status status = declare(b, "out", XST_STATE, info.rank, info.dim, &b->s->out);
    if (status != XST_OK)
        return status;
    op.in[0] = at;
    op.out[0] = b->s->out;
    b->s->out_elements = xst_tensor_elements(&info) / b->batch;
    return xst_program_add(&b->s->program, &b->s->tensors, &op, b->err);
}

static xst_status build(builder *b, int k)
{
    const int first = b->net->masked[k], end = k + 1 < b->net->masked_count ? b->net->masked[k + 1] : b->net->count;
    const xst_layer *const l = &b->net->layer[first];
    const xst_geometry *const g = &l->geometry;
    const bool conv = l->kind == XST_LAYER_CONV;
    snprintf(b->s->program.name, sizeof b->s->program.name, "segment.%d", k);
    xst_status status =
        declare(b, "in", XST_STATE, conv ? 4 : 2, (const int64_t[]){b->batch, l->in, l->side, l->side}, &b->s->in);
    if (status == XST_OK)
        status = declare(b, l->weight, XST_STATE, 4, (const int64_t[]){g->out, g->in, g->kh, g->kw}, &b->s->weight);
    xst_tensor at = b->s->in;
    b->s->in_elements = (int64_t)l->in * l->side * l->side;
    if (status == XST_OK)
        status = conv ? append_conv(b, l, &at) : append_linear(b, l, &at);
    if (status == XST_OK)
        status = append_rest(b, first, end, &at);
    return status == XST_OK ? append_output(b, at) : status;
}

xst_status xst_segments_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net, int batch,
                               xst_segments *out, xst_error *err)
{
    void *memory = NULL;
    *out = (xst_segments){.api = api, .net = net, .batch = batch};
    xst_status status =
        xst_alloc(&memory, (size_t)net->masked_count, sizeof *out->segment, "segments of the network", err);
    out->segment = memory;
    out->count = status == XST_OK ? net->masked_count : 0;
    for (int k = 0; k < out->count && status == XST_OK; k++) {
        xst_segment *const s = &out->segment[k];
        builder b = {net, s, batch, err};
        status = build(&b, k);
        if (status == XST_OK)
            status = api->session_create(backend, &s->tensors, &s->session, err);
        if (status == XST_OK)
            status = api->compile(s->session, &s->program, &s->executable, err);
    }
    return status;
}

void xst_segments_free(xst_segments *segments)
{
    for (int k = 0; k < segments->count; k++) {
        xst_segment *const s = &segments->segment[k];
        if (s->executable)
            segments->api->executable_destroy(s->executable);
        if (s->session)
            segments->api->session_destroy(s->session);
        xst_program_free(&s->program);
        xst_tensors_free(&s->tensors);
    }
    xst_free(segments->segment);
    *segments = (xst_segments){0};
}

xst_status xst_segment_set(xst_segments *segments, int k, const float *weights, const xst_task_record *record,
                           xst_error *err)
{
    const xst_segment *const s = &segments->segment[k];
    xst_status status =
        segments->api->upload(s->session, s->weight, weights, xst_tensor_bytes(&s->tensors.info[s->weight]), err);
    for (int i = 0; i < record->tensor_count && status == XST_OK; i++) {
        const xst_tensor t = xst_tensors_find(&s->tensors, record->tensors[i].name);
        if (t >= 0 && t != s->weight)
            status = segments->api->upload(s->session, t, record->tensors[i].values,
                                           xst_tensor_bytes(&s->tensors.info[t]), err);
    }
    return status;
}

xst_status xst_segment_run(xst_segments *segments, int k, const float *in, uint32_t images, float *out, xst_error *err)
{
    const xst_segment *const s = &segments->segment[k];
    const uint32_t batch = (uint32_t)segments->batch;
    const size_t in_size = (size_t)s->in_elements, out_size = (size_t)s->out_elements;
    void *from = NULL, *to = NULL;
    xst_status status = xst_alloc(&from, batch * in_size, sizeof(float), "a batch", err);
    if (status == XST_OK)
        status = xst_alloc(&to, batch * out_size, sizeof(float), "a batch", err);
    for (uint32_t i = 0; i < images && status == XST_OK; i += batch) {
        const uint32_t n = images - i < batch ? images - i : batch;
        memcpy(from, in + i * in_size, n * in_size * sizeof(float));
        status = segments->api->upload(s->session, s->in, from, batch * in_size * sizeof(float), err);
        if (status == XST_OK)
            status = segments->api->run(s->executable, err);
        if (status == XST_OK)
            status = segments->api->download(s->session, s->out, to, batch * out_size * sizeof(float), err);
        if (status == XST_OK)
            memcpy(out + i * out_size, to, n * out_size * sizeof(float));
    }
    xst_free(from);
    xst_free(to);
    return status;
}
