/* fc_product.cu and fc_gradient.cu. Whatever may not be read is NaN: columns that are off, what lies between rows. */
#include "check.h"

#include <math.h>
#include <string.h>

typedef struct fc_case {
    int32_t out, in, group;
    uint32_t rows;
} fc_case;

static xst_geometry geometry_of(const fc_case *f)
{
    return xst_geometry_make(f->out, f->in, 1, 1, f->group);
}

/* ---- fc_product.cu ----------------------------------------------------------------------------------------------- */

typedef struct fc_layer {
    double *w; /* effective: 0 where off */
    uint16_t *stored;
    uint32_t *bits;
} fc_layer;

/* One column in three is on. */
static fc_layer make_layer(const xst_geometry *g)
{
    const size_t n = (size_t)xst_geometry_weights(g);
    fc_layer l = {.w = check_numbers(n, XST_CUDA_BF16, 1), .bits = check_memory((g->columns + 31) / 32, 4)};
    double *const stored = memcpy(check_memory(n, 8), l.w, n * 8);
    for (uint32_t c = 0; c < g->columns; c++) {
        if (check_dice() % 3 == 0)
            continue;
        l.bits[c / 32] &= ~(1u << (c % 32));
        for (int32_t e = 0; e < xst_column_length(g, c); e++) {
            l.w[xst_column_start(g, c) + e] = 0.0;
            stored[xst_column_start(g, c) + e] = (double)NAN;
        }
    }
    l.stored = check_upload(stored, n, XST_CUDA_BF16);
    return l;
}

static void *zeros(size_t bytes)
{
    return memset(check_memory(bytes, 1), 0, bytes);
}

static void forward(const fc_case *f, bool relu)
{
    const xst_geometry g = geometry_of(f);
    const size_t M = f->rows, N = (size_t)g.out, K = (size_t)g.in;
    const fc_layer l = make_layer(&g);
    double *const x = check_numbers(M * K, XST_CUDA_BF16, 1), *const bias = check_numbers(N, XST_CUDA_F32, 1);
    double *const want = check_memory(M * N, 8);
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double sum = bias[n];
            for (size_t k = 0; k < K; k++)
                sum += x[m * K + k] * l.w[n * K + k];
            want[m * N + n] = relu && !(sum > 0) ? 0 : sum;
        }
    const xst_cuda_fc_forward_args a = {.geometry = g,
                                        .x = check_upload(x, M * K, XST_CUDA_BF16),
                                        .w = l.stored,
                                        .bits = l.bits,
                                        .bias = relu ? check_upload(bias, N, XST_CUDA_F32) : NULL,
                                        .y = check_memory(M * N, 2),
                                        .relu = relu,
                                        .rows = f->rows,
                                        .scratch = zeros(xst_cuda_fc_scratch(&g, f->rows))};
    for (size_t i = 0; i < M * N && !relu; i++)
        want[i] -= bias[i % N];
    bool ok = xst_cuda_fc_forward(&check_queue, &a) == cudaSuccess;
    ok = ok && check_near(a.y, XST_CUDA_BF16, want, M * N, 0x1p-8, (double)K * 0x1p-23);
    memset(a.y, 0xff, M * N * 2); /* once more, on the scratch memory as it was left */
    ok = ok && xst_cuda_fc_forward(&check_queue, &a) == cudaSuccess &&
         check_near(a.y, XST_CUDA_BF16, want, M * N, 0x1p-8, (double)K * 0x1p-23);
    check_case(ok, "fc_forward %u x %d x %d group %d", f->rows, f->out, f->in, f->group);
}

static void backward_data(const fc_case *f)
{
    const xst_geometry g = geometry_of(f);
    const size_t M = f->rows, N = (size_t)g.out, K = (size_t)g.in;
    const fc_layer l = make_layer(&g);
    double *const dy = check_numbers(M * N, XST_CUDA_BF16, 1), *const want = check_memory(M * K, 8);
    for (size_t m = 0; m < M; m++)
        for (size_t k = 0; k < K; k++) {
            want[m * K + k] = 0;
            for (size_t n = 0; n < N; n++)
                want[m * K + k] += dy[m * N + n] * l.w[n * K + k];
        }
    const xst_cuda_fc_backward_data_args a = {.geometry = g,
                                              .dy = check_upload(dy, M * N, XST_CUDA_BF16),
                                              .w = l.stored,
                                              .bits = l.bits,
                                              .dx = check_memory(M * K, 2),
                                              .rows = f->rows,
                                              .scratch = zeros(xst_cuda_fc_scratch(&g, f->rows))};
    const bool ok = xst_cuda_fc_backward_data(&check_queue, &a) == cudaSuccess &&
                    check_near(a.dx, XST_CUDA_BF16, want, M * K, 0x1p-8, (double)N * 0x1p-23);
    check_case(ok, "fc_backward_data %u x %d x %d group %d", f->rows, f->out, f->in, f->group);
}

void check_fc_product(bool small)
{
    static const fc_case cases[] = {{8, 8, 8, 1},     {64, 64, 8, 32}, {72, 136, 16, 33}, {200, 8, 8, 31},
                                    {16, 360, 72, 3}, {8, 648, 8, 5},  {648, 16, 8, 5},   {136, 520, 24, 65}};
    const bool concurrent = sim_settings()->blocks_concurrent; /* slow: those in which blocks add to one another */
    for (size_t i = concurrent ? 5 : 0; i < sizeof cases / sizeof cases[0] - (small ? 1 : 0); i++) {
        forward(&cases[i], true);
        if (!concurrent)
            forward(&cases[i], false);
        backward_data(&cases[i]);
    }
    const xst_geometry odd = xst_geometry_make(8, 12, 1, 1, 8), element = xst_geometry_make(8, 8, 1, 1, 0);
    check_case(!xst_cuda_fc_fits(&odd) && !xst_cuda_fc_fits(&element), "fc refuses");
}

/* ---- fc_gradient.cu ---------------------------------------------------------------------------------------------- */

typedef struct gradient_case {
    fc_case layer;
    bool mask, adam, norm, active;
} gradient_case;

typedef struct gradient_want {
    double *g, *norm, *compact, *m_r, *m, *v;
} gradient_want;

/* The reference's operations, one after the other. */
static gradient_want want_gradient(const gradient_case *f, const xst_geometry *g, const check_columns *c, double *x,
                                   double *dy, double *w, double *slope)
{
    const int64_t M = f->layer.rows, N = g->out, K = g->in, n = g->columns;
    double *const dw = check_memory((size_t)(N * K), 8), *const dbias = check_memory((size_t)N, 8);
    gradient_want r = {.g = check_memory((size_t)n, 8),
                       .norm = check_memory((size_t)n, 8),
                       .compact = check_memory((size_t)n * 8, 8),
                       .m_r = check_numbers((size_t)n, XST_CUDA_F32, 3),
                       .m = check_numbers((size_t)n, XST_CUDA_F32, 0.1),
                       .v = check_numbers((size_t)n, XST_CUDA_F32, 0.01)};
    for (int64_t i = 0; i < n; i++)
        r.v[i] = fabs(r.v[i]);
    const xst_op op = {.p.columns.geometry = *g};
    const xst_ref_tensor xt = check_tensor(XST_F32, x, M, K, 1, 1), dyt = check_tensor(XST_F32, dy, M, N, 1, 1);
    const xst_ref_tensor dwt = check_tensor(XST_F32, dw, N, K, 1, 1), dbt = check_reals(dbias, N);
    const xst_ref_tensor wt = check_tensor(XST_F32, w, N, K, 1, 1), st = check_reals(slope, n);
    const xst_ref_tensor pt = check_tensor(XST_U8, c->preserved, n, 1, 1, 1), gt = check_reals(r.g, n);
    xst_ref_linear_backward_weights(&(xst_ref_call){.op = &op, .in = {&xt, &dyt}, .out = {&dwt, &dbt}});
    xst_ref_mask_gradient(&(xst_ref_call){.op = &op, .in = {&dwt, &wt, &st, &pt}, .out = {&gt}});
    for (int64_t i = 0; i < n; i++) {
        r.norm[i] = c->preserved[i] ? (double)NAN : 0.0;
        for (int k = 0; k < 8; k++) {
            r.norm[i] += dw[8 * i + k] * dw[8 * i + k];
            if (c->slot[i] >= 0)
                r.compact[8 * c->slot[i] + k] = dw[8 * i + k];
        }
    }
    return r;
}

static void ref_adam(const gradient_want *r, uint8_t *preserved, uint32_t *t, double *rates, int64_t n)
{
    const xst_op op = {0};
    const xst_ref_tensor g = check_reals(r->g, n), p = check_tensor(XST_U8, preserved, n, 1, 1, 1);
    const xst_ref_tensor at = check_tensor(XST_U32, t, 1, 1, 1, 1), ra = check_reals(rates, 2);
    const xst_ref_tensor w = check_reals(r->m_r, n), m = check_reals(r->m, n), v = check_reals(r->v, n);
    xst_ref_adam(&(xst_ref_call){.op = &op, .in = {&g, &p, &at, &ra}, .out = {&w, &m, &v}});
}

static void gradient(const gradient_case *f)
{
    const xst_geometry g = geometry_of(&f->layer);
    const size_t M = f->layer.rows, N = (size_t)g.out, K = (size_t)g.in, n = g.columns, a = f->active ? n / 3 + 1 : 0;
    check_columns c = check_choose(g.columns, (uint32_t)a);
    if (!f->mask)
        memset(c.preserved, 0, n);
    double *const x = check_numbers(M * K, XST_CUDA_BF16, 1), *const dy = check_numbers(M * N, XST_CUDA_BF16, 1);
    double *const w = check_numbers(N * K, XST_CUDA_BF16, 1), *const slope = check_numbers(n, XST_CUDA_F32, 0.25);
    double *const rates = check_numbers(2, XST_CUDA_F32, 0.1);
    uint32_t *const t = check_memory(1, 4);
    *t = 5;
    const gradient_want r = want_gradient(f, &g, &c, x, dy, w, slope);
    for (size_t i = 0; i < N * K; i++)
        w[i] = c.preserved[i / 8] ? w[i] : (double)NAN; /* must not be read */
    const xst_cuda_fc_gradient_args args = {.geometry = g,
                                            .x = check_upload(x, M * K, XST_CUDA_BF16),
                                            .dy = check_upload(dy, M * N, XST_CUDA_BF16),
                                            .w = check_upload(w, N * K, XST_CUDA_BF16),
                                            .preserved = f->mask ? c.preserved : NULL,
                                            .slope = f->mask ? check_upload(slope, n, XST_CUDA_F32) : NULL,
                                            .slot = f->active ? c.slot : NULL,
                                            .dw_compact = check_memory(a * 8, 4),
                                            .norm = f->norm ? check_memory(n, 4) : NULL,
                                            .g = f->mask && !f->adam ? check_memory(n, 4) : NULL,
                                            .m_r = f->adam ? check_upload(r.m_r, n, XST_CUDA_F32) : NULL,
                                            .m = check_upload(r.m, n, XST_CUDA_F32),
                                            .v = check_upload(r.v, n, XST_CUDA_F32),
                                            .t = t,
                                            .rates = check_upload(rates, 2, XST_CUDA_F32),
                                            .rows = f->layer.rows};
    ref_adam(&r, c.preserved, t, rates, (int64_t)n);
    const double sum = (double)M * 0x1p-22; /* rounding of a sum over the batch */
    bool ok = xst_cuda_fc_gradient(&check_queue, &args) == cudaSuccess &&
              check_near(args.dw_compact, XST_CUDA_F32, r.compact, a * 8, 0, sum);
    if (args.g)
        ok = ok && check_near(args.g, XST_CUDA_F32, r.g, n, 0, 4 * sum);
    if (f->adam)
        ok = ok && check_near(args.m_r, XST_CUDA_F32, r.m_r, n, 1e-6, 4 * sum + 2e-6) &&
             check_near(args.m, XST_CUDA_F32, r.m, n, 1e-6, sum) && check_near(args.v, XST_CUDA_F32, r.v, n, 1e-5, sum);
    for (size_t i = 0; i < n && ok && f->norm; i++)
        ok = c.preserved[i] || check_near(&args.norm[i], XST_CUDA_F32, &r.norm[i], 1, 1e-5, 1e-6);
    check_case(ok, "fc_gradient %u x %d x %d mask %d adam %d norm %d active %d", f->layer.rows, g.out, g.in, f->mask,
               f->adam, f->norm, f->active);
}

void check_fc_gradient(bool small)
{
    static const fc_case layers[] = {{8, 8, 8, 1}, {72, 64, 8, 32}, {64, 136, 8, 33}, {136, 200, 8, 70}};
    for (size_t i = 0; i < sizeof layers / sizeof layers[0] - (small ? 1 : 0); i++) {
        gradient(&(gradient_case){layers[i], true, true, true, true});
        gradient(&(gradient_case){layers[i], true, false, false, true});
        gradient(&(gradient_case){layers[i], false, false, true, true});
        gradient(&(gradient_case){layers[i], true, true, false, false});
    }
}
