/* Operations that only move or mask activations. */
#include "backend/cpu/cpu.h"

#include <string.h>

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
