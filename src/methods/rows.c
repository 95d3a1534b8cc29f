#include "methods/method.h"

#include "base/error.h"

#include <stdio.h>

typedef struct declaration {
    const char *what;
    xst_dtype dtype;
    int rank;
    int64_t dim[4];
    bool wanted;
} declaration;

xst_status xst_rows_declare(const xst_net *net, const xst_task_plan *plan, uint32_t events, xst_tensors *tensors,
                            xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < net->masked_count && status == XST_OK; m++) {
        const xst_geometry *const g = &xst_net_masked(net, m)->geometry;
        const int64_t n = g->columns, a = plan->layer[m].count, length = g->longest;
        const declaration list[] = {
            {"frozen", XST_F32, 4, {g->out, g->in, g->kh, g->kw}, plan->preserved},
            {"preserved", XST_U8, 1, {n}, plan->preserved || plan->drop_and_grow},
            {"m_r", XST_F32, 1, {n}, plan->preserved},
            {"adam_m", XST_F32, 1, {n}, plan->learns_mask},
            {"adam_v", XST_F32, 1, {n}, plan->learns_mask},
            {"active", XST_U32, 1, {a}, true},
            {"value", XST_F32, 2, {a, length}, true},
            {"velocity", XST_F32, 2, {a, length}, true},
            {"quota", XST_U32, 1, {events}, events > 0},
        };
        char name[2 * XST_NAME_MAX];
        for (size_t i = 0; i < sizeof list / sizeof list[0] && status == XST_OK; i++) {
            xst_tensor t;
            snprintf(name, sizeof name, "%s/%s", xst_net_masked(net, m)->weight, list[i].what);
            if (list[i].wanted)
                status = xst_tensors_add(tensors, name, list[i].dtype, XST_STATE, list[i].rank, list[i].dim, &t, err);
        }
    }
    return status;
}

/* An operation under construction: operands are looked up by name, and the first failure is kept. */
typedef struct builder {
    xst_emitter *emitter;
    xst_op op;
    const char *base; /* name of the layer's weight: what its tensors begin with */
    int inputs, outputs;
    xst_status status;
    xst_error *err;
} builder;

static builder begin(xst_emitter *e, int masked, xst_op_kind kind, xst_error *err)
{
    const xst_layer *const layer = xst_net_masked(e->net, masked);
    const builder b = {.emitter = e, .op = xst_op_make(kind, layer->name), .base = layer->weight, .err = err};
    return b;
}

static xst_tensor find(builder *b, const char *name, const char *what)
{
    xst_tensor t = -1;
    if (b->status == XST_OK)
        b->status = xst_emit_find(b->emitter->tensors, name, what, &t, b->err);
    return t;
}

static void in_tensor(builder *b, xst_tensor t)
{
    b->op.in[b->inputs++] = t;
}

static void in_state(builder *b, const char *what)
{
    in_tensor(b, find(b, b->base, what));
}

static void in_shared(builder *b, const char *name)
{
    in_tensor(b, find(b, name, NULL));
}

static void out_state(builder *b, const char *what)
{
    b->op.out[b->outputs++] = find(b, b->base, what);
}

/* The active columns with what goes along with them. */
static void out_columns(builder *b)
{
    out_state(b, "active");
    out_state(b, "value");
    out_state(b, "velocity");
}

/* A temporary of the layer, made where it is not there yet. */
static xst_tensor temp(builder *b, const char *what, int rank, const int64_t *dim)
{
    xst_tensor t = -1;
    if (b->status == XST_OK)
        b->status = xst_emit_temp(b->emitter, b->base, what, XST_F32, rank, dim, &t, b->err);
    return t;
}

static xst_status end(builder *b)
{
    if (b->status == XST_OK)
        b->status = xst_program_add(b->emitter->program, b->emitter->tensors, &b->op, b->err);
    return b->status;
}

static xst_status emit_gates(const xst_rows *rows, xst_emitter *e, int masked, xst_error *err)
{
    const int64_t n = xst_net_masked(e->net, masked)->geometry.columns;
    builder b = begin(e, masked, XST_OP_GATES, err);
    b.op.p.gates = (xst_gates_params){
        .key = xst_random_key_of(rows->config->seed, rows->plan->position, XST_RANDOM_GATES),
        .stage = (uint32_t)rows->plan->stage,
        .layer = (uint32_t)masked,
        .temperature = (float)rows->config->temperature,
        .paper = rows->config->gate == XST_GATE_PAPER,
        .identity = rows->plan->identity_gate,
        .training = rows->training && rows->plan->learns_mask,
    };
    in_state(&b, "m_r");
    in_state(&b, "preserved");
    in_shared(&b, "t");
    b.op.out[0] = temp(&b, "gate", 1, &n);
    b.op.out[1] = temp(&b, "slope", 1, &n);
    return end(&b);
}

xst_status xst_rows_weights(void *user, xst_emitter *e, int masked, xst_tensor *w, xst_error *err)
{
    const xst_rows *const rows = user;
    const xst_geometry *const g = &xst_net_masked(e->net, masked)->geometry;
    const int64_t n = g->columns;
    xst_status status = rows->plan->preserved ? emit_gates(rows, e, masked, err) : XST_OK;
    if (status != XST_OK)
        return status;
    builder b = begin(e, masked, XST_OP_EFFECTIVE, err);
    b.op.p.columns.geometry = *g;
    in_tensor(&b, rows->plan->preserved ? find(&b, b.base, "frozen") : -1);
    in_tensor(&b, rows->plan->preserved ? temp(&b, "gate", 1, &n) : -1);
    in_state(&b, "active");
    in_state(&b, "value");
    *w = b.op.out[0] = temp(&b, "w_eff", 4, (const int64_t[]){g->out, g->in, g->kh, g->kw});
    return end(&b);
}

xst_status xst_rows_count(xst_emitter *e, int masked, xst_error *err)
{
    builder b = begin(e, masked, XST_OP_MASK_COUNT, err);
    in_state(&b, "m_r");
    in_state(&b, "preserved");
    b.op.out[0] = find(&b, "mask_counts", NULL);
    return end(&b);
}

static xst_status emit_mask_update(xst_emitter *e, int masked, xst_tensor dw, xst_error *err)
{
    const int64_t n = xst_net_masked(e->net, masked)->geometry.columns;
    builder b = begin(e, masked, XST_OP_MASK_GRADIENT, err);
    b.op.p.columns.geometry = xst_net_masked(e->net, masked)->geometry;
    in_tensor(&b, dw);
    in_state(&b, "frozen");
    in_tensor(&b, temp(&b, "slope", 1, &n));
    in_state(&b, "preserved");
    const xst_tensor g = b.op.out[0] = temp(&b, "mask_gradient", 1, &n);
    const xst_status status = end(&b);
    if (status != XST_OK)
        return status;
    b = begin(e, masked, XST_OP_ADAM, err);
    in_tensor(&b, g);
    in_state(&b, "preserved");
    in_shared(&b, "t");
    in_shared(&b, "rates");
    out_state(&b, "m_r");
    out_state(&b, "adam_m");
    out_state(&b, "adam_v");
    return end(&b);
}

static xst_status emit_column_sgd(const xst_rows *rows, xst_emitter *e, int masked, xst_tensor dw, xst_error *err)
{
    builder b = begin(e, masked, XST_OP_COLUMN_SGD, err);
    b.op.p.sgd = (xst_sgd_params){.geometry = xst_net_masked(e->net, masked)->geometry,
                                  .momentum = (float)rows->config->momentum,
                                  .decay = (float)rows->config->weight_decay};
    in_tensor(&b, dw);
    in_state(&b, "active");
    in_shared(&b, "rates");
    out_state(&b, "value");
    out_state(&b, "velocity");
    return end(&b);
}

static xst_status emit_drop_grow(const xst_rows *rows, xst_emitter *e, int masked, xst_tensor dw, xst_error *err)
{
    builder b = begin(e, masked, XST_OP_DROP_GROW, err);
    b.op.p.drop_grow = (xst_drop_grow_params){.geometry = xst_net_masked(e->net, masked)->geometry,
                                              .update_every = (uint32_t)rows->config->update_every,
                                              .reset = rows->config->regrow == XST_REGROW_RESET};
    in_tensor(&b, dw);
    in_state(&b, "preserved");
    in_shared(&b, "t");
    in_state(&b, "quota");
    out_columns(&b);
    return end(&b);
}

static xst_status emit_prune(xst_emitter *e, int masked, xst_error *err)
{
    builder b = begin(e, masked, XST_OP_PRUNE, err);
    b.op.p.prune = (xst_prune_params){.geometry = xst_net_masked(e->net, masked)->geometry, .every = XST_PRUNE_EVERY};
    in_shared(&b, "t");
    in_state(&b, "quota");
    out_columns(&b);
    return end(&b);
}

xst_status xst_rows_gradient(void *user, xst_emitter *e, int masked, xst_tensor dw, xst_error *err)
{
    const xst_rows *const rows = user;
    xst_status status = XST_OK;
    const bool grow = rows->exchange && rows->plan->drop_and_grow, prune = rows->exchange && rows->plan->prune.ramp > 0;
    if (!grow || !rows->config->update_skips_sgd)
        status = emit_column_sgd(rows, e, masked, dw, err);
    if (status == XST_OK && rows->plan->learns_mask)
        status = emit_mask_update(e, masked, dw, err);
    if (status == XST_OK && grow)
        status = emit_drop_grow(rows, e, masked, dw, err);
    if (status == XST_OK && prune)
        status = emit_prune(e, masked, err);
    return status;
}
