/* Widths, names, schedules, the model, and how the methods begin a task. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "methods/method.h"

#include <math.h>
#include <string.h>

static xst_config *configuration(const char *const *pairs)
{
    xst_config *config;
    xst_error err = {0};
    assert_int_equal(xst_config_create(&config, &err), XST_OK);
    for (int i = 0; pairs[i]; i += 2)
        if (xst_config_set(config, pairs[i], pairs[i + 1], &err) != XST_OK)
            fail_msg("%s", err.message);
    return config;
}

#define CONFIGURATION(...) configuration((const char *const[]){__VA_ARGS__, NULL})

static void widths_follow_the_rule(void **state)
{
    static const int v[] = {64, 128, 256, 512, 4096}, eight[] = {80, 160, 312, 624, 5016},
                     one[] = {78, 156, 313, 627, 5016};
    (void)state;
    xst_config *const a = CONFIGURATION("width", "1"), *const b = CONFIGURATION("round_channels", "1"),
                      *const c = CONFIGURATION("width", "0.03");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(xst_net_width(a, v[i]), eight[i]);
        assert_int_equal(xst_net_width(b, v[i]), one[i]);
    }
    assert_int_equal(xst_net_width(c, 64), 8);
    xst_config_destroy(a);
    xst_config_destroy(b);
    xst_config_destroy(c);
}

static void names_are_those_of_vgg16_bn(void **state)
{
    xst_net net;
    xst_param param[XST_PARAMS_MAX];
    (void)state;
    xst_config *const c = CONFIGURATION("width", "0.1");
    assert_int_equal(xst_net_build(c, false, &net, NULL), XST_OK);
    assert_int_equal(net.masked_count, 15);
    assert_string_equal(xst_net_masked(&net, 0)->weight, "features.0.weight");
    assert_string_equal(xst_net_masked(&net, 2)->weight, "features.7.weight");
    assert_string_equal(xst_net_masked(&net, 12)->bn, "features.41");
    assert_string_equal(xst_net_masked(&net, 14)->weight, "classifier.3.weight");
    assert_string_equal(net.head, "classifier.6");
    const int n = xst_net_params(&net, 5, param);
    assert_int_equal(n, 13 * 4 + 2 + 2);
    assert_string_equal(param[n - 2].name, "classifier.6.weight");
    xst_config_destroy(c);
}

static void a_sixth_pool_is_refused(void **state)
{
    xst_net net;
    xst_error err = {0};
    (void)state;
    xst_config *const c = CONFIGURATION("net", "[8, M, 8, M, 8, M, 8, M, 8, M, 8, M]");
    assert_int_equal(xst_net_build(c, false, &net, &err), XST_ERROR_CONFIG);
    xst_config_destroy(c);
}

static void rates_step_down(void **state)
{
    const xst_rate rate = {.base = 0.01, .gamma = 0.1, .at = {2, {0.5, 0.8}}, .unit = 100};
    (void)state;
    assert_true(fabs(xst_rate_at(&rate, 49) - 0.01) < 1e-15);
    assert_true(fabs(xst_rate_at(&rate, 50) - 0.001) < 1e-15);
    assert_true(fabs(xst_rate_at(&rate, 79) - 0.001) < 1e-15);
    assert_true(fabs(xst_rate_at(&rate, 80) - 0.0001) < 1e-15);
}

static void the_drop_fraction_is_annealed(void **state)
{
    (void)state;
    xst_config *const c = CONFIGURATION("update_every", "100");
    const uint32_t steps = 7900;
    assert_int_equal(xst_schedule_end(c, steps), 5925);
    assert_int_equal(xst_schedule_events(c, steps), 59);
    for (uint32_t e = 0; e < 59; e++) {
        const double alpha = 0.15 * (1.0 + cos(M_PI * (e + 1) * 100.0 / 5925.0));
        assert_int_equal(xst_schedule_quota(c, steps, e, 10000), (uint32_t)floor(alpha * 10000.0));
    }
    assert_true(xst_schedule_quota(c, steps, 58, 10000) <= 1);
    xst_config_destroy(c);
}

static xst_task_plan begin(const xst_config *config, const xst_model *model, int position)
{
    xst_task_plan plan = {.position = position, .layers = model->net->masked_count};
    xst_course course = {.config = config, .model = model, .position = position};
    xst_error err = {0};
    if (xst_method_of(config->method)->plan(&course, NULL, &plan, &err) != XST_OK)
        fail_msg("%s", err.message);
    return plan;
}

/* Twenty tasks in a row: owners never change, counts follow the budget, nothing is left at the end (invariant 2). */
static void twenty_tasks_fill_the_net(void **state)
{
    xst_net net;
    xst_model *model;
    (void)state;
    xst_config *const c = CONFIGURATION("net", "[8, M, 20, M]", "fc", "[24]", "expand", "1", "group", "8");
    assert_int_equal(xst_net_build(c, false, &net, NULL), XST_OK);
    assert_int_equal(xst_model_create(&net, &model, NULL), XST_OK);
    for (int i = 1; i <= 20; i++) {
        xst_task_plan plan = begin(c, model, i);
        assert_int_equal(plan.preserved, i > 1);
        for (int m = 0; m < net.masked_count; m++) {
            for (uint32_t k = 1; k < plan.layer[m].count; k++)
                assert_true(plan.layer[m].active[k - 1] < plan.layer[m].active[k]);
            xst_error err = {0};
            if (xst_model_own(model, m, i, plan.layer[m].active, plan.layer[m].value, plan.layer[m].count, false,
                              &err) != XST_OK)
                fail_msg("%s", err.message); /* a column with an owner was drawn */
        }
        xst_task_plan_free(&plan);
    }
    for (int m = 0; m < net.masked_count; m++)
        assert_int_equal(xst_model_free_columns(model, m), 0);
    xst_task_plan late = begin(c, model, 21);
    for (int m = 0; m < net.masked_count; m++)
        assert_int_equal(late.layer[m].count, 0);
    xst_task_plan_free(&late);
    xst_model_destroy(model);
    xst_config_destroy(c);
}

/* A column's initial weights are those of its flat indices, whatever the granularity. */
static void initial_weights_follow_the_flat_index(void **state)
{
    xst_net columns, elements;
    xst_model *a, *b;
    (void)state;
    xst_config *const c = CONFIGURATION("net", "[8, 20]", "fc", "[]", "expand", "1", "group", "3", "method", "scratch");
    assert_int_equal(xst_net_build(c, false, &columns, NULL), XST_OK);
    assert_int_equal(xst_net_build(c, true, &elements, NULL), XST_OK);
    assert_int_equal(xst_model_create(&columns, &a, NULL), XST_OK);
    assert_int_equal(xst_model_create(&elements, &b, NULL), XST_OK);
    xst_task_plan p = begin(c, a, 1), q = begin(c, b, 1);
    const xst_geometry *const g = &xst_net_masked(&columns, 1)->geometry;
    for (uint32_t k = 0; k < g->columns; k++)
        for (int i = 0; i < g->longest; i++) {
            const float got = p.layer[1].value[k * (uint32_t)g->longest + (uint32_t)i];
            if (i < xst_column_length(g, k))
                assert_true(got == q.layer[1].value[xst_column_start(g, k) + i]);
            else
                assert_true(got == 0.0f);
        }
    double squares = 0;
    for (uint32_t i = 0; i < q.layer[1].count; i++)
        squares += (double)q.layer[1].value[i] * (double)q.layer[1].value[i];
    assert_true(fabs(squares / q.layer[1].count / (2.0 / (20 * 9)) - 1.0) < 0.1);
    xst_task_plan_free(&p);
    xst_task_plan_free(&q);
    xst_model_destroy(a);
    xst_model_destroy(b);
    xst_config_destroy(c);
}

static void effective_weights_are_own_and_masked_columns(void **state)
{
    xst_net net;
    xst_model *model;
    (void)state;
    xst_config *const c = CONFIGURATION("net", "[8]", "fc", "[]", "expand", "1", "group", "3");
    assert_int_equal(xst_net_build(c, false, &net, NULL), XST_OK);
    assert_int_equal(xst_model_create(&net, &model, NULL), XST_OK);
    float one[27], two[27], w[8 * 27];
    for (int i = 0; i < 27; i++) {
        one[i] = 1.0f;
        two[i] = 2.0f;
    }
    const uint32_t first[] = {1, 4}, second[] = {6};
    float both[54];
    memcpy(both, one, sizeof one);
    memcpy(both + 27, one, sizeof one);
    assert_int_equal(xst_model_own(model, 0, 1, first, both, 2, false, NULL), XST_OK);
    assert_int_equal(xst_model_own(model, 0, 2, second, two, 1, false, NULL), XST_OK);
    assert_int_equal(xst_model_own(model, 0, 3, second, two, 1, false, NULL), XST_ERROR_RUN);
    const uint8_t mask = 1 << 4 | 1 << 0 | 1 << 6; /* column 0 is nobody's */
    xst_model_compose(model, 0, 2, &mask, w);
    for (int o = 0; o < 8; o++)
        assert_true(w[o * 27] == (o == 4 ? 1.0f : o == 6 ? 2.0f : 0.0f));
    uint8_t counts[8];
    xst_model_columns_of(model, 0, 2, &mask, counts);
    for (int o = 0; o < 8; o++)
        assert_int_equal(counts[o], o == 4 || o == 6);
    xst_model_compose(model, 0, 1, NULL, w);
    for (int o = 0; o < 8; o++)
        assert_true(w[o * 27] == (o == 1 || o == 4 ? 1.0f : 0.0f));
    /* a column that a later task took does not count, whatever its bit */
    xst_model_columns_of(model, 0, 1, &mask, counts);
    for (int o = 0; o < 8; o++)
        assert_int_equal(counts[o], o == 1 || o == 4);
    xst_model_destroy(model);
    xst_config_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_follow_the_rule),
        cmocka_unit_test(names_are_those_of_vgg16_bn),
        cmocka_unit_test(a_sixth_pool_is_refused),
        cmocka_unit_test(rates_step_down),
        cmocka_unit_test(the_drop_fraction_is_annealed),
        cmocka_unit_test(twenty_tasks_fill_the_net),
        cmocka_unit_test(initial_weights_follow_the_flat_index),
        cmocka_unit_test(effective_weights_are_own_and_masked_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
