/* Masked FC layers in bf16 whose group is a multiple of 8 (weight gradient: 8), by the kernels of fc_product.cu and
 * fc_gradient.cu; the rest takes the general path: effective weights, the library's products, dw contracted.
 *
 * Weights: the bf16 shadow of `frozen`, into which the active values are written at the start of a step. Other readers
 * of the shadow look at preserved columns only, and so do not mind. Where nothing is preserved the memory of the
 * effective weights serves, of which only the active columns are ever written or read. */
#include "cuda.h"

#include "base/error.h"

/* ---- planning ---------------------------------------------------------------------------------------------------- */

static bool is_temp(const cuda_compiler *c, xst_tensor t)
{
    return t >= 0 && xst_cuda_info(c, t)->kind == XST_TEMP;
}

static int32_t writers(const cuda_compiler *c, xst_tensor t)
{
    int32_t n = 0;
    for (int32_t i = 0; i < c->program->count; i++)
        n += xst_cuda_writes(&c->program->op[i], t);
    return n;
}

/* Only FC products read these effective weights, and only they the gate. */
static bool weights_fit(const cuda_compiler *c, const xst_op *effective)
{
    const xst_tensor w = effective->out[0], gate = effective->in[1];
    if (!xst_cuda_fc_fits(&effective->p.columns.geometry) || !is_temp(c, w) || writers(c, w) != 1 ||
        (gate >= 0 && (!is_temp(c, gate) || writers(c, gate) != 1)))
        return false;
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        const bool product = op->kind == XST_OP_LINEAR_FORWARD || op->kind == XST_OP_LINEAR_BACKWARD_DATA;
        if (xst_cuda_reads(op, w) && !(product && op->in[1] == w && op->in[0] != w))
            return false;
        if (gate >= 0 && op != effective && xst_cuda_reads(op, gate))
            return false;
    }
    return true;
}

/* What reads this dw; false: something else than a layer's own updates. */
static bool readers_of(const cuda_compiler *c, xst_tensor dw, cuda_fused_gradient *f)
{
    const xst_op *update = NULL;
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        if (!xst_cuda_reads(op, dw))
            continue;
        if (op->kind == XST_OP_COLUMN_SGD && !update)
            update = op;
        else if (op->kind == XST_OP_MASK_GRADIENT && !f->mask)
            f->mask = op;
        else if (op->kind == XST_OP_DROP_GROW && !f->grows)
            f->grows = true;
        else
            return false;
    }
    if (update) {
        f->active = update->in[1];
        f->geometry = update->p.sgd.geometry;
    }
    return update && xst_cuda_fc_gradient_fits(&f->geometry);
}

/* The mask gradient must go to its Adam alone, and nobody may look at what Adam changes on the way there. */
static bool find_adam(const cuda_compiler *c, const xst_op *product, cuda_fused_gradient *f)
{
    const xst_tensor g = f->mask->out[0];
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        if (!xst_cuda_reads(op, g))
            continue;
        if (op->kind != XST_OP_ADAM || f->adam || op->in[1] != f->mask->in[3])
            return false;
        f->adam = op;
    }
    if (!f->adam || f->adam < product || !is_temp(c, g))
        return false;
    for (const xst_op *op = product; op < f->adam; op++)
        for (int k = 0; k < 3; k++)
            if (xst_cuda_reads(op, f->adam->out[k]) || xst_cuda_writes(op, f->adam->out[k]))
                return false;
    return true;
}

static void plan_gradient(cuda_compiler *c, const xst_op *op)
{
    cuda_fused_gradient f = {.dw = op->out[0]};
    if (c->gradients == XST_CUDA_LAYERS_MAX || !is_temp(c, f.dw) || writers(c, f.dw) != 1 || !readers_of(c, f.dw, &f) ||
        (f.mask && !find_adam(c, op, &f)))
        return;
    c->gradient[c->gradients++] = f;
}

void xst_cuda_plan_fused(cuda_compiler *c)
{
    for (int32_t i = 0; i < c->program->count && c->session->backend->fused; i++) {
        const xst_op *const op = &c->program->op[i];
        if (op->kind == XST_OP_EFFECTIVE && c->fuseds < XST_CUDA_LAYERS_MAX && weights_fit(c, op))
            c->fused[c->fuseds++] = (cuda_fused_weights){
                .w_eff = op->out[0], .frozen = op->in[1] >= 0 ? op->in[0] : -1, .gate = op->in[1], .active = op->in[2]};
        else if (op->kind == XST_OP_LINEAR_BACKWARD_WEIGHTS)
            plan_gradient(c, op);
    }
}

cuda_fused_weights *xst_cuda_fused_weights_of(cuda_compiler *c, xst_tensor w_eff)
{
    for (int32_t i = 0; i < c->fuseds; i++)
        if (c->fused[i].w_eff == w_eff)
            return &c->fused[i];
    return NULL;
}

cuda_fused_weights *xst_cuda_fused_gate_of(cuda_compiler *c, xst_tensor gate)
{
    for (int32_t i = 0; i < c->fuseds; i++)
        if (gate >= 0 && c->fused[i].gate == gate)
            return &c->fused[i];
    return NULL;
}

cuda_fused_gradient *xst_cuda_fused_gradient_of(cuda_compiler *c, xst_tensor dw)
{
    for (int32_t i = 0; i < c->gradients; i++)
        if (c->gradient[i].dw == dw)
            return &c->gradient[i];
    return NULL;
}

/* ---- weights and bits -------------------------------------------------------------------------------------------- */

static xst_status run_scatter(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_scatter(&s->queue, args), "active weights", err);
}

static xst_status run_bits(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_gates(&s->queue, args), "bits of active columns", err);
}

static bool has_active(const cuda_compiler *c, const cuda_fused_weights *f)
{
    return xst_cuda_info(c, f->active)->dim[0] > 0;
}

static void emit_scatter(cuda_compiler *c, const cuda_group *group)
{
    xst_cuda_column_sgd_args *const a = xst_cuda_step(c, run_scatter, sizeof *a);
    if (!a)
        return;
    a->w_type = XST_CUDA_BF16;
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        const cuda_fused_weights *const f = xst_cuda_fused_weights_of(c, op->out[0]);
        if (!f)
            continue;
        xst_cuda_column_sgd_layer *const l = &a->layer[a->layers++];
        l->geometry = op->p.columns.geometry;
        l->a = (uint32_t)xst_cuda_info(c, f->active)->dim[0];
        xst_cuda_in(c, &l->active, f->active, CUDA_FORM_RAW);
        xst_cuda_in(c, &l->value, op->in[3], CUDA_FORM_F32);
        if (f->frozen >= 0)
            xst_cuda_in(c, &l->w, f->frozen, CUDA_FORM_BF16);
        else
            xst_cuda_out(c, &l->w, f->w_eff, CUDA_FORM_BF16);
    }
}

/* Where there are no gates, the bits of active columns. */
static void emit_bits(cuda_compiler *c, const cuda_group *group)
{
    int32_t gateless = 0;
    for (int32_t i = 0; i < group->count; i++) {
        const cuda_fused_weights *const f = xst_cuda_fused_weights_of(c, xst_cuda_op(c, group, i)->out[0]);
        gateless += f && f->gate < 0;
    }
    xst_cuda_gates_args *const a = gateless > 0 ? xst_cuda_step(c, run_bits, sizeof *a) : NULL;
    if (!a)
        return;
    a->temperature = 1.0f;
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        cuda_fused_weights *const f = xst_cuda_fused_weights_of(c, op->out[0]);
        if (!f || f->gate >= 0)
            continue;
        xst_cuda_gates_layer *const l = &a->layer[a->layers++];
        l->n = op->p.columns.geometry.columns;
        if (has_active(c, f))
            xst_cuda_slots_of(c, &l->slot, f->active, l->n);
        f->bits = xst_cuda_scratch(c, &l->bits, ((size_t)l->n + 31) / 32 * sizeof(uint32_t));
    }
}

void xst_cuda_emit_fused_weights(cuda_compiler *c, const cuda_group *group)
{
    emit_scatter(c, group);
    emit_bits(c, group);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static xst_status run_forward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_fc_forward(&s->queue, args), "masked product", err);
}

static xst_status run_data(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_fc_backward_data(&s->queue, args), "masked product, backward", err);
}

static xst_status run_gradient(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_fc_gradient(&s->queue, args), "gradient of masked weights", err);
}

/* Fields of weights and bits in a product's arguments. */
static void point_at(cuda_compiler *c, const cuda_fused_weights *f, void *w, void *bits)
{
    if (f->frozen >= 0)
        xst_cuda_in(c, w, f->frozen, CUDA_FORM_BF16);
    else
        xst_cuda_in(c, w, f->w_eff, CUDA_FORM_BF16);
    if (f->gate >= 0)
        xst_cuda_in(c, bits, f->gate, CUDA_FORM_BITS);
    else
        xst_cuda_point(c, bits, f->bits);
}

static xst_geometry geometry_of(const cuda_compiler *c, const cuda_fused_weights *f)
{
    for (int32_t i = 0; i < c->program->count; i++)
        if (xst_cuda_writes(&c->program->op[i], f->w_eff))
            return c->program->op[i].p.columns.geometry;
    return (xst_geometry){0};
}

void xst_cuda_emit_fused_forward(cuda_compiler *c, const xst_op *op, cuda_fused_weights *f)
{
    xst_cuda_fc_forward_args *const a = xst_cuda_step(c, run_forward, sizeof *a);
    if (!a)
        return;
    a->geometry = geometry_of(c, f);
    a->relu = op->p.linear.relu;
    a->rows = (uint32_t)xst_cuda_info(c, op->in[0])->dim[0];
    xst_cuda_in(c, &a->x, op->in[0], CUDA_FORM_BF16);
    point_at(c, f, &a->w, &a->bits);
    xst_cuda_in(c, &a->bias, op->in[2], CUDA_FORM_F32);
    xst_cuda_out(c, &a->y, op->out[0], CUDA_FORM_BF16);
    xst_cuda_use_zeroed(c, &a->scratch, CUDA_ZEROED_FC, xst_cuda_fc_scratch(&a->geometry, a->rows));
}

void xst_cuda_emit_fused_data(cuda_compiler *c, const xst_op *op, cuda_fused_weights *f)
{
    xst_cuda_fc_backward_data_args *const a = xst_cuda_step(c, run_data, sizeof *a);
    if (!a)
        return;
    a->geometry = geometry_of(c, f);
    a->rows = (uint32_t)xst_cuda_info(c, op->in[0])->dim[0];
    xst_cuda_in(c, &a->dy, op->in[0], CUDA_FORM_BF16);
    point_at(c, f, &a->w, &a->bits);
    xst_cuda_out(c, &a->dx, op->out[0], CUDA_FORM_BF16);
    xst_cuda_use_zeroed(c, &a->scratch, CUDA_ZEROED_FC, xst_cuda_fc_scratch(&a->geometry, a->rows));
}

void xst_cuda_emit_fused_gradient(cuda_compiler *c, const xst_op *op, cuda_fused_gradient *f)
{
    xst_cuda_fc_gradient_args *const a = xst_cuda_step(c, run_gradient, sizeof *a);
    const size_t actives = (size_t)xst_cuda_info(c, f->active)->dim[0];
    if (!a)
        return;
    a->geometry = f->geometry;
    a->rows = (uint32_t)xst_cuda_info(c, op->in[0])->dim[0];
    xst_cuda_in(c, &a->x, op->in[0], CUDA_FORM_BF16);
    xst_cuda_in(c, &a->dy, op->in[1], CUDA_FORM_BF16);
    if (actives > 0)
        xst_cuda_slots_of(c, &a->slot, f->active, f->geometry.columns);
    f->compact = xst_cuda_scratch(c, &a->dw_compact, actives * 8 * sizeof(float));
    if (f->grows)
        f->norm = xst_cuda_scratch(c, &a->norm, (size_t)f->geometry.columns * sizeof(float));
    if (!f->mask)
        return;
    xst_cuda_in(c, &a->w, f->mask->in[1], CUDA_FORM_BF16);
    xst_cuda_in(c, &a->slope, f->mask->in[2], CUDA_FORM_F32);
    xst_cuda_in(c, &a->preserved, f->mask->in[3], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->t, f->adam->in[2], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->rates, f->adam->in[3], CUDA_FORM_F32);
    xst_cuda_out(c, &a->m_r, f->adam->out[0], CUDA_FORM_F32);
    xst_cuda_out(c, &a->m, f->adam->out[1], CUDA_FORM_F32);
    xst_cuda_out(c, &a->v, f->adam->out[2], CUDA_FORM_F32);
}
