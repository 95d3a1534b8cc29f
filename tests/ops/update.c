/* The optimisers: SGD on tensors and on columns, Adam on the mask. */
#include "support/harness.h"

#include "support/layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A handful of roundings per element. */
static ops_rule few(void)
{
    return (ops_rule){.terms = 4, .factor = 8};
}

static void add_rates(ops_case *c, double lr, double mask_lr)
{
    ops_copy(c, ops_input(c, XST_F32, SHAPE(2)), (const double[]){lr, mask_lr});
}

static void test_sgd(void **state)
{
    const int64_t n[] = {1, 5, 16, 33, 1000};
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        for (int decay = 0; decay < 2; decay++) {
            ops_case c;
            ops_begin(&c, *state, XST_OP_SGD, "n=%d%s", (int)n[i], decay ? " decay" : "");
            c.op.p.sgd = (xst_sgd_params){.momentum = 0.9f, .decay = decay ? 0.05f : 0.0f};
            ops_normal(&c, ops_input(&c, XST_F32, SHAPE(n[i])), 1.0f);
            add_rates(&c, 0.1, 1e9);
            ops_normal(&c, ops_in_place(&c, few(), XST_F32, SHAPE(n[i])), 1.0f);
            ops_normal(&c, ops_in_place(&c, few(), XST_F32, SHAPE(n[i])), 1.0f);
            ops_finish(&c);
        }
}

static void sgd_by_hand(void **state, double g, const double *w, const double *velocity)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_SGD, "by hand, from %g", w[0]);
    c.op.p.sgd = (xst_sgd_params){.momentum = 0.9f, .decay = 0.1f};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), &g);
    add_rates(&c, 0.1, 1e9);
    const xst_tensor out = ops_in_place(&c, few(), XST_F32, SHAPE(1));
    const xst_tensor out_velocity = ops_in_place(&c, few(), XST_F32, SHAPE(1));
    ops_copy(&c, out, &w[0]);
    ops_copy(&c, out_velocity, &velocity[0]);
    ops_expect(&c, out, &w[1]);
    ops_expect(&c, out_velocity, &velocity[1]);
    ops_finish(&c);
}

/* w = 1: g' = .5 + .1 = .6, v = .6, w = 1 - .1*(.6 + .54); then g' = -1 + .0886, v = .54 - .9114,
 * w = .886 + .1*(.9114 + .33426). */
static void test_sgd_by_hand(void **state)
{
    const double w[] = {1, 0.886, 1.010566}, velocity[] = {0, 0.6, -0.3714};
    sgd_by_hand(state, 0.5, &w[0], &velocity[0]);
    sgd_by_hand(state, -1, &w[1], &velocity[1]);
}

/* Rows of short columns end in zeros, and must go on doing so. */
static void fill_rows(ops_case *c, xst_tensor t, const test_columns *columns)
{
    const xst_geometry *const g = &columns->geometry;
    ops_normal(c, t, 1.0f);
    for (int64_t k = 0; k < columns->a; k++)
        for (int32_t i = xst_column_length(g, columns->active[k]); i < g->longest; i++)
            ops_floats(c, t)[k * g->longest + i] = 0.0f;
}

static void column_sgd(void **state, const test_layer *layer, const test_division *division)
{
    ops_case c;
    test_columns columns;
    test_columns_make(&columns, layer, division);
    const xst_geometry *const g = &columns.geometry;
    ops_begin(&c, *state, XST_OP_COLUMN_SGD, "%s, %s", layer->name, division->name);
    c.op.p.sgd = (xst_sgd_params){.geometry = *g, .momentum = 0.9f, .decay = 0.05f};
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE(g->out, g->in, g->kh, g->kw)), 1.0f);
    const xst_tensor active = ops_input(&c, XST_U32, SHAPE(columns.a));
    memcpy(ops_words(&c, active), columns.active, (size_t)columns.a * sizeof(uint32_t));
    add_rates(&c, 0.1, 1e9);
    for (int i = 0; i < 2; i++) {
        const xst_tensor out = ops_in_place(&c, few(), XST_F32, SHAPE(columns.a, g->longest));
        fill_rows(&c, out, &columns);
        if (columns.a == 0)
            ops_expect_zero(&c, out);
    }
    ops_finish(&c);
    test_columns_free(&columns);
}

static void test_column_sgd(void **state)
{
    for (int i = 0; i < TEST_LAYERS; i++)
        for (int k = 0; k < TEST_DIVISIONS; k++)
            column_sgd(state, &test_layers[i], &test_divisions[k]);
}

/* Two filters of 3 inputs in groups of 2: columns 1 (weight 2) and 2 (weights 3, 4), without decay, mu = 1/2, lr = 1.
 */
static void test_column_sgd_by_hand(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_COLUMN_SGD, "by hand");
    c.op.p.sgd = (xst_sgd_params){.geometry = xst_geometry_make(2, 3, 1, 1, 2), .momentum = 0.5f};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){1, 2, 4, 8, 16, 32});
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(2)), (const double[]){1, 2});
    add_rates(&c, 1, 1e9);
    const xst_tensor value = ops_in_place(&c, few(), XST_F32, SHAPE(2, 2));
    const xst_tensor velocity = ops_in_place(&c, few(), XST_F32, SHAPE(2, 2));
    ops_copy(&c, value, (const double[]){100, 0, 200, 300});
    ops_copy(&c, velocity, (const double[]){2, 0, 0, -8});
    ops_expect(&c, value, (const double[]){100 - 4 - 2.5, 0, 200 - 8 - 4, 300 - 16 - 6});
    ops_expect(&c, velocity, (const double[]){5, 0, 8, 12});
    ops_finish(&c);
}

/* Entries that equal the number of columns are empty: nothing comes to them. */
static void test_column_sgd_empty(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_COLUMN_SGD, "empty entries");
    c.op.p.sgd = (xst_sgd_params){.geometry = xst_geometry_make(2, 3, 1, 1, 0), .momentum = 0.5f};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){1, 2, 4, 8, 16, 32});
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(4)), (const double[]){1, 5, 6, 6});
    add_rates(&c, 1, 1e9);
    const xst_tensor value = ops_in_place(&c, few(), XST_F32, SHAPE(4, 1));
    const xst_tensor velocity = ops_in_place(&c, few(), XST_F32, SHAPE(4, 1));
    ops_copy(&c, value, (const double[]){100, 200, 0, 0});
    ops_copy(&c, velocity, (const double[]){2, 0, 0, 0});
    ops_expect(&c, value, (const double[]){100 - 2 - 1.5, 200 - 32 - 16, 0, 0});
    ops_expect(&c, velocity, (const double[]){3, 32, 0, 0});
    ops_finish(&c);
}

static void adam(void **state, int64_t n, uint32_t t, float scale)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_ADAM, "n=%d t=%u g near %g", (int)n, t, (double)scale);
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE(n)), scale);
    const xst_tensor preserved = ops_input(&c, XST_U8, SHAPE(n));
    for (int64_t i = 0; i < n; i++)
        ops_bytes(&c, preserved)[i] = i % 3 != 1;
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = t;
    add_rates(&c, 1e9, 0.1);
    ops_normal(&c, ops_in_place(&c, few(), XST_F32, SHAPE(n)), 0.05f);
    const xst_tensor m = ops_in_place(&c, few(), XST_F32, SHAPE(n)), v = ops_in_place(&c, few(), XST_F32, SHAPE(n));
    ops_normal(&c, m, t > 1 ? scale : 0.0f);
    ops_normal(&c, v, t > 1 ? scale : 0.0f);
    for (int64_t i = 0; i < n; i++)
        ops_floats(&c, v)[i] *= ops_floats(&c, v)[i];
    ops_finish(&c);
}

/* Gradients near 1e-8 make the 1e-8 in the denominator count. */
static void test_adam(void **state)
{
    const int64_t n[] = {1, 5, 33, 1000};
    const uint32_t t[] = {1, 2, 100, 7900};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++) {
            adam(state, n[i], t[k], 0.1f);
            adam(state, n[i], t[k], 1e-8f);
        }
}

static void adam_by_hand(void **state, uint32_t t, double g, const double *m_r, const double *m, const double *v)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_ADAM, "by hand, t=%u", t);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2)), (const double[]){g, g});
    ops_copy(&c, ops_input(&c, XST_U8, SHAPE(2)), (const double[]){1, 0});
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = t;
    add_rates(&c, 1e9, 0.1);
    const double before[3][2] = {{m_r[0], 0.75}, {m[0], 0.5}, {v[0], 0.25}};
    const double after[3][2] = {{m_r[1], 0.75}, {m[1], 0.5}, {v[1], 0.25}};
    for (int i = 0; i < 3; i++) {
        const xst_tensor out = ops_in_place(&c, few(), XST_F32, SHAPE(2));
        ops_copy(&c, out, before[i]);
        ops_expect(&c, out, after[i]);
    }
    ops_finish(&c);
}

/* The first of two columns is preserved. t = 1: m = .05, v = .00025, both corrected to .5 and .25: a step of .1. t = 2:
 * m = .045 - .025, v = .00024975 + .0000625, a step of .1 * (.02/.19) / sqrt(.00031225/.001999). */
static void test_adam_by_hand(void **state)
{
    const double m_r[] = {1, 0.900000002, 0.873366298}, m[] = {0, 0.05, 0.02}, v[] = {0, 0.00025, 0.00031225};
    adam_by_hand(state, 1, 0.5, &m_r[0], &m[0], &v[0]);
    adam_by_hand(state, 2, -0.25, &m_r[1], &m[1], &v[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_sgd_by_hand),
        cmocka_unit_test(test_column_sgd),
        cmocka_unit_test(test_column_sgd_by_hand),
        cmocka_unit_test(test_column_sgd_empty),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_adam_by_hand),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
