/* Fully connected layers: fused kernels for masked ones in bf16 (fused.c); kernels of their own for heads, which are
 * narrow; else the library's product for large, even shapes, our general kernel for the rest (odd widths); bias and
 * ReLU after it, the bias' gradient beside it. */
#include "gemm.h"

static xst_status run_own(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_gemm(&s->queue, args), "matrix product", err);
}

static xst_status run_bias(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_bias(&s->queue, args), "bias", err);
}

/* ---- narrow layers ----------------------------------------------------------------------------------------------- */

static xst_status run_narrow_forward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_narrow_forward(&s->queue, args), "narrow product", err);
}

static xst_status run_narrow_backward(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_narrow_backward(&s->queue, args), "narrow product, backward", err);
}

/* Few outputs, and what these kernels take as f32 is kept so: y or dy, and w or dw. */
static bool is_narrow(const cuda_compiler *c, xst_tensor y, xst_tensor w)
{
    return xst_cuda_info(c, y)->dim[1] <= XST_CUDA_NARROW_MAX && xst_cuda_own(c, y) == CUDA_FORM_F32 &&
           xst_cuda_own(c, w) == CUDA_FORM_F32;
}

static xst_cuda_narrow_args *narrow_step(cuda_compiler *c, cuda_run *run, xst_tensor x, xst_tensor y)
{
    xst_cuda_narrow_args *const a = xst_cuda_step(c, run, sizeof *a);
    if (a)
        *a = (xst_cuda_narrow_args){.type = xst_cuda_type_of(xst_cuda_own(c, x)),
                                    .rows = (uint32_t)xst_cuda_info(c, x)->dim[0],
                                    .in = (uint32_t)xst_cuda_info(c, x)->dim[1],
                                    .out = (uint32_t)xst_cuda_info(c, y)->dim[1]};
    return a;
}

static void narrow_forward(cuda_compiler *c, const xst_op *op)
{
    xst_cuda_narrow_args *const a = narrow_step(c, run_narrow_forward, op->in[0], op->out[0]);
    if (!a)
        return;
    a->relu = op->p.linear.relu;
    xst_cuda_in(c, &a->x, op->in[0], xst_cuda_own(c, op->in[0]));
    xst_cuda_in(c, &a->w, op->in[1], CUDA_FORM_F32);
    xst_cuda_in(c, &a->bias, op->in[2], CUDA_FORM_F32);
    xst_cuda_out(c, &a->y, op->out[0], CUDA_FORM_F32);
}

/* data, weights: the layer's two operations; NULL: not this one. */
static void narrow_backward(cuda_compiler *c, const xst_op *data, const xst_op *weights)
{
    const xst_tensor x = data ? data->out[0] : weights->in[0], dy = data ? data->in[0] : weights->in[1];
    xst_cuda_narrow_args *const a = narrow_step(c, run_narrow_backward, x, dy);
    if (!a)
        return;
    xst_cuda_in(c, &a->dy, dy, CUDA_FORM_F32);
    if (data) {
        xst_cuda_in(c, &a->w, data->in[1], CUDA_FORM_F32);
        xst_cuda_out(c, &a->dx, x, xst_cuda_own(c, x));
    }
    if (weights) {
        xst_cuda_in(c, &a->x, weights->in[0], xst_cuda_own(c, x));
        xst_cuda_out(c, &a->dw, weights->out[0], CUDA_FORM_F32);
        xst_cuda_out(c, &a->dbias, weights->out[1], CUDA_FORM_F32);
    }
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static xst_cuda_gemm_args *own_step(cuda_compiler *c, const cuda_gemm_shape *s)
{
    xst_cuda_gemm_args *const a = xst_cuda_step(c, run_own, sizeof *a);
    if (a)
        *a = (xst_cuda_gemm_args){.type = xst_cuda_type_of(s->form),
                                  .c_type = xst_cuda_type_of(s->c_form),
                                  .a_transposed = s->a_transposed,
                                  .b_transposed = s->b_transposed,
                                  .m = (uint32_t)s->m,
                                  .n = (uint32_t)s->n,
                                  .k = (uint32_t)s->k};
    return a;
}

/* The product alone, by whichever fits. */
static void product(cuda_compiler *c, const cuda_gemm_shape *s, xst_tensor a, xst_tensor b, xst_tensor out)
{
    cuda_gemm_operands to = {0};
    if (xst_cuda_gemm_fits(s)) {
        to = xst_cuda_gemm_step(c, s);
    } else {
        xst_cuda_gemm_args *const own = own_step(c, s);
        if (own)
            to = (cuda_gemm_operands){&own->a, &own->b, &own->c};
    }
    if (!to.a)
        return;
    xst_cuda_in(c, to.a, a, s->form);
    xst_cuda_in(c, to.b, b, s->form);
    xst_cuda_out(c, to.c, out, s->c_form);
}

/* y = x w^T by the library into y's own memory, then bias and ReLU in place. */
static void library_forward(cuda_compiler *c, const xst_op *op, const cuda_gemm_shape *s)
{
    product(c, s, op->in[0], op->in[1], op->out[0]);
    xst_cuda_bias_args *const b = xst_cuda_step(c, run_bias, sizeof *b);
    if (!b)
        return;
    b->from_type = b->type = xst_cuda_type_of(s->c_form);
    b->relu = op->p.linear.relu;
    b->rows = (uint32_t)s->m;
    b->n = (uint32_t)s->n;
    xst_cuda_in(c, &b->from, op->out[0], s->c_form);
    xst_cuda_in(c, &b->y, op->out[0], s->c_form);
    xst_cuda_in(c, &b->bias, op->in[2], CUDA_FORM_F32);
}

void xst_cuda_emit_linear_forward(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const int64_t *const x = xst_cuda_info(c, op->in[0])->dim, *const y = xst_cuda_info(c, op->out[0])->dim;
    const cuda_gemm_shape s = {.b_transposed = true,
                               .m = x[0],
                               .n = y[1],
                               .k = x[1],
                               .form = c->session->backend->compute,
                               .c_form = xst_cuda_own(c, op->out[0])};
    cuda_fused_weights *const fused = xst_cuda_fused_weights_of(c, op->in[1]);
    if (fused) {
        xst_cuda_emit_fused_forward(c, op, fused);
        return;
    }
    if (is_narrow(c, op->out[0], op->in[1])) {
        narrow_forward(c, op);
        return;
    }
    if (xst_cuda_gemm_fits(&s)) {
        library_forward(c, op, &s);
        return;
    }
    xst_cuda_gemm_args *const a = own_step(c, &s);
    if (!a)
        return;
    a->relu = op->p.linear.relu;
    xst_cuda_in(c, &a->a, op->in[0], s.form);
    xst_cuda_in(c, &a->b, op->in[1], s.form);
    xst_cuda_in(c, &a->bias, op->in[2], CUDA_FORM_F32);
    xst_cuda_out(c, &a->c, op->out[0], s.c_form);
}

static void backward_data(cuda_compiler *c, const xst_op *op)
{
    const int64_t *const dy = xst_cuda_info(c, op->in[0])->dim, *const dx = xst_cuda_info(c, op->out[0])->dim;
    const cuda_gemm_shape s = {.m = dy[0],
                               .n = dx[1],
                               .k = dy[1],
                               .form = c->session->backend->compute,
                               .c_form = xst_cuda_own(c, op->out[0])};
    cuda_fused_weights *const fused = xst_cuda_fused_weights_of(c, op->in[1]);
    if (fused)
        xst_cuda_emit_fused_data(c, op, fused);
    else if (is_narrow(c, op->in[0], op->in[1]))
        narrow_backward(c, op, NULL);
    else
        product(c, &s, op->in[0], op->in[1], op->out[0]);
}

/* ---- backward of ReLU, gradient of the bias ---------------------------------------------------------------------- */

static bool takes_narrow_gradient(cuda_compiler *c, const xst_op *weights)
{
    return !xst_cuda_fused_gradient_of(c, weights->out[0]) && is_narrow(c, weights->in[1], weights->out[0]);
}

/* The operation that wants the sum of what this ReLU passes on as the gradient of its bias, which nobody else touches
 * on the way there; NULL: none. */
static const xst_op *bias_behind(cuda_compiler *c, const xst_op *relu)
{
    const xst_op *const end = c->program->op + c->program->count, *op = relu + 1;
    while (op < end && !(op->kind == XST_OP_LINEAR_BACKWARD_WEIGHTS && op->in[1] == relu->out[0]))
        if (xst_cuda_writes(op++, relu->out[0]))
            return NULL;
    if (op == end || takes_narrow_gradient(c, op))
        return NULL;
    for (const xst_op *between = relu; between < op; between++)
        if (xst_cuda_reads(between, op->out[1]) || xst_cuda_writes(between, op->out[1]))
            return NULL;
    return op;
}

static bool has_bias_gradient(cuda_compiler *c, const xst_op *weights)
{
    for (const xst_op *op = c->program->op; op < weights; op++)
        if (op->kind == XST_OP_RELU_BACKWARD && bias_behind(c, op) == weights)
            return true;
    return false;
}

static xst_status run_relu(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_relu_backward(&s->queue, args), "ReLU, backward, or the gradient of a bias", err);
}

static xst_cuda_relu_args *relu_step(cuda_compiler *c, xst_tensor dy, cuda_form form)
{
    const xst_tensor_info *const info = xst_cuda_info(c, dy);
    xst_cuda_relu_args *const a = xst_cuda_step(c, run_relu, sizeof *a);
    if (!a)
        return NULL;
    a->type = xst_cuda_type_of(form);
    a->rows = (uint32_t)info->dim[0];
    a->n = (uint32_t)(xst_tensor_elements(info) / info->dim[0]);
    xst_cuda_in(c, &a->dy, dy, form);
    return a;
}

void xst_cuda_emit_relu(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0), *const weights = bias_behind(c, op);
    const cuda_form form = xst_cuda_own(c, op->out[0]);
    xst_cuda_relu_args *const a = relu_step(c, op->in[0], form);
    if (!a)
        return;
    xst_cuda_in(c, &a->y, op->in[1], form);
    xst_cuda_out(c, &a->dx, op->out[0], form);
    if (weights)
        xst_cuda_out(c, &a->dbias, weights->out[1], CUDA_FORM_F32);
}

/* ---- backward products ------------------------------------------------------------------------------------------- */

static void backward_weights(cuda_compiler *c, const xst_op *op)
{
    const int64_t *const x = xst_cuda_info(c, op->in[0])->dim, *const dy = xst_cuda_info(c, op->in[1])->dim;
    const cuda_form compute = c->session->backend->compute;
    const cuda_gemm_shape s = {
        .a_transposed = true, .m = dy[1], .n = x[1], .k = x[0], .form = compute, .c_form = xst_cuda_own(c, op->out[0])};
    cuda_fused_gradient *const fused = xst_cuda_fused_gradient_of(c, op->out[0]);
    if (takes_narrow_gradient(c, op)) {
        narrow_backward(c, NULL, op);
        return;
    }
    if (fused)
        xst_cuda_emit_fused_gradient(c, op, fused);
    else
        product(c, &s, op->in[1], op->in[0], op->out[0]);
    xst_cuda_relu_args *const a = has_bias_gradient(c, op) ? NULL : relu_step(c, op->in[1], xst_cuda_own(c, op->in[1]));
    if (a)
        xst_cuda_out(c, &a->dbias, op->out[1], CUDA_FORM_F32);
}

/* Both operations of a narrow layer in one launch, if their activations are of one type. */
static bool narrow_pair(cuda_compiler *c, const xst_op *data, const xst_op *weights)
{
    if (xst_cuda_fused_weights_of(c, data->in[1]) || !is_narrow(c, data->in[0], data->in[1]) ||
        !takes_narrow_gradient(c, weights) || xst_cuda_own(c, data->out[0]) != xst_cuda_own(c, weights->in[0]))
        return false;
    narrow_backward(c, data, weights);
    return true;
}

/* A group of one of the two operations, or of both, data first. */
void xst_cuda_emit_linear_backward(cuda_compiler *c, const cuda_group *group)
{
    if (group->count == 2 && narrow_pair(c, xst_cuda_op(c, group, 0), xst_cuda_op(c, group, 1)))
        return;
    for (int32_t i = 0; i < group->count; i++) {
        const xst_op *const op = xst_cuda_op(c, group, i);
        if (op->kind == XST_OP_LINEAR_BACKWARD_DATA)
            backward_data(c, op);
        else
            backward_weights(c, op);
    }
}
