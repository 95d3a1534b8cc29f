/* Counters and batches; normalisation, pooling, loss; SGD on plain tensors. An operation computes in the form in which
 * its first output is kept. */
#include "cuda.h"

static xst_status run_count(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_count(&s->queue, args), "counting", err);
}

void xst_cuda_emit_count(cuda_compiler *c, const cuda_group *group)
{
    xst_cuda_count_args *const a = xst_cuda_step(c, run_count, sizeof *a);
    if (a)
        xst_cuda_out(c, &a->counter, xst_cuda_op(c, group, 0)->out[0], CUDA_FORM_RAW);
}

static xst_status run_shuffle(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_shuffle(&s->queue, args), "shuffle", err);
}

void xst_cuda_emit_shuffle(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    xst_cuda_shuffle_args *const a = xst_cuda_step(c, run_shuffle, sizeof *a);
    if (!a)
        return;
    a->n = (uint32_t)xst_tensor_elements(xst_cuda_info(c, op->out[0]));
    a->steps = op->p.shuffle.steps;
    a->key[0] = op->p.shuffle.key.seed;
    a->key[1] = op->p.shuffle.key.task_purpose;
    a->stage = op->p.shuffle.stage;
    xst_cuda_in(c, &a->t, op->in[0], CUDA_FORM_RAW);
    xst_cuda_out(c, &a->order, op->out[0], CUDA_FORM_RAW);
}

static xst_status run_batch(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_batch(&s->queue, args), "batch", err);
}

void xst_cuda_emit_batch(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const xst_batch_params *const p = &op->p.batch;
    const bool training = op->kind == XST_OP_TRAIN_BATCH;
    const int64_t *const x = xst_cuda_info(c, op->out[0])->dim;
    xst_cuda_batch_args *const a = xst_cuda_step(c, run_batch, sizeof *a);
    if (!a)
        return;
    const cuda_form form = xst_cuda_own(c, op->out[0]);
    *a = (xst_cuda_batch_args){.type = xst_cuda_type_of(form),
                               .n = (uint32_t)xst_cuda_info(c, op->in[0])->dim[0],
                               .rows = (uint32_t)x[0],
                               .channels = (uint32_t)x[1],
                               .height = (uint32_t)x[2],
                               .width = (uint32_t)x[3],
                               .steps = p->steps,
                               .batch = p->batch,
                               .key = {p->key.seed, p->key.task_purpose},
                               .stage = p->stage,
                               .augment = p->augment,
                               .pad_mean = p->pad_mean};
    xst_cuda_in(c, &a->images, op->in[0], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->labels, op->in[1], CUDA_FORM_RAW);
    if (training)
        xst_cuda_in(c, &a->order, op->in[2], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->t, op->in[training ? 3 : 2], CUDA_FORM_RAW);
    xst_cuda_in(c, &a->norm, op->in[training ? 4 : 3], CUDA_FORM_F32);
    xst_cuda_out(c, &a->x, op->out[0], form);
    xst_cuda_out(c, &a->y, op->out[1], CUDA_FORM_RAW);
}

static xst_status run_bn_forward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_bn_relu_forward(&s->queue, args), "batch normalisation", err);
}

static xst_status run_bn_backward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_bn_relu_backward(&s->queue, args), "batch normalisation, backward", err);
}

static xst_status run_bn_eval(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_bn_relu_eval(&s->queue, args), "batch normalisation", err);
}

static void point_bn_forward(cuda_compiler *c, const xst_op *op, const xst_op *pool, cuda_form form,
                             xst_cuda_bn_args *a)
{
    xst_cuda_in(c, &a->gamma, op->in[1], CUDA_FORM_F32);
    xst_cuda_in(c, &a->beta, op->in[2], CUDA_FORM_F32);
    if (op->in[3] >= 0)
        xst_cuda_in(c, &a->counter, op->in[3], CUDA_FORM_RAW);
    xst_cuda_out(c, &a->mean, op->out[1], CUDA_FORM_F32);
    xst_cuda_out(c, &a->inverse_std, op->out[2], CUDA_FORM_F32);
    xst_cuda_out(c, &a->running_mean, op->out[3], CUDA_FORM_F32);
    xst_cuda_out(c, &a->running_var, op->out[4], CUDA_FORM_F32);
    if (pool)
        xst_cuda_out(c, &a->pooled, pool->out[0], form);
}

static void point_bn_backward(cuda_compiler *c, const xst_op *op, const xst_op *pool, cuda_form form,
                              xst_cuda_bn_args *a)
{
    xst_cuda_in(c, &a->dy, pool ? pool->in[0] : op->in[0], form);
    xst_cuda_in(c, &a->y, op->in[2], form);
    xst_cuda_in(c, &a->gamma, op->in[3], CUDA_FORM_F32);
    xst_cuda_in(c, &a->mean, op->in[4], CUDA_FORM_F32);
    xst_cuda_in(c, &a->inverse_std, op->in[5], CUDA_FORM_F32);
    xst_cuda_out(c, &a->dgamma, op->out[1], CUDA_FORM_F32);
    xst_cuda_out(c, &a->dbeta, op->out[2], CUDA_FORM_F32);
}

static void point_bn_eval(cuda_compiler *c, const xst_op *op, xst_cuda_bn_args *a)
{
    xst_cuda_in(c, &a->gamma, op->in[1], CUDA_FORM_F32);
    xst_cuda_in(c, &a->beta, op->in[2], CUDA_FORM_F32);
    xst_cuda_in(c, &a->running_mean, op->in[3], CUDA_FORM_F32);
    xst_cuda_in(c, &a->running_var, op->in[4], CUDA_FORM_F32);
}

/* Alone, before its POOL_FORWARD or behind its POOL_BACKWARD. */
void xst_cuda_emit_bn(cuda_compiler *c, const cuda_group *group)
{
    const bool behind = group->kind == XST_OP_POOL_BACKWARD;
    const xst_op *const op = xst_cuda_op(c, group, behind ? 1 : 0);
    const xst_op *const pool = group->count == 2 ? xst_cuda_op(c, group, behind ? 0 : 1) : NULL;
    const bool backward = op->kind == XST_OP_BN_RELU_BACKWARD, eval = op->kind == XST_OP_BN_RELU_EVAL;
    const int64_t *const x = xst_cuda_info(c, op->out[0])->dim;
    const cuda_form form = xst_cuda_own(c, op->out[0]);
    xst_cuda_bn_args *const a = xst_cuda_step(c,
                                              backward ? run_bn_backward
                                              : eval   ? run_bn_eval
                                                       : run_bn_forward,
                                              sizeof *a);
    if (!a)
        return;
    a->type = xst_cuda_type_of(form);
    a->rows = (uint32_t)(x[0] * x[2] * x[3]);
    a->channels = (uint32_t)x[1];
    a->width = pool ? (uint32_t)x[3] : 0;
    a->momentum = op->p.bn.momentum;
    a->eps = op->p.bn.eps;
    xst_cuda_in(c, &a->x, op->in[backward ? 1 : 0], form);
    if (backward)
        point_bn_backward(c, op, pool, form, a);
    else if (eval)
        point_bn_eval(c, op, a);
    else
        point_bn_forward(c, op, pool, form, a);
    if (backward)
        xst_cuda_out(c, &a->dx, op->out[0], form);
    else
        xst_cuda_out(c, &a->y, op->out[0], form);
    if (!eval)
        xst_cuda_use_zeroed(c, &a->scratch, CUDA_ZEROED_BN, xst_cuda_bn_scratch(a->rows, a->channels));
}

static xst_status run_bn_eval_backward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_bn_relu_eval_backward(&s->queue, args), "batch normalisation, backward", err);
}

void xst_cuda_emit_bn_eval_backward(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const int64_t *const dx = xst_cuda_info(c, op->out[0])->dim;
    const cuda_form form = xst_cuda_own(c, op->out[0]);
    xst_cuda_bn_args *const a = xst_cuda_step(c, run_bn_eval_backward, sizeof *a);
    if (!a)
        return;
    a->type = xst_cuda_type_of(form);
    a->rows = (uint32_t)(dx[0] * dx[2] * dx[3]);
    a->channels = (uint32_t)dx[1];
    a->eps = op->p.bn.eps;
    xst_cuda_in(c, &a->dy, op->in[0], form);
    xst_cuda_in(c, &a->y, op->in[1], form);
    xst_cuda_in(c, &a->gamma, op->in[2], CUDA_FORM_F32);
    xst_cuda_in(c, &a->running_var, op->in[3], CUDA_FORM_F32);
    xst_cuda_out(c, &a->dx, op->out[0], form);
}

static xst_status run_pool_forward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_pool_forward(&s->queue, args), "pool", err);
}

static xst_status run_pool_backward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_pool_backward(&s->queue, args), "pool, backward", err);
}

void xst_cuda_emit_pool(cuda_compiler *c, const cuda_group *group)
{
    if (group->count == 2) {
        xst_cuda_emit_bn(c, group);
        return;
    }
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const bool backward = op->kind == XST_OP_POOL_BACKWARD;
    const cuda_form form = xst_cuda_own(c, op->out[0]);
    const int64_t *const x = xst_cuda_info(c, backward ? op->out[0] : op->in[0])->dim;
    xst_cuda_pool_args *const a = xst_cuda_step(c, backward ? run_pool_backward : run_pool_forward, sizeof *a);
    if (!a)
        return;
    *a = (xst_cuda_pool_args){.type = xst_cuda_type_of(form),
                              .batch = (uint32_t)x[0],
                              .channels = (uint32_t)x[1],
                              .height = (uint32_t)x[2],
                              .width = (uint32_t)x[3]};
    xst_cuda_in(c, &a->x, op->in[backward ? 1 : 0], form);
    if (backward)
        xst_cuda_in(c, &a->dy, op->in[0], form);
    if (backward)
        xst_cuda_out(c, &a->dx, op->out[0], form);
    else
        xst_cuda_out(c, &a->y, op->out[0], form);
}

static xst_status run_loss(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_loss(&s->queue, args), "loss", err);
}

/* Logits and their gradient are f32 in every precision: they are few. */
void xst_cuda_emit_loss(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const int64_t *const logits = xst_cuda_info(c, op->in[0])->dim;
    xst_cuda_loss_args *const a = xst_cuda_step(c, run_loss, sizeof *a);
    if (!a)
        return;
    a->type = XST_CUDA_F32;
    a->rows = (uint32_t)logits[0];
    a->classes = (uint32_t)logits[1];
    xst_cuda_in(c, &a->logits, op->in[0], CUDA_FORM_F32);
    xst_cuda_in(c, &a->y, op->in[1], CUDA_FORM_RAW);
    if (op->kind == XST_OP_LOSS) {
        xst_cuda_out(c, &a->dlogits, op->out[0], CUDA_FORM_F32);
    } else {
        a->total = (uint32_t)xst_cuda_info(c, op->out[0])->dim[0];
        xst_cuda_in(c, &a->cursor, op->in[2], CUDA_FORM_RAW);
        xst_cuda_out(c, &a->all, op->out[0], CUDA_FORM_F32);
    }
    xst_cuda_out(c, &a->metrics, op->out[1], CUDA_FORM_RAW);
}

static xst_status run_sgd(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_sgd(&s->queue, args), "SGD", err);
}

void xst_cuda_emit_sgd(cuda_compiler *c, const cuda_group *group)
{
    xst_cuda_sgd_args *const a = xst_cuda_step(c, run_sgd, sizeof *a);
    if (!a)
        return;
    a->tensors = group->count;
    xst_cuda_in(c, &a->rates, xst_cuda_op(c, group, 0)->in[1], CUDA_FORM_F32);
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        xst_cuda_sgd_tensor *const t = &a->tensor[i];
        t->n = (uint32_t)xst_tensor_elements(xst_cuda_info(c, op->out[0]));
        t->momentum = op->p.sgd.momentum;
        t->decay = op->p.sgd.decay;
        xst_cuda_in(c, &t->g, op->in[0], CUDA_FORM_F32);
        xst_cuda_out(c, &t->w, op->out[0], CUDA_FORM_F32);
        xst_cuda_out(c, &t->velocity, op->out[1], CUDA_FORM_F32);
    }
}
