#include "backend/cpu/gradient.h"

#include "backend/cpu/contract.h"
#include "backend/cpu/layouts.h"

#include <omp.h>

static bool shares(const xst_tensor *a, int n, const xst_tensor *b, int m)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < m; k++)
            if (a[i] >= 0 && a[i] == b[k])
                return true;
    return false;
}

/* Whether `later` may run before `op`: neither writes what the other uses. Of DROP_GROW only dw counts: its scores are
 * made early, the rest stays in its place. */
static bool may_pass(const xst_op *op, const xst_op *later)
{
    const bool scores = later->kind == XST_OP_DROP_GROW;
    const int in = xst_cpu_input_count(op->kind), out = xst_cpu_output_count(op->kind),
              later_in = scores ? 1 : xst_cpu_input_count(later->kind),
              later_out = scores ? 0 : xst_cpu_output_count(later->kind);
    return !shares(op->out, out, later->in, later_in) && !shares(op->out, out, later->out, later_out) &&
           !shares(op->in, in, later->out, later_out);
}

static int32_t *slot_of(cpu_readers *r, const xst_program *program, const xst_op *op, xst_tensor dw)
{
    if (op->kind == XST_OP_ADAM)
        return r->mask >= 0 && program->op[r->mask].out[0] == op->in[0] ? &r->adam : NULL;
    if (op->in[0] != dw)
        return NULL;
    switch (op->kind) {
    case XST_OP_COLUMN_SGD:
        return &r->sgd;
    case XST_OP_MASK_GRADIENT:
        return &r->mask;
    case XST_OP_DROP_GROW:
        return &r->drop_grow;
    default:
        return NULL;
    }
}

static bool reads(const xst_op *op, xst_tensor t)
{
    return shares(op->in, xst_cpu_input_count(op->kind), &t, 1);
}

/* Whether operation k can move in front of all operations from `first` on that are not readers themselves. */
static bool can_move(const cpu_readers *r, const xst_program *program, int32_t first, int32_t k)
{
    for (int32_t i = first; i < k; i++) {
        const bool reader = i == r->sgd || i == r->mask || i == r->adam || i == r->drop_grow;
        if (!reader && !may_pass(&program->op[i], &program->op[k]))
            return false;
    }
    return true;
}

/* Adam takes g over only if nobody else wants it. */
static bool only_adam_reads(const cpu_compiler *c, const cpu_readers *r)
{
    const xst_tensor g = c->program->op[r->mask].out[0];
    int readers = 0;
    for (int32_t i = 0; i < c->program->count; i++)
        readers += reads(&c->program->op[i], g);
    return readers == 1 && xst_cpu_info(c, g)->kind == XST_TEMP;
}

cpu_readers xst_cpu_readers_of(const cpu_compiler *c, int32_t first, xst_tensor dw)
{
    cpu_readers r = {.sgd = -1, .mask = -1, .adam = -1, .drop_grow = -1, .last = -1, .all = true};
    for (int32_t i = first; i < c->program->count; i++) {
        int32_t *const slot = slot_of(&r, c->program, &c->program->op[i], dw);
        if (slot && *slot < 0 && !c->fused[i] && can_move(&r, c->program, first, i) &&
            (slot != &r.adam || only_adam_reads(c, &r))) {
            *slot = i;
            r.last = i;
        }
    }
    for (int32_t i = 0; i < c->program->count; i++)
        if (reads(&c->program->op[i], dw) && i != r.sgd && i != r.mask && i != r.drop_grow)
            r.all = false;
    return r;
}

static xst_status add_mask(cpu_compiler *c, const cpu_readers *r, const cpu_layout *layout, cpu_gradient *v,
                           xst_error *err)
{
    const xst_op *const op = &c->program->op[r->mask];
    cpu_place *frozen = NULL, *scratch = NULL;
    /* Both sides in one layout: a copy where an earlier program made frozen lie otherwise. */
    xst_status status = xst_cpu_read(c, op->in[1], layout, &frozen, err);
    v->frozen = frozen;
    v->slope = xst_cpu_place(c, op->in[2]);
    v->preserved = xst_cpu_place(c, op->in[3]);
    if (status != XST_OK || r->adam < 0) {
        v->g = xst_cpu_place(c, op->out[0]);
        return status;
    }
    v->adam = xst_cpu_adam_of(c, &c->program->op[r->adam]);
    status = xst_cpu_scratch(
        c, (size_t)c->session->backend->threads * CPU_JOB_FILTERS * (size_t)v->columns.geometry.groups * sizeof(float),
        &scratch, err);
    v->scratch = scratch;
    return status;
}

xst_status xst_cpu_gradient_create(cpu_compiler *c, const cpu_readers *r, const cpu_layout *layout, cpu_gradient *v,
                                   xst_error *err)
{
    const xst_op *const op = c->program->op;
    const xst_geometry *const g = r->mask >= 0  ? &op[r->mask].p.columns.geometry
                                  : r->sgd >= 0 ? &op[r->sgd].p.sgd.geometry
                                                : &op[r->drop_grow].p.drop_grow.geometry;
    const int32_t readers[] = {r->sgd, r->mask, r->adam};
    cpu_place *score = NULL;
    *v = (cpu_gradient){.isa = c->session->backend->isa};
    xst_status status = xst_cpu_columns_create(&v->columns, g, layout, err);
    if (status == XST_OK && r->sgd >= 0)
        v->sgd = xst_cpu_column_sgd_of(c, &op[r->sgd]);
    if (status == XST_OK && r->mask >= 0)
        status = add_mask(c, r, layout, v, err);
    if (status == XST_OK && r->drop_grow >= 0) {
        status = xst_cpu_scratch(c, (size_t)g->columns * sizeof(float), &score, err);
        v->score = score;
        c->score[r->drop_grow] = score;
    }
    for (int i = 0; i < 3; i++)
        if (readers[i] >= 0)
            c->fused[readers[i]] = true;
    return status;
}

void xst_cpu_gradient_free(cpu_gradient *v)
{
    xst_cpu_columns_free(&v->columns);
}

cpu_adam_scalars xst_cpu_gradient_scalars(const cpu_gradient *v)
{
    return v->adam.m_r ? xst_cpu_adam_scalars_of(&v->adam) : (cpu_adam_scalars){0};
}

/* From sums over columns to the gradient of m_r. */
XST_CPU_BODY void to_mask_body(int64_t n, const float *slope, const uint8_t *preserved, float *sum)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        sum[i] = preserved[i] ? slope[i] * sum[i] : 0.0f;
}
XST_CPU_KERNEL(to_mask, (int64_t n, const float *slope, const uint8_t *preserved, float *sum),
               (n, slope, preserved, sum))

void xst_cpu_gradient_job(const cpu_gradient *v, const cpu_adam_scalars *scalars, int64_t index, const float *dw)
{
    const cpu_columns *const c = &v->columns;
    const cpu_job job = xst_cpu_job(c, index);
    if (v->sgd.active)
        xst_cpu_column_sgd_job(&v->sgd, c, v->isa, &job, dw);
    if (v->frozen) {
        float *const g = v->adam.m_r ? (float *)v->scratch->data +
                                           (int64_t)omp_get_thread_num() * CPU_JOB_FILTERS * c->geometry.groups
                                     : (float *)v->g->data + job.column;
        xst_cpu_contract(c, v->isa, job.first, job.last, dw, (const float *)v->frozen->data + c->filter[job.first], g);
        to_mask[v->isa](job.columns, (const float *)v->slope->data + job.column,
                        (const uint8_t *)v->preserved->data + job.column, g);
        if (v->adam.m_r)
            xst_cpu_adam_run(&v->adam, scalars, v->isa, job.column, job.columns, g);
    }
    if (v->score)
        xst_cpu_contract(c, v->isa, job.first, job.last, dw, dw, (float *)v->score->data + job.column);
}

/* The pass by itself, after whatever made dw. */
typedef struct pass {
    cpu_gradient gradient;
    const cpu_place *dw;
} pass;

static xst_status pass_run(void *self, xst_error *err)
{
    (void)err;
    const pass *const p = self;
    const cpu_columns *const c = &p->gradient.columns;
    const cpu_adam_scalars scalars = xst_cpu_gradient_scalars(&p->gradient);
    const int64_t jobs = xst_cpu_jobs(c);
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < jobs; j++)
        xst_cpu_gradient_job(&p->gradient, &scalars, j,
                             (const float *)p->dw->data + c->filter[xst_cpu_job(c, j).first]);
    return XST_OK;
}

static void pass_release(void *self)
{
    xst_cpu_gradient_free(&((pass *)self)->gradient);
}

xst_status xst_cpu_gradient(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    if (c->fused[c->op] || c->score[c->op])
        return XST_OK;
    const cpu_readers readers = xst_cpu_readers_of(c, c->op, op->in[0]);
    const xst_status status = xst_cpu_step(c, sizeof(pass), pass_run, pass_release, &self, err);
    if (status != XST_OK)
        return status;
    pass *const p = self;
    c->exe->step[c->exe->steps - 1].op = readers.last;
    p->dw = xst_cpu_place(c, op->in[0]);
    return xst_cpu_gradient_create(c, &readers, &p->dw->layout, &p->gradient, err);
}
