/* A whole small network against finite differences: with the gates held fixed, as real numbers, the loss is a function
 * of them, of the active columns' values, and of the per-task tensors, and the backward program gives its gradient. */
#include "support/differences.h"

#include "backend/ref/ref.h"
#include "net/emit.h"
#include "support/layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 3, CLASSES = 4, MASKED_MAX = 8 };

/* A masked layer's tensors, as in the operations' table. */
typedef struct layer_tensors {
    test_columns columns;
    xst_tensor frozen, gate, active, value, slope, preserved, moved, dgate, dvalue;
} layer_tensors;

typedef struct net_run {
    differences d;
    xst_net net;
    layer_tensors layer[MASKED_MAX];
    xst_tensor rates, x, labels;
} net_run;

static xst_status weights(void *user, xst_emitter *emitter, int masked, xst_tensor *w, xst_error *err)
{
    const net_run *const n = user;
    const layer_tensors *const l = &n->layer[masked];
    const xst_geometry g = l->columns.geometry;
    xst_op op = xst_op_make(XST_OP_EFFECTIVE, "layer");
    const xst_status status = xst_emit_temp(emitter, xst_net_masked(&n->net, masked)->name, "w", XST_F32,
                                            SHAPE(g.out, g.in, g.kh, g.kw), w, err);
    if (status != XST_OK)
        return status;
    op.p.columns.geometry = g;
    op.in[0] = l->frozen;
    op.in[1] = l->gate;
    op.in[2] = l->active;
    op.in[3] = l->value;
    op.out[0] = *w;
    return xst_program_add(emitter->program, emitter->tensors, &op, err);
}

static xst_status gradient(void *user, xst_emitter *emitter, int masked, xst_tensor dw, xst_error *err)
{
    const net_run *const n = user;
    const layer_tensors *const l = &n->layer[masked];
    xst_op mask = xst_op_make(XST_OP_MASK_GRADIENT, "layer"), sgd = xst_op_make(XST_OP_COLUMN_SGD, "layer");
    mask.p.columns.geometry = sgd.p.sgd.geometry = l->columns.geometry;
    mask.in[0] = sgd.in[0] = dw;
    mask.in[1] = l->frozen;
    mask.in[2] = l->slope;
    mask.in[3] = l->preserved;
    mask.out[0] = l->dgate;
    sgd.in[1] = l->active;
    sgd.in[2] = n->rates;
    sgd.out[0] = l->moved;
    sgd.out[1] = l->dvalue;
    const xst_status status = xst_program_add(emitter->program, emitter->tensors, &mask, err);
    return status == XST_OK ? xst_program_add(emitter->program, emitter->tensors, &sgd, err) : status;
}

static double mean_loss(const differences *d)
{
    double *const metrics = diff_get(d, d->y), loss = metrics[0] / BATCH;
    free(metrics);
    return loss;
}

static void ok(const differences *d, xst_status status)
{
    if (status != XST_OK)
        fail_msg("%s: %s", d->name, d->err.message);
}

/* Five convs, a pool after each, so that the last map is 1x1; two hidden layers. Groups of 2, some of them short. */
static void build_net(net_run *n)
{
    xst_config *const config = calloc(1, sizeof *config);
    assert_non_null(config);
    config->net = (xst_widths){10, {3, 0, 4, 0, 3, 0, 5, 0, 4, 0}};
    config->fc = (xst_widths){2, {5, 6}};
    config->width = config->expand = 1.0;
    config->round_channels = 1;
    config->group = 2;
    config->batch = BATCH;
    ok(&n->d, xst_net_build(config, false, &n->net, &n->d.err));
    free(config);
}

static void add_layer(net_run *n, int masked)
{
    differences *const d = &n->d;
    layer_tensors *const l = &n->layer[masked];
    const xst_geometry g = xst_net_masked(&n->net, masked)->geometry;
    const test_layer layer = {"", g.out, g.in, g.kh, g.group};
    test_columns_make(&l->columns, &layer, &(test_division){"", 40, 50});
    l->frozen = diff_add(d, XST_F32, SHAPE(g.out, g.in, g.kh, g.kw));
    l->gate = diff_add(d, XST_F32, SHAPE((int64_t)g.columns));
    l->preserved = diff_add(d, XST_U8, SHAPE((int64_t)g.columns));
    l->active = diff_add(d, XST_U32, SHAPE(l->columns.a));
    l->value = diff_add(d, XST_F32, SHAPE(l->columns.a, g.longest));
    l->slope = diff_add_like(d, l->gate);
    l->dgate = diff_add_like(d, l->gate);
    l->moved = diff_add_like(d, l->value);
    l->dvalue = diff_add_like(d, l->value);
}

/* The optimisers run with rate 0 and without momentum: they move nothing, and leave the gradient as the velocity. */
static void emit(net_run *n)
{
    differences *const d = &n->d;
    const xst_weight_hooks hooks = {n, weights, gradient};
    xst_emitter e = {.net = &n->net,
                     .tensors = &d->tensors,
                     .program = &d->program[FORWARD],
                     .hooks = &hooks,
                     .prefix = "step",
                     .batch = BATCH,
                     .classes = CLASSES,
                     .training = true,
                     .bn_momentum = 0.1f,
                     .bn_counter = -1};
    const int64_t two = 2;
    xst_tensor logits = -1;
    ok(d, xst_tensors_add(&d->tensors, "rates", XST_F32, XST_STATE, 1, &two, &n->rates, &d->err));
    ok(d, xst_emit_params(&n->net, CLASSES, true, &d->tensors, &d->err));
    ok(d, xst_emit_forward(&e, n->x, &logits, &d->err));
    const xst_tensor dlogits = diff_add_like(d, logits);
    diff_op(d, FORWARD, &(xst_op){.kind = XST_OP_LOSS, .in = {logits, n->labels}, .out = {dlogits, d->y}});
    e.program = &d->program[BACKWARD];
    ok(d, xst_emit_backward(&e, dlogits, &d->err));
}

static void net_begin(net_run *n, void **state)
{
    differences *const d = &n->d;
    diff_begin(d, state, "net");
    d->objective = mean_loss;
    d->tolerance = 1e-5; /* deep, and with many corners, so that small steps are needed */
    build_net(n);
    assert_in_range(n->net.masked_count, 1, MASKED_MAX);
    for (int m = 0; m < n->net.masked_count; m++)
        add_layer(n, m);
    n->x = diff_add(d, XST_F32, SHAPE(BATCH, 3, 32, 32));
    n->labels = diff_add(d, XST_U32, SHAPE(BATCH));
    d->y = diff_add(d, XST_F64, SHAPE(2));
    emit(n);
    diff_ready(d);
}

static void fill_layer(net_run *n, int masked)
{
    differences *const d = &n->d;
    const layer_tensors *const l = &n->layer[masked];
    diff_normal(d, l->frozen, 0, 0.7);
    diff_normal(d, l->gate, 0.7, 0.1);
    diff_normal(d, l->value, 0, 0.7);
    diff_normal(d, l->slope, 1, 0);
    diff_words(d, l->active, l->columns.active);
    diff_bytes(d, l->preserved, l->columns.preserved);
    double *const frozen = diff_get(d, l->frozen);
    test_columns_clear(&l->columns, frozen);
    xst_ref_set(d->session, l->frozen, frozen);
    free(frozen);
}

static void fill(net_run *n)
{
    differences *const d = &n->d;
    xst_param param[XST_PARAMS_MAX];
    const int params = xst_net_params(&n->net, CLASSES, param);
    for (int m = 0; m < n->net.masked_count; m++)
        fill_layer(n, m);
    for (int i = 0; i < params; i++)
        diff_normal(d, xst_tensors_find(&d->tensors, param[i].name), param[i].kind == XST_PARAM_BN_WEIGHT ? 1 : 0.2,
                    0.3);
    diff_normal(d, n->x, 0, 1);
    diff_words(d, n->labels, (const uint32_t[BATCH]){0, 3, 1});
}

static void compare_param(net_run *n, const xst_param *param)
{
    differences *const d = &n->d;
    char velocity[2 * XST_NAME_MAX];
    snprintf(velocity, sizeof velocity, "%.64s/velocity", param->name);
    const xst_tensor dx = xst_tensors_find(&d->tensors, velocity);
    d->name = param->name;
    assert_true(dx >= 0);
    diff_compare(d, xst_tensors_find(&d->tensors, param->name), dx);
}

static void test_net(void **state)
{
    net_run n = {0};
    xst_param param[XST_PARAMS_MAX];
    net_begin(&n, state);
    fill(&n);
    const int params = xst_net_params(&n.net, CLASSES, param);
    for (int i = 0; i < params; i++)
        if (xst_param_is_trained(param[i].kind))
            compare_param(&n, &param[i]);
    for (int m = 0; m < n.net.masked_count; m++) {
        n.d.name = xst_net_masked(&n.net, m)->name;
        diff_compare(&n.d, n.layer[m].gate, n.layer[m].dgate);
        diff_compare(&n.d, n.layer[m].value, n.layer[m].dvalue);
        test_columns_free(&n.layer[m].columns);
    }
    diff_end(&n.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_net)};
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
