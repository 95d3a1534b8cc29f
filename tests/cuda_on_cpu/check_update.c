/* update.cu and drop_grow.cu. */
#include "check.h"

#include <math.h>
#include <string.h>

static double *krsc(const double *from, const xst_geometry *g)
{
    return check_turn(from, (size_t)g->out, (size_t)g->in, (size_t)(g->kh * g->kw));
}

/* ---- update.cu --------------------------------------------------------------------------------------------------- */

static void sgd(uint32_t n)
{
    const xst_op op = {.p.sgd = {.momentum = 0.9f, .decay = 0.01f}};
    double *const g = check_numbers(n, XST_CUDA_F32, 1), *const rates = check_numbers(2, XST_CUDA_F32, 0.1);
    double *const w = check_numbers(n, XST_CUDA_F32, 1), *const v = check_numbers(n, XST_CUDA_F32, 1);
    float *const got_w = check_upload(w, n, XST_CUDA_F32), *const got_v = check_upload(v, n, XST_CUDA_F32);
    float *const one = check_memory(3, 4);
    one[0] = one[1] = one[2] = 1.0f; /* w, velocity, gradient of a second tensor */
    const xst_ref_tensor gt = check_reals(g, n), rt = check_reals(rates, 2), wt = check_reals(w, n),
                         vt = check_reals(v, n);
    xst_ref_sgd(&(xst_ref_call){.op = &op, .in = {&gt, &rt}, .out = {&wt, &vt}});
    const xst_cuda_sgd_args a = {.rates = check_upload(rates, 2, XST_CUDA_F32),
                                 .tensors = 3,
                                 .tensor = {{.n = 0},
                                            {check_upload(g, n, XST_CUDA_F32), got_w, got_v, n, 0.9f, 0.01f},
                                            {&one[2], &one[0], &one[1], 1, 0.5f, 0.0f}}};
    const bool ok = xst_cuda_sgd(&check_queue, &a) == cudaSuccess &&
                    check_near(got_w, XST_CUDA_F32, w, n, 1e-6, 2e-7) &&
                    check_near(got_v, XST_CUDA_F32, v, n, 1e-6, 2e-7) &&
                    fabs((double)one[0] - (1 - rates[0] * 1.75)) < 2e-7 && one[1] == 1.5f;
    check_case(ok, "sgd %u", n);
}

typedef struct sgd_case {
    xst_geometry g;
    xst_cuda_type dw_type, w_type;
    uint32_t a, count;   /* count < a: the number on the device */
    bool compact, empty; /* empty: not the number, but empty entries */
} sgd_case;

/* What is at the rows past the count, and past the end of short columns, must stay: it is NaN. */
static double *value_rows(const sgd_case *s, const check_columns *c)
{
    const size_t L = (size_t)s->g.longest;
    double *const value = check_numbers((size_t)s->a * L, XST_CUDA_F32, 1);
    for (uint32_t k = 0; k < s->a; k++)
        for (size_t e = 0; e < L; e++)
            if (k >= s->count || e >= (size_t)xst_column_length(&s->g, c->active[k]))
                value[k * L + e] = (double)NAN;
    return value;
}

static void column_sgd(const sgd_case *s)
{
    const xst_geometry *const g = &s->g;
    const size_t L = (size_t)g->longest, values = s->a * L, weights = (size_t)xst_geometry_weights(g);
    const check_columns c = check_choose(g->columns, s->a);
    const xst_op op = {.p.sgd = {.geometry = *g, .momentum = 0.9f, .decay = 0.01f}};
    double *const dw = check_numbers(weights, s->dw_type, 1), *const rates = check_numbers(2, XST_CUDA_F32, 0.1);
    double *const value = value_rows(s, &c), *const velocity = value_rows(s, &c);
    double *const compact = check_memory(values, sizeof(double)), *const w = check_memory(weights, sizeof(double));
    for (uint32_t k = 0; k < s->a; k++)
        for (size_t e = 0; e < (size_t)xst_column_length(g, c.active[k]); e++)
            compact[k * L + e] = dw[xst_column_start(g, c.active[k]) + (int64_t)e];
    float *const got_value = check_upload(value, values, XST_CUDA_F32);
    float *const got_velocity = check_upload(velocity, values, XST_CUDA_F32);
    void *const got_w = check_upload(w, weights, s->w_type);
    uint32_t *const count = check_memory(1, 4);
    *count = s->count;
    for (uint32_t k = s->count; k < s->a && s->empty; k++)
        c.active[k] = g->columns;
    const xst_ref_tensor d = check_tensor(XST_F32, dw, g->out, g->in, g->kh, g->kw), r = check_reals(rates, 2);
    const xst_ref_tensor ac = check_tensor(XST_U32, c.active, s->count, 1, 1, 1);
    const xst_ref_tensor va = check_reals(value, (int64_t)values), ve = check_reals(velocity, (int64_t)values);
    xst_ref_column_sgd(&(xst_ref_call){.op = &op, .in = {&d, &ac, &r}, .out = {&va, &ve}});
    for (uint32_t k = 0; k < s->count; k++)
        for (size_t e = 0; e < (size_t)xst_column_length(g, c.active[k]); e++)
            w[xst_column_start(g, c.active[k]) + (int64_t)e] = value[k * L + e];
    xst_cuda_column_sgd_args a = {.rates = check_upload(rates, 2, XST_CUDA_F32),
                                  .momentum = 0.9f,
                                  .decay = 0.01f,
                                  .dw_type = s->dw_type,
                                  .w_type = s->w_type,
                                  .layers = 2};
    const uint32_t no_layer = s->count % 2; /* the layer stands before or after one without active columns */
    a.layer[no_layer].geometry = *g;
    a.layer[no_layer].dw = got_w;
    a.layer[1 - no_layer] =
        (xst_cuda_column_sgd_layer){.geometry = *g,
                                    .dw = s->compact ? NULL : check_upload(krsc(dw, g), weights, s->dw_type),
                                    .dw_compact = s->compact ? check_upload(compact, values, XST_CUDA_F32) : NULL,
                                    .active = c.active,
                                    .count = s->count < s->a && !s->empty ? count : NULL,
                                    .value = got_value,
                                    .velocity = got_velocity,
                                    .w = got_w,
                                    .a = s->a};
    bool ok = xst_cuda_column_sgd(&check_queue, &a) == cudaSuccess &&
              check_near(got_value, XST_CUDA_F32, value, values, 1e-6, 2e-7) &&
              check_near(got_velocity, XST_CUDA_F32, velocity, values, 1e-6, 2e-7) &&
              check_near(got_w, s->w_type, krsc(w, g), weights, 2 * check_epsilon(s->w_type) + 1e-6, 2e-7);
    memset(got_w, 0xff, weights * (s->w_type == XST_CUDA_F32 ? 4 : 2));
    a.layers = 1;
    a.layer[0] = a.layer[1 - no_layer];
    ok = ok && xst_cuda_scatter(&check_queue, &a) == cudaSuccess &&
         check_near(got_w, s->w_type, krsc(w, g), weights, 2 * check_epsilon(s->w_type) + 1e-6, 2e-7);
    check_case(ok, "column_sgd in %d group %d a %u count %u compact %d empty %d", g->in, g->group, s->a, s->count,
               s->compact, s->empty);
}

void check_update(bool small)
{
    static const uint32_t sizes[] = {1, 31, 33, 1025};
    for (int i = 0; i < (small ? 3 : 4); i++)
        sgd(sizes[i]);
    for (int i = 0; i < CHECK_GEOMETRIES; i++)
        for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++) {
            const xst_geometry g = check_geometry(i);
            const uint32_t a = (g.columns + 1) / 2;
            column_sgd(&(sgd_case){g, type, XST_CUDA_F32, a, a, false, false});
            column_sgd(&(sgd_case){g, type, XST_CUDA_BF16, a, a, true, false});
            column_sgd(&(sgd_case){g, type, type, a, a / 2, false, false});
            column_sgd(&(sgd_case){g, type, type, a, a / 2, false, true});
            column_sgd(&(sgd_case){g, type, type, 0, 0, true, false});
        }
}

/* ---- drop_grow.cu ------------------------------------------------------------------------------------------------ */

enum scores { RANDOM, EQUAL, STRANGE }; /* STRANGE: few values, zeros and NaN among them */

typedef struct drop_grow_case {
    xst_geometry g;
    xst_cuda_type dw_type;
    uint32_t a, k;
    enum scores scores;
    bool reset, norm;
} drop_grow_case;

static double number(enum scores scores)
{
    static const double some[] = {0.0, 1.0, 0.5, (double)NAN, 0.0};
    return scores == RANDOM ? check_uniform() : scores == EQUAL ? 0.5 : some[check_dice() % 5];
}

/* Weights with the same number in a whole column, so that a score does not depend on the order of its sum. */
static double *column_numbers(const xst_geometry *g, enum scores scores)
{
    double *const w = check_memory((size_t)xst_geometry_weights(g), sizeof(double));
    for (uint32_t c = 0; c < g->columns; c++) {
        const double v = check_round(XST_CUDA_BF16, number(scores));
        for (int32_t e = 0; e < xst_column_length(g, c); e++)
            w[xst_column_start(g, c) + e] = v;
    }
    return w;
}

static void drop_grow(const drop_grow_case *d)
{
    const xst_geometry *const g = &d->g;
    const uint32_t n = g->columns, a = d->a;
    const size_t L = (size_t)g->longest, values = a * L, weights = (size_t)xst_geometry_weights(g);
    check_columns c = check_choose(n, a);
    double *const dw = column_numbers(g, d->scores), *const norm = check_memory(n, sizeof(double));
    double *const value = check_memory(values, sizeof(double));
    double *const velocity = check_numbers(values, XST_CUDA_F32, 1);
    for (uint32_t k = 0; k < a; k++) {
        const double v = check_round(XST_CUDA_BF16, number(d->scores));
        for (size_t e = 0; e < L; e++)
            value[k * L + e] = e < (size_t)xst_column_length(g, c.active[k]) ? v : 0.0;
    }
    for (uint32_t i = 0; i < n; i++) {
        norm[i] = 0.0;
        for (int32_t e = 0; e < xst_column_length(g, i); e++)
            norm[i] += dw[xst_column_start(g, i) + e] * dw[xst_column_start(g, i) + e];
        if (c.preserved[i])
            norm[i] = (double)NAN;
    }
    uint32_t *const t = check_memory(1, 4), *const quota = check_memory(3, 4), *const active = check_memory(a, 4);
    *t = 20, quota[1] = d->k;
    memcpy(active, c.active, a * 4);
    const xst_op op = {.p.drop_grow = {.geometry = *g, .update_every = 10, .reset = d->reset}};
    float *const got_value = check_upload(value, values, XST_CUDA_F32);
    float *const got_velocity = check_upload(velocity, values, XST_CUDA_F32);
    const xst_cuda_drop_grow_args args = {.geometry = *g,
                                          .dw = d->norm ? NULL : check_upload(krsc(dw, g), weights, d->dw_type),
                                          .norm = d->norm ? check_upload(norm, n, XST_CUDA_F32) : NULL,
                                          .dw_type = d->dw_type,
                                          .preserved = c.preserved,
                                          .t = t,
                                          .quota = quota,
                                          .events = 3,
                                          .update_every = 10,
                                          .reset = d->reset,
                                          .active = active,
                                          .slot = c.slot,
                                          .value = got_value,
                                          .velocity = got_velocity,
                                          .a = a,
                                          .scratch = check_memory(xst_cuda_drop_grow_scratch(g, a), 1)};
    const xst_ref_tensor dt = check_tensor(XST_F32, dw, g->out, g->in, g->kh, g->kw);
    const xst_ref_tensor pt = check_tensor(XST_U8, c.preserved, n, 1, 1, 1), tt = check_tensor(XST_U32, t, 1, 1, 1, 1);
    const xst_ref_tensor qt = check_tensor(XST_U32, quota, 3, 1, 1, 1),
                         at = check_tensor(XST_U32, c.active, a, 1, 1, 1);
    const xst_ref_tensor va = check_reals(value, (int64_t)values), ve = check_reals(velocity, (int64_t)values);
    xst_error err = {0};
    bool ok = xst_ref_drop_grow(&(xst_ref_call){
                  .op = &op, .in = {&dt, &pt, &tt, &qt}, .out = {&at, &va, &ve}, .err = &err}) == XST_OK &&
              xst_cuda_drop_grow(&check_queue, &args) == cudaSuccess && memcmp(active, c.active, a * 4) == 0 &&
              check_near(got_value, XST_CUDA_F32, value, values, 0, 0) &&
              check_near(got_velocity, XST_CUDA_F32, velocity, values, 0, 0);
    for (uint32_t i = 0, k = 0; i < n && ok; i++) {
        const bool is_active = k < a && active[k] == i;
        ok = c.slot[i] == (is_active ? (int32_t)k++ : -1);
    }
    check_case(ok, "drop_grow in %d group %d n %u a %u k %u scores %d reset %d norm %d", g->in, g->group, n, a, d->k,
               d->scores, d->reset, d->norm);
}

void check_drop_grow(bool small)
{
    for (int i = 0; i < CHECK_GEOMETRIES; i++)
        for (enum scores s = RANDOM; s <= STRANGE; s++) {
            const xst_geometry g = check_geometry(i);
            const uint32_t a = (g.columns + 2) / 3;
            drop_grow(&(drop_grow_case){g, XST_CUDA_F32, a, a / 3, s, false, false});
            drop_grow(&(drop_grow_case){g, XST_CUDA_BF16, a, a, s, true, true});
        }
    const xst_geometry all = check_geometry(8), wide = xst_geometry_make(41, 128, 1, 1, 1);
    drop_grow(&(drop_grow_case){all, XST_CUDA_BF16, all.columns, 5, EQUAL, false, false}); /* nothing else to grow */
    drop_grow(&(drop_grow_case){all, XST_CUDA_BF16, 31, 0, RANDOM, false, false});
    drop_grow(&(drop_grow_case){all, XST_CUDA_BF16, 0, 0, RANDOM, false, false});
    drop_grow(&(drop_grow_case){wide, XST_CUDA_F32, small ? 700 : 1500, 333, RANDOM, true, false});
}
