/* The gradient of every differentiable operation against finite differences. */
#include "support/differences.h"

#include "backend/ref/ref.h"
#include "support/layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void conv(void **state, int64_t kh, int64_t kw)
{
    differences c;
    diff_begin(&c, state, "conv");
    const xst_tensor x = diff_add(&c, XST_F32, SHAPE(2, 3, 4, 5)), w = diff_add(&c, XST_F32, SHAPE(4, 3, kh, kw));
    const xst_tensor dx = diff_add_like(&c, x), dw = diff_add_like(&c, w);
    c.y = diff_add(&c, XST_F32, SHAPE(2, 4, 4, 5));
    c.dy = diff_add_like(&c, c.y);
    diff_op(&c, FORWARD, &(xst_op){.kind = XST_OP_CONV_FORWARD, .in = {x, w}, .out = {c.y}});
    diff_op(&c, BACKWARD, &(xst_op){.kind = XST_OP_CONV_BACKWARD_DATA, .in = {c.dy, w}, .out = {dx}});
    diff_op(&c, BACKWARD, &(xst_op){.kind = XST_OP_CONV_BACKWARD_WEIGHTS, .in = {x, c.dy}, .out = {dw}});
    diff_ready(&c);
    diff_normal(&c, x, 0, 1);
    diff_normal(&c, w, 0, 1);
    diff_normal(&c, c.dy, 0, 1);
    diff_compare(&c, x, dx);
    diff_compare(&c, w, dw);
    diff_end(&c);
}

static void test_conv(void **state)
{
    conv(state, 3, 3);
    conv(state, 1, 3);
    conv(state, 5, 1);
}

static void test_bn_relu(void **state)
{
    differences c;
    const xst_bn_params p = {.momentum = 0.1f, .eps = 1e-5f};
    diff_begin(&c, state, "bn_relu");
    const xst_tensor x = diff_add(&c, XST_F32, SHAPE(3, 4, 3, 2)), gamma = diff_add(&c, XST_F32, SHAPE(4));
    const xst_tensor beta = diff_add_like(&c, gamma), mean = diff_add_like(&c, gamma),
                     inverse_std = diff_add_like(&c, gamma);
    const xst_tensor running_mean = diff_add_like(&c, gamma), running_var = diff_add_like(&c, gamma);
    const xst_tensor dx = diff_add_like(&c, x), dgamma = diff_add_like(&c, gamma), dbeta = diff_add_like(&c, gamma);
    c.y = diff_add_like(&c, x);
    c.dy = diff_add_like(&c, x);
    diff_op(&c, FORWARD,
            &(xst_op){.kind = XST_OP_BN_RELU_FORWARD,
                      .in = {x, gamma, beta, -1},
                      .out = {c.y, mean, inverse_std, running_mean, running_var},
                      .p.bn = p});
    diff_op(&c, BACKWARD,
            &(xst_op){.kind = XST_OP_BN_RELU_BACKWARD,
                      .in = {c.dy, x, c.y, gamma, mean, inverse_std},
                      .out = {dx, dgamma, dbeta},
                      .p.bn = p});
    diff_ready(&c);
    diff_normal(&c, x, 0.5, 2);
    diff_normal(&c, gamma, 1, 0.3);
    diff_normal(&c, beta, 0.3, 0.3);
    diff_normal(&c, c.dy, 0, 1);
    diff_compare(&c, x, dx);
    diff_compare(&c, gamma, dgamma);
    diff_compare(&c, beta, dbeta);
    diff_end(&c);
}

static void test_frozen_bn_relu(void **state)
{
    differences c;
    const xst_bn_params p = {.momentum = 0.1f, .eps = 1e-5f};
    diff_begin(&c, state, "frozen bn_relu");
    const xst_tensor x = diff_add(&c, XST_F32, SHAPE(3, 4, 3, 2)), gamma = diff_add(&c, XST_F32, SHAPE(4));
    const xst_tensor beta = diff_add_like(&c, gamma), mean = diff_add_like(&c, gamma), var = diff_add_like(&c, gamma);
    const xst_tensor dx = diff_add_like(&c, x);
    c.y = diff_add_like(&c, x);
    c.dy = diff_add_like(&c, x);
    diff_op(&c, FORWARD,
            &(xst_op){.kind = XST_OP_BN_RELU_EVAL, .in = {x, gamma, beta, mean, var}, .out = {c.y}, .p.bn = p});
    diff_op(&c, BACKWARD,
            &(xst_op){.kind = XST_OP_BN_RELU_EVAL_BACKWARD, .in = {c.dy, c.y, gamma, var}, .out = {dx}, .p.bn = p});
    diff_ready(&c);
    diff_normal(&c, x, 0.5, 2);
    diff_normal(&c, gamma, 1, 0.3);
    diff_normal(&c, beta, 0.3, 0.3);
    diff_normal(&c, mean, 0, 0.3);
    diff_normal(&c, var, 2, 0.3);
    diff_normal(&c, c.dy, 0, 1);
    diff_compare(&c, x, dx);
    diff_end(&c);
}

static void test_pool(void **state)
{
    differences c;
    diff_begin(&c, state, "pool");
    const xst_tensor x = diff_add(&c, XST_F32, SHAPE(2, 3, 5, 4)), dx = diff_add_like(&c, x);
    c.y = diff_add(&c, XST_F32, SHAPE(2, 3, 2, 2));
    c.dy = diff_add_like(&c, c.y);
    diff_op(&c, FORWARD, &(xst_op){.kind = XST_OP_POOL_FORWARD, .in = {x}, .out = {c.y}});
    diff_op(&c, BACKWARD, &(xst_op){.kind = XST_OP_POOL_BACKWARD, .in = {c.dy, x, c.y}, .out = {dx}});
    diff_ready(&c);
    diff_normal(&c, x, 0, 1);
    diff_normal(&c, c.dy, 0, 1);
    diff_compare(&c, x, dx);
    diff_end(&c);
}

/* With ReLU, its backward comes first. */
static void linear(void **state, bool relu)
{
    differences c;
    diff_begin(&c, state, relu ? "linear with relu" : "linear");
    const xst_tensor x = diff_add(&c, XST_F32, SHAPE(4, 5)), w = diff_add(&c, XST_F32, SHAPE(6, 5));
    const xst_tensor bias = diff_add(&c, XST_F32, SHAPE(6));
    const xst_tensor dx = diff_add_like(&c, x), dw = diff_add_like(&c, w), dbias = diff_add_like(&c, bias);
    c.y = diff_add(&c, XST_F32, SHAPE(4, 6));
    c.dy = diff_add_like(&c, c.y);
    const xst_tensor g = relu ? diff_add_like(&c, c.y) : c.dy;
    diff_op(&c, FORWARD,
            &(xst_op){.kind = XST_OP_LINEAR_FORWARD, .in = {x, w, bias}, .out = {c.y}, .p.linear.relu = relu});
    if (relu)
        diff_op(&c, BACKWARD, &(xst_op){.kind = XST_OP_RELU_BACKWARD, .in = {c.dy, c.y}, .out = {g}});
    diff_op(&c, BACKWARD, &(xst_op){.kind = XST_OP_LINEAR_BACKWARD_DATA, .in = {g, w}, .out = {dx}});
    diff_op(&c, BACKWARD, &(xst_op){.kind = XST_OP_LINEAR_BACKWARD_WEIGHTS, .in = {x, g}, .out = {dw, dbias}});
    diff_ready(&c);
    diff_normal(&c, x, 0, 1);
    diff_normal(&c, w, 0, 1);
    diff_normal(&c, bias, 0, 1);
    diff_normal(&c, c.dy, 0, 1);
    diff_compare(&c, x, dx);
    diff_compare(&c, w, dw);
    diff_compare(&c, bias, dbias);
    diff_end(&c);
}

static void test_linear(void **state)
{
    linear(state, false);
    linear(state, true);
}

/* y stands for the metrics: the sum of losses over 4 rows. */
static double mean_loss(const differences *c)
{
    double *const metrics = diff_get(c, c->y), loss = metrics[0] / 4;
    free(metrics);
    return loss;
}

/* Forward gives the gradient with the loss; there is no backward program to speak of. */
static void test_loss(void **state)
{
    differences c;
    diff_begin(&c, state, "loss");
    c.objective = mean_loss;
    const xst_tensor logits = diff_add(&c, XST_F32, SHAPE(4, 5)), labels = diff_add(&c, XST_U32, SHAPE(4));
    const xst_tensor dlogits = diff_add_like(&c, logits);
    c.y = diff_add(&c, XST_F64, SHAPE(2));
    diff_op(&c, FORWARD, &(xst_op){.kind = XST_OP_LOSS, .in = {logits, labels}, .out = {dlogits, c.y}});
    diff_ready(&c);
    diff_normal(&c, logits, 0, 2);
    diff_words(&c, labels, (const uint32_t[]){0, 4, 2, 2});
    diff_compare(&c, logits, dlogits);
    diff_end(&c);
}

/* A masked conv: gate as a real number, and the values of the active columns, through w_eff. With slope 1 the mask
 * gradient is dL/dm_b; with velocity 0, no decay and no momentum, the velocity after a step of the optimiser is the
 * gradient. */
typedef struct masked_conv {
    differences d;
    xst_tensor x, frozen, gate, active, value;  /* forward */
    xst_tensor preserved, slope, dgate, dvalue; /* backward */
} masked_conv;

static void masked_begin(masked_conv *m, void **state, const char *name, const test_columns *columns)
{
    differences *const d = &m->d;
    const xst_geometry g = columns->geometry;
    const xst_columns_params p = {g};
    diff_begin(d, state, name);
    m->x = diff_add(d, XST_F32, SHAPE(2, g.in, 3, 3));
    m->frozen = diff_add(d, XST_F32, SHAPE(g.out, g.in, g.kh, g.kw));
    m->gate = diff_add(d, XST_F32, SHAPE((int64_t)g.columns));
    m->active = diff_add(d, XST_U32, SHAPE(columns->a));
    m->value = diff_add(d, XST_F32, SHAPE(columns->a, g.longest));
    m->preserved = diff_add(d, XST_U8, SHAPE((int64_t)g.columns));
    m->slope = diff_add_like(d, m->gate);
    m->dgate = diff_add_like(d, m->gate);
    m->dvalue = diff_add_like(d, m->value);
    d->y = diff_add(d, XST_F32, SHAPE(2, g.out, 3, 3));
    d->dy = diff_add_like(d, d->y);
    const xst_tensor w = diff_add_like(d, m->frozen), dw = diff_add_like(d, m->frozen);
    const xst_tensor rates = diff_add(d, XST_F32, SHAPE(2)), moved = diff_add_like(d, m->value);
    const xst_op ops[] = {
        {.kind = XST_OP_EFFECTIVE, .in = {m->frozen, m->gate, m->active, m->value}, .out = {w}, .p.columns = p},
        {.kind = XST_OP_CONV_FORWARD, .in = {m->x, w}, .out = {d->y}},
        {.kind = XST_OP_CONV_BACKWARD_WEIGHTS, .in = {m->x, d->dy}, .out = {dw}},
        {.kind = XST_OP_MASK_GRADIENT,
         .in = {dw, m->frozen, m->slope, m->preserved},
         .out = {m->dgate},
         .p.columns = p},
        {.kind = XST_OP_COLUMN_SGD, .in = {dw, m->active, rates}, .out = {moved, m->dvalue}, .p.sgd.geometry = g}};
    for (int i = 0; i < 5; i++)
        diff_op(d, i < 2 ? FORWARD : BACKWARD, &ops[i]);
    diff_ready(d);
}

static void masked(void **state, const test_layer *layer)
{
    masked_conv m;
    test_columns columns;
    test_columns_make(&columns, layer, &test_divisions[0]);
    masked_begin(&m, state, layer->name, &columns);
    diff_normal(&m.d, m.x, 0, 1);
    diff_normal(&m.d, m.frozen, 0, 1);
    diff_normal(&m.d, m.gate, 0.6, 0.1);
    diff_normal(&m.d, m.value, 0, 1);
    diff_normal(&m.d, m.slope, 1, 0);
    diff_normal(&m.d, m.d.dy, 0, 1);
    diff_words(&m.d, m.active, columns.active);
    diff_bytes(&m.d, m.preserved, columns.preserved);
    double *const frozen = diff_get(&m.d, m.frozen);
    test_columns_clear(&columns, frozen);
    xst_ref_set(m.d.session, m.frozen, frozen);
    free(frozen);
    diff_compare(&m.d, m.gate, m.dgate);
    diff_compare(&m.d, m.value, m.dvalue);
    diff_end(&m.d);
    test_columns_free(&columns);
}

static void test_masked(void **state)
{
    for (int i = 0; i < TEST_LAYERS; i++)
        if (test_layers[i].in > 1)
            masked(state, &test_layers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),   cmocka_unit_test(test_bn_relu), cmocka_unit_test(test_frozen_bn_relu),
        cmocka_unit_test(test_pool),   cmocka_unit_test(test_linear),  cmocka_unit_test(test_loss),
        cmocka_unit_test(test_masked),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
