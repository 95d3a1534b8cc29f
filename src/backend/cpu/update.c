/* The optimisers: Adam on the mask, Nesterov SGD on active columns and on plain tensors. */
#include "backend/cpu/columns.h"
#include "backend/cpu/cpu.h"

#include <math.h>

enum { CHUNK = 4096 };

typedef struct adam {
    xst_cpu_isa isa;
    int64_t n;
    const cpu_place *g, *preserved, *t, *rates, *m_r, *m, *v;
} adam;

typedef struct adam_scalars {
    float rate; /* rates[1] / (1 - .9^t) */
    float root; /* 1 / sqrt(1 - .999^t) */
} adam_scalars;

XST_CPU_BODY void adam_chunk_body(const adam_scalars *s, int64_t n, const float *restrict g,
                                  const uint8_t *restrict preserved, float *restrict m_r, float *restrict m,
                                  float *restrict v)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float m1 = fmaf(0.9f, m[i], 0.1f * g[i]), v1 = fmaf(0.999f, v[i], 0.001f * g[i] * g[i]);
        const float r1 = m_r[i] - s->rate * m1 / fmaf(sqrtf(v1), s->root, 1e-8f);
        m[i] = preserved[i] ? m1 : m[i];
        v[i] = preserved[i] ? v1 : v[i];
        m_r[i] = preserved[i] ? r1 : m_r[i];
    }
}
XST_CPU_KERNEL(adam_chunk,
               (const adam_scalars *s, int64_t n, const float *g, const uint8_t *preserved, float *m_r, float *m,
                float *v),
               (s, n, g, preserved, m_r, m, v))

static xst_status adam_run(void *self, xst_error *err)
{
    (void)err;
    const adam *const a = self;
    const double t = *(const uint32_t *)a->t->data;
    const adam_scalars s = {(float)(((const float *)a->rates->data)[1] / (1.0 - pow(0.9, t))),
                            (float)(1.0 / sqrt(1.0 - pow(0.999, t)))};
    const float *const g = a->g->data;
    const uint8_t *const preserved = a->preserved->data;
    float *const m_r = a->m_r->data, *const m = a->m->data, *const v = a->v->data;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < a->n; i += CHUNK)
        adam_chunk[a->isa](&s, a->n - i < CHUNK ? a->n - i : CHUNK, g + i, preserved + i, m_r + i, m + i, v + i);
    return XST_OK;
}

xst_status xst_cpu_adam(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    const xst_status status = xst_cpu_step(c, sizeof(adam), adam_run, NULL, &self, err);
    if (status == XST_OK)
        *(adam *)self = (adam){.isa = c->session->backend->isa,
                               .n = xst_tensor_elements(xst_cpu_info(c, op->in[0])),
                               .g = xst_cpu_place(c, op->in[0]),
                               .preserved = xst_cpu_place(c, op->in[1]),
                               .t = xst_cpu_place(c, op->in[2]),
                               .rates = xst_cpu_place(c, op->in[3]),
                               .m_r = xst_cpu_place(c, op->out[0]),
                               .m = xst_cpu_place(c, op->out[1]),
                               .v = xst_cpu_place(c, op->out[2])};
    return status;
}

/* One weight of ops.h, SGD. */
XST_CPU_BODY void nesterov(float *w, float *velocity, float dw, float rate, float mu, float decay)
{
    const float g = fmaf(decay, *w, dw), v = fmaf(mu, *velocity, g);
    *velocity = v;
    *w = fmaf(-rate, fmaf(mu, v, g), *w);
}

typedef struct column_sgd {
    cpu_columns columns;
    xst_cpu_isa isa;
    float momentum, decay;
    uint32_t actives;
    const cpu_place *dw, *active, *rates, *value, *velocity;
} column_sgd;

/* Active columns first .. last-1. */
XST_CPU_BODY void update_columns_body(const column_sgd *s, int64_t first, int64_t last)
{
    const cpu_columns *const c = &s->columns;
    const uint32_t *const active = s->active->data, groups = (uint32_t)c->geometry.groups;
    const float rate = *(const float *)s->rates->data, mu = s->momentum, decay = s->decay;
    for (int64_t i = first; i < last; i++) {
        const int32_t length = xst_column_length(&c->geometry, active[i]);
        const float *const from = (const float *)s->dw->data + c->filter[active[i] / groups];
        const int64_t *const at = c->weight + active[i] % groups * c->step;
        float *const w = (float *)s->value->data + i * c->geometry.longest;
        float *const v = (float *)s->velocity->data + i * c->geometry.longest;
        if (c->arrangement == CPU_ROWS) {
            const float *const column = from + at[0];
#pragma omp simd
            for (int32_t r = 0; r < length; r++)
                nesterov(&w[r], &v[r], column[r], rate, mu, decay);
        } else {
#pragma omp simd
            for (int32_t r = 0; r < length; r++)
                nesterov(&w[r], &v[r], from[at[r]], rate, mu, decay);
        }
    }
}
XST_CPU_KERNEL(update_columns, (const column_sgd *s, int64_t first, int64_t last), (s, first, last))

static xst_status column_sgd_run(void *self, xst_error *err)
{
    (void)err;
    const column_sgd *const s = self;
    const int64_t chunk = 64, n = s->actives;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += chunk)
        update_columns[s->isa](s, i, i + chunk < n ? i + chunk : n);
    return XST_OK;
}

static void column_sgd_release(void *self)
{
    xst_cpu_columns_free(&((column_sgd *)self)->columns);
}

xst_status xst_cpu_column_sgd(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    const xst_status status = xst_cpu_step(c, sizeof(column_sgd), column_sgd_run, column_sgd_release, &self, err);
    if (status != XST_OK)
        return status;
    column_sgd *const s = self;
    *s = (column_sgd){.isa = c->session->backend->isa,
                      .momentum = op->p.sgd.momentum,
                      .decay = op->p.sgd.decay,
                      .actives = (uint32_t)xst_cpu_info(c, op->in[1])->dim[0],
                      .dw = xst_cpu_place(c, op->in[0]),
                      .active = xst_cpu_place(c, op->in[1]),
                      .rates = xst_cpu_place(c, op->in[2]),
                      .value = xst_cpu_place(c, op->out[0]),
                      .velocity = xst_cpu_place(c, op->out[1])};
    return xst_cpu_columns_create(&s->columns, &op->p.sgd.geometry, &s->dw->layout, err);
}

typedef struct sgd {
    xst_cpu_isa isa;
    int64_t n;
    float momentum, decay;
    const cpu_place *g, *rates, *w, *velocity;
} sgd;

XST_CPU_BODY void update_all_body(const sgd *s)
{
    const float *const g = s->g->data, rate = *(const float *)s->rates->data, mu = s->momentum, decay = s->decay;
    float *const w = s->w->data, *const v = s->velocity->data;
#pragma omp simd
    for (int64_t i = 0; i < s->n; i++)
        nesterov(&w[i], &v[i], g[i], rate, mu, decay);
}
XST_CPU_KERNEL(update_all, (const sgd *s), (s))

static xst_status sgd_run(void *self, xst_error *err)
{
    (void)err;
    const sgd *const s = self;
    update_all[s->isa](s);
    return XST_OK;
}

xst_status xst_cpu_sgd(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *g = NULL, *w = NULL, *velocity = NULL;
    xst_status status = xst_cpu_read_plain(c, op->in[0], &g, err);
    if (status == XST_OK)
        status = xst_cpu_update_plain(c, op->out[0], &w, err);
    if (status == XST_OK)
        status = xst_cpu_update_plain(c, op->out[1], &velocity, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(sgd), sgd_run, NULL, &self, err);
    if (status == XST_OK)
        *(sgd *)self = (sgd){.isa = c->session->backend->isa,
                             .n = xst_tensor_elements(xst_cpu_info(c, op->in[0])),
                             .momentum = op->p.sgd.momentum,
                             .decay = op->p.sgd.decay,
                             .g = g,
                             .rates = xst_cpu_place(c, op->in[1]),
                             .w = w,
                             .velocity = velocity};
    return status;
}
