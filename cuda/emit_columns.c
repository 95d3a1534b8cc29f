/* Columns: gates, effective weights, mask gradient with Adam, SGD on active columns, drop and grow, pruning. Most
 * groups hold all layers. */
#include "cuda.h"

static xst_status run_gates(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_gates(&s->queue, args), "gates", err);
}

void xst_cuda_emit_gates(cuda_compiler *c, const cuda_group *group)
{
    const xst_gates_params *const p = &xst_cuda_op(c, group, 0)->p.gates;
    xst_cuda_gates_args *const a = xst_cuda_step(c, run_gates, sizeof *a);
    if (!a)
        return;
    a->key[0] = p->key.seed;
    a->key[1] = p->key.task_purpose;
    a->stage = p->stage;
    a->identity = p->identity;
    a->temperature = p->temperature;
    a->paper = p->paper;
    a->training = p->training;
    a->layers = group->count;
    xst_cuda_in(c, &a->t, xst_cuda_op(c, group, 0)->in[2], CUDA_FORM_RAW);
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        xst_cuda_gates_layer *const l = &a->layer[i];
        l->n = (uint32_t)xst_tensor_elements(xst_cuda_info(c, op->in[0]));
        l->layer = op->p.gates.layer;
        xst_cuda_in(c, &l->m_r, op->in[0], CUDA_FORM_F32);
        xst_cuda_in(c, &l->preserved, op->in[1], CUDA_FORM_RAW);
        const cuda_fused_weights *const fused = xst_cuda_fused_gate_of(c, op->out[0]);
        if (fused && xst_cuda_info(c, fused->active)->dim[0] > 0) /* a fused reader asks the bits alone */
            xst_cuda_slots_of(c, &l->slot, fused->active, l->n);
        xst_cuda_out(c, &l->bits, op->out[0], CUDA_FORM_BITS);
        xst_cuda_out(c, &l->slope, op->out[1], CUDA_FORM_F32);
    }
}

static xst_status run_mask_count(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_mask_count(&s->queue, args), "counting gates", err);
}

void xst_cuda_emit_mask_count(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    xst_cuda_mask_count_args *const a = xst_cuda_step(c, run_mask_count, sizeof *a);
    if (!a)
        return;
    a->n = (uint32_t)xst_tensor_elements(xst_cuda_info(c, op->in[0]));
    xst_cuda_in(c, &a->m_r, op->in[0], CUDA_FORM_F32);
    xst_cuda_in(c, &a->preserved, op->in[1], CUDA_FORM_RAW);
    xst_cuda_out(c, &a->counts, op->out[0], CUDA_FORM_RAW);
}

static xst_status run_effective(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_effective(&s->queue, args), "effective weights", err);
}

void xst_cuda_emit_effective(cuda_compiler *c, const cuda_group *group)
{
    int32_t general = 0;
    for (int32_t i = 0; i < group->count; i++)
        general += !xst_cuda_fused_weights_of(c, xst_cuda_op(c, group, i)->out[0]);
    if (general < group->count)
        xst_cuda_emit_fused_weights(c, group);
    xst_cuda_effective_args *const a = general > 0 ? xst_cuda_step(c, run_effective, sizeof *a) : NULL;
    if (!a)
        return;
    const cuda_form form = xst_cuda_own(c, xst_cuda_op(c, group, 0)->out[0]);
    a->type = xst_cuda_type_of(form);
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        if (xst_cuda_fused_weights_of(c, op->out[0]))
            continue;
        xst_cuda_effective_layer *const l = &a->layer[a->layers++];
        l->geometry = op->p.columns.geometry;
        if (op->in[1] >= 0) { /* without a gate nothing is frozen */
            xst_cuda_in(c, &l->frozen, op->in[0], form);
            xst_cuda_in(c, &l->bits, op->in[1], CUDA_FORM_BITS);
        }
        if (xst_cuda_info(c, op->in[2])->dim[0] > 0)
            xst_cuda_slots_of(c, &l->slot, op->in[2], l->geometry.columns);
        xst_cuda_in(c, &l->value, op->in[3], CUDA_FORM_F32);
        xst_cuda_out(c, &l->w_eff, op->out[0], form);
    }
}

static xst_status run_mask(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_mask_gradient(&s->queue, args), "mask gradient", err);
}

/* Mask gradients, each followed by its Adam or none of them. Fused ones have been done with the product. */
void xst_cuda_emit_mask(cuda_compiler *c, const cuda_group *group)
{
    int32_t general = 0;
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        general += op->kind == XST_OP_MASK_GRADIENT && !xst_cuda_fused_gradient_of(c, op->in[0]);
    }
    xst_cuda_mask_args *const a = general > 0 ? xst_cuda_step(c, run_mask, sizeof *a) : NULL;
    bool fused = false;
    if (!a)
        return;
    const xst_op *const first = xst_cuda_op(c, group, 0);
    const cuda_form dw = xst_cuda_own(c, first->in[0]);
    const cuda_form frozen = c->session->backend->compute;
    a->dw_type = xst_cuda_type_of(dw);
    a->frozen_type = xst_cuda_type_of(frozen);
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        if (op->kind == XST_OP_MASK_GRADIENT)
            fused = xst_cuda_fused_gradient_of(c, op->in[0]);
        if (fused)
            continue;
        if (op->kind == XST_OP_ADAM) {
            xst_cuda_mask_layer *const l = &a->layer[a->layers - 1];
            l->g = NULL; /* handed on inside the launch */
            if (!a->t) {
                xst_cuda_in(c, &a->t, op->in[2], CUDA_FORM_RAW);
                xst_cuda_in(c, &a->rates, op->in[3], CUDA_FORM_F32);
            }
            xst_cuda_out(c, &l->m_r, op->out[0], CUDA_FORM_F32);
            xst_cuda_out(c, &l->m, op->out[1], CUDA_FORM_F32);
            xst_cuda_out(c, &l->v, op->out[2], CUDA_FORM_F32);
            continue;
        }
        xst_cuda_mask_layer *const l = &a->layer[a->layers++];
        l->geometry = op->p.columns.geometry;
        xst_cuda_in(c, &l->dw, op->in[0], dw);
        xst_cuda_in(c, &l->frozen, op->in[1], frozen);
        xst_cuda_in(c, &l->slope, op->in[2], CUDA_FORM_F32);
        xst_cuda_in(c, &l->preserved, op->in[3], CUDA_FORM_RAW);
        const bool handed_on = i + 1 < group->count && xst_cuda_op(c, group, i + 1)->kind == XST_OP_ADAM;
        if (!handed_on)
            xst_cuda_out(c, &l->g, op->out[0], CUDA_FORM_F32);
    }
}

static xst_status run_adam(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_adam(&s->queue, args), "Adam", err);
}

void xst_cuda_emit_adam(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    for (int32_t i = 0; i < c->gradients; i++)
        if (c->gradient[i].adam == op)
            return; /* done with the product */
    xst_cuda_adam_args *const a = xst_cuda_step(c, run_adam, sizeof *a);
    if (!a)
        return;
    a->n = (uint32_t)xst_tensor_elements(xst_cuda_info(c, op->in[0]));
    xst_cuda_in(c, &a->g, op->in[0], CUDA_FORM_F32);
    xst_cuda_in(c, &a->preserved, op->in[1], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->t, op->in[2], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->rates, op->in[3], CUDA_FORM_F32);
    xst_cuda_out(c, &a->m_r, op->out[0], CUDA_FORM_F32);
    xst_cuda_out(c, &a->m, op->out[1], CUDA_FORM_F32);
    xst_cuda_out(c, &a->v, op->out[2], CUDA_FORM_F32);
}

static xst_status run_column_sgd(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_column_sgd(&s->queue, args), "SGD on columns", err);
}

void xst_cuda_emit_column_sgd(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const first = xst_cuda_op(c, group, 0);
    xst_cuda_column_sgd_args *const a = xst_cuda_step(c, run_column_sgd, sizeof *a);
    if (!a)
        return;
    const cuda_form dw = xst_cuda_own(c, first->in[0]);
    a->momentum = first->p.sgd.momentum;
    a->decay = first->p.sgd.decay;
    a->dw_type = xst_cuda_type_of(dw);
    a->layers = group->count;
    xst_cuda_in(c, &a->rates, first->in[2], CUDA_FORM_F32);
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        xst_cuda_column_sgd_layer *const l = &a->layer[i];
        l->geometry = op->p.sgd.geometry;
        l->a = (uint32_t)xst_cuda_info(c, op->in[1])->dim[0];
        cuda_fused_gradient *const fused = xst_cuda_fused_gradient_of(c, op->in[0]);
        if (fused)
            xst_cuda_point(c, &l->dw_compact, fused->compact);
        else
            xst_cuda_in(c, &l->dw, op->in[0], dw);
        xst_cuda_in(c, &l->active, op->in[1], CUDA_FORM_RAW);
        xst_cuda_out(c, &l->value, op->out[0], CUDA_FORM_F32);
        xst_cuda_out(c, &l->velocity, op->out[1], CUDA_FORM_F32);
    }
}

static xst_status run_drop_grow(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_drop_grow(&s->queue, args), "drop and grow", err);
}

void xst_cuda_emit_drop_grow(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const xst_drop_grow_params *const p = &op->p.drop_grow;
    xst_cuda_drop_grow_args *const a = xst_cuda_step(c, run_drop_grow, sizeof *a);
    if (!a)
        return;
    const cuda_form dw = xst_cuda_own(c, op->in[0]);
    a->geometry = p->geometry;
    a->dw_type = xst_cuda_type_of(dw);
    a->events = (uint32_t)xst_cuda_info(c, op->in[3])->dim[0];
    a->update_every = p->update_every;
    a->reset = p->reset;
    a->a = (uint32_t)xst_cuda_info(c, op->out[0])->dim[0];
    cuda_fused_gradient *const fused = xst_cuda_fused_gradient_of(c, op->in[0]);
    if (fused)
        xst_cuda_point(c, &a->norm, fused->norm);
    else
        xst_cuda_in(c, &a->dw, op->in[0], dw);
    xst_cuda_in(c, &a->preserved, op->in[1], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->t, op->in[2], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->quota, op->in[3], CUDA_FORM_RAW);
    xst_cuda_out(c, &a->active, op->out[0], CUDA_FORM_RAW);
    xst_cuda_slots_of(c, &a->slot, op->out[0], p->geometry.columns);
    xst_cuda_out(c, &a->value, op->out[1], CUDA_FORM_F32);
    xst_cuda_out(c, &a->velocity, op->out[2], CUDA_FORM_F32);
    xst_cuda_scratch(c, &a->scratch, xst_cuda_drop_grow_scratch(&a->geometry, a->a));
}

static xst_status run_prune(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_prune(&s->queue, args), "pruning", err);
}

void xst_cuda_emit_prune(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    xst_cuda_prune_args *const a = xst_cuda_step(c, run_prune, sizeof *a);
    if (!a)
        return;
    a->events = (uint32_t)xst_cuda_info(c, op->in[1])->dim[0];
    a->every = op->p.prune.every;
    a->n = op->p.prune.geometry.columns;
    a->a = (uint32_t)xst_cuda_info(c, op->out[0])->dim[0];
    xst_cuda_in(c, &a->t, op->in[0], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->quota, op->in[1], CUDA_FORM_RAW);
    xst_cuda_out(c, &a->active, op->out[0], CUDA_FORM_RAW);
    xst_cuda_slots_of(c, &a->slot, op->out[0], a->n);
    xst_cuda_out(c, &a->value, op->out[1], CUDA_FORM_F32);
    xst_cuda_out(c, &a->velocity, op->out[2], CUDA_FORM_F32);
    xst_cuda_scratch(c, &a->scratch, xst_cuda_prune_scratch(a->a));
}
