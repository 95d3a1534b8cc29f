/* Whole training steps: the programs of a task, as the trainer runs them, on every backend and on the reference.
 *
 * Before each step the reference takes over the backend's state, so that rounding does not add up; the backend's own
 * state is left alone, so that whatever it remembers from step to step is tested. */
#include "support/harness.h"

#include "support/layers.h"
#include "train/programs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRAIN = 20, TEST = 30, BATCH = 8, CLASSES = 5, EPOCHS = 3, STEPS = 9 };

typedef struct variant {
    const char *name;
    bool element, first; /* granularity; the first task has no preserved columns */
    xst_regrow regrow;
} variant;

/* One task of a small net, and its programs on a backend and on the reference. */
typedef struct task {
    ops_harness *harness;
    const ops_backend *backend;
    const variant *variant;
    xst_config config;
    xst_net net;
    xst_task_plan plan;
    test_columns columns[XST_NET_LAYERS_MAX];
    xst_task_programs *mine, *ref;
    xst_error err;
} task;

static void ok(const task *s, xst_status status)
{
    if (status != XST_OK)
        fail_msg("%s: %s: %s", s->backend->name, s->variant->name, s->err.message);
}

/* Steps 3, 6, 9 are short; at 2, 4, 6, 8 columns are exchanged. Odd widths, and full vectors. */
static void configure(task *s)
{
    xst_config *const c = &s->config;
    c->net = (xst_widths){10, {5, 0, 17, 0, 16, 0, 33, 0, 16, 0}};
    c->fc = (xst_widths){2, {20, 32}};
    c->width = c->expand = 1.0;
    c->round_channels = 1;
    c->group = 2;
    c->epochs = EPOCHS;
    c->batch = BATCH;
    c->augment = c->bn_recalibrate = true;
    c->momentum = 0.9;
    c->weight_decay = 4e-5;
    c->temperature = 1.0;
    c->update_every = 2;
    c->update_until = 1.0;
    c->drop_fraction = 0.6;
    c->regrow = s->variant->regrow;
}

static void plan(task *s)
{
    const bool later = !s->variant->first;
    s->plan = (xst_task_plan){
        .position = 2, .epochs = s->config.epochs, .preserved = later, .learns_mask = later, .drop_and_grow = true};
    s->plan.layers = s->net.masked_count;
    for (int m = 0; m < s->net.masked_count; m++) {
        const xst_geometry g = xst_net_masked(&s->net, m)->geometry;
        const test_layer layer = {"", g.out, g.in, g.kh, g.group};
        test_columns_make(&s->columns[m], &layer, &(test_division){"", later ? 40 : 0, 30});
        s->plan.layer[m] = (xst_layer_plan){.count = (uint32_t)s->columns[m].a, .active = s->columns[m].active};
    }
}

static void upload(const task *s, const char *name, const char *what, const void *from)
{
    task *const w = (task *)s;
    ok(s, xst_task_upload(s->mine, name, what, from, &w->err));
}

/* Normal numbers for a tensor of n elements, different for each. */
static float *normal(int64_t n, const char *name, float centre, float deviation)
{
    float *const v = calloc((size_t)n + 4, sizeof *v);
    assert_non_null(v);
    xst_random_normal(v, 0, (uint32_t)n, deviation, (xst_random_key){(uint32_t)strlen(name), (uint32_t)n}, 0, 0, 0);
    for (int64_t i = 0; i < n; i++)
        v[i] += centre;
    return v;
}

static void start_layer(const task *s, int masked, float scale)
{
    const test_columns *const columns = &s->columns[masked];
    const xst_geometry *const g = &columns->geometry;
    const char *const name = xst_net_masked(&s->net, masked)->weight;
    const float deviation = scale * (float)xst_net_deviation(xst_net_masked(&s->net, masked), XST_FC_INIT_FANIN);
    float *const frozen = normal(xst_geometry_weights(g), name, 0.0f, deviation);
    float *const m_r = normal(g->columns, name, 1.5f, 2.0f);
    float *const value = normal(columns->a * g->longest, name, 0.0f, deviation);
    uint32_t quota[STEPS];
    for (uint32_t c = 0; c < g->columns; c++)
        for (int64_t i = 0; i < xst_column_length(g, c) && !columns->preserved[c]; i++)
            frozen[xst_column_start(g, c) + i] = 0.0f;
    for (int64_t k = 0; k < columns->a; k++)
        for (int32_t i = xst_column_length(g, columns->active[k]); i < g->longest; i++)
            value[k * g->longest + i] = 0.0f;
    for (int i = 0; i < STEPS; i++)
        quota[i] = (uint32_t)columns->a / 4;
    if (!s->variant->first) {
        upload(s, name, "frozen", frozen);
        upload(s, name, "m_r", m_r);
    }
    upload(s, name, "preserved", columns->preserved);
    upload(s, name, "active", columns->active);
    upload(s, name, "value", value);
    upload(s, name, "quota", quota);
    free(frozen);
    free(m_r);
    free(value);
}

static void start_data(const task *s, const char *images, const char *labels, int64_t n)
{
    uint8_t *const pixels = calloc((size_t)n, XST_IMAGE_BYTES);
    uint32_t *const words = calloc((size_t)n * XST_IMAGE_BYTES, sizeof *words), label[TEST];
    assert_true(pixels && words && n <= TEST);
    xst_random_words(words, 0, (uint32_t)(n * XST_IMAGE_BYTES), (xst_random_key){1, (uint32_t)n}, 0, 0, 0);
    for (int64_t i = 0; i < n * XST_IMAGE_BYTES; i++)
        pixels[i] = (uint8_t)(words[i] >> 24);
    for (int64_t i = 0; i < n; i++)
        label[i] = (uint32_t)i % CLASSES;
    upload(s, images, NULL, pixels);
    upload(s, labels, NULL, label);
    free(pixels);
    free(words);
}

static void start(task *s)
{
    xst_param param[XST_PARAMS_MAX];
    const int params = xst_net_params(&s->net, CLASSES, param);
    for (int m = 0; m < s->net.masked_count; m++)
        start_layer(s, m, 1.0f);
    for (int i = 0; i < params; i++) {
        float *const v = normal(param[i].dim[0] * param[i].dim[1], param[i].name, 0.0f, 0.0f);
        xst_param_fresh(&param[i], 1, 2, 99, v);
        upload(s, param[i].name, NULL, v);
        free(v);
    }
    start_data(s, "images", "labels", TRAIN);
    start_data(s, "test_images", "test_labels", TEST);
    upload(s, "rates", NULL, (const float[]){0.05f, 0.1f});
    upload(s, "norm", NULL, (const float[]){0.4f, 0.5f, 0.6f, 0.3f, 0.25f, 0.2f});
}

static void begin(task *s, ops_harness *h, const ops_backend *backend, const variant *v)
{
    *s = (task){.harness = h, .backend = backend, .variant = v};
    const xst_task_data data = {.classes = CLASSES, .train.count = TRAIN, .test.count = TEST};
    configure(s);
    ok(s, xst_net_build(&s->config, v->element, &s->net, &s->err));
    plan(s);
    ok(s, xst_task_programs_create(backend->api, backend->backend, &s->config, &s->net, &s->plan, &data, &s->mine,
                                   &s->err));
    ok(s, xst_task_programs_create(h->ref_api, h->ref, &s->config, &s->net, &s->plan, &data, &s->ref, &s->err));
    start(s);
}

static void end(task *s)
{
    xst_task_programs_destroy(s->mine);
    xst_task_programs_destroy(s->ref);
    for (int m = 0; m < s->net.masked_count; m++)
        test_columns_free(&s->columns[m]);
}

static void *read_tensor(task *s, xst_task_programs *p, xst_tensor t)
{
    const size_t bytes = xst_tensor_bytes(&p->tensors.info[t]);
    void *const to = calloc(bytes + 1, 1);
    assert_non_null(to);
    ok(s, p->api->download(p->session, t, to, bytes, &s->err));
    return to;
}

/* The backend's state as it stands, by tensor (NULL: temps); the reference takes it over. */
static void take_over(task *s, void **before)
{
    for (xst_tensor t = 0; t < s->mine->tensors.count; t++) {
        const xst_tensor_info *const info = &s->mine->tensors.info[t];
        before[t] = NULL;
        if (info->kind != XST_STATE)
            continue;
        before[t] = read_tensor(s, s->mine, t);
        ok(s, s->ref->api->upload(s->ref->session, t, before[t], xst_tensor_bytes(info), &s->err));
    }
}

static double distance(const float *a, const float *b, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

/* Floats: off by little of what the step changed. */
static void compare_floats(const task *s, const char *what, const xst_tensor_info *info, const float *got,
                           const float *ref, const float *before)
{
    const int64_t n = xst_tensor_elements(info);
    float *const zero = calloc((size_t)n + 1, sizeof *zero);
    assert_non_null(zero);
    /* Adam divides by the gradient's size: where the gradient is rounding alone, so is the step. */
    const double share = strstr(info->name, "/m_r") ? 0.2 : 1e-3;
    const double error = distance(got, ref, n), change = distance(ref, before, n);
    const double allowed = share * change + 4 * s->backend->eps * distance(ref, zero, n);
    if (!(error <= allowed))
        fail_msg("%s: %s: %s: %s is off by %.3g, allowed %.3g; it changed by %.3g", s->backend->name, s->variant->name,
                 what, info->name, error, allowed, change);
    free(zero);
}

/* Integers: the same. Says whether the step changed the tensor. */
static bool compare(task *s, const char *what, xst_tensor t, const void *before)
{
    const xst_tensor_info *const info = &s->mine->tensors.info[t];
    void *const got = read_tensor(s, s->mine, t), *const ref = read_tensor(s, s->ref, t);
    const bool changed = memcmp(ref, before, xst_tensor_bytes(info)) != 0;
    if (info->dtype == XST_F32)
        compare_floats(s, what, info, got, ref, before);
    else if (info->dtype == XST_F64)
        for (int64_t i = 0; i < xst_tensor_elements(info); i++)
            assert_true(fabs(((double *)got)[i] - ((double *)ref)[i]) <= 1e-5 * fabs(((double *)ref)[i]));
    else if (memcmp(got, ref, xst_tensor_bytes(info)) != 0)
        fail_msg("%s: %s: %s: %s differs", s->backend->name, s->variant->name, what, info->name);
    s->harness->passed++;
    free(got);
    free(ref);
    return changed;
}

/* Runs a program on both sides from the same state, compares all state, and counts the tensors that it changed. */
static int run(task *s, xst_program_id id, const char *what)
{
    int changed = 0;
    void **const before = calloc((size_t)s->mine->tensors.count, sizeof *before);
    assert_non_null(before);
    take_over(s, before);
    xst_task_programs *const both[] = {s->mine, s->ref};
    for (int i = 0; i < 2; i++) {
        assert_non_null(both[i]->executable[id]);
        ok(s, both[i]->api->run(both[i]->executable[id], &s->err));
        ok(s, both[i]->api->synchronise(both[i]->session, &s->err));
    }
    for (xst_tensor t = 0; t < s->mine->tensors.count; t++)
        if (before[t]) {
            changed += compare(s, what, t, before[t]);
            free(before[t]);
        }
    free(before);
    return changed;
}

static void steps(ops_harness *h, const ops_backend *backend, const variant *v)
{
    task s;
    char what[32];
    begin(&s, h, backend, v);
    const int layers = s.net.masked_count;
    for (uint32_t t = 1; t <= STEPS; t++) {
        snprintf(what, sizeof what, "step %u", t);
        if (t % s.mine->steps_per_epoch == 1)
            assert_int_equal(run(&s, XST_PROGRAM_EPOCH, "epoch"), 1);
        /* value, velocity, and with a mask m_r and its two moments, of each layer; t, metrics, and the per-task tensors
         */
        assert_in_range(run(&s, xst_task_programs_due(s.mine, t), what), (v->first ? 3 : 6) * layers, 1000);
        if (t == 5) /* the weights are not what they were: nothing made from them may stay */
            start_layer(&s, 1, 0.5f);
    }
    assert_int_equal(run(&s, XST_PROGRAM_EVAL, "evaluation"), 3); /* cursor, logits, metrics */
    upload(&s, "cursor", NULL, &(const uint32_t){0});
    assert_in_range(run(&s, XST_PROGRAM_BN_SHORT, "recalibration"), 2, 1000);
    end(&s);
}

static void test_steps(void **state)
{
    const variant variants[] = {{"columns", false, false, XST_REGROW_KEEP},
                                {"elements", true, false, XST_REGROW_RESET},
                                {"first task", false, true, XST_REGROW_KEEP}};
    ops_harness *const h = *state;
    for (int i = 0; i < h->backends; i++)
        for (int k = 0; k < 3 && h->backend[i].eps <= 0x1p-24; k++) /* in coarser ones choices of columns part ways */
            steps(h, &h->backend[i], &variants[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
