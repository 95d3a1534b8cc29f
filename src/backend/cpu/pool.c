/* 2x2 maximum pooling in channel blocks, and the operations on activations that only move or mask them. */
#include "backend/cpu/channels.h"

#include <string.h>

typedef struct pool {
    cpu_channels in; /* of x */
    xst_cpu_isa isa;
    const cpu_place *x, *y, *dy, *dx;
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
XST_CPU_BODY void backward_plane(const float *x, const float *y, const float *dy, int64_t height, int64_t width,
                                 int block, float *dx)
{
    if (height % 2 || width % 2)
        memset(dx, 0, (size_t)(height * width * block) * sizeof *dx);
    for (int64_t h = 0; h < height / 2; h++)
        for (int64_t w = 0; w < width / 2; w++, y += block, dy += block) {
            const int64_t at = (2 * h * width + 2 * w) * block, below = at + width * block;
#pragma omp simd
            for (int l = 0; l < block; l++) {
                const int64_t i = at + l, k = below + l;
                const int first = x[i] == y[l], second = !first && x[i + block] == y[l],
                          third = !first && !second && x[k] == y[l], fourth = !first && !second && !third;
                dx[i] = first ? dy[l] : 0.0f;
                dx[i + block] = second ? dy[l] : 0.0f;
                dx[k] = third ? dy[l] : 0.0f;
                dx[k + block] = fourth ? dy[l] : 0.0f;
            }
        }
}

XST_CPU_BODY void pool_backward_body(const cpu_channels *s, const float *x, const float *y, const float *dy, float *dx)
{
    if (s->block == 16)
        backward_plane(x, y, dy, s->height, s->width, 16, dx);
    else
        backward_plane(x, y, dy, s->height, s->width, 8, dx);
}
XST_CPU_KERNEL(pool_backward, (const cpu_channels *s, const float *x, const float *y, const float *dy, float *dx),
               (s, x, y, dy, dx))

static int64_t pooled_plane(const cpu_channels *s)
{
    return (s->height / 2) * (s->width / 2) * s->block;
}

static xst_status forward_run(void *self, xst_error *err)
{
    (void)err;
    const pool *const v = self;
    const cpu_channels *const s = &v->in;
    const int64_t planes = s->images * s->blocks, size = s->height * s->width * s->block, pooled = pooled_plane(s);
    const float *const x = v->x->data;
    float *const y = v->y->data;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < planes; p++)
        pool_forward[v->isa](s, x + p * size, y + p * pooled);
    return XST_OK;
}

static xst_status backward_run(void *self, xst_error *err)
{
    (void)err;
    const pool *const v = self;
    const cpu_channels *const s = &v->in;
    const int64_t planes = s->images * s->blocks, size = s->height * s->width * s->block, pooled = pooled_plane(s);
    const float *const x = v->x->data, *const y = v->y->data, *const dy = v->dy->data;
    float *const dx = v->dx->data;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < planes; p++)
        pool_backward[v->isa](s, x + p * size, y + p * pooled, dy + p * pooled, dx + p * size);
    return XST_OK;
}

xst_status xst_cpu_pool_forward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *x = NULL, *y = NULL;
    xst_status status = xst_cpu_read_channels(c, op->in[0], &x, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &y, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(pool), forward_run, NULL, &self, err);
    if (status == XST_OK)
        *(pool *)self = (pool){.in = xst_cpu_channels(c, op->in[0]), .isa = c->session->backend->isa, .x = x, .y = y};
    return status;
}

xst_status xst_cpu_pool_backward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *x = NULL, *y = NULL, *dy = NULL, *dx = NULL;
    xst_status status = xst_cpu_read_channels(c, op->in[0], &dy, err);
    if (status == XST_OK)
        status = xst_cpu_read_channels(c, op->in[1], &x, err);
    if (status == XST_OK)
        status = xst_cpu_read_channels(c, op->in[2], &y, err);
    if (status == XST_OK)
        status = xst_cpu_write_channels(c, op->out[0], &dx, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(pool), backward_run, NULL, &self, err);
    if (status == XST_OK)
        *(pool *)self = (pool){
            .in = xst_cpu_channels(c, op->in[1]), .isa = c->session->backend->isa, .x = x, .y = y, .dy = dy, .dx = dx};
    return status;
}

typedef struct reshape {
    cpu_offsets from, to;
    const cpu_place *x, *y;
} reshape;

/* Walks the elements in row-major order on both sides. */
static void next_index(const cpu_offsets *o, int64_t i[XST_RANK_MAX])
{
    for (int d = XST_RANK_MAX - 1; d >= 0; d--) {
        if (++i[d] < o->dim[d])
            return;
        i[d] = 0;
    }
}

static xst_status reshape_run(void *self, xst_error *err)
{
    (void)err;
    const reshape *const v = self;
    const float *const x = v->x->data;
    float *const y = v->y->data;
    int64_t i[XST_RANK_MAX] = {0}, k[XST_RANK_MAX] = {0};
    const int64_t n = v->from.dim[0] * v->from.dim[1] * v->from.dim[2] * v->from.dim[3];
    if (v->y->layout.blocked)
        memset(y, 0, v->y->layout.bytes);
    for (int64_t e = 0; e < n; e++) {
        y[v->to.of[0][k[0]] + v->to.of[1][k[1]] + v->to.of[2][k[2]] + v->to.of[3][k[3]]] =
            x[v->from.of[0][i[0]] + v->from.of[1][i[1]] + v->from.of[2][i[2]] + v->from.of[3][i[3]]];
        next_index(&v->from, i);
        next_index(&v->to, k);
    }
    return XST_OK;
}

static void reshape_release(void *self)
{
    xst_cpu_offsets_free(&((reshape *)self)->from);
    xst_cpu_offsets_free(&((reshape *)self)->to);
}

xst_status xst_cpu_reshape(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    xst_status status = xst_cpu_step(c, sizeof(reshape), reshape_run, reshape_release, &self, err);
    if (status != XST_OK)
        return status;
    reshape *const v = self;
    v->x = xst_cpu_place(c, op->in[0]);
    v->y = xst_cpu_place(c, op->out[0]);
    status = xst_cpu_offsets_create(&v->from, xst_cpu_info(c, op->in[0]), &v->x->layout, err);
    if (status == XST_OK)
        status = xst_cpu_offsets_create(&v->to, xst_cpu_info(c, op->out[0]), &v->y->layout, err);
    return status;
}

typedef struct relu {
    int64_t n;
    const cpu_place *dy, *y, *dx;
} relu;

static xst_status relu_run(void *self, xst_error *err)
{
    (void)err;
    const relu *const v = self;
    const float *const dy = v->dy->data, *const y = v->y->data;
    float *const dx = v->dx->data;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < v->n; i++)
        dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    return XST_OK;
}

xst_status xst_cpu_relu_backward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *dy = NULL, *y = NULL, *dx = NULL;
    xst_status status = xst_cpu_read_plain(c, op->in[0], &dy, err);
    if (status == XST_OK)
        status = xst_cpu_read_plain(c, op->in[1], &y, err);
    if (status == XST_OK)
        status = xst_cpu_write_plain(c, op->out[0], &dx, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(relu), relu_run, NULL, &self, err);
    if (status == XST_OK)
        *(relu *)self = (relu){.n = xst_tensor_elements(xst_cpu_info(c, op->in[0])), .dy = dy, .y = y, .dx = dx};
    return status;
}
