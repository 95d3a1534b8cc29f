/* What methods decide between the phases of a task, against cases worked out by hand (method notes, sections 6 and 7).
 */
#include "base/memory.h"
#include "methods/cpg_rules.h"
#include "methods/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- CPG's rules ---- */

/* Stage 0.2 after 0.1 with a ramp of 40 steps: ratio = 0.2 - 0.1 (1 - i/40)^3 at i = 10, 20, 30; of 1000 weights 158,
 * 188 and 198 (198.4 rounded); 100 of them were released before. */
static void release_follows_the_cubic_schedule(void **state)
{
    (void)state;
    assert_int_equal(xst_prune_events(316), 31); /* 10 .. 310 */
    assert_int_equal(xst_prune_events(310), 30);
    assert_int_equal(xst_prune_events(10), 0);
    assert_int_equal(xst_prune_events(0), 0);
    const uint32_t expected[] = {158, 188, 198};
    for (uint32_t e = 0; e < 3; e++) {
        assert_int_equal(xst_prune_quota(0.1, 0.2, 40, e, 1000, 1000), expected[e]);
        assert_int_equal(xst_prune_quota(0.1, 0.2, 40, e, 1000, 900), expected[e] - 100);
    }
    assert_int_equal(xst_prune_quota(0.1, 0.2, 40, 0, 1000, 800), 0); /* more are free already */
    assert_int_equal(xst_prune_quota(0.0, 0.1, 316, 30, 100000, 100000), 10000);
}

/* Of |w| 3 1 1 2 5, r = 2 of 5: the second smallest is 1, and both 1s go; r = 3: 2 goes too. */
static void release_is_by_magnitude(void **state)
{
    (void)state;
    for (int r = 0; r <= 3; r++) {
        uint32_t columns[] = {4, 7, 9, 11, 30};
        float values[] = {3, -1, 1, -2, 5};
        xst_layer_record layer = {
            .geometry = xst_geometry_make(8, 8, 1, 1, 0), .count = 5, .columns = columns, .values = values};
        assert_int_equal(xst_release_smallest(&layer, r / 5.0, NULL), XST_OK);
        assert_int_equal(layer.count, r == 0 ? 5 : r < 3 ? 3 : 2);
        if (r == 3) {
            assert_int_equal(layer.columns[0], 4);
            assert_int_equal(layer.columns[1], 30);
            assert_true(layer.values[1] == 5.0f);
        }
    }
}

static void capacity_rule(void **state)
{
    (void)state;
    /* Of 20 tasks: q = 0.1 for 1-14, 0.2 for 15-17, then 0.3, 0.5, 1. */
    const int stages[] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 8, 8, 8, 7, 5, 0};
    for (int t = 1; t <= 20; t++) {
        assert_int_equal(xst_cpg_last_stage(false, 20, t), stages[t - 1]);
        assert_int_equal(xst_cpg_last_stage(true, 20, t), 10);
    }
    assert_int_equal(xst_cpg_last_stage(false, 20, 21), 0);
}

static void comparisons(void **state)
{
    (void)state;
    assert_true(xst_cpg_share(0) == 0.0 && xst_cpg_share(9) == 0.9 && xst_cpg_share(10) == 0.95);
    assert_true(xst_cpg_reaches(61.2, 61.2) && xst_cpg_reaches(61.1996, 61.2) && !xst_cpg_reaches(61.19, 61.2));
    assert_true(xst_cpg_counts(95.01, 0.95) && !xst_cpg_counts(95.0, 0.95));
    assert_true(xst_cpg_keeps(true, 60.0, 60.0) && !xst_cpg_keeps(true, 59.0, 60.0) &&
                xst_cpg_keeps(false, 20.0, 60.0));
}

/* ---- CPG's way through a task ---- */

typedef struct task {
    xst_config *config;
    xst_net net;
    xst_model *model;
    xst_course course;
    xst_task_record record; /* one masked layer; its own weights say which phase they come from */
} task;

static void set(xst_config *config, const char *key, const char *value)
{
    xst_error err = {0};
    if (xst_config_set(config, key, value, &err) != XST_OK)
        fail_msg("%s", err.message);
}

static xst_task_record net_of(float mark, uint32_t count)
{
    xst_task_record r = {0};
    void *layers = NULL, *columns = NULL, *values = NULL;
    assert_int_equal(xst_alloc(&layers, 1, sizeof(xst_layer_record), "net", NULL), XST_OK);
    assert_int_equal(xst_alloc(&columns, count, sizeof(uint32_t), "net", NULL), XST_OK);
    assert_int_equal(xst_alloc(&values, count, sizeof(float), "net", NULL), XST_OK);
    r.layers = layers;
    r.layer_count = 1;
    r.layers[0] = (xst_layer_record){
        .geometry = xst_geometry_make(8, 3, 3, 3, 0), .count = count, .columns = columns, .values = values};
    for (uint32_t i = 0; i < count; i++) {
        r.layers[0].columns[i] = i;
        r.layers[0].values[i] = mark;
    }
    return r;
}

static void open_task(task *t, const char *method, int position, double goal)
{
    xst_error err = {0};
    memset(t, 0, sizeof *t);
    assert_int_equal(xst_config_create(&t->config, &err), XST_OK);
    set(t->config, "method", method);
    set(t->config, "net", "[8, M]");
    set(t->config, "fc", "[]");
    set(t->config, "expand", "1");
    if (xst_net_build(t->config, true, &t->net, &err) != XST_OK || xst_model_create(&t->net, &t->model, &err) != XST_OK)
        fail_msg("%s", err.message);
    t->course = (xst_course){.config = t->config, .model = t->model, .position = position, .goal = goal};
}

static void close_task(task *t)
{
    xst_task_record_free(&t->record);
    xst_course_free(&t->course);
    xst_model_destroy(t->model);
    xst_config_destroy(t->config);
}

/* A phase ends with these accuracies and leaves a net of `mark`; returns whether another follows. */
static bool ends(task *t, double train, double chosen, float mark, uint32_t count)
{
    bool more = false;
    xst_error err = {0};
    xst_task_record_free(&t->record);
    t->record = net_of(mark, count);
    t->course.last = (xst_epoch){.epoch = 1, .epochs = 1, .train = train, .chosen = chosen};
    if (xst_method_of(t->config->method)->next(&t->course, &t->record, &more, &err) != XST_OK)
        fail_msg("%s", err.message);
    t->course.phase++;
    return more;
}

static float mark_of(const task *t)
{
    return t->record.layers[0].values[0];
}

static xst_task_plan plan_of(task *t)
{
    xst_task_plan plan = {.position = t->course.position, .stage = t->course.phase, .layers = t->net.masked_count};
    xst_error err = {0};
    const xst_task_record *const net = t->course.phase > 0 ? &t->record : NULL;
    if (xst_method_of(t->config->method)->plan(&t->course, net, &plan, &err) != XST_OK)
        fail_msg("%s", err.message);
    return plan;
}

/* Fine-tuned 70 >= goal 65: all ten stages are tried, and the sparsest that still reaches 65 is kept (the seventh). */
static void the_sparsest_stage_at_the_goal_is_kept(void **state)
{
    (void)state;
    task t;
    open_task(&t, "cpg", 1, 65.0);
    const double chosen[] = {71, 70, 66, 64, 66, 60, 65, 64.99, 50, 40};
    assert_true(ends(&t, 99, 70, 0, 200));
    for (int s = 1; s <= 10; s++) {
        xst_task_plan plan = plan_of(&t);
        assert_true(plan.prune.to == xst_cpg_share(s) && plan.prune.from == xst_cpg_share(s - 1));
        assert_true(!plan.learns_mask && plan.epochs == 20 && plan.prune.ramp == 4 && plan.lr.base == 1e-3);
        assert_int_equal(plan.layer[0].pool, 216);
        assert_int_equal(plan.layer[0].count, (uint32_t)(200 - 10 * (s - 1)));
        xst_task_plan_free(&plan);
        assert_int_equal(ends(&t, 99, chosen[s - 1], (float)s, (uint32_t)(200 - 10 * s)), s < 10);
    }
    assert_true(mark_of(&t) == 7.0f);
    assert_string_equal(t.course.note, "prune 0.7");
    close_task(&t);
}

/* Fine-tuned 60 < goal 65: the sparsest stage that counts, up to s = 0.9, whatever its accuracy; then retraining. */
static void a_task_below_its_goal_makes_room(void **state)
{
    (void)state;
    task t;
    open_task(&t, "cpg", 2, 65.0);
    assert_true(ends(&t, 99, 60, 0, 200));
    for (int s = 1; s <= 9; s++)
        assert_true(ends(&t, 96, 50, (float)s, 100));
    assert_true(mark_of(&t) == 9.0f);
    xst_task_plan plan = plan_of(&t);
    assert_string_equal(plan.name, "retrain");
    assert_true(plan.learns_mask && plan.identity_gate && plan.choose == XST_CHOOSE_EVERY && plan.epochs == 30);
    assert_true(fabs((double)plan.mask_start - 0.005) < 1e-8 && plan.mask_lr.base == 1e-4);
    xst_task_plan_free(&plan);
    close_task(&t);
}

/* A stage at or below the floor is thrown away, and pruning ends with the one before it. */
static void a_stage_that_does_not_count_ends_pruning(void **state)
{
    (void)state;
    task t;
    open_task(&t, "cpg", 1, 65.0);
    assert_true(ends(&t, 99, 60, 0, 200));
    assert_true(ends(&t, 95.04, 59, 1, 180));
    assert_false(ends(&t, 95.0, 64, 2, 160));
    assert_true(mark_of(&t) == 1.0f);
    close_task(&t);
    /* none counts: the fine-tuned net, with all its weights */
    open_task(&t, "cpg", 1, 65.0);
    assert_true(ends(&t, 99, 60, 0.5f, 200));
    assert_false(ends(&t, 90, 64, 2, 160));
    assert_true(mark_of(&t) == 0.5f);
    assert_int_equal(t.record.layers[0].count, 200);
    assert_string_equal(t.course.note, "fine-tune");
    close_task(&t);
}

static void a_task_without_free_weights_ends_at_once(void **state)
{
    (void)state;
    task t;
    open_task(&t, "cpg", 3, 65.0);
    assert_false(ends(&t, 99, 60, 1, 0));
    close_task(&t);
}

static void look(task *t, int epoch, double chosen, bool keep, bool stop)
{
    bool k = false, s = false;
    const xst_epoch e = {.epoch = epoch, .epochs = 30, .train = 50, .chosen = chosen};
    xst_method_of(t->config->method)->judge(&t->course, &e, &k, &s);
    assert_int_equal(k, keep);
    assert_int_equal(s, stop);
    if (!k)
        return;
    xst_task_record_free(&t->course.kept);
    t->course.kept = net_of((float)(100 + epoch), 50);
}

/* Kept at 62 in stage 9, 40 with the new mask. new-mask: 40 is to beat; pruned: 62. */
static void retraining(void **state)
{
    (void)state;
    for (int against = 0; against < 2; against++) {
        task t;
        open_task(&t, "cpg", 2, 65.0);
        set(t.config, "cpg_retrain_against", against ? "pruned" : "new-mask");
        set(t.config, "cpg_patience", "3");
        assert_true(ends(&t, 99, 60, 0, 200));
        for (int s = 1; s <= 9; s++)
            assert_true(ends(&t, 96, s == 9 ? 62 : 50, (float)s, 100));
        look(&t, 0, 40, false, false);
        look(&t, 1, 41, !against, false);
        look(&t, 2, 41, false, false);
        look(&t, 3, 45, !against, against);
        if (!against) {
            look(&t, 4, 45, false, false);
            look(&t, 5, 44, false, false);
            look(&t, 6, 43, false, true);
        }
        assert_false(ends(&t, 99, 43, -1, 50));
        assert_true(mark_of(&t) == (against ? 9.0f : 103.0f)); /* the last one put aside, else the pruned net */
        assert_string_equal(t.course.note, against ? "prune 0.9" : "prune 0.9, retrain epoch 3");
        close_task(&t);
    }
}

/* Fine-tuning of a later task: all free weights from 0, mask rate 5e-4, a fifth after half of the epochs, frozen after
 * 70 %; not frozen where nothing is free. */
static void fine_tuning(void **state)
{
    (void)state;
    task t;
    uint32_t columns[216];
    float values[216] = {0};
    open_task(&t, "cpg", 2, 65.0);
    for (uint32_t i = 0; i < 216; i++)
        columns[i] = i;
    assert_int_equal(xst_model_own(t.model, 0, 1, columns, values, 100, false, NULL), XST_OK);
    xst_task_plan plan = plan_of(&t);
    assert_int_equal(plan.layer[0].count, 116);
    assert_int_equal(plan.layer[0].active[0], 100);
    for (int i = 0; i < 116; i++)
        assert_true(plan.layer[0].value[i] == 0.0f);
    assert_true(xst_rate_at(&plan.lr, 49) == 0.01 && fabs(xst_rate_at(&plan.lr, 80) - 1e-4) < 1e-12);
    assert_true(xst_rate_at(&plan.mask_lr, 49) == 5e-4 && fabs(xst_rate_at(&plan.mask_lr, 50) - 1e-4) < 1e-12);
    assert_true(xst_rate_at(&plan.mask_lr, 69) > 0.0 && xst_rate_at(&plan.mask_lr, 70) == 0.0);
    xst_task_plan_free(&plan);
    assert_int_equal(xst_model_own(t.model, 0, 1, columns + 100, values, 116, false, NULL), XST_OK);
    plan = plan_of(&t);
    assert_int_equal(plan.layer[0].count, 0);
    assert_true(xst_rate_at(&plan.mask_lr, 99) > 0.0);
    xst_task_plan_free(&plan);
    close_task(&t);
}

/* ---- PackNet ---- */

static void packnet_prunes_then_retrains(void **state)
{
    (void)state;
    task t;
    open_task(&t, "packnet", 1, 0.0);
    set(t.config, "epochs", "12"); /* retraining: rint(30*12/100) = 4 epochs, a tenth after rint(25*12/100) = 3 */
    bool more = false;
    t.record = net_of(1, 10);
    for (int i = 0; i < 10; i++)
        t.record.layers[0].values[i] = (float)(i + 1);
    assert_int_equal(xst_method_of(t.config->method)->next(&t.course, &t.record, &more, NULL), XST_OK);
    assert_true(more);
    assert_int_equal(t.record.layers[0].count, 4);
    assert_true(t.record.layers[0].values[0] == 7.0f);
    t.course.phase = 1;
    xst_task_plan plan = plan_of(&t);
    assert_int_equal(plan.epochs, 4);
    assert_true(xst_rate_at(&plan.lr, 2) == 1e-3 && fabs(xst_rate_at(&plan.lr, 3) - 1e-4) < 1e-12);
    xst_task_plan_free(&plan);
    assert_int_equal(xst_method_of(t.config->method)->next(&t.course, &t.record, &more, NULL), XST_OK);
    assert_false(more);
    assert_int_equal(t.record.layers[0].count, 4);
    /* even: task 18 of 20 keeps a third */
    set(t.config, "packnet_prune", "even");
    t.course.phase = 0;
    t.course.position = 18;
    xst_task_record_free(&t.record);
    t.record = net_of(1, 9);
    for (int i = 0; i < 9; i++)
        t.record.layers[0].values[i] = (float)(i + 1);
    assert_int_equal(xst_method_of(t.config->method)->next(&t.course, &t.record, &more, NULL), XST_OK);
    assert_int_equal(t.record.layers[0].count, 3);
    close_task(&t);
}

/* ---- what a later task of each method starts from ---- */

static void later_tasks(void **state)
{
    static const struct {
        const char *method, *key, *value;
        bool preserved, learns, identity, grows;
        uint32_t active;
        float start;
    } cases[] = {
        {"xst", "mask", "gumbel", true, true, false, true, 8, 5.0f},
        {"xst", "mask", "threshold", true, true, true, true, 8, 0.005f},
        {"xst", "mask", "all", true, false, false, true, 8, 1.0f},
        {"xst", "mask", "none", true, false, false, true, 8, -1.0f},
        {"xst", "drop_fraction", "0", true, true, false, false, 8, 5.0f},
        {"piggyback", "piggyback_mask", "threshold", true, true, true, false, 0, 0.005f},
        {"piggyback", "piggyback_mask", "gumbel", true, true, false, false, 0, 5.0f},
        {"xbm", "mask", "gumbel", true, true, false, false, 0, 5.0f},
        {"packnet", "mask", "gumbel", true, false, false, false, 216, 1.0f},
        {"rigl", "mask", "gumbel", false, false, false, true, 65, 1.0f},
        {"scratch", "mask", "gumbel", false, false, false, false, 216, 1.0f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        task t;
        open_task(&t, cases[i].method, 2, 0.0);
        set(t.config, cases[i].key, cases[i].value);
        xst_task_plan plan = plan_of(&t);
        if (plan.preserved != cases[i].preserved || plan.learns_mask != cases[i].learns ||
            plan.identity_gate != cases[i].identity || plan.drop_and_grow != cases[i].grows ||
            plan.layer[0].count != cases[i].active || fabsf(plan.mask_start - cases[i].start) > 1e-6f)
            fail_msg("%s, %s %s: %d %d %d %d %u %g", cases[i].method, cases[i].key, cases[i].value, plan.preserved,
                     plan.learns_mask, plan.identity_gate, plan.drop_and_grow, plan.layer[0].count,
                     (double)plan.mask_start);
        xst_task_plan_free(&plan);
        close_task(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(release_follows_the_cubic_schedule),
        cmocka_unit_test(release_is_by_magnitude),
        cmocka_unit_test(capacity_rule),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(the_sparsest_stage_at_the_goal_is_kept),
        cmocka_unit_test(a_task_below_its_goal_makes_room),
        cmocka_unit_test(a_stage_that_does_not_count_ends_pruning),
        cmocka_unit_test(a_task_without_free_weights_ends_at_once),
        cmocka_unit_test(retraining),
        cmocka_unit_test(fine_tuning),
        cmocka_unit_test(packnet_prunes_then_retrains),
        cmocka_unit_test(later_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
