/* The optimisers: Adam on the mask, Nesterov SGD on active columns and on plain tensors. */
#include "backend/cpu/update.h"

#include <math.h>

XST_CPU_BODY void adam_chunk_body(const cpu_adam_scalars *s, int64_t n, const float *restrict g,
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
               (const cpu_adam_scalars *s, int64_t n, const float *g, const uint8_t *preserved, float *m_r, float *m,
                float *v),
               (s, n, g, preserved, m_r, m, v))

cpu_adam xst_cpu_adam_of(cpu_compiler *c, const xst_op *op)
{
    return (cpu_adam){.preserved = xst_cpu_place(c, op->in[1]),
                      .t = xst_cpu_place(c, op->in[2]),
                      .rates = xst_cpu_place(c, op->in[3]),
                      .m_r = xst_cpu_place(c, op->out[0]),
                      .m = xst_cpu_place(c, op->out[1]),
                      .v = xst_cpu_place(c, op->out[2])};
}

cpu_adam_scalars xst_cpu_adam_scalars_of(const cpu_adam *a)
{
    const double t = *(const uint32_t *)a->t->data;
    return (cpu_adam_scalars){(float)((double)((const float *)a->rates->data)[1] / (1.0 - pow(0.9, t))),
                              (float)(1.0 / sqrt(1.0 - pow(0.999, t)))};
}

void xst_cpu_adam_run(const cpu_adam *a, const cpu_adam_scalars *scalars, xst_cpu_isa isa, int64_t first, int64_t n,
                      const float *g)
{
    adam_chunk[isa](scalars, n, g, (const uint8_t *)a->preserved->data + first, (float *)a->m_r->data + first,
                    (float *)a->m->data + first, (float *)a->v->data + first);
}

/* ADAM by itself, its g not made just before it. */
typedef struct adam {
    cpu_adam adam;
    xst_cpu_isa isa;
    int64_t n;
    const cpu_place *g;
} adam;

static xst_status adam_run(void *self, xst_error *err)
{
    (void)err;
    const adam *const a = self;
    const int64_t chunk = 4096;
    const cpu_adam_scalars scalars = xst_cpu_adam_scalars_of(&a->adam);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < a->n; i += chunk)
        xst_cpu_adam_run(&a->adam, &scalars, a->isa, i, a->n - i < chunk ? a->n - i : chunk,
                         (const float *)a->g->data + i);
    return XST_OK;
}

xst_status xst_cpu_adam(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    if (c->fused[c->op])
        return XST_OK;
    const xst_status status = xst_cpu_step(c, sizeof(adam), adam_run, NULL, &self, err);
    if (status == XST_OK)
        *(adam *)self = (adam){.adam = xst_cpu_adam_of(c, op),
                               .isa = c->session->backend->isa,
                               .n = xst_tensor_elements(xst_cpu_info(c, op->in[0])),
                               .g = xst_cpu_place(c, op->in[0])};
    return status;
}

/* One weight of ops.h, SGD. */
XST_CPU_BODY void nesterov(float *w, float *velocity, float dw, float rate, float mu, float decay)
{
    const float g = fmaf(decay, *w, dw), v = fmaf(mu, *velocity, g);
    *velocity = v;
    *w = fmaf(-rate, fmaf(mu, v, g), *w);
}

/* Active columns begin .. end-1 of more than one weight. */
XST_CPU_BODY void update_columns_body(const cpu_column_sgd *s, const cpu_columns *c, int64_t begin, int64_t end,
                                      int64_t first, const float *dw)
{
    const uint32_t *const active = s->active->data, groups = (uint32_t)c->geometry.groups;
    const float rate = *(const float *)s->rates->data, mu = s->momentum, decay = s->decay;
    for (int64_t i = begin; i < end; i++) {
        const int32_t length = xst_column_length(&c->geometry, active[i]);
        const float *const from = dw + (c->filter[active[i] / groups] - c->filter[first]);
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
XST_CPU_KERNEL(update_columns,
               (const cpu_column_sgd *s, const cpu_columns *c, int64_t begin, int64_t end, int64_t first,
                const float *dw),
               (s, c, begin, end, first, dw))

/* Active columns begin .. end-1 of one weight, all of filter o; dw points to that filter. */
XST_CPU_BODY void update_singles_body(const cpu_column_sgd *s, const cpu_columns *c, int64_t begin, int64_t end,
                                      int64_t o, const float *dw)
{
    const uint32_t *const active = s->active->data, first = (uint32_t)(o * c->geometry.groups);
    const int64_t *const at = c->weight;
    const float rate = *(const float *)s->rates->data, mu = s->momentum, decay = s->decay;
    float *const w = s->value->data, *const v = s->velocity->data;
    if (c->arrangement == CPU_ROWS) {
        const float *const row = dw + at[0];
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            nesterov(&w[i], &v[i], row[active[i] - first], rate, mu, decay);
    } else {
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            nesterov(&w[i], &v[i], dw[at[active[i] - first]], rate, mu, decay);
    }
}
XST_CPU_KERNEL(update_singles,
               (const cpu_column_sgd *s, const cpu_columns *c, int64_t begin, int64_t end, int64_t o, const float *dw),
               (s, c, begin, end, o, dw))

cpu_column_sgd xst_cpu_column_sgd_of(cpu_compiler *c, const xst_op *op)
{
    return (cpu_column_sgd){.momentum = op->p.sgd.momentum,
                            .decay = op->p.sgd.decay,
                            .actives = (uint32_t)xst_cpu_info(c, op->in[1])->dim[0],
                            .active = xst_cpu_place(c, op->in[1]),
                            .rates = xst_cpu_place(c, op->in[2]),
                            .value = xst_cpu_place(c, op->out[0]),
                            .velocity = xst_cpu_place(c, op->out[1])};
}

void xst_cpu_column_sgd_job(const cpu_column_sgd *s, const cpu_columns *c, xst_cpu_isa isa, const cpu_job *job,
                            const float *dw)
{
    const uint32_t *const active = s->active->data;
    uint32_t begin = xst_cpu_active_below(c, active, s->actives, job->first);
    if (c->geometry.longest > 1) {
        update_columns[isa](s, c, begin, xst_cpu_active_below(c, active, s->actives, job->last), job->first, dw);
        return;
    }
    for (int64_t o = job->first; o < job->last; o++) {
        const uint32_t end = xst_cpu_active_until(c, active, begin, s->actives, o + 1);
        update_singles[isa](s, c, begin, end, o, dw + (c->filter[o] - c->filter[job->first]));
        begin = end;
    }
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
