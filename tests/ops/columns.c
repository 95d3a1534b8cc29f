/* Column masks: gates, effective weights, mask gradient. */
#include "support/harness.h"

#include "base/exact.h"
#include "support/layers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const xst_random_key key = {3, 0x204};

/* Gates. */

/* (logit + z) / T of column i. */
static double soft_argument(const ops_case *c, int64_t i)
{
    const xst_gates_params *const p = &c->op.p.gates;
    uint32_t word[4];
    xst_random_block(word, p->key, (uint32_t)(i / 4), p->layer, ops_words(c, c->op.in[2])[0], p->stage);
    const double m_r = (double)ops_floats(c, c->op.in[0])[i];
    const double logit = p->paper ? log(1.0 / (1.0 + exp(-m_r))) : m_r;
    return (logit + (double)xst_exact_logistic(word[i % 4])) / (double)p->temperature;
}

static void check_gate(const ops_case *c, const double *ref, const double *got, int64_t n, double eps)
{
    (void)eps;
    for (int64_t i = 0; i < n; i++) {
        const bool clear = fabs(soft_argument(c, i)) * (double)c->op.p.gates.temperature > 1e-5;
        if (got[i] != ref[i] && (!c->op.p.gates.paper || clear))
            fail_msg("%s: gate[%d] is %g, not %g", c->name, (int)i, got[i], ref[i]);
    }
}

/* An error of the argument goes in as it is, relative to the slope; 1 - p may be a float difference. */
static void check_slope(const ops_case *c, const double *ref, const double *got, int64_t n, double eps)
{
    for (int64_t i = 0; i < n; i++) {
        const double near = eps * (8.0 + 4.0 * fabs(soft_argument(c, i))) * fabs(ref[i]);
        const double allowed = near + 4.0 * eps / (double)c->op.p.gates.temperature;
        if (!(fabs(got[i] - ref[i]) <= allowed))
            fail_msg("%s: slope[%d] is %.9g, not %.9g", c->name, (int)i, got[i], ref[i]);
    }
}

/* The formulas once more, in double; preserved is 0 at every third column. */
static void expect_gates(const ops_case *c, int64_t n, double *gate, double *slope)
{
    const xst_gates_params *const p = &c->op.p.gates;
    for (int64_t i = 0; i < n; i++) {
        const double m_r = (double)ops_floats(c, c->op.in[0])[i], x = soft_argument(c, i);
        const bool on = p->training && !p->identity ? x > 0.0 : m_r > 0.0, preserved = ops_bytes(c, c->op.in[1])[i];
        const double e = exp(-fabs(x)), soft = e / ((1.0 + e) * (1.0 + e));
        const double inner = p->paper ? 1.0 / (1.0 + exp(m_r)) : 1.0;
        gate[i] = preserved && on ? 1.0 : 0.0;
        slope[i] = preserved && p->training ? (p->identity ? 1.0 : soft / (double)p->temperature * inner) : 0.0;
    }
}

enum { GATES_MAX = 1003 };

static void gates(void **state, int64_t n, const xst_gates_params *p, float centre, uint32_t t)
{
    ops_case c;
    double gate[GATES_MAX], slope[GATES_MAX];
    ops_begin(&c, *state, XST_OP_GATES, "n=%d layer %u T=%g%s%s t=%u", (int)n, p->layer, (double)p->temperature,
              p->paper      ? " paper"
              : p->identity ? " identity"
                            : "",
              p->training ? "" : " exported", t);
    c.op.p.gates = *p;
    const xst_tensor m_r = ops_input(&c, XST_F32, SHAPE(n)), preserved = ops_input(&c, XST_U8, SHAPE(n));
    ops_normal(&c, m_r, 2.0f);
    for (int64_t i = 0; i < n; i++) {
        ops_floats(&c, m_r)[i] += centre;
        ops_bytes(&c, preserved)[i] = i % 3 != 1;
    }
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = t;
    const xst_tensor out = ops_output(&c, ops_checked(check_gate), XST_F32, SHAPE(n));
    const xst_tensor out_slope = ops_output(&c, ops_checked(check_slope), XST_F32, SHAPE(n));
    expect_gates(&c, n, gate, slope);
    ops_expect(&c, out, gate);
    ops_expect(&c, out_slope, slope);
    if (n <= 3)
        ops_expect_zero(&c, out);
    if (n <= 3 || !p->training) /* at T = 0.001 most are 0 */
        ops_expect_zero(&c, out_slope);
    ops_finish(&c);
}

static void test_gates(void **state)
{
    const float temperature[] = {0.001f, 0.5f, 1.0f, 1000.0f};
    const int64_t n[] = {1, 3, 33, GATES_MAX};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            for (int paper = 0; paper < 2; paper++) {
                const xst_gates_params p = {.key = key,
                                            .stage = (uint32_t)k,
                                            .layer = (uint32_t)i,
                                            .temperature = temperature[k],
                                            .paper = paper,
                                            .training = true};
                gates(state, n[i], &p, paper ? 2.0f : 0.0f, (uint32_t)(1 + 100 * k));
            }
    for (size_t i = 0; i < 4; i++)
        for (int training = 0; training < 2; training++) {
            gates(state, n[i],
                  &(xst_gates_params){
                      .key = key, .layer = 2, .temperature = 1.0f, .identity = true, .training = training},
                  0.5f, 5);
            if (!training)
                gates(state, n[i], &(xst_gates_params){.key = key, .layer = 2, .temperature = 1.0f}, 0.5f, 5);
        }
}

/* Columns on, and preserved ones, added to what is there; NaN is not on. */
static void mask_count(void **state, int64_t n)
{
    ops_case c;
    double expected[2] = {1000.0, 7.0};
    ops_begin(&c, *state, XST_OP_MASK_COUNT, "n=%d", (int)n);
    const xst_tensor m_r = ops_input(&c, XST_F32, SHAPE(n)), preserved = ops_input(&c, XST_U8, SHAPE(n));
    const xst_tensor counts = ops_in_place(&c, ops_exact(), XST_U32, SHAPE(2));
    ops_normal(&c, m_r, 1.0f);
    for (int64_t i = 0; i < n; i++) {
        float *const m = &ops_floats(&c, m_r)[i];
        *m = i % 11 == 5 ? (float)NAN : i % 7 == 6 ? 0.0f : *m;
        const bool there = i % 3 != 1;
        ops_bytes(&c, preserved)[i] = there;
        expected[0] += there && *m > 0.0f;
        expected[1] += there;
    }
    ops_words(&c, counts)[0] = 1000;
    ops_words(&c, counts)[1] = 7;
    ops_expect(&c, counts, expected);
    ops_finish(&c);
}

static void test_mask_count(void **state)
{
    const int64_t n[] = {1, 31, 33, 4097};
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        mask_count(state, n[i]);
}

/* Effective weights and mask gradient. */

/* Gates that are on for some of the preserved columns. */
static void fill_gates(ops_case *c, xst_tensor gate, const test_columns *columns)
{
    ops_normal(c, gate, 1.0f);
    for (uint32_t k = 0; k < columns->geometry.columns; k++)
        ops_floats(c, gate)[k] = columns->preserved[k] && ops_floats(c, gate)[k] > -0.5f ? 1.0f : 0.0f;
}

/* Frozen weights: 0 but in preserved columns. */
static xst_tensor add_frozen(ops_case *c, const test_columns *columns)
{
    const xst_geometry *const g = &columns->geometry;
    const xst_tensor frozen = ops_input(c, XST_F32, SHAPE(g->out, g->in, g->kh, g->kw));
    ops_normal(c, frozen, 1.0f);
    for (uint32_t k = 0; k < g->columns; k++)
        if (!columns->preserved[k])
            memset(&ops_floats(c, frozen)[xst_column_start(g, k)], 0, (size_t)xst_column_length(g, k) * sizeof(float));
    return frozen;
}

static xst_tensor add_active(ops_case *c, const test_columns *columns)
{
    const xst_tensor active = ops_input(c, XST_U32, SHAPE(columns->a));
    memcpy(ops_words(c, active), columns->active, (size_t)columns->a * sizeof(uint32_t));
    return active;
}

static void effective(void **state, const test_layer *layer, const test_division *division, bool gated)
{
    ops_case c;
    test_columns columns;
    test_columns_make(&columns, layer, division);
    const xst_geometry *const g = &columns.geometry;
    ops_begin(&c, *state, XST_OP_EFFECTIVE, "%s, %s%s", layer->name, division->name, gated ? "" : ", no gate");
    c.op.p.columns.geometry = *g;
    if (gated) {
        add_frozen(&c, &columns);
        fill_gates(&c, ops_input(&c, XST_F32, SHAPE((int64_t)g->columns)), &columns);
    } else {
        ops_no_input(&c);
        ops_no_input(&c);
    }
    add_active(&c, &columns);
    const xst_tensor value = ops_input(&c, XST_F32, SHAPE(columns.a, g->longest));
    ops_normal(&c, value, 1.0f);
    const xst_tensor w_eff = ops_output(&c, ops_exact(), XST_F32, SHAPE(g->out, g->in, g->kh, g->kw));
    if (columns.a == 0 && (!gated || g->columns == 1))
        ops_expect_zero(&c, w_eff);
    ops_finish(&c);
    test_columns_free(&columns);
}

static void test_effective(void **state)
{
    for (int i = 0; i < TEST_LAYERS; i++)
        for (int k = 0; k < TEST_DIVISIONS; k++) {
            effective(state, &test_layers[i], &test_divisions[k], true);
            effective(state, &test_layers[i], &test_divisions[k], false);
        }
}

/* Two filters of 3 inputs in groups of 2 (the second group has one): columns 0 = (0 1), 1 = (2), 2 = (3 4), 3 = (5).
 * 0 is preserved and on, 1 preserved and off, 3 active. */
static void test_effective_by_hand(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_EFFECTIVE, "by hand");
    c.op.p.columns.geometry = xst_geometry_make(2, 3, 1, 1, 2);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){1, 2, 3, 0, 0, 0});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(4)), (const double[]){1, 0, 0, 0});
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(1)), (const double[]){3});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 2)), (const double[]){7, 0});
    ops_expect(&c, ops_output(&c, ops_exact(), XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){1, 2, 0, 0, 0, 7});
    ops_finish(&c);
}

/* Entries that equal the number of columns are empty. */
static void test_effective_empty(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_EFFECTIVE, "empty entries");
    c.op.p.columns.geometry = xst_geometry_make(2, 3, 1, 1, 1);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){1, 2, 0, 0, 0, 0});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(6)), (const double[]){1, 0, 0, 0, 0, 0});
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(4)), (const double[]){2, 5, 6, 6});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(4, 1)), (const double[]){7, 8, 0, 0});
    ops_expect(&c, ops_output(&c, ops_exact(), XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){1, 0, 7, 0, 0, 8});
    ops_finish(&c);
}

static void mask_gradient(void **state, const test_layer *layer, const test_division *division)
{
    ops_case c;
    test_columns columns;
    test_columns_make(&columns, layer, division);
    const xst_geometry *const g = &columns.geometry;
    ops_begin(&c, *state, XST_OP_MASK_GRADIENT, "%s, %s", layer->name, division->name);
    c.op.p.columns.geometry = *g;
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE(g->out, g->in, g->kh, g->kw)), 0.1f);
    add_frozen(&c, &columns);
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE((int64_t)g->columns)), 0.2f);
    const xst_tensor preserved = ops_input(&c, XST_U8, SHAPE((int64_t)g->columns));
    memcpy(ops_bytes(&c, preserved), columns.preserved, g->columns);
    const xst_tensor out = ops_output(&c, ops_close(g->longest), XST_F32, SHAPE((int64_t)g->columns));
    if (!memchr(columns.preserved, 1, g->columns))
        ops_expect_zero(&c, out);
    ops_finish(&c);
    test_columns_free(&columns);
}

static void test_mask_gradient(void **state)
{
    for (int i = 0; i < TEST_LAYERS; i++)
        for (int k = 0; k < TEST_DIVISIONS; k++)
            mask_gradient(state, &test_layers[i], &test_divisions[k]);
}

/* The columns of the hand case above; the weights of column 3 are not preserved, whatever stands there. */
static void test_mask_gradient_by_hand(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_MASK_GRADIENT, "by hand");
    c.op.p.columns.geometry = xst_geometry_make(2, 3, 1, 1, 2);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){10, 20, 30, 40, 50, 60});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){1, 2, 3, 1, 1, 1});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(4)), (const double[]){0.5, 0.1, 2, 1});
    ops_copy(&c, ops_input(&c, XST_U8, SHAPE(4)), (const double[]){1, 1, 1, 0});
    ops_expect(&c, ops_output(&c, ops_close(2), XST_F32, SHAPE(4)), (const double[]){25, 9, 180, 0});
    ops_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_mask_count),
        cmocka_unit_test(test_effective),
        cmocka_unit_test(test_effective_by_hand),
        cmocka_unit_test(test_effective_empty),
        cmocka_unit_test(test_mask_gradient),
        cmocka_unit_test(test_mask_gradient_by_hand),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
