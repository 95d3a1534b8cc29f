#include "backend/cpu/pool.h"

#include "backend/cpu/layouts.h"

#include <string.h>

typedef struct pool {
    cpu_channels in; /* of x */
    xst_cpu_isa isa;
    const cpu_place *x, *y, *dy, *dx; /* the maximum is found again from x, so backward needs no y */
} pool;

/* One plane; `block` is a constant where this is inlined. */
XST_CPU_BODY void forward_plane(const float *x, int64_t height, int64_t width, int block, float *y)
{
    for (int64_t h = 0; h < height / 2; h++)
        for (int64_t w = 0; w < width / 2; w++, y += block) {
            const float *const a = x + (2 * h * width + 2 * w) * block, *const b = a + width * block;
#pragma omp simd
            for (int l = 0; l < block; l++) {
                const float top = a[block + l] > a[l] ? a[block + l] : a[l];
                const float bottom = b[block + l] > b[l] ? b[block + l] : b[l];
                y[l] = bottom > top ? bottom : top;
            }
        }
}

XST_CPU_BODY void pool_forward_body(const cpu_channels *s, const float *x, float *y)
{
    if (s->block == 16)
        forward_plane(x, s->height, s->width, 16, y);
    else
        forward_plane(x, s->height, s->width, 8, y);
}
XST_CPU_KERNEL(pool_forward, (const cpu_channels *s, const float *x, float *y), (s, x, y))

/* The gradient goes to the first in row order that equals the maximum. */
XST_CPU_BODY void backward_plane(const float *x, const float *dy, int64_t height, int64_t width, int block, float *dx)
{
    if (height % 2 || width % 2)
        memset(dx, 0, (size_t)(height * width * block) * sizeof *dx);
    for (int64_t h = 0; h < height / 2; h++)
        for (int64_t w = 0; w < width / 2; w++, dy += block) {
            const int64_t at = (2 * h * width + 2 * w) * block, below = at + width * block;
#pragma omp simd
            for (int l = 0; l < block; l++) {
                const float a = x[at + l], b = x[at + block + l], c = x[below + l], d = x[below + block + l];
                const float top = b > a ? b : a, bottom = d > c ? d : c, y = bottom > top ? bottom : top;
                const int first = a == y, second = !first & (b == y), third = !first & !second & (c == y);
                dx[at + l] = first ? dy[l] : 0.0f;
                dx[at + block + l] = second ? dy[l] : 0.0f;
                dx[below + l] = third ? dy[l] : 0.0f;
                dx[below + block + l] = (!first & !second & !third) ? dy[l] : 0.0f;
            }
        }
}

XST_CPU_BODY void pool_backward_body(const cpu_channels *s, const float *x, const float *dy, float *dx)
{
    if (s->block == 16)
        backward_plane(x, dy, s->height, s->width, 16, dx);
    else
        backward_plane(x, dy, s->height, s->width, 8, dx);
}
XST_CPU_KERNEL(pool_backward, (const cpu_channels *s, const float *x, const float *dy, float *dx), (s, x, dy, dx))

void xst_cpu_pool_plane(const cpu_channels *s, xst_cpu_isa isa, const float *x, float *y)
{
    pool_forward[isa](s, x, y);
}

void xst_cpu_pool_plane_backward(const cpu_channels *s, xst_cpu_isa isa, const float *x, const float *dy, float *dx)
{
    pool_backward[isa](s, x, dy, dx);
}

static xst_status forward_run(void *self, xst_error *err)
{
    (void)err;
    const pool *const v = self;
    const cpu_channels *const s = &v->in;
    const int64_t planes = s->images * s->blocks;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < planes; p++)
        pool_forward[v->isa](s, (const float *)v->x->data + xst_cpu_plane(s, p / s->blocks, p % s->blocks),
                             (float *)v->y->data + xst_cpu_pooled_plane(s, p / s->blocks, p % s->blocks));
    return XST_OK;
}

static xst_status backward_run(void *self, xst_error *err)
{
    (void)err;
    const pool *const v = self;
    const cpu_channels *const s = &v->in;
    const int64_t planes = s->images * s->blocks;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < planes; p++) {
        const int64_t at = xst_cpu_plane(s, p / s->blocks, p % s->blocks);
        pool_backward[v->isa](s, (const float *)v->x->data + at,
                              (const float *)v->dy->data + xst_cpu_pooled_plane(s, p / s->blocks, p % s->blocks),
                              (float *)v->dx->data + at);
    }
    return XST_OK;
}

xst_status xst_cpu_pool_forward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *x = NULL, *y = NULL;
    if (c->fused[c->op])
        return XST_OK;
    xst_status status = xst_cpu_read_channels(c, op->in[0], &x, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &y, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(pool), forward_run, NULL, &self, err);
    if (status == XST_OK)
        *(pool *)self = (pool){.in = xst_cpu_channels(c, op->in[0]), .isa = c->session->backend->isa, .x = x, .y = y};
    return status;
}

bool xst_cpu_pool_joins(const cpu_compiler *c, int32_t index)
{
    const xst_program *const p = c->program;
    if (p->op[index].kind != XST_OP_POOL_BACKWARD || index + 1 >= p->count)
        return false;
    const xst_op *const before = &p->op[index], *const bn = &p->op[index + 1];
    const xst_tensor dx = before->out[0];
    int readers = 0;
    for (int32_t i = 0; i < p->count; i++)
        for (int k = 0; k < xst_cpu_input_count(p->op[i].kind); k++)
            readers += p->op[i].in[k] == dx;
    return bn->kind == XST_OP_BN_RELU_BACKWARD && bn->in[0] == dx && bn->in[2] == before->in[1] && readers == 1 &&
           xst_cpu_info(c, dx)->kind == XST_TEMP;
}

xst_status xst_cpu_pool_backward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *x = NULL, *dy = NULL, *dx = NULL;
    if (xst_cpu_pool_joins(c, c->op))
        return XST_OK;
    xst_status status = xst_cpu_read_channels(c, op->in[0], &dy, err);
    if (status == XST_OK)
        status = xst_cpu_read_channels(c, op->in[1], &x, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &dx, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(pool), backward_run, NULL, &self, err);
    if (status == XST_OK)
        *(pool *)self =
            (pool){.in = xst_cpu_channels(c, op->in[1]), .isa = c->session->backend->isa, .x = x, .dy = dy, .dx = dx};
    return status;
}
