/* gates.cu, effective.cu and mask.cu. */
#include "check.h"

#include <math.h>
#include <string.h>

static size_t weights_of(const xst_geometry *g)
{
    return (size_t)xst_geometry_weights(g);
}

static double *krsc(const double *from, const xst_geometry *g)
{
    return check_turn(from, (size_t)g->out, (size_t)g->in, (size_t)(g->kh * g->kw));
}

static xst_ref_tensor weight_tensor(double *data, const xst_geometry *g)
{
    return check_tensor(XST_F32, data, g->out, g->in, g->kh, g->kw);
}

static bool bit(const uint32_t *bits, uint32_t c)
{
    return bits[c / 32] >> (c % 32) & 1;
}

/* ---- gates.cu ---------------------------------------------------------------------------------------------------- */

enum { STAGE = 3 };

typedef struct gates_case {
    float temperature;
    bool paper, training, identity;
} gates_case;

/* One layer's arguments, and what must come out. */
typedef struct gates_layer {
    xst_cuda_gates_layer args;
    double *gate, *slope;
    check_columns columns;
} gates_layer;

static gates_layer make_gates(uint32_t n, uint32_t layer, uint32_t *t, const gates_case *g)
{
    gates_layer l = {.columns = check_choose(n, n / 4),
                     .gate = check_memory(n, sizeof(double)),
                     .slope = check_memory(n, sizeof(double))};
    double *const m_r = check_numbers(n, XST_CUDA_F32, 5.0);
    const xst_op op = {.p.gates = {.key = {5, 0x204},
                                   .stage = STAGE,
                                   .layer = layer,
                                   .temperature = g->temperature,
                                   .paper = g->paper,
                                   .identity = g->identity,
                                   .training = g->training}};
    const xst_ref_tensor m = check_reals(m_r, n), p = check_tensor(XST_U8, l.columns.preserved, n, 1, 1, 1);
    const xst_ref_tensor at = check_tensor(XST_U32, t, 1, 1, 1, 1);
    const xst_ref_tensor gate = check_reals(l.gate, n), slope = check_reals(l.slope, n);
    xst_ref_gates(&(xst_ref_call){.op = &op, .in = {&m, &p, &at}, .out = {&gate, &slope}});
    l.args = (xst_cuda_gates_layer){.m_r = check_upload(m_r, n, XST_CUDA_F32),
                                    .preserved = l.columns.preserved,
                                    .slot = l.columns.slot,
                                    .bits = check_memory((n + 31) / 32, 4),
                                    .slope = check_memory(n, 4),
                                    .n = n,
                                    .layer = layer};
    return l;
}

static bool gates_right(const gates_layer *l, float temperature)
{
    const uint32_t n = l->args.n;
    for (uint32_t c = 0; c < (n + 31) / 32 * 32; c++)
        if (bit(l->args.bits, c) != (c < n && (l->gate[c] != 0.0 || l->columns.slot[c] >= 0)))
            return false;
    /* The argument of the sigmoid has a rounding error of 2^-24 times its size, up to some 20/T. */
    const double error = 40.0 / (double)temperature * 0x1p-23 + 8 * 0x1p-23;
    return check_near(l->args.slope, XST_CUDA_F32, l->slope, n, error, 1e-30);
}

static void gates(uint32_t n, const gates_case *g)
{
    uint32_t *const t = check_memory(1, 4);
    *t = 77;
    const gates_layer first = make_gates(n, 3, t, g), second = make_gates(2 * n + 1, 0, t, g);
    xst_cuda_gates_args a = {.t = t,
                             .key = {5, 0x204},
                             .stage = STAGE,
                             .temperature = g->temperature,
                             .paper = g->paper,
                             .identity = g->identity,
                             .training = g->training,
                             .layers = 3,
                             .layer = {first.args, second.args, second.args}};
    uint32_t *const only_active = check_memory((2 * n + 32) / 32, 4); /* a task that preserves nothing */
    a.layer[2] = (xst_cuda_gates_layer){.slot = second.columns.slot, .bits = only_active, .n = 2 * n + 1, .layer = 9};
    bool ok = xst_cuda_gates(&check_queue, &a) == cudaSuccess && gates_right(&first, g->temperature) &&
              gates_right(&second, g->temperature);
    for (uint32_t c = 0; c < 2 * n + 1 && ok; c++)
        ok = bit(only_active, c) == (second.columns.slot[c] >= 0);
    check_case(ok, "gates %u T=%g%s%s%s", n, (double)g->temperature, g->paper ? " paper" : "",
               g->identity ? " identity" : "", g->training ? "" : " exported");
}

static void mask_count(uint32_t n)
{
    const check_columns c = check_choose(n, n / 3);
    float *const m_r = check_upload(check_numbers(n, XST_CUDA_F32, 1.0), n, XST_CUDA_F32);
    uint32_t *const counts = check_memory(2, 4), on = 5, all = 9;
    counts[0] = on;
    counts[1] = all;
    for (uint32_t i = 0; i < n; i++) {
        m_r[i] = i % 11 == 5 ? (float)NAN : m_r[i];
        all += c.preserved[i];
        on += c.preserved[i] && m_r[i] > 0.0f;
    }
    const xst_cuda_mask_count_args args = {.m_r = m_r, .preserved = c.preserved, .counts = counts, .n = n};
    const bool ok = xst_cuda_mask_count(&check_queue, &args) == cudaSuccess && counts[0] == on && counts[1] == all;
    check_case(ok, "mask count %u", n);
}

void check_gates(bool small)
{
    static const uint32_t sizes[] = {1, 31, 33, 127, 1025};
    static const gates_case cases[] = {{1, false, true, false},   {1, true, true, false},
                                       {1, false, false, false},  {0.001f, false, true, false},
                                       {1000, true, true, false}, {1, false, true, true}};
    for (int i = 0; i < (small ? 3 : 5); i++)
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
            gates(sizes[i], &cases[k]);
    for (int i = 0; i < (small ? 3 : 5); i++)
        mask_count(sizes[i]);
}

/* ---- effective.cu ------------------------------------------------------------------------------------------------ */

typedef struct effective_case {
    xst_geometry g;
    xst_cuda_type type;
    bool masked; /* with frozen and gates */
    uint32_t a;
} effective_case;

static xst_cuda_effective_layer make_effective(const effective_case *e, double **want)
{
    const xst_geometry *const g = &e->g;
    const size_t w = weights_of(g), values = (size_t)e->a * (size_t)g->longest;
    const check_columns c = check_choose(g->columns, e->a);
    double *const frozen = check_numbers(w, e->type, 1.0), *const gate = check_memory(g->columns, sizeof(double));
    double *const value = check_numbers(values, XST_CUDA_F32, 1.0), *const out = check_memory(w, sizeof(double));
    uint32_t *const bits = check_memory((g->columns + 31) / 32, 4);
    for (uint32_t i = 0; i < g->columns; i++) {
        gate[i] = c.preserved[i] && check_dice() % 2 ? 1.0 : 0.0;
        if (gate[i] == 0.0 && c.slot[i] < 0)
            bits[i / 32] &= ~(1u << (i % 32));
        for (int32_t k = 0; k < xst_column_length(g, i) && !c.preserved[i]; k++)
            frozen[xst_column_start(g, i) + k] = 0.0;
    }
    const xst_op op = {.p.columns.geometry = *g};
    const xst_ref_tensor f = weight_tensor(frozen, g), ga = check_reals(gate, g->columns);
    const xst_ref_tensor ac = check_tensor(XST_U32, c.active, e->a, 1, 1, 1), va = check_reals(value, (int64_t)values);
    const xst_ref_tensor eff = weight_tensor(out, g);
    xst_ref_effective(
        &(xst_ref_call){.op = &op, .in = {e->masked ? &f : NULL, e->masked ? &ga : NULL, &ac, &va}, .out = {&eff}});
    for (size_t i = 0; i < w; i++)
        out[i] = check_round(e->type, out[i]);
    *want = krsc(out, g);
    for (uint32_t i = 0; i < g->columns; i++) /* columns that are off must not be read */
        for (int32_t k = 0; k < xst_column_length(g, i) && gate[i] == 0.0; k++)
            frozen[xst_column_start(g, i) + k] = (double)NAN;
    return (xst_cuda_effective_layer){.geometry = *g,
                                      .frozen = e->masked ? check_upload(krsc(frozen, g), w, e->type) : NULL,
                                      .bits = e->masked ? bits : NULL,
                                      .slot = c.slot,
                                      .value = check_upload(value, values, XST_CUDA_F32),
                                      .w_eff = check_memory(w, e->type == XST_CUDA_F32 ? 4 : 2)};
}

/* The layer between two others. */
static void effective(const effective_case *e)
{
    const effective_case small = {check_geometry(1), e->type, true, 2};
    double *want[3];
    xst_cuda_effective_args a = {.type = e->type, .layers = 3};
    a.layer[0] = make_effective(&small, &want[0]);
    a.layer[1] = make_effective(e, &want[1]);
    a.layer[2] = make_effective(&small, &want[2]);
    bool ok = xst_cuda_effective(&check_queue, &a) == cudaSuccess;
    for (int l = 0; l < 3 && ok; l++)
        ok = check_near(a.layer[l].w_eff, e->type, want[l], weights_of(&a.layer[l].geometry), 0, 0);
    check_case(ok, "effective in %d group %d masked %d a %u", e->g.in, e->g.group, e->masked, e->a);
}

void check_effective(bool small)
{
    (void)small;
    for (int i = 0; i < CHECK_GEOMETRIES; i++)
        for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++)
            for (uint32_t third = 0; third <= 3; third += 1 + third) {
                const xst_geometry g = check_geometry(i);
                effective(&(effective_case){g, type, true, g.columns * third / 3});
                effective(&(effective_case){g, type, false, g.columns * third / 3});
            }
}

/* ---- mask.cu ----------------------------------------------------------------------------------------------------- */

typedef struct adam_numbers {
    double *m_r, *m, *v;
    float *got_m_r, *got_m, *got_v;
} adam_numbers;

static adam_numbers make_adam(uint32_t n)
{
    adam_numbers a = {.m_r = check_numbers(n, XST_CUDA_F32, 5.0),
                      .m = check_numbers(n, XST_CUDA_F32, 0.1),
                      .v = check_numbers(n, XST_CUDA_F32, 0.01)};
    for (uint32_t i = 0; i < n; i++)
        a.v[i] = fabs(a.v[i]);
    a.got_m_r = check_upload(a.m_r, n, XST_CUDA_F32);
    a.got_m = check_upload(a.m, n, XST_CUDA_F32);
    a.got_v = check_upload(a.v, n, XST_CUDA_F32);
    return a;
}

/* Runs the reference on a's numbers. */
static void ref_adam(const adam_numbers *a, double *g, uint8_t *preserved, uint32_t *t, double *rates, uint32_t n)
{
    const xst_op op = {0};
    const xst_ref_tensor gr = check_reals(g, n), p = check_tensor(XST_U8, preserved, n, 1, 1, 1);
    const xst_ref_tensor at = check_tensor(XST_U32, t, 1, 1, 1, 1), ra = check_reals(rates, 2);
    const xst_ref_tensor w = check_reals(a->m_r, n), m = check_reals(a->m, n), v = check_reals(a->v, n);
    xst_ref_adam(&(xst_ref_call){.op = &op, .in = {&gr, &p, &at, &ra}, .out = {&w, &m, &v}});
}

static bool adam_right(const adam_numbers *a, uint32_t n, double error)
{
    return check_near(a->got_m_r, XST_CUDA_F32, a->m_r, n, 4e-7, error) &&
           check_near(a->got_m, XST_CUDA_F32, a->m, n, 4e-7, error) &&
           check_near(a->got_v, XST_CUDA_F32, a->v, n, 4e-7, error);
}

static void adam(uint32_t n, uint32_t t)
{
    const check_columns c = check_choose(n, n / 4);
    const adam_numbers a = make_adam(n);
    double *const g = check_numbers(n, XST_CUDA_F32, 1.0), *const rates = check_numbers(2, XST_CUDA_F32, 0.1);
    uint32_t *const step = check_memory(1, 4);
    *step = t;
    const xst_cuda_adam_args args = {.g = check_upload(g, n, XST_CUDA_F32),
                                     .preserved = c.preserved,
                                     .t = step,
                                     .rates = check_upload(rates, 2, XST_CUDA_F32),
                                     .m_r = a.got_m_r,
                                     .m = a.got_m,
                                     .v = a.got_v,
                                     .n = n};
    ref_adam(&a, g, c.preserved, step, rates, n);
    check_case(xst_cuda_adam(&check_queue, &args) == cudaSuccess && adam_right(&a, n, 2e-7), "adam %u t=%u", n, t);
}

typedef struct mask_layer {
    xst_cuda_mask_layer args;
    double *g;
    adam_numbers adam;
} mask_layer;

static mask_layer make_mask(const xst_geometry *g, xst_cuda_type dw_type, xst_cuda_type frozen_type, uint32_t *t,
                            double *rates)
{
    const size_t w = weights_of(g);
    const uint32_t n = g->columns;
    const check_columns c = check_choose(n, n / 4);
    double *const dw = check_numbers(w, dw_type, 1.0), *const frozen = check_numbers(w, frozen_type, 1.0);
    double *const slope = check_numbers(n, XST_CUDA_F32, 0.25);
    mask_layer l = {.g = check_memory(n, sizeof(double)), .adam = make_adam(n)};
    const xst_op op = {.p.columns.geometry = *g};
    const xst_ref_tensor d = weight_tensor(dw, g), f = weight_tensor(frozen, g), s = check_reals(slope, n);
    const xst_ref_tensor p = check_tensor(XST_U8, c.preserved, n, 1, 1, 1), out = check_reals(l.g, n);
    xst_ref_mask_gradient(&(xst_ref_call){.op = &op, .in = {&d, &f, &s, &p}, .out = {&out}});
    ref_adam(&l.adam, l.g, c.preserved, t, rates, n);
    for (uint32_t i = 0; i < n; i++) /* columns that are not preserved must not be read */
        for (int32_t k = 0; k < xst_column_length(g, i) && !c.preserved[i]; k++)
            dw[xst_column_start(g, i) + k] = frozen[xst_column_start(g, i) + k] = (double)NAN;
    l.args = (xst_cuda_mask_layer){.geometry = *g,
                                   .dw = check_upload(krsc(dw, g), w, dw_type),
                                   .frozen = check_upload(krsc(frozen, g), w, frozen_type),
                                   .slope = check_upload(slope, n, XST_CUDA_F32),
                                   .preserved = c.preserved,
                                   .g = check_memory(n, 4),
                                   .m_r = l.adam.got_m_r,
                                   .m = l.adam.got_m,
                                   .v = l.adam.got_v};
    return l;
}

static void mask(const xst_geometry *g, xst_cuda_type dw_type, xst_cuda_type frozen_type)
{
    uint32_t *const t = check_memory(1, 4);
    *t = 3;
    double *const rates = check_numbers(2, XST_CUDA_F32, 0.1);
    const xst_geometry one = check_geometry(0);
    const mask_layer first = make_mask(g, dw_type, frozen_type, t, rates);
    const mask_layer second = make_mask(&one, dw_type, frozen_type, t, rates);
    xst_cuda_mask_args a = {.t = t,
                            .rates = check_upload(rates, 2, XST_CUDA_F32),
                            .dw_type = dw_type,
                            .frozen_type = frozen_type,
                            .layers = 3,
                            .layer = {first.args, second.args}};
    float *const only_g = check_memory(g->columns, 4); /* the same without Adam */
    a.layer[2] = first.args;
    a.layer[2].g = only_g;
    a.layer[2].m_r = a.layer[2].m = a.layer[2].v = NULL;
    const double error = 0.25 * g->longest * 0x1p-23; /* of a sum of `longest` products up to 1 */
    /* Adam divides by about the size of g: its own error counts as is */
    const bool ok = xst_cuda_mask_gradient(&check_queue, &a) == cudaSuccess &&
                    check_near(first.args.g, XST_CUDA_F32, first.g, g->columns, 0, error) &&
                    check_near(only_g, XST_CUDA_F32, first.g, g->columns, 0, error) &&
                    check_near(second.args.g, XST_CUDA_F32, second.g, 1, 0, error) &&
                    adam_right(&first.adam, g->columns, 3 * error + 2e-6);
    check_case(ok, "mask in %d k %d group %d types %d %d", g->in, g->kh, g->group, dw_type, frozen_type);
}

void check_mask(bool small)
{
    static const uint32_t sizes[] = {1, 31, 33, 1025};
    for (int i = 0; i < (small ? 3 : 4); i++) {
        adam(sizes[i], 1);
        adam(sizes[i], 7900);
    }
    for (int i = 0; i < CHECK_GEOMETRIES; i++)
        for (xst_cuda_type dw = XST_CUDA_F32; dw <= XST_CUDA_BF16; dw++)
            for (xst_cuda_type frozen = XST_CUDA_F32; frozen <= XST_CUDA_BF16; frozen++) {
                const xst_geometry g = check_geometry(i);
                mask(&g, dw, frozen);
            }
}
