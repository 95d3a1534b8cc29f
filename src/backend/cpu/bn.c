/* Batch normalisation with ReLU, in channel blocks.
 *
 * Own kernels rather than oneDNN's: the operation reads y for the ReLU mask where oneDNN wants a workspace of its
 * forward pass, and both passes are bound by memory, where there is nothing to gain. Vectors of 16 lanes run over a
 * plane [H*W][block]; with blocks of 8 channels lane l and l + 8 are two pixels of one channel. Each plane gives its
 * partial sums in float, planes are put together in double, in the order of the images. */
#include "backend/cpu/bn_planes.h"
#include "backend/cpu/layouts.h"
#include "backend/cpu/pool.h"

#include <math.h>
#include <omp.h>
#include <string.h>

typedef struct bn {
    cpu_channels shape;
    xst_cpu_isa isa;
    float momentum, eps;
    const cpu_place *x, *gamma, *beta, *counter, *y, *mean, *inverse_std, *running_mean, *running_var;
    const cpu_place *dy, *dx, *dgamma, *dbeta;
    const cpu_place *pooled; /* y of the pool that follows, or dy of the pool in front (backward); NULL: no pool */
    const cpu_place *planes; /* two planes per thread */
    const cpu_place *sums;   /* per plane: cpu_lane_sums or cpu_pair_sums */
    const cpu_place *factor; /* per block: vectors of 16 lanes for the last pass */
} bn;

enum { FACTORS = 6 * 16 };

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
    const cpu_lane_sums *const sums = (const cpu_lane_sums *)v->sums->data + block * v->shape.images;
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

/* Plane p counts through the images of one block, then the next block. */
static void normalise_plane(const bn *v, int64_t p)
{
    const cpu_channels *const s = &v->shape;
    const int64_t block = p / s->images, at = xst_cpu_plane(s, p % s->images, block);
    float *const y = (float *)v->y->data + at;
    xst_cpu_plane_normalise(v->isa, (const float *)v->x->data + at, s->height * s->width * s->block,
                            factor_of(v, block), y);
    if (v->pooled)
        xst_cpu_pool_plane(s, v->isa, y, (float *)v->pooled->data + xst_cpu_pooled_plane(s, p % s->images, block));
}

static void prepare_block(const bn *v, int64_t block)
{
    for (int l = 0; l < v->shape.block; l++)
        if (channel_of(v, block, l) >= 0)
            combine(v, block, channel_of(v, block, l));
    set_forward_factor(v, block, v->mean->data, v->inverse_std->data);
}

static xst_status forward_run(void *self, xst_error *err)
{
    (void)err;
    const bn *const v = self;
    const cpu_channels *const s = &v->shape;
    const int64_t planes = s->blocks * s->images, m = s->height * s->width * s->block;
    const float *const x = v->x->data;
    cpu_lane_sums *const sums = v->sums->data;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++)
            xst_cpu_plane_sums(v->isa, x + xst_cpu_plane(s, p % s->images, p / s->images), m, &sums[p]);
#pragma omp for schedule(static)
        for (int64_t block = 0; block < s->blocks; block++)
            prepare_block(v, block);
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++)
            normalise_plane(v, p);
    }
    return XST_OK;
}

static xst_status eval_run(void *self, xst_error *err)
{
    (void)err;
    const bn *const v = self;
    const cpu_channels *const s = &v->shape;
    const int64_t planes = s->blocks * s->images;
    const float *const var = v->running_var->data;
    float *const inverse_std = v->sums->data;
    for (int64_t c = 0; c < s->channels; c++)
        inverse_std[c] = (float)(1.0 / sqrt((double)var[c] + (double)v->eps));
    for (int64_t block = 0; block < s->blocks; block++)
        set_forward_factor(v, block, v->running_mean->data, inverse_std);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < planes; p++)
        normalise_plane(v, p);
    return XST_OK;
}

/* The mean, and, where beta is known, what makes y again (as in set_forward_factor). */
static void set_backward_factor(const bn *v, int64_t block)
{
    const float *const mean = v->mean->data, *const gamma = v->gamma->data, *const inverse_std = v->inverse_std->data;
    float *const factor = factor_of(v, block);
    for (int l = 0; l < 16; l++) {
        const int64_t c = channel_of(v, block, l);
        factor[l] = c >= 0 ? mean[c] : 0.0f;
        factor[64 + l] = c >= 0 ? gamma[c] * inverse_std[c] : 0.0f;
        factor[80 + l] = c >= 0 && v->beta ? ((const float *)v->beta->data)[c] : 0.0f;
    }
}

/* dgamma, dbeta and the factors of the last pass, for one block. */
static void combine_backward(const bn *v, int64_t block)
{
    const cpu_channels *const s = &v->shape;
    const cpu_pair_sums *const sums = (const cpu_pair_sums *)v->sums->data + block * s->images;
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

/* Where a plane's dy and y come from: memory, or the thread's own two planes. */
typedef struct plane_source {
    const float *dy, *y; /* y NULL: to be found again from x */
} plane_source;

static plane_source plane_source_of(const bn *v, int64_t p)
{
    const cpu_channels *const s = &v->shape;
    const int64_t image = p % s->images, block = p / s->images, at = xst_cpu_plane(s, image, block),
                  m = s->height * s->width * s->block;
    plane_source source = {.y = v->beta ? NULL : (const float *)v->y->data + at};
    if (!v->pooled) {
        source.dy = (const float *)v->dy->data + at;
        return source;
    }
    float *const dy = (float *)v->planes->data + omp_get_thread_num() * 2 * m, *const y = dy + m;
    if (v->beta) {
        float factor[48];
        memcpy(factor, factor_of(v, block), 16 * sizeof *factor);
        memcpy(factor + 16, factor_of(v, block) + 64, 32 * sizeof *factor);
        xst_cpu_plane_normalise(v->isa, (const float *)v->x->data + at, m, factor, y);
        source.y = y;
    }
    xst_cpu_pool_plane_backward(s, v->isa, source.y,
                                (const float *)v->pooled->data + xst_cpu_pooled_plane(s, image, block), dy);
    source.dy = dy;
    return source;
}

static void sum_plane(const bn *v, int64_t p)
{
    const cpu_channels *const s = &v->shape;
    const int64_t at = xst_cpu_plane(s, p % s->images, p / s->images);
    const plane_source source = plane_source_of(v, p);
    xst_cpu_plane_pair_sums(v->isa, (const float *)v->x->data + at, source.y, source.dy,
                            s->height * s->width * s->block, factor_of(v, p / s->images),
                            (cpu_pair_sums *)v->sums->data + p);
}

static void backward_plane(const bn *v, int64_t p)
{
    const cpu_channels *const s = &v->shape;
    const int64_t at = xst_cpu_plane(s, p % s->images, p / s->images);
    const plane_source source = plane_source_of(v, p);
    xst_cpu_plane_backward(v->isa, (const float *)v->x->data + at, source.y, source.dy, s->height * s->width * s->block,
                           factor_of(v, p / s->images), (float *)v->dx->data + at);
}

static xst_status backward_run(void *self, xst_error *err)
{
    (void)err;
    const bn *const v = self;
    const cpu_channels *const s = &v->shape;
    const int64_t planes = s->blocks * s->images;
    for (int64_t block = 0; block < s->blocks; block++)
        set_backward_factor(v, block);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++)
            sum_plane(v, p);
#pragma omp for schedule(static)
        for (int64_t block = 0; block < s->blocks; block++)
            combine_backward(v, block);
#pragma omp for schedule(static)
        for (int64_t p = 0; p < planes; p++)
            backward_plane(v, p);
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

/* The pool that reads y next is done plane by plane, while y is in the cache. */
static xst_status add_pool(cpu_compiler *c, const xst_op *op, bn *v, xst_error *err)
{
    cpu_place *pooled = NULL;
    const int32_t next = c->op + 1;
    if (next >= c->program->count || c->program->op[next].kind != XST_OP_POOL_FORWARD ||
        c->program->op[next].in[0] != op->out[0])
        return XST_OK;
    const xst_status status = xst_cpu_write_channels(c, c->program->op[next].out[0], &pooled, err);
    v->pooled = pooled;
    c->fused[next] = true;
    return status;
}

xst_status xst_cpu_bn_forward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    bn *v;
    cpu_place *y = NULL;
    xst_status status = begin(c, op, op->in[0], forward_run, sizeof(cpu_lane_sums), &v, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &y, err);
    if (status != XST_OK)
        return status;
    v->gamma = xst_cpu_place(c, op->in[1]);
    v->beta = xst_cpu_place(c, op->in[2]);
    v->counter = op->in[3] >= 0 ? xst_cpu_place(c, op->in[3]) : NULL;
    v->y = y;
    status = add_pool(c, op, v, err);
    if (status != XST_OK)
        return status;
    v->mean = xst_cpu_place(c, op->out[1]);
    v->inverse_std = xst_cpu_place(c, op->out[2]);
    v->running_mean = xst_cpu_place(c, op->out[3]);
    v->running_var = xst_cpu_place(c, op->out[4]);
    return XST_OK;
}

/* dy, or, where a pool in front was left to us, what dy is made from. */
static xst_status read_dy(cpu_compiler *c, const xst_op *op, bn *v, xst_error *err)
{
    cpu_place *dy = NULL, *planes = NULL;
    const bool pool = c->op > 0 && xst_cpu_pool_joins(c, c->op - 1);
    const cpu_channels *const s = &v->shape;
    xst_status status = xst_cpu_read_channels(c, pool ? c->program->op[c->op - 1].in[0] : op->in[0], &dy, err);
    if (status == XST_OK && pool)
        status = xst_cpu_scratch(
            c, 2 * (size_t)(c->session->backend->threads * s->height * s->width * s->block) * sizeof(float), &planes,
            err);
    *(pool ? &v->pooled : &v->dy) = dy;
    v->planes = planes;
    return status;
}

static bool is_among(const xst_tensor *list, int n, xst_tensor t)
{
    for (int i = 0; i < n; i++)
        if (list[i] == t)
            return true;
    return false;
}

/* The beta with which y was made earlier in this program, if everything that y came from is still as it was; else -1.
 */
static xst_tensor beta_of(const cpu_compiler *c, const xst_op *op)
{
    for (int32_t i = c->op - 1; i >= 0; i--) {
        const xst_op *const f = &c->program->op[i];
        if (f->kind == XST_OP_BN_RELU_FORWARD && f->out[0] == op->in[2])
            return f->in[0] == op->in[1] && f->in[1] == op->in[3] && f->out[1] == op->in[4] && f->out[2] == op->in[5]
                       ? f->in[2]
                       : -1;
        for (int k = 0; k < xst_cpu_output_count(f->kind); k++)
            if (is_among(op->in + 1, 5, f->out[k]))
                return -1;
    }
    return -1;
}

/* Whether an operation after the one that made y, and before this one, writes beta. */
static bool beta_changes(const cpu_compiler *c, const xst_op *op, xst_tensor beta)
{
    for (int32_t i = c->op - 1; i >= 0 && c->program->op[i].out[0] != op->in[2]; i--)
        if (is_among(c->program->op[i].out, xst_cpu_output_count(c->program->op[i].kind), beta))
            return true;
    return false;
}

xst_status xst_cpu_bn_backward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    bn *v;
    bn inputs = {.shape = xst_cpu_channels(c, op->in[1])};
    cpu_place *y = NULL, *dx = NULL;
    xst_status status = read_dy(c, op, &inputs, err);
    if (status == XST_OK)
        status = xst_cpu_read_channels(c, op->in[2], &y, err);
    if (status == XST_OK)
        status = begin(c, op, op->in[1], backward_run, sizeof(cpu_pair_sums), &v, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &dx, err);
    if (status != XST_OK)
        return status;
    v->dy = inputs.dy;
    v->pooled = inputs.pooled;
    v->planes = inputs.planes;
    v->y = y;
    v->dx = dx;
    v->gamma = xst_cpu_place(c, op->in[3]);
    v->mean = xst_cpu_place(c, op->in[4]);
    v->inverse_std = xst_cpu_place(c, op->in[5]);
    const xst_tensor beta = beta_of(c, op);
    v->beta = beta >= 0 && !beta_changes(c, op, beta) ? xst_cpu_place(c, beta) : NULL;
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
    return add_pool(c, op, v, err);
}

/* The last pass of backward, with a factor for dy alone: y stands in for x, which it does not look at. */
static xst_status eval_backward_run(void *self, xst_error *err)
{
    (void)err;
    const bn *const v = self;
    const cpu_channels *const s = &v->shape;
    const int64_t planes = s->blocks * s->images;
    const float *const var = v->running_var->data, *const gamma = v->gamma->data;
    for (int64_t block = 0; block < s->blocks; block++) {
        float *const factor = factor_of(v, block);
        memset(factor, 0, FACTORS * sizeof *factor);
        for (int l = 0; l < 16; l++) {
            const int64_t c = channel_of(v, block, l);
            factor[16 + l] = c >= 0 ? (float)((double)gamma[c] / sqrt((double)var[c] + (double)v->eps)) : 0.0f;
        }
    }
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < planes; p++) {
        const int64_t at = xst_cpu_plane(s, p % s->images, p / s->images);
        const float *const y = (const float *)v->x->data + at;
        xst_cpu_plane_backward(v->isa, y, y, (const float *)v->dy->data + at, s->height * s->width * s->block,
                               factor_of(v, p / s->images), (float *)v->dx->data + at);
    }
    return XST_OK;
}

xst_status xst_cpu_bn_eval_backward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    bn *v;
    cpu_place *dy = NULL, *dx = NULL;
    xst_status status = xst_cpu_read_channels(c, op->in[0], &dy, err);
    if (status == XST_OK)
        status = begin(c, op, op->in[1], eval_backward_run, 0, &v, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &dx, err);
    if (status != XST_OK)
        return status;
    v->dy = dy;
    v->dx = dx;
    v->gamma = xst_cpu_place(c, op->in[2]);
    v->running_var = xst_cpu_place(c, op->in[3]);
    return XST_OK;
}
