/* bn.cu, bn_small.cu and pool.cu. */
#include "check.h"

#include <math.h>
#include <string.h>

/* ---- bn.cu, bn_small.cu ------------------------------------------------------------------------------------------ */

typedef struct bn_case {
    uint32_t batch, channels, side;
    xst_cuda_type type;
    double offset; /* of x: a mean much larger than the deviation */
    bool counted;
} bn_case;

typedef struct bn_numbers {
    double *x, *y, *dy, *dx; /* NCHW */
    double *gamma, *beta, *mean, *inverse_std, *running_mean, *running_var, *dgamma, *dbeta;
    uint32_t *counter;
} bn_numbers;

static bn_numbers make_bn(const bn_case *b)
{
    const size_t C = b->channels, n = (size_t)b->batch * C * b->side * b->side;
    bn_numbers m = {.x = check_numbers(n, b->type, 1),
                    .y = check_memory(n, sizeof(double)),
                    .dy = check_numbers(n, b->type, 1),
                    .dx = check_memory(n, sizeof(double)),
                    .gamma = check_numbers(C, XST_CUDA_F32, 1),
                    .beta = check_numbers(C, XST_CUDA_F32, 0.5),
                    .mean = check_memory(C, sizeof(double)),
                    .inverse_std = check_memory(C, sizeof(double)),
                    .running_mean = check_numbers(C, XST_CUDA_F32, 1),
                    .running_var = check_numbers(C, XST_CUDA_F32, 1),
                    .dgamma = check_memory(C, sizeof(double)),
                    .dbeta = check_memory(C, sizeof(double)),
                    .counter = check_memory(1, 4)};
    for (size_t i = 0; i < n; i++)
        m.x[i] = check_round(b->type, m.x[i] + b->offset);
    for (size_t c = 0; c < C; c++)
        m.running_var[c] = fabs(m.running_var[c]);
    *m.counter = 4;
    return m;
}

static xst_ref_tensor map_tensor(double *data, const bn_case *b)
{
    return check_tensor(XST_F32, data, b->batch, b->channels, b->side, b->side);
}

static double *nhwc(const double *x, const bn_case *b)
{
    return check_turn(x, b->batch, b->channels, (size_t)b->side * b->side);
}

static const xst_op bn_op = {.p.bn = {.momentum = 0.1f, .eps = 1e-5f}};

static void ref_bn(const bn_case *b, const bn_numbers *m, bool eval)
{
    const int64_t C = b->channels;
    const xst_ref_tensor x = map_tensor(m->x, b), y = map_tensor(m->y, b), g = check_reals(m->gamma, C);
    const xst_ref_tensor be = check_reals(m->beta, C), co = check_tensor(XST_U32, m->counter, 1, 1, 1, 1);
    const xst_ref_tensor mean = check_reals(m->mean, C), is = check_reals(m->inverse_std, C);
    const xst_ref_tensor rm = check_reals(m->running_mean, C), rv = check_reals(m->running_var, C);
    if (eval)
        xst_ref_bn_relu_eval(&(xst_ref_call){.op = &bn_op, .in = {&x, &g, &be, &rm, &rv}, .out = {&y}});
    else
        xst_ref_bn_relu_forward(&(xst_ref_call){
            .op = &bn_op, .in = {&x, &g, &be, b->counted ? &co : NULL}, .out = {&y, &mean, &is, &rm, &rv}});
}

static xst_cuda_bn_args bn_args(const bn_case *b, const bn_numbers *m)
{
    const size_t C = b->channels, n = (size_t)b->batch * C * b->side * b->side, size = b->type == XST_CUDA_F32 ? 4 : 2;
    const uint32_t rows = b->batch * b->side * b->side;
    const size_t scratch = xst_cuda_bn_scratch(rows, b->channels);
    const xst_cuda_bn_args a = {.type = b->type,
                                .rows = rows,
                                .channels = b->channels,
                                .momentum = 0.1f,
                                .eps = 1e-5f,
                                .x = check_upload(nhwc(m->x, b), n, b->type),
                                .gamma = check_upload(m->gamma, C, XST_CUDA_F32),
                                .beta = check_upload(m->beta, C, XST_CUDA_F32),
                                .counter = b->counted ? m->counter : NULL,
                                .y = check_memory(n, size),
                                .mean = check_memory(C, 4),
                                .inverse_std = check_memory(C, 4),
                                .running_mean = check_upload(m->running_mean, C, XST_CUDA_F32),
                                .running_var = check_upload(m->running_var, C, XST_CUDA_F32),
                                .dgamma = check_memory(C, 4),
                                .dbeta = check_memory(C, 4),
                                .scratch = memset(check_memory(scratch, 1), 0, scratch)};
    return a;
}

static void bn_forward(const bn_case *b)
{
    const size_t C = b->channels, n = (size_t)b->batch * C * b->side * b->side;
    const bn_numbers m = make_bn(b);
    const xst_cuda_bn_args a = bn_args(b, &m);
    double *const running_mean = memcpy(check_memory(C, 8), m.running_mean, C * 8);
    double *const running_var = memcpy(check_memory(C, 8), m.running_var, C * 8);
    bn_numbers evaluated = m;
    evaluated.running_mean = running_mean, evaluated.running_var = running_var;
    evaluated.y = check_memory(n, sizeof(double));
    ref_bn(b, &evaluated, true);
    ref_bn(b, &m, false);
    /* inverse_std is at most 1/sqrt(eps) = 316; it multiplies the rounding of x */
    const double eps = check_epsilon(b->type), noise = (2 + fabs(b->offset)) * 0x1p-22;
    double scale = 1.0;
    for (size_t c = 0; c < C; c++)
        scale = fmax(scale, m.inverse_std[c]);
    xst_cuda_bn_args e = a;
    e.y = check_memory(n, b->type == XST_CUDA_F32 ? 4 : 2);
    e.running_mean = check_upload(running_mean, C, XST_CUDA_F32);
    e.running_var = check_upload(running_var, C, XST_CUDA_F32);
    bool ok = xst_cuda_bn_relu_forward(&check_queue, &a) == cudaSuccess &&
              check_near(a.mean, XST_CUDA_F32, m.mean, C, 4e-7, noise) &&
              check_near(a.inverse_std, XST_CUDA_F32, m.inverse_std, C, 4e-6 * scale, 0) &&
              check_near(a.y, b->type, nhwc(m.y, b), n, 2 * eps + 1e-5, 4 * scale * noise) &&
              check_near(a.running_mean, XST_CUDA_F32, m.running_mean, C, 4e-7, noise) &&
              check_near(a.running_var, XST_CUDA_F32, m.running_var, C, 1e-5, 1e-7);
    ok = ok && xst_cuda_bn_relu_eval(&check_queue, &e) == cudaSuccess &&
         check_near(e.y, b->type, nhwc(evaluated.y, b), n, 2 * eps + 1e-5, 316 * noise);
    for (int i = 0; i < 4 && ok; i++) /* the counters are ready for the next layer */
        ok = ((const uint32_t *)a.scratch)[i] == 0;
    check_case(ok, "bn forward %u x %u x %u^2 type %d offset %g", b->batch, b->channels, b->side, b->type, b->offset);
}

static void bn_backward(const bn_case *b)
{
    const size_t C = b->channels, n = (size_t)b->batch * C * b->side * b->side;
    const bn_numbers m = make_bn(b);
    ref_bn(b, &m, false);
    for (size_t i = 0; i < n; i++)
        m.y[i] = check_round(b->type, m.y[i]);
    for (size_t c = 0; c < C; c++) {
        m.mean[c] = check_round(XST_CUDA_F32, m.mean[c]);
        m.inverse_std[c] = check_round(XST_CUDA_F32, m.inverse_std[c]);
    }
    const int64_t c = b->channels;
    const xst_ref_tensor dy = map_tensor(m.dy, b), x = map_tensor(m.x, b), y = map_tensor(m.y, b);
    const xst_ref_tensor g = check_reals(m.gamma, c), mean = check_reals(m.mean, c), is = check_reals(m.inverse_std, c);
    const xst_ref_tensor dx = map_tensor(m.dx, b), dg = check_reals(m.dgamma, c), db = check_reals(m.dbeta, c);
    xst_ref_bn_relu_backward(
        &(xst_ref_call){.op = &bn_op, .in = {&dy, &x, &y, &g, &mean, &is}, .out = {&dx, &dg, &db}});
    xst_cuda_bn_args a = bn_args(b, &m);
    a.y = check_upload(nhwc(m.y, b), n, b->type);
    a.mean = check_upload(m.mean, C, XST_CUDA_F32);
    a.inverse_std = check_upload(m.inverse_std, C, XST_CUDA_F32);
    a.dx = check_upload(nhwc(m.dy, b), n, b->type);
    a.dy = a.dx; /* in place */
    double scale = 1.0;
    for (size_t k = 0; k < C; k++)
        scale = fmax(scale, m.inverse_std[k]);
    const double rows = (double)a.rows, sums = rows * 0x1p-23 * 4, noise = (2 + fabs(b->offset)) * 0x1p-22 * scale;
    const bool ok =
        xst_cuda_bn_relu_backward(&check_queue, &a) == cudaSuccess &&
        check_near(a.dbeta, XST_CUDA_F32, m.dbeta, C, 0, sums) &&
        check_near(a.dgamma, XST_CUDA_F32, m.dgamma, C, 0, sums + rows * noise) &&
        check_near(a.dx, b->type, nhwc(m.dx, b), n, 2 * check_epsilon(b->type) + 1e-5, scale * (noise * 8 + 1e-6));
    check_case(ok, "bn backward %u x %u x %u^2 type %d", b->batch, b->channels, b->side, b->type);
}

/* Numbers of few values, so that some windows have several largest; y as kept. */
static bn_numbers make_pooled(const bn_case *b)
{
    const size_t n = (size_t)b->batch * b->channels * b->side * b->side;
    const bn_numbers m = make_bn(b);
    for (size_t i = 0; i < n; i++)
        m.x[i] = rint(2 * m.x[i]);
    ref_bn(b, &m, false);
    for (size_t i = 0; i < n; i++)
        m.y[i] = check_round(b->type, m.y[i]);
    for (size_t c = 0; c < b->channels; c++) {
        m.mean[c] = check_round(XST_CUDA_F32, m.mean[c]);
        m.inverse_std[c] = check_round(XST_CUDA_F32, m.inverse_std[c]);
    }
    return m;
}

/* y, and exactly the largest of each of its windows. */
static bool bn_pooled_forward(const bn_case *b, const bn_numbers *m)
{
    const size_t C = b->channels, P = (size_t)b->side * b->side, n = b->batch * C * P;
    const size_t size = b->type == XST_CUDA_F32 ? 4 : 2;
    double *const y = check_memory(n, 8), *const pooled = check_memory(n / 4, 8);
    xst_cuda_bn_args a = bn_args(b, m);
    a.width = b->side;
    a.pooled = check_memory(n / 4, size);
    if (xst_cuda_bn_relu_forward(&check_queue, &a) != cudaSuccess ||
        !check_near(a.y, b->type, nhwc(m->y, b), n, 4 * check_epsilon(b->type) + 1e-4, 1e-5))
        return false;
    for (size_t i = 0; i < n; i++)
        y[i] = check_read(a.y, i, b->type);
    const xst_ref_tensor big = map_tensor(check_turn(y, b->batch, P, C), b);
    const xst_ref_tensor half = check_tensor(XST_F32, pooled, b->batch, b->channels, b->side / 2, b->side / 2);
    xst_ref_pool_forward(&(xst_ref_call){.in = {&big}, .out = {&half}});
    return check_near(a.pooled, b->type, check_turn(pooled, b->batch, C, P / 4), n / 4, 0, 0);
}

static bool bn_pooled_backward(const bn_case *b, const bn_numbers *m)
{
    const int64_t c = b->channels;
    const size_t C = b->channels, P = (size_t)b->side * b->side, n = b->batch * C * P;
    double *const from = check_numbers(n / 4, b->type, 1), *const pooled = check_memory(n / 4, 8);
    const xst_ref_tensor half = check_tensor(XST_F32, from, b->batch, b->channels, b->side / 2, b->side / 2);
    const xst_ref_tensor most = check_tensor(XST_F32, pooled, b->batch, b->channels, b->side / 2, b->side / 2);
    const xst_ref_tensor dy = map_tensor(m->dy, b), x = map_tensor(m->x, b), y = map_tensor(m->y, b);
    const xst_ref_tensor g = check_reals(m->gamma, c), mean = check_reals(m->mean, c);
    const xst_ref_tensor is = check_reals(m->inverse_std, c), dx = map_tensor(m->dx, b);
    const xst_ref_tensor dg = check_reals(m->dgamma, c), db = check_reals(m->dbeta, c);
    xst_ref_pool_forward(&(xst_ref_call){.in = {&y}, .out = {&most}});
    xst_ref_pool_backward(&(xst_ref_call){.in = {&half, &y, &most}, .out = {&dy}});
    xst_ref_bn_relu_backward(
        &(xst_ref_call){.op = &bn_op, .in = {&dy, &x, &y, &g, &mean, &is}, .out = {&dx, &dg, &db}});
    xst_cuda_bn_args a = bn_args(b, m);
    a.width = b->side;
    a.y = check_upload(nhwc(m->y, b), n, b->type);
    a.mean = check_upload(m->mean, C, XST_CUDA_F32);
    a.inverse_std = check_upload(m->inverse_std, C, XST_CUDA_F32);
    a.dy = check_upload(check_turn(from, b->batch, C, P / 4), n / 4, b->type);
    a.dx = check_memory(n, b->type == XST_CUDA_F32 ? 4 : 2);
    const double sums = (double)a.rows * 0x1p-23 * 8;
    return xst_cuda_bn_relu_backward(&check_queue, &a) == cudaSuccess &&
           check_near(a.dbeta, XST_CUDA_F32, m->dbeta, C, 0, sums) &&
           check_near(a.dgamma, XST_CUDA_F32, m->dgamma, C, 0, 4 * sums) &&
           check_near(a.dx, b->type, nhwc(m->dx, b), n, 2 * check_epsilon(b->type) + 1e-5, 1e-5);
}

static void bn_pooled(const bn_case *b)
{
    const bn_numbers m = make_pooled(b);
    const bool ok = bn_pooled_forward(b, &m) && bn_pooled_backward(b, &m);
    check_case(ok, "bn with pool %u x %u x %u^2 type %d", b->batch, b->channels, b->side, b->type);
}

static void bn_eval_backward(const bn_case *b)
{
    const size_t n = (size_t)b->batch * b->channels * b->side * b->side;
    const bn_numbers m = make_bn(b);
    ref_bn(b, &m, true);
    for (size_t i = 0; i < n; i++)
        m.y[i] = check_round(b->type, m.y[i]);
    const xst_ref_tensor dy = map_tensor(m.dy, b), y = map_tensor(m.y, b), dx = map_tensor(m.dx, b);
    const xst_ref_tensor g = check_reals(m.gamma, b->channels), rv = check_reals(m.running_var, b->channels);
    xst_ref_bn_relu_eval_backward(&(xst_ref_call){.op = &bn_op, .in = {&dy, &y, &g, &rv}, .out = {&dx}});
    xst_cuda_bn_args a = bn_args(b, &m);
    a.y = check_upload(nhwc(m.y, b), n, b->type);
    a.dx = check_upload(nhwc(m.dy, b), n, b->type);
    a.dy = a.dx; /* in place */
    const bool ok = xst_cuda_bn_relu_eval_backward(&check_queue, &a) == cudaSuccess &&
                    check_near(a.dx, b->type, nhwc(m.dx, b), n, 2 * check_epsilon(b->type) + 1e-6, 0);
    check_case(ok, "bn eval backward %u x %u x %u^2 type %d", b->batch, b->channels, b->side, b->type);
}

static void bn_cases(const bn_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bn_forward(&cases[i]);
        bn_backward(&cases[i]);
        bn_eval_backward(&cases[i]);
        if (cases[i].channels % 8 == 0 && cases[i].side % 2 == 0)
            bn_pooled(&cases[i]);
    }
}

void check_bn(bool small)
{
    static const bn_case cases[] = {{2, 1, 1, XST_CUDA_F32, 0, false},    {33, 3, 2, XST_CUDA_F32, 0, true},
                                    {4, 31, 3, XST_CUDA_BF16, 0, false},  {1, 33, 2, XST_CUDA_F32, 0, false},
                                    {32, 8, 6, XST_CUDA_F32, 1, false},   {17, 40, 11, XST_CUDA_BF16, 0, true},
                                    {33, 40, 8, XST_CUDA_BF16, 0, false}, {9, 80, 12, XST_CUDA_F32, 3, false},
                                    {2, 8191, 1, XST_CUDA_BF16, 0, false}};
    bn_cases(cases, sizeof cases / sizeof cases[0] - (small ? 2 : 0));
    const xst_cuda_bn_args wide = {.rows = 2, .channels = 8193};
    check_case(xst_cuda_bn_relu_forward(&check_queue, &wide) == cudaErrorInvalidValue &&
                   xst_cuda_bn_relu_backward(&check_queue, &wide) == cudaErrorInvalidValue,
               "bn of too many channels");
    const xst_cuda_bn_args odd[] = {{.rows = 18, .channels = 8, .width = 3},
                                    {.rows = 12, .channels = 12, .width = 2},
                                    {.rows = 6, .channels = 8, .width = 2}};
    for (int i = 0; i < 3; i++)
        check_case(xst_cuda_bn_relu_forward(&check_queue, &odd[i]) == cudaErrorInvalidValue &&
                       xst_cuda_bn_relu_backward(&check_queue, &odd[i]) == cudaErrorInvalidValue,
                   "bn with a pool it does not have, %d", i);
}

/* One launch: one row, less than a warp, several warps, the most rows. */
void check_bn_small(bool small)
{
    static const bn_case cases[] = {{1, 8, 1, XST_CUDA_F32, 0, false},    {5, 16, 4, XST_CUDA_BF16, 0, true},
                                    {3, 264, 2, XST_CUDA_BF16, 0, false}, {9, 16, 7, XST_CUDA_BF16, 8, false},
                                    {2, 40, 5, XST_CUDA_F32, 8, false},   {16, 8, 8, XST_CUDA_F32, 0, true},
                                    {32, 24, 8, XST_CUDA_BF16, 0, false}};
    bn_cases(cases, sizeof cases / sizeof cases[0] - (small ? 1 : 0));
}

/* ---- pool.cu ----------------------------------------------------------------------------------------------------- */

static void pool(uint32_t batch, uint32_t height, uint32_t width, uint32_t channels, xst_cuda_type type)
{
    const size_t n = (size_t)batch * height * width * channels, P = (size_t)height * width;
    const size_t m = (size_t)batch * (height / 2) * (width / 2) * channels, Q = (size_t)(height / 2) * (width / 2);
    double *const x = check_numbers(n, type, 1), *const dy = check_numbers(m, type, 1);
    double *const y = check_memory(m, 8), *const dx = check_memory(n, 8);
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] < 0 ? 0 : rint(4 * x[i]); /* ties: the first of a window wins */
    const xst_ref_tensor xt = check_tensor(XST_F32, x, batch, channels, height, width);
    const xst_ref_tensor yt = check_tensor(XST_F32, y, batch, channels, height / 2, width / 2);
    const xst_ref_tensor dyt = check_tensor(XST_F32, dy, batch, channels, height / 2, width / 2);
    const xst_ref_tensor dxt = check_tensor(XST_F32, dx, batch, channels, height, width);
    xst_ref_pool_forward(&(xst_ref_call){.in = {&xt}, .out = {&yt}});
    xst_ref_pool_backward(&(xst_ref_call){.in = {&dyt, &xt, &yt}, .out = {&dxt}});
    const size_t size = type == XST_CUDA_F32 ? 4 : 2;
    const xst_cuda_pool_args a = {.type = type,
                                  .batch = batch,
                                  .height = height,
                                  .width = width,
                                  .channels = channels,
                                  .x = check_upload(check_turn(x, batch, channels, P), n, type),
                                  .dy = check_upload(check_turn(dy, batch, channels, Q), m, type),
                                  .y = check_memory(m, size),
                                  .dx = check_memory(n, size)};
    const bool ok = xst_cuda_pool_forward(&check_queue, &a) == cudaSuccess &&
                    check_near(a.y, type, check_turn(y, batch, channels, Q), m, 0, 0) &&
                    xst_cuda_pool_backward(&check_queue, &a) == cudaSuccess &&
                    check_near(a.dx, type, check_turn(dx, batch, channels, P), n, 0, 0);
    check_case(ok, "pool %u x %u x %u x %u type %d", batch, height, width, channels, type);
}

void check_pool(bool small)
{
    (void)small;
    for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++) {
        pool(1, 2, 2, 1, type);
        pool(2, 5, 3, 31, type); /* odd borders */
        pool(3, 4, 4, 8, type);
        pool(2, 1, 7, 33, type); /* no window at all */
        pool(1, 7, 8, 40, type);
    }
}
