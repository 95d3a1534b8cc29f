/* Batch normalisation with ReLU, in channel blocks.
 *
 * Own kernels rather than oneDNN's: the operation reads y for the ReLU mask where oneDNN wants a workspace of its
 * forward pass, and both passes are bound by memory, where there is nothing to gain. Vectors of 16 lanes run over a
 * plane [H*W][block]; with blocks of 8 channels lane l and l + 8 are two pixels of one channel. Each plane gives its
 * partial sums in float, planes are put together in double, in the order of the images. */
#include "backend/cpu/channels.h"

#include <math.h>

/* Partial sums of one plane, by lane. */
typedef struct lane_sums {
    float count[16], mean[16], square[16]; /* pixels, their mean, sum of squared differences from it */
} lane_sums;

typedef struct pair_sums {
    float g[16], gx[16]; /* sum of g, sum of g * (x - mean) */
} pair_sums;

typedef struct bn {
    cpu_channels shape;
    xst_cpu_isa isa;
    float momentum, eps;
    const cpu_place *x, *gamma, *beta, *counter, *y, *mean, *inverse_std, *running_mean, *running_var;
    const cpu_place *dy, *dx, *dgamma, *dbeta;
    const cpu_place *sums;   /* per plane: lane_sums or pair_sums */
    const cpu_place *factor; /* per block: vectors of 16 lanes for the last pass */
} bn;

/* Loads vector i of a plane of m floats; past the end there are zeros. (Vectors go by pointer: by value they would have
 * another calling convention in each instruction set.) */
XST_CPU_BODY void load(cpu_v16 *v, const float *p, int64_t i, int64_t m)
{
    if (i + 16 <= m) {
        *v = *(const cpu_v16u *)(p + i);
        return;
    }
    *v = (cpu_v16){0};
    for (int64_t l = 0; l < m - i; l++)
        (*v)[l] = p[i + l];
}

XST_CPU_BODY void store(float *p, int64_t i, int64_t m, const cpu_v16 *v)
{
    if (i + 16 <= m) {
        *(cpu_v16u *)(p + i) = *v;
        return;
    }
    for (int64_t l = 0; l < m - i; l++)
        p[i + l] = (*v)[l];
}

/* Sums around the first pixel, so that they do not cancel. */
XST_CPU_BODY void plane_sums_body(const float *x, int64_t m, lane_sums *out)
{
    cpu_v16 shift;
    load(&shift, x, 0, m);
    cpu_v16 sum[4] = {{0}}, square[4] = {{0}};
    int64_t i = 0;
    for (; i + 64 <= m; i += 64)
        for (int k = 0; k < 4; k++) {
            const cpu_v16 d = *(const cpu_v16u *)(x + i + 16 * k) - shift;
            sum[k] += d;
            square[k] += d * d;
        }
    for (; i + 16 <= m; i += 16) {
        const cpu_v16 d = *(const cpu_v16u *)(x + i) - shift;
        sum[0] += d;
        square[0] += d * d;
    }
    cpu_v16 s = (sum[0] + sum[1]) + (sum[2] + sum[3]), q = (square[0] + square[1]) + (square[2] + square[3]);
    for (int64_t l = 0; l < 16; l++) {
        const float tail = l < m - i ? x[i + l] - shift[l] : 0.0f;
        const float count = (float)(m / 16 + (l < m - i));
        const float lane_sum = s[l] + tail, lane_square = q[l] + tail * tail;
        out->count[l] = count;
        out->mean[l] = count > 0.0f ? shift[l] + lane_sum / count : 0.0f;
        out->square[l] = count > 0.0f ? fmaxf(0.0f, lane_square - lane_sum * lane_sum / count) : 0.0f;
    }
}
XST_CPU_KERNEL(plane_sums, (const float *x, int64_t m, lane_sums *out), (x, m, out))

/* y = relu((x - factor[0]) * factor[1] + factor[2]) */
XST_CPU_BODY void plane_normalise_body(const float *x, int64_t m, const float *factor, float *y)
{
    const cpu_v16 mean = *(const cpu_v16u *)factor, scale = *(const cpu_v16u *)(factor + 16),
                  shift = *(const cpu_v16u *)(factor + 32), zero = {0};
    for (int64_t i = 0; i < m; i += 16) {
        cpu_v16 v;
        load(&v, x, i, m);
        v = (v - mean) * scale + shift;
        v = (cpu_v16)((cpu_i16)v & ~(v <= zero)); /* a NaN stays one */
        store(y, i, m, &v);
    }
}
XST_CPU_KERNEL(plane_normalise, (const float *x, int64_t m, const float *factor, float *y), (x, m, factor, y))

/* factor[0] = mean */
XST_CPU_BODY void plane_pair_sums_body(const float *x, const float *y, const float *dy, int64_t m, const float *factor,
                                       pair_sums *out)
{
    const cpu_v16 mean = *(const cpu_v16u *)factor, zero = {0};
    cpu_v16 g[2] = {{0}}, gx[2] = {{0}};
    for (int64_t i = 0, k = 0; i < m; i += 16, k ^= 1) {
        cpu_v16 vx, vy, v;
        load(&vx, x, i, m);
        load(&vy, y, i, m);
        load(&v, dy, i, m);
        v = (cpu_v16)((cpu_i16)v & (vy > zero));
        g[k] += v;
        gx[k] += v * (vx - mean);
    }
    *(cpu_v16u *)out->g = g[0] + g[1];
    *(cpu_v16u *)out->gx = gx[0] + gx[1];
}
XST_CPU_KERNEL(plane_pair_sums,
               (const float *x, const float *y, const float *dy, int64_t m, const float *factor, pair_sums *out),
               (x, y, dy, m, factor, out))

/* dx = g * factor[1] + (x - factor[0]) * factor[2] + factor[3] */
XST_CPU_BODY void plane_backward_body(const float *x, const float *y, const float *dy, int64_t m, const float *factor,
                                      float *dx)
{
    const cpu_v16 mean = *(const cpu_v16u *)factor, a = *(const cpu_v16u *)(factor + 16),
                  b = *(const cpu_v16u *)(factor + 32), c = *(const cpu_v16u *)(factor + 48), zero = {0};
    for (int64_t i = 0; i < m; i += 16) {
        cpu_v16 vx, vy, g;
        load(&vx, x, i, m);
        load(&vy, y, i, m);
        load(&g, dy, i, m);
        g = (cpu_v16)((cpu_i16)g & (vy > zero));
        g = g * a + ((vx - mean) * b + c);
        store(dx, i, m, &g);
    }
}
XST_CPU_KERNEL(plane_backward,
               (const float *x, const float *y, const float *dy, int64_t m, const float *factor, float *dx),
               (x, y, dy, m, factor, dx))

enum { FACTORS = 4 * 16 };

static float *factor_of(const bn *v, int64_t block)
{
    return (float *)v->factor->data + block * FACTORS;
}

/* Channel of a lane of a block, or -1 in the padding. */
static int64_t channel_of(const bn *v, int64_t block, int lane)
{
    const int64_t c = block * v->shape.block + lane % v->shape.block;
    return c < v->shape.channels ? c : -1;
}

static void set_forward_factor(const bn *v, int64_t block, const float *mean, const float *inverse_std)
{
    const float *const gamma = v->gamma->data, *const beta = v->beta->data;
    float *const factor = factor_of(v, block);
    for (int l = 0; l < 16; l++) {
        const int64_t c = channel_of(v, block, l);
        factor[l] = c >= 0 ? mean[c] : 0.0f;
        factor[16 + l] = c >= 0 ? gamma[c] * inverse_std[c] : 0.0f;
        factor[32 + l] = c >= 0 ? beta[c] : 0.0f;
    }
}

/* Mean and variance of channel c from the planes of its block. */
static void combine(const bn *v, int64_t block, int64_t c)
{
    const lane_sums *const sums = (const lane_sums *)v->sums->data + block * v->shape.images;
    const int64_t images = v->shape.images;
    const double n = (double)(images * v->shape.height * v->shape.width);
    double mean = 0.0, square = 0.0;
    for (int64_t i = 0; i < images; i++)
        for (int64_t l = c % v->shape.block; l < 16; l += v->shape.block)
            mean += (double)sums[i].count[l] * sums[i].mean[l];
    mean /= n;
    for (int64_t i = 0; i < images; i++)
        for (int64_t l = c % v->shape.block; l < 16; l += v->shape.block) {
            const double d = sums[i].mean[l] - mean;
            square += sums[i].square[l] + d * d * sums[i].count[l];
        }
    const double f = v->counter ? 1.0 / (*(const uint32_t *)v->counter->data + 1.0) : (double)v->momentum;
    float *const running_mean = (float *)v->running_mean->data + c, *const running_var =
                                                                        (float *)v->running_var->data + c;
    ((float *)v->mean->data)[c] = (float)mean;
    ((float *)v->inverse_std->data)[c] = (float)(1.0 / sqrt(square / n + (double)v->eps));
    *running_mean = (float)((1.0 - f) * *running_mean + f * mean);
    *running_var = (float)((1.0 - f) * *running_var + f * (square / (n - 1.0)));
}

static xst_status forward_run(void *self, xst_error *err)
{
    (void)err;
    const bn *const v = self;
    const cpu_channels *const s = &v->shape;
    const int64_t planes = s->blocks * s->images, m = s->height * s->width * s->block;
    const float *const x = v->x->data;
    lane_sums *const sums = v->sums->data;
    float *const y = v->y->data;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++)
            plane_sums[v->isa](x + xst_cpu_plane(s, p % s->images, p / s->images), m, &sums[p]);
#pragma omp for schedule(static)
        for (int64_t block = 0; block < s->blocks; block++) {
            for (int l = 0; l < s->block; l++)
                if (channel_of(v, block, l) >= 0)
                    combine(v, block, channel_of(v, block, l));
            set_forward_factor(v, block, v->mean->data, v->inverse_std->data);
        }
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++) {
            const int64_t at = xst_cpu_plane(s, p % s->images, p / s->images);
            plane_normalise[v->isa](x + at, m, factor_of(v, p / s->images), y + at);
        }
    }
    return XST_OK;
}

static xst_status eval_run(void *self, xst_error *err)
{
    (void)err;
    const bn *const v = self;
    const cpu_channels *const s = &v->shape;
    const int64_t planes = s->blocks * s->images, m = s->height * s->width * s->block;
    const float *const x = v->x->data, *const var = v->running_var->data;
    float *const y = v->y->data, *const inverse_std = v->sums->data;
    for (int64_t c = 0; c < s->channels; c++)
        inverse_std[c] = (float)(1.0 / sqrt((double)var[c] + (double)v->eps));
    for (int64_t block = 0; block < s->blocks; block++)
        set_forward_factor(v, block, v->running_mean->data, inverse_std);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < planes; p++) {
        const int64_t at = xst_cpu_plane(s, p % s->images, p / s->images);
        plane_normalise[v->isa](x + at, m, factor_of(v, p / s->images), y + at);
    }
    return XST_OK;
}

static void set_mean(const bn *v, int64_t block)
{
    float *const factor = factor_of(v, block);
    for (int l = 0; l < 16; l++) {
        const int64_t c = channel_of(v, block, l);
        factor[l] = c >= 0 ? ((const float *)v->mean->data)[c] : 0.0f;
    }
}

/* dgamma, dbeta and the factors of the last pass, for one block. */
static void combine_backward(const bn *v, int64_t block)
{
    const cpu_channels *const s = &v->shape;
    const pair_sums *const sums = (const pair_sums *)v->sums->data + block * s->images;
    const double n = (double)(s->images * s->height * s->width);
    float *const factor = factor_of(v, block);
    for (int l = 0; l < 16; l++) {
        const int64_t c = channel_of(v, block, l);
        double g = 0.0, gx = 0.0;
        for (int64_t i = 0; i < s->images; i++)
            for (int64_t k = l % s->block; k < 16; k += s->block) {
                g += sums[i].g[k];
                gx += sums[i].gx[k];
            }
        const double inverse_std = c >= 0 ? (double)((const float *)v->inverse_std->data)[c] : 0.0;
        const double a = c >= 0 ? (double)((const float *)v->gamma->data)[c] * inverse_std : 0.0;
        factor[16 + l] = (float)a;
        factor[32 + l] = (float)(-a * inverse_std * inverse_std * gx / n);
        factor[48 + l] = (float)(-a * g / n);
        if (c >= 0 && l < s->block) {
            ((float *)v->dbeta->data)[c] = (float)g;
            ((float *)v->dgamma->data)[c] = (float)(gx * inverse_std);
        }
    }
}

static xst_status backward_run(void *self, xst_error *err)
{
    (void)err;
    const bn *const v = self;
    const cpu_channels *const s = &v->shape;
    const int64_t planes = s->blocks * s->images, m = s->height * s->width * s->block;
    const float *const x = v->x->data, *const y = v->y->data, *const dy = v->dy->data;
    pair_sums *const sums = v->sums->data;
    float *const dx = v->dx->data;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t block = 0; block < s->blocks; block++)
            set_mean(v, block);
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++) {
            const int64_t at = xst_cpu_plane(s, p % s->images, p / s->images);
            plane_pair_sums[v->isa](x + at, y + at, dy + at, m, factor_of(v, p / s->images), &sums[p]);
        }
#pragma omp for schedule(static)
        for (int64_t block = 0; block < s->blocks; block++)
            combine_backward(v, block);
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++) {
            const int64_t at = xst_cpu_plane(s, p % s->images, p / s->images);
            plane_backward[v->isa](x + at, y + at, dy + at, m, factor_of(v, p / s->images), dx + at);
        }
    }
    return XST_OK;
}

/* The step with what all three kinds share. */
static xst_status begin(cpu_compiler *c, const xst_op *op, xst_tensor x, xst_status (*run)(void *, xst_error *),
                        size_t plane_bytes, bn **out, xst_error *err)
{
    const cpu_channels shape = xst_cpu_channels(c, x);
    cpu_place *sums = NULL, *factor = NULL, *px = NULL;
    void *self = NULL;
    xst_status status = xst_cpu_scratch(c, (size_t)(shape.blocks * shape.images) * plane_bytes, &sums, err);
    if (status == XST_OK)
        status = xst_cpu_scratch(c, (size_t)shape.blocks * FACTORS * sizeof(float), &factor, err);
    if (status == XST_OK)
        status = xst_cpu_read_channels(c, x, &px, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(bn), run, NULL, &self, err);
    *out = self;
    if (status == XST_OK)
        **out = (bn){.shape = shape,
                     .isa = c->session->backend->isa,
                     .momentum = op->p.bn.momentum,
                     .eps = op->p.bn.eps,
                     .x = px,
                     .sums = sums,
                     .factor = factor};
    return status;
}

xst_status xst_cpu_bn_forward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    bn *v;
    cpu_place *y = NULL;
    xst_status status = begin(c, op, op->in[0], forward_run, sizeof(lane_sums), &v, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &y, err);
    if (status != XST_OK)
        return status;
    v->gamma = xst_cpu_place(c, op->in[1]);
    v->beta = xst_cpu_place(c, op->in[2]);
    v->counter = op->in[3] >= 0 ? xst_cpu_place(c, op->in[3]) : NULL;
    v->y = y;
    v->mean = xst_cpu_place(c, op->out[1]);
    v->inverse_std = xst_cpu_place(c, op->out[2]);
    v->running_mean = xst_cpu_place(c, op->out[3]);
    v->running_var = xst_cpu_place(c, op->out[4]);
    return XST_OK;
}

xst_status xst_cpu_bn_backward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    bn *v;
    cpu_place *dy = NULL, *y = NULL, *dx = NULL;
    xst_status status = xst_cpu_read_channels(c, op->in[0], &dy, err);
    if (status == XST_OK)
        status = xst_cpu_read_channels(c, op->in[2], &y, err);
    if (status == XST_OK)
        status = begin(c, op, op->in[1], backward_run, sizeof(pair_sums), &v, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &dx, err);
    if (status != XST_OK)
        return status;
    v->dy = dy;
    v->y = y;
    v->dx = dx;
    v->gamma = xst_cpu_place(c, op->in[3]);
    v->mean = xst_cpu_place(c, op->in[4]);
    v->inverse_std = xst_cpu_place(c, op->in[5]);
    v->dgamma = xst_cpu_place(c, op->out[1]);
    v->dbeta = xst_cpu_place(c, op->out[2]);
    return XST_OK;
}

xst_status xst_cpu_bn_eval(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    bn *v;
    cpu_place *y = NULL;
    xst_status status = begin(c, op, op->in[0], eval_run, 16 * sizeof(float), &v, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &y, err);
    if (status != XST_OK)
        return status;
    v->gamma = xst_cpu_place(c, op->in[1]);
    v->beta = xst_cpu_place(c, op->in[2]);
    v->running_mean = xst_cpu_place(c, op->in[3]);
    v->running_var = xst_cpu_place(c, op->in[4]);
    v->y = y;
    return XST_OK;
}
