#include "support/small_task.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRAIN = 20, TEST = 30, BATCH = 8, CLASSES = 5 };

static void ok(const small_task *s, int side, xst_status status)
{
    if (status != XST_OK)
        fail_msg("%s: %s: %s", s->side_name[side], s->variant->name, s->err.message);
}

/* The third step of an epoch is short; every other step columns are exchanged. Odd widths, and full vectors. Even ones:
 * a fused FC product, forward and backward, whose depth is split, into parts that use their memory over again. */
static void configure(small_task *s)
{
    xst_config *const c = &s->config;
    c->net = (xst_widths){10, {5, 0, 17, 0, 16, 0, 33, 0, 16, 0}};
    c->fc = s->variant->even ? (xst_widths){3, {40, 520, 72}} : (xst_widths){2, {136, 20}};
    c->width = c->expand = 1.0;
    c->round_channels = 1;
    c->group = s->variant->even ? 8 : 2;
    c->epochs = s->variant->epochs;
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

static void plan(small_task *s)
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

void small_task_upload(small_task *s, const char *name, const char *what, const void *from)
{
    ok(s, 0, xst_task_upload(s->side[0], name, what, from, &s->err));
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

void small_task_start_layer(small_task *s, int masked, float scale)
{
    const test_columns *const columns = &s->columns[masked];
    const xst_geometry *const g = &columns->geometry;
    const char *const name = xst_net_masked(&s->net, masked)->weight;
    const float deviation = scale * (float)xst_net_deviation(xst_net_masked(&s->net, masked), XST_FC_INIT_FANIN);
    float *const frozen = normal(xst_geometry_weights(g), name, 0.0f, deviation);
    float *const m_r = normal(g->columns, name, 1.5f, 2.0f);
    float *const value = normal(columns->a * g->longest, name, 0.0f, deviation);
    uint32_t quota[SMALL_TASK_STEPS_MAX];
    for (uint32_t c = 0; c < g->columns; c++)
        for (int64_t i = 0; i < xst_column_length(g, c) && !columns->preserved[c]; i++)
            frozen[xst_column_start(g, c) + i] = 0.0f;
    for (int64_t k = 0; k < columns->a; k++)
        for (int32_t i = xst_column_length(g, columns->active[k]); i < g->longest; i++)
            value[k * g->longest + i] = 0.0f;
    for (int i = 0; i < SMALL_TASK_STEPS_MAX; i++)
        quota[i] = (uint32_t)columns->a / 4;
    if (!s->variant->first) {
        small_task_upload(s, name, "frozen", frozen);
        small_task_upload(s, name, "m_r", m_r);
    }
    small_task_upload(s, name, "preserved", columns->preserved);
    small_task_upload(s, name, "active", columns->active);
    small_task_upload(s, name, "value", value);
    small_task_upload(s, name, "quota", quota);
    free(frozen);
    free(m_r);
    free(value);
}

static void start_data(small_task *s, const char *images, const char *labels, int64_t n)
{
    uint8_t *const pixels = calloc((size_t)n, XST_IMAGE_BYTES);
    uint32_t *const words = calloc((size_t)n * XST_IMAGE_BYTES, sizeof *words), label[TEST];
    assert_true(pixels && words && n <= TEST);
    xst_random_words(words, 0, (uint32_t)(n * XST_IMAGE_BYTES), (xst_random_key){1, (uint32_t)n}, 0, 0, 0);
    for (int64_t i = 0; i < n * XST_IMAGE_BYTES; i++)
        pixels[i] = (uint8_t)(words[i] >> 24);
    for (int64_t i = 0; i < n; i++)
        label[i] = (uint32_t)i % CLASSES;
    small_task_upload(s, images, NULL, pixels);
    small_task_upload(s, labels, NULL, label);
    free(pixels);
    free(words);
}

static void start(small_task *s)
{
    xst_param param[XST_PARAMS_MAX];
    const int params = xst_net_params(&s->net, CLASSES, param);
    for (int m = 0; m < s->net.masked_count; m++)
        small_task_start_layer(s, m, 1.0f);
    for (int i = 0; i < params; i++) {
        float *const v = normal(param[i].dim[0] * param[i].dim[1], param[i].name, 0.0f, 0.0f);
        xst_param_fresh(&param[i], 1, 2, 99, v);
        small_task_upload(s, param[i].name, NULL, v);
        free(v);
    }
    start_data(s, "images", "labels", TRAIN);
    start_data(s, "test_images", "test_labels", TEST);
    small_task_upload(s, "rates", NULL, (const float[]){0.05f, 0.1f});
    small_task_upload(s, "norm", NULL, (const float[]){0.4f, 0.5f, 0.6f, 0.3f, 0.25f, 0.2f});
}

void small_task_begin(small_task *s, const small_task_variant *v, const small_task_side side[2])
{
    *s = (small_task){.variant = v, .side_name = {side[0].name, side[1].name}};
    const xst_task_data data = {.classes = CLASSES, .train.count = TRAIN, .test.count = TEST};
    assert_true(v->epochs * SMALL_TASK_EPOCH_STEPS <= SMALL_TASK_STEPS_MAX);
    configure(s);
    ok(s, 0, xst_net_build(&s->config, v->element, &s->net, &s->err));
    plan(s);
    for (int i = 0; i < 2; i++)
        ok(s, i,
           xst_task_programs_create(side[i].api, side[i].backend, &s->config, &s->net, &s->plan, &data, &s->side[i],
                                    &s->err));
    start(s);
}

void small_task_end(small_task *s)
{
    for (int i = 0; i < 2; i++)
        xst_task_programs_destroy(s->side[i]);
    for (int m = 0; m < s->net.masked_count; m++)
        test_columns_free(&s->columns[m]);
}

void *small_task_read(small_task *s, int side, xst_tensor t)
{
    xst_task_programs *const p = s->side[side];
    const size_t bytes = xst_tensor_bytes(&p->tensors.info[t]);
    void *const to = calloc(bytes + 1, 1);
    assert_non_null(to);
    ok(s, side, p->api->download(p->session, t, to, bytes, &s->err));
    return to;
}

void small_task_take_over(small_task *s, int from, void **before)
{
    xst_task_programs *const other = s->side[1 - from];
    for (xst_tensor t = 0; t < other->tensors.count; t++) {
        const xst_tensor_info *const info = &other->tensors.info[t];
        void *const state = info->kind == XST_STATE ? small_task_read(s, from, t) : NULL;
        if (state)
            ok(s, 1 - from, other->api->upload(other->session, t, state, xst_tensor_bytes(info), &s->err));
        if (before)
            before[t] = state;
        else
            free(state);
    }
}

void small_task_run(small_task *s, int side, xst_program_id id)
{
    xst_task_programs *const p = s->side[side];
    assert_non_null(p->executable[id]);
    ok(s, side, p->api->run(p->executable[id], &s->err));
    ok(s, side, p->api->synchronise(p->session, &s->err));
}

int small_task_epoch_due(const small_task *s, uint32_t t)
{
    return t % s->side[0]->steps_per_epoch == 1 ? XST_PROGRAM_EPOCH : -1;
}

double small_task_distance(const float *a, const float *b, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (b ? (double)b[i] : 0.0);
        sum += d * d;
    }
    return sqrt(sum);
}

double small_task_unlike(const uint32_t *a, const uint32_t *b, int64_t n)
{
    int64_t same = 0;
    for (int64_t i = 0, k = 0; i < n && k < n;) {
        same += a[i] == b[k];
        if (a[i] <= b[k])
            i++;
        else
            k++;
    }
    return n > 0 ? (double)(n - same) / (double)n : 0.0;
}
