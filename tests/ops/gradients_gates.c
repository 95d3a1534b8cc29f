/* The slope of the gates, dm_b/dm_r of the gate before it is made hard, against finite differences. */
#include "support/differences.h"

#include "backend/ref/ref.h"
#include "base/exact.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GATES = 64, GATE_STEP = 9 };

typedef struct gates_run {
    differences d;
    xst_tensor m_r, gate, slope;
    double z[GATES];
} gates_run;

static void gates_begin(gates_run *g, void **state, xst_gates_params p)
{
    differences *const d = &g->d;
    diff_begin(d, state, p.paper ? "gates, paper" : "gates, logit");
    g->m_r = diff_add(d, XST_F32, SHAPE(GATES));
    const xst_tensor preserved = diff_add(d, XST_U8, SHAPE(GATES)), t = diff_add(d, XST_U32, SHAPE(1));
    g->gate = diff_add_like(d, g->m_r);
    g->slope = diff_add_like(d, g->m_r);
    diff_op(d, FORWARD,
            &(xst_op){.kind = XST_OP_GATES, .in = {g->m_r, preserved, t}, .out = {g->gate, g->slope}, .p.gates = p});
    diff_ready(d);
    uint8_t all[GATES];
    uint32_t words[GATES];
    for (int i = 0; i < GATES; i++)
        all[i] = 1;
    diff_bytes(d, preserved, all);
    diff_words(d, t, (const uint32_t[]){GATE_STEP});
    xst_random_words(words, 0, GATES, p.key, p.layer, GATE_STEP, 0);
    for (int i = 0; i < GATES; i++)
        g->z[i] = (double)xst_exact_logistic(words[i]);
}

static double log_sigmoid(double x)
{
    return x > 0 ? -log1p(exp(-x)) : x - log1p(exp(x));
}

/* p of Eq. (1): the gate before it is made hard. */
static double soft_gate(double m_r, double z, double T, bool paper)
{
    return exp(log_sigmoid(((paper ? log_sigmoid(m_r) : m_r) + z) / T));
}

/* m_r such that logit + z is a few T at most, where the slope is not 0; for Eq. (2) the logit is below 0, so that not
 * every z can be met. */
static double near_threshold(int i, double z, double T, bool paper)
{
    const double logit = fmin(T, 1.0) * (i % 7 - 3) - z;
    if (!paper)
        return logit;
    return logit < -1e-3 ? logit - log1p(-exp(logit)) : 0.5 * (i % 5);
}

static void slope(void **state, float T, bool paper)
{
    gates_run g;
    double m_r[GATES];
    gates_begin(&g, state,
                (xst_gates_params){.key = {5, 6}, .layer = 3, .temperature = T, .paper = paper, .training = true});
    for (int i = 0; i < GATES; i++)
        m_r[i] = near_threshold(i, g.z[i], (double)T, paper);
    xst_ref_set(g.d.session, g.m_r, m_r);
    diff_run(&g.d, FORWARD);
    double *const got = diff_get(&g.d, g.slope), h = 1e-4 * fmin((double)T, 1.0);
    int nonzero = 0;
    for (int i = 0; i < GATES; i++) {
        const double up = soft_gate(m_r[i] + h, g.z[i], (double)T, paper);
        const double down = soft_gate(m_r[i] - h, g.z[i], (double)T, paper), difference = (up - down) / (2 * h);
        nonzero += got[i] > 1e-3 / (double)T;
        if (!(fabs(difference - got[i]) <= 1e-6 * fabs(got[i]) + 1e-10 / (double)T))
            fail_msg("%s T=%g: slope[%d] is %.12g, finite difference %.12g", g.d.name, (double)T, i, got[i],
                     difference);
    }
    assert_true(nonzero >= 16);
    g.d.harness->passed++;
    free(got);
    diff_end(&g.d);
}

static void test_slope(void **state)
{
    const float T[] = {0.001f, 0.5f, 1.0f, 1000.0f};
    for (size_t i = 0; i < sizeof T / sizeof T[0]; i++) {
        slope(state, T[i], false);
        slope(state, T[i], true);
    }
}

/* The temperature changes the slope, never the gate; every slope is finite, far from the threshold too. */
static void test_temperature_leaves_gates(void **state)
{
    const float T[] = {1.0f, 0.001f, 1000.0f};
    double *first = NULL;
    for (size_t i = 0; i < sizeof T / sizeof T[0]; i++) {
        gates_run g;
        gates_begin(&g, state, (xst_gates_params){.key = {5, 6}, .layer = 3, .temperature = T[i], .training = true});
        diff_normal(&g.d, g.m_r, 0, 20);
        diff_run(&g.d, FORWARD);
        double *const gate = diff_get(&g.d, g.gate), *const slope_of = diff_get(&g.d, g.slope);
        int on = 0;
        for (int k = 0; k < GATES; k++) {
            assert_true(isfinite(slope_of[k]) && slope_of[k] >= 0.0);
            assert_true(!first || first[k] == gate[k]);
            on += gate[k] == 1.0;
        }
        assert_in_range(on, 10, GATES - 10);
        free(slope_of);
        if (first)
            free(gate);
        else
            first = gate;
        g.d.harness->passed++;
        diff_end(&g.d);
    }
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slope),
        cmocka_unit_test(test_temperature_leaves_gates),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
