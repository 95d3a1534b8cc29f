/* Invariants of learning tasks in sequence, step by step on every backend: what must never change does not, and what
 * must be zero is. Numbers in comments are those of the architecture notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/ref/ref.h"
#include "base/memory.h"
#include "base/random.h"
#include "columns/budget.h"
#include "train/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN = 22, TEST = 5, BATCH = 4, CLASSES = 3, LAYERS = 4 };

typedef struct sequence {
    const xst_backend_api *api;
    xst_backend *backend;
    xst_config *config;
    const xst_method *method;
    xst_net net;
    xst_model *model;
    xst_task_data data;
    xst_error err;
} sequence;

/* What a layer looks like between two steps. */
typedef struct layer_view {
    uint32_t *active;
    float *value, *velocity;
} layer_view;

static void ok(sequence *s, xst_status status)
{
    if (status != XST_OK)
        fail_msg("%s: %s", s->api->name, s->err.message);
}

static void *room(size_t count, size_t size)
{
    void *const p = calloc(count > 0 ? count : 1, size);
    assert_non_null(p);
    return p;
}

static void make_images(xst_images *images, uint32_t count, uint32_t seed)
{
    *images = (xst_images){.count = count};
    images->pixels = room((size_t)count * XST_IMAGE_BYTES, 1);
    images->labels = room(count, sizeof *images->labels);
    uint32_t word[4];
    for (uint32_t i = 0; i < count * XST_IMAGE_BYTES; i++) {
        if (i % 4 == 0)
            xst_random_block(word, (xst_random_key){seed, 77}, i / 4, 0, 0, 0);
        images->pixels[i] = (uint8_t)(word[i % 4] >> 24);
    }
    for (uint32_t i = 0; i < count; i++)
        images->labels[i] = i % CLASSES;
}

static void open_sequence(sequence *s, const char *backend, const char *method, const char *group)
{
    const char *const options[][2] = {
        {"method", method},
        {"group", group},
        {"net", "[8, M, 20, M, 8, M]"},
        {"fc", "[24]"},
        {"expand", "1"},
        {"epochs", "2"},
        {"batch", "4"},
        {"capacity_tasks", "3"},
        {"update_every", "2"},
        {"update_until", "1"},
        {"drop_fraction", "0.6"},
        {"mask_init", "1"},
        {"lr", "0.05"},
        {"mask_lr", "0.5"},
        {"cpg_prune_epochs", "2"},
        {"cpg_ramp_epochs", "2"},
        {"cpg_retrain_epochs", "2"},
        {"packnet_retrain_epochs", "2"},
    };
    const xst_backend_options threads = {.threads = 1};
    *s = (sequence){0};
    assert_int_equal(xst_config_create(&s->config, &s->err), XST_OK);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (xst_config_set(s->config, options[i][0], options[i][1], &s->err) != XST_OK)
            fail_msg("%s", s->err.message);
    s->method = xst_method_of(s->config->method);
    assert_int_equal(xst_backend_find(backend, &s->api, &s->err), XST_OK);
    ok(s, s->api->open(&threads, &s->backend, &s->err));
    ok(s, xst_net_build(s->config, xst_method_element(s->config), &s->net, &s->err));
    ok(s, xst_model_create(&s->net, &s->model, &s->err));
    s->data.classes = CLASSES;
    make_images(&s->data.train, TRAIN, 1);
    make_images(&s->data.test, TEST, 2);
    for (int c = 0; c < XST_CHANNELS; c++) {
        s->data.mean[c] = 0.5;
        s->data.std[c] = 0.25;
    }
}

static void close_sequence(sequence *s)
{
    free(s->data.train.pixels);
    free(s->data.train.labels);
    free(s->data.test.pixels);
    free(s->data.test.labels);
    xst_model_destroy(s->model);
    s->api->close(s->backend);
    xst_config_destroy(s->config);
}

static layer_view look(sequence *s, xst_task_programs *p, int m)
{
    const uint32_t n = p->plan->layer[m].count;
    const xst_geometry *const g = &xst_net_masked(&s->net, m)->geometry;
    const char *const name = xst_net_masked(&s->net, m)->weight;
    layer_view v = {room(n, 4), room((size_t)n * (size_t)g->longest, 4), room((size_t)n * (size_t)g->longest, 4)};
    ok(s, xst_task_download(p, name, "active", v.active, &s->err));
    ok(s, xst_task_download(p, name, "value", v.value, &s->err));
    ok(s, xst_task_download(p, name, "velocity", v.velocity, &s->err));
    return v;
}

static void forget(layer_view *v)
{
    free(v->active);
    free(v->value);
    free(v->velocity);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* 3: |A| is constant and ascending, a grown column was free, and starts at 0 with velocity 0. Where weights are pruned,
 * A only shrinks: what is released leaves an empty entry of zeros at the end. Returns how many were grown. */
static uint32_t check_exchange(sequence *s, const xst_task_plan *plan, int m, const layer_view *before,
                               const layer_view *after, bool may_grow)
{
    const uint32_t n = plan->layer[m].count, length = (uint32_t)xst_net_masked(&s->net, m)->geometry.longest;
    const uint32_t columns = xst_net_masked(&s->net, m)->geometry.columns;
    uint32_t grown = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t c = after->active[i];
        if (c == columns) {
            assert_true(plan->prune.ramp > 0 && after->value[i] == 0.0f && after->velocity[i] == 0.0f);
            assert_true(may_grow || before->active[i] == columns);
            continue;
        }
        assert_true(i == 0 || after->active[i - 1] < c);
        assert_int_equal(s->model->layer[m].owner[c], 0);
        if (bsearch(&c, before->active, n, sizeof c, by_number))
            continue;
        grown++;
        for (uint32_t k = 0; k < length; k++) {
            assert_true(after->value[i * length + k] == 0.0f);
            assert_true(after->velocity[i * length + k] == 0.0f);
        }
    }
    assert_true(may_grow || grown == 0);
    return grown;
}

/* 4, on the reference backend, whose temporaries can be seen: W_eff is exactly 0 outside A and masked-on P, there it is
 * the frozen weight, in A the value it had at the step's start. */
static void check_effective(sequence *s, xst_task_programs *p, int m, const layer_view *before, bool is_short)
{
    const xst_layer *const l = xst_net_masked(&s->net, m);
    const xst_geometry *const g = &l->geometry;
    const size_t weights = (size_t)xst_geometry_weights(g);
    char name[XST_NAME_MAX];
    double *const w = room(weights, sizeof *w), *const gate = room(g->columns, sizeof *gate);
    snprintf(name, sizeof name, "%s:%s/w_eff", is_short ? "short" : "step", l->weight);
    xst_ref_get(p->session, xst_tensors_find(&p->tensors, name), w);
    snprintf(name, sizeof name, "%s:%s/gate", is_short ? "short" : "step", l->weight);
    if (p->plan->preserved)
        xst_ref_get(p->session, xst_tensors_find(&p->tensors, name), gate);
    const uint32_t n = p->plan->layer[m].count;
    for (uint32_t c = 0; c < g->columns; c++) {
        const uint32_t *const at = bsearch(&c, before->active, n, sizeof c, by_number);
        const bool preserved = p->plan->preserved && s->model->layer[m].owner[c] != 0;
        assert_true(gate[c] == 0.0 || (gate[c] == 1.0 && preserved));
        for (int k = 0; k < xst_column_length(g, c); k++) {
            const size_t i = (size_t)xst_column_start(g, c) + (size_t)k;
            const float want = at ? before->value[(size_t)(at - before->active) * (size_t)g->longest + (size_t)k]
                               : gate[c] == 1.0 ? s->model->layer[m].frozen[i]
                                                : 0.0f;
            assert_true((float)w[i] == want);
        }
    }
    free(w);
    free(gate);
}

/* 1: what the device holds of earlier tasks is what was uploaded, bit for bit. */
static void check_frozen(sequence *s, xst_task_programs *p, int m)
{
    const size_t weights = (size_t)xst_geometry_weights(&xst_net_masked(&s->net, m)->geometry);
    float *const frozen = room(weights, sizeof *frozen);
    ok(s, xst_task_download(p, xst_net_masked(&s->net, m)->weight, "frozen", frozen, &s->err));
    assert_memory_equal(frozen, s->model->layer[m].frozen, weights * sizeof *frozen);
    free(frozen);
}

static uint32_t run_step(sequence *s, xst_task_programs *p, uint32_t t)
{
    const xst_program_id id = xst_task_programs_due(p, t);
    const bool grows = id == XST_PROGRAM_STEP_EXCHANGE || id == XST_PROGRAM_SHORT_EXCHANGE;
    const bool is_short = id == XST_PROGRAM_SHORT || id == XST_PROGRAM_SHORT_EXCHANGE;
    layer_view before[LAYERS];
    uint32_t grown = 0;
    assert_int_equal(is_short, t % 6 == 0); /* 22 images in batches of 4: the sixth step has 2 */
    for (int m = 0; m < s->net.masked_count; m++)
        before[m] = look(s, p, m);
    ok(s, s->api->run(p->executable[id], &s->err));
    ok(s, s->api->synchronise(p->session, &s->err));
    for (int m = 0; m < s->net.masked_count; m++) {
        layer_view after = look(s, p, m);
        grown += check_exchange(s, p->plan, m, &before[m], &after, grows);
        if (strcmp(s->api->name, "ref") == 0)
            check_effective(s, p, m, &before[m], is_short);
        forget(&after);
        forget(&before[m]);
    }
    return grown;
}

static void take_over(sequence *s, const xst_task_record *record)
{
    for (int m = 0; m < record->layer_count; m++) {
        const xst_layer_record *const l = &record->layers[m];
        ok(s, xst_model_own(s->model, m, record->position, l->columns, l->values, l->count, false, &s->err));
    }
}

/* One phase from its plan to the net it leaves; returns how many columns were exchanged in it. */
static uint32_t run_phase(sequence *s, xst_course *course, xst_task_record *net)
{
    const float rates[2] = {0.05f, 0.5f};
    xst_task_plan plan = {.position = course->position, .stage = course->phase, .layers = s->net.masked_count};
    xst_task_programs *p = NULL;
    xst_task_record left = {0};
    uint32_t grown = 0;
    ok(s, s->method->plan(course, course->phase > 0 ? net : NULL, &plan, &s->err));
    ok(s, xst_task_programs_create(s->api, s->backend, s->config, &s->net, &plan, &s->data, &p, &s->err));
    ok(s, xst_state_start(p, s->model, &s->data, &s->err));
    ok(s, xst_task_upload(p, "rates", NULL, rates, &s->err));
    assert_int_equal(p->steps, 12);
    for (uint32_t t = 1; t <= p->steps; t++) {
        if ((t - 1) % p->steps_per_epoch == 0)
            ok(s, s->api->run(p->executable[XST_PROGRAM_EPOCH], &s->err));
        grown += run_step(s, p, t);
    }
    assert_true(plan.prune.ramp == 0 || grown == 0);
    for (int m = 0; m < s->net.masked_count && plan.preserved; m++)
        check_frozen(s, p, m);
    ok(s, xst_state_record(p, s->model, &left, &s->err));
    xst_task_programs_destroy(p);
    xst_task_plan_free(&plan);
    xst_task_record_free(net);
    *net = left;
    return grown;
}

/* Learns a task, the two first stages of pruning counting where there are any; record is what it keeps. Returns how
 * many columns were exchanged in it. */
static uint32_t learn_phases(sequence *s, int position, xst_task_record *record)
{
    xst_course course = {.config = s->config, .model = s->model, .position = position, .goal = 50.0};
    uint32_t grown = 0;
    bool more = true;
    *record = (xst_task_record){0};
    while (more) {
        grown += run_phase(s, &course, record);
        more = false;
        course.last = (xst_epoch){.epoch = 2, .epochs = 2, .train = course.phase <= 2 ? 100.0 : 0.0, .chosen = 60.0};
        if (s->method->next)
            ok(s, s->method->next(&course, record, &more, &s->err));
        course.phase++;
    }
    xst_course_free(&course);
    record->position = position;
    take_over(s, record);
    return grown;
}

static uint32_t learn(sequence *s, int position, uint32_t *counts)
{
    xst_task_record record;
    const uint32_t grown = learn_phases(s, position, &record);
    for (int m = 0; m < s->net.masked_count; m++)
        counts[m] = record.layers[m].count;
    xst_task_record_free(&record);
    return grown;
}

/* Three tasks of three. 2: owners never change and counts are the budget's, nothing is free at the end. */
static void learn_three(const char *backend, const char *method, const char *group)
{
    const xst_budget_rule rule = {.s1 = 0.7, .capacity = 3};
    sequence s;
    open_sequence(&s, backend, method, group);
    assert_int_equal(s.net.masked_count, LAYERS);
    uint16_t *owner[LAYERS];
    for (int m = 0; m < LAYERS; m++)
        owner[m] = room(xst_net_masked(&s.net, m)->geometry.columns, sizeof **owner);
    for (int i = 1; i <= 3; i++) {
        uint32_t counts[LAYERS], grown = learn(&s, i, counts);
        assert_true(i == 3 || grown > 0); /* the last task has no other candidates */
        assert_true(i < 3 || grown == 0);
        for (int m = 0; m < LAYERS; m++) {
            const uint32_t n = xst_net_masked(&s.net, m)->geometry.columns;
            const uint32_t want =
                xst_budget_owned(&rule, 1.0 - 0.7, n, i) - xst_budget_owned(&rule, 1.0 - 0.7, n, i - 1);
            assert_int_equal(counts[m], want);
            for (uint32_t c = 0; c < n; c++)
                assert_true(owner[m][c] == 0 || owner[m][c] == s.model->layer[m].owner[c]);
            memcpy(owner[m], s.model->layer[m].owner, n * sizeof **owner);
            assert_int_equal(xst_model_free_columns(s.model, m), n - xst_budget_owned(&rule, 1.0 - 0.7, n, i));
        }
    }
    for (int m = 0; m < LAYERS; m++)
        free(owner[m]);
    close_sequence(&s);
}

static void on_each_backend(const char *method, const char *group)
{
    learn_three("ref", method, group);
    learn_three("cpu", method, group);
}

static void a_short_last_group(void **state)
{
    (void)state;
    on_each_backend("xst", "3");
}

static void group_of_one(void **state)
{
    (void)state;
    on_each_backend("xst", "1");
}

static void group_of_all_inputs(void **state)
{
    (void)state;
    on_each_backend("xst", "4096");
}

static void element_granularity(void **state)
{
    (void)state;
    on_each_backend("xst-element", "8");
}

/* 1 and 2 for the other methods that promise no forgetting: owners never change, and the effective weights of every
 * task, composed from what it left, are the same bits after all later tasks. */
static void keeps_what_it_learnt(const char *backend, const char *method, const char *key, const char *value)
{
    enum { TASKS = 3 };
    sequence s;
    xst_task_record record[TASKS];
    float *effective[TASKS][LAYERS];
    open_sequence(&s, backend, method, "3");
    ok(&s, xst_config_set(s.config, key, value, &s.err));
    for (int i = 0; i < TASKS; i++) {
        learn_phases(&s, i + 1, &record[i]);
        for (int m = 0; m < LAYERS; m++) {
            const size_t weights = (size_t)xst_geometry_weights(&record[i].layers[m].geometry);
            effective[i][m] = room(weights, sizeof(float));
            xst_model_compose(s.model, m, i + 1, record[i].layers[m].mask, effective[i][m]);
            assert_int_equal(record[i].layers[m].mask != NULL, i > 0);
            for (int j = 0; j < i; j++)
                for (uint32_t k = 0; k < record[j].layers[m].count; k++)
                    assert_int_equal(s.model->layer[m].owner[record[j].layers[m].columns[k]], j + 1);
        }
    }
    for (int i = 0; i < TASKS; i++) {
        for (int m = 0; m < LAYERS; m++) {
            const size_t weights = (size_t)xst_geometry_weights(&record[i].layers[m].geometry);
            float *const now = room(weights, sizeof *now);
            xst_model_compose(s.model, m, i + 1, record[i].layers[m].mask, now);
            assert_memory_equal(now, effective[i][m], weights * sizeof *now);
            free(now);
            free(effective[i][m]);
        }
        xst_task_record_free(&record[i]);
    }
    close_sequence(&s);
}

static void other_methods(void **state)
{
    static const char *const methods[][3] = {
        {"cpg", "cpg_goals", "none"},
        {"packnet", "packnet_prune", "0.6"},
        {"piggyback", "piggyback_mask", "threshold"},
        {"piggyback", "piggyback_mask", "gumbel"},
        {"xbm", "group", "3"},
        {"xst", "mask", "threshold"},
        {"xst", "mask", "all"},
        {"xst", "mask", "none"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        keeps_what_it_learnt("cpu", methods[i][0], methods[i][1], methods[i][2]);
        keeps_what_it_learnt("ref", methods[i][0], methods[i][1], methods[i][2]);
    }
}

/* A layer of which others hold more than the budget foresaw: the task takes what is left, and learns. */
static void fewer_free_columns_than_the_budget(void **state)
{
    sequence s;
    uint32_t counts[LAYERS];
    (void)state;
    open_sequence(&s, "cpu", "xst", "3");
    learn(&s, 1, counts);
    const xst_geometry *const g = &xst_net_masked(&s.net, 1)->geometry;
    float *const zero = room((size_t)g->longest, sizeof *zero);
    uint32_t free_columns = xst_model_free_columns(s.model, 1);
    for (uint32_t c = 0; c < g->columns && free_columns > 2; c++)
        if (s.model->layer[1].owner[c] == 0) {
            ok(&s, xst_model_own(s.model, 1, 1, &c, zero, 1, false, &s.err));
            free_columns--;
        }
    learn(&s, 2, counts);
    assert_int_equal(counts[1], 2);
    assert_int_equal(xst_model_free_columns(s.model, 1), 0);
    free(zero);
    close_sequence(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_last_group),  cmocka_unit_test(group_of_one),
        cmocka_unit_test(group_of_all_inputs), cmocka_unit_test(element_granularity),
        cmocka_unit_test(other_methods),       cmocka_unit_test(fewer_free_columns_than_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
