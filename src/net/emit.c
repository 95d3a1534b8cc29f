#include "net/emit.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static xst_status add(xst_emitter *e, const xst_op *op, xst_error *err)
{
    return xst_program_add(e->program, e->tensors, op, err);
}

xst_status xst_emit_find(const xst_tensors *tensors, const char *name, const char *what, xst_tensor *out,
                         xst_error *err)
{
    char full[2 * XST_NAME_MAX];
    snprintf(full, sizeof full, "%s%s%s", name, what ? "/" : "", what ? what : "");
    *out = xst_tensors_find(tensors, full);
    return *out >= 0 ? XST_OK : xst_fail(err, XST_ERROR_INTERNAL, "tensor '%s' is not declared", full);
}

xst_status xst_emit_temp(xst_emitter *e, const char *name, const char *what, xst_dtype dtype, int32_t rank,
                         const int64_t *dim, xst_tensor *out, xst_error *err)
{
    char full[2 * XST_NAME_MAX];
    snprintf(full, sizeof full, "%s:%s/%s", e->prefix, name, what);
    *out = xst_tensors_find(e->tensors, full);
    return *out >= 0 ? XST_OK : xst_tensors_add(e->tensors, full, dtype, XST_TEMP, rank, dim, out, err);
}

static xst_status map_temp(xst_emitter *e, const char *name, const char *what, int channels, int side, xst_tensor *out,
                           xst_error *err)
{
    return xst_emit_temp(e, name, what, XST_F32, 4, (const int64_t[]){e->batch, channels, side, side}, out, err);
}

static xst_status row_temp(xst_emitter *e, const char *name, const char *what, int64_t width, xst_tensor *out,
                           xst_error *err)
{
    return xst_emit_temp(e, name, what, XST_F32, 2, (const int64_t[]){e->batch, width}, out, err);
}

static xst_status vector_temp(xst_emitter *e, const char *name, const char *what, int64_t n, xst_tensor *out,
                              xst_error *err)
{
    return xst_emit_temp(e, name, what, XST_F32, 1, &n, out, err);
}

static xst_status weight_temp(xst_emitter *e, const xst_layer *l, const char *what, xst_tensor *out, xst_error *err)
{
    const xst_geometry *const g = &l->geometry;
    return xst_emit_temp(e, l->name, what, XST_F32, 4, (const int64_t[]){g->out, g->in, g->kh, g->kw}, out, err);
}

xst_status xst_emit_params(const xst_net *net, int classes, bool training, xst_tensors *tensors, xst_error *err)
{
    xst_param param[XST_PARAMS_MAX];
    const int n = xst_net_params(net, classes, param);
    xst_status status = XST_OK;
    for (int i = 0; i < n && status == XST_OK; i++) {
        char velocity[2 * XST_NAME_MAX];
        xst_tensor t;
        snprintf(velocity, sizeof velocity, "%.100s/velocity", param[i].name);
        status = xst_tensors_add(tensors, param[i].name, XST_F32, XST_STATE, param[i].rank, param[i].dim, &t, err);
        if (status == XST_OK && training && xst_param_is_trained(param[i].kind))
            status = xst_tensors_add(tensors, velocity, XST_F32, XST_STATE, param[i].rank, param[i].dim, &t, err);
    }
    return status;
}

/* ---- forward --------------------------------------------------------------------------------------------------------
 */

static xst_status bn_forward(xst_emitter *e, int i, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    xst_tensor gamma, beta, mean, variance;
    const bool batch = e->training && !e->bn_frozen; /* statistics of the batch */
    char name[XST_NAME_MAX];
    snprintf(name, sizeof name, "%s.weight", l->bn);
    xst_status status = xst_emit_find(e->tensors, name, NULL, &gamma, err);
    snprintf(name, sizeof name, "%s.bias", l->bn);
    status = status == XST_OK ? xst_emit_find(e->tensors, name, NULL, &beta, err) : status;
    snprintf(name, sizeof name, "%s.running_mean", l->bn);
    status = status == XST_OK ? xst_emit_find(e->tensors, name, NULL, &mean, err) : status;
    snprintf(name, sizeof name, "%s.running_var", l->bn);
    status = status == XST_OK ? xst_emit_find(e->tensors, name, NULL, &variance, err) : status;
    if (status == XST_OK && batch)
        status = vector_temp(e, l->bn, "mean", l->out, &e->mean[i], err);
    if (status == XST_OK && batch)
        status = vector_temp(e, l->bn, "inverse_std", l->out, &e->inverse_std[i], err);
    if (status == XST_OK)
        status = map_temp(e, l->bn, "y", l->out, l->side, &e->y[i], err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(batch ? XST_OP_BN_RELU_FORWARD : XST_OP_BN_RELU_EVAL, l->bn);
    op.p.bn = (xst_bn_params){.momentum = e->bn_momentum, .eps = 1e-5f};
    op.in[0] = e->pre[i];
    op.in[1] = gamma;
    op.in[2] = beta;
    op.in[3] = batch ? e->bn_counter : mean;
    op.in[4] = batch ? -1 : variance;
    op.out[0] = e->y[i];
    if (batch) {
        op.out[1] = e->mean[i];
        op.out[2] = e->inverse_std[i];
        op.out[3] = mean;
        op.out[4] = variance;
    }
    return add(e, &op, err);
}

static xst_status conv_forward(xst_emitter *e, int i, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    xst_status status = e->hooks->weights(e->hooks->user, e, l->masked, &e->w[i], err);
    if (status == XST_OK)
        status = map_temp(e, l->name, "y", l->out, l->side, &e->pre[i], err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_CONV_FORWARD, l->name);
    op.in[0] = e->x[i];
    op.in[1] = e->w[i];
    op.out[0] = e->pre[i];
    status = add(e, &op, err);
    return status == XST_OK ? bn_forward(e, i, err) : status;
}

static xst_status pool_forward(xst_emitter *e, int i, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    const xst_status status = map_temp(e, l->name, "y", l->out, l->side / 2, &e->y[i], err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_POOL_FORWARD, l->name);
    op.in[0] = e->x[i];
    op.out[0] = e->y[i];
    return add(e, &op, err);
}

/* y = x w^T + bias of a hidden FC layer (relu) or the head. */
static xst_status linear_op(xst_emitter *e, const char *name, xst_tensor x, xst_tensor w, xst_tensor y, bool relu,
                            xst_error *err)
{
    char bias_name[XST_NAME_MAX];
    snprintf(bias_name, sizeof bias_name, "%s.bias", name);
    xst_tensor bias;
    const xst_status status = xst_emit_find(e->tensors, bias_name, NULL, &bias, err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_LINEAR_FORWARD, name);
    op.p.linear.relu = relu;
    op.in[0] = x;
    op.in[1] = w;
    op.in[2] = bias;
    op.out[0] = y;
    return add(e, &op, err);
}

static xst_status linear_forward(xst_emitter *e, int i, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    xst_status status = e->hooks->weights(e->hooks->user, e, l->masked, &e->w[i], err);
    if (status == XST_OK)
        status = row_temp(e, l->name, "y", l->out, &e->y[i], err);
    return status == XST_OK ? linear_op(e, l->name, e->x[i], e->w[i], e->y[i], true, err) : status;
}

static xst_status reshape(xst_emitter *e, const char *label, xst_tensor x, xst_tensor y, xst_error *err)
{
    xst_op op = xst_op_make(XST_OP_RESHAPE, label);
    op.in[0] = x;
    op.out[0] = y;
    return add(e, &op, err);
}

static xst_status flatten(xst_emitter *e, xst_tensor map, xst_error *err)
{
    e->map = map;
    const xst_status status = row_temp(e, "flatten", "y", e->net->flat, &e->flat, err);
    return status == XST_OK ? reshape(e, "flatten", map, e->flat, err) : status;
}

xst_status xst_emit_forward(xst_emitter *e, xst_tensor x, xst_tensor *logits, xst_error *err)
{
    xst_status status = XST_OK;
    xst_tensor at = x, w;
    bool flat = false;
    for (int i = 0; i < e->net->count && status == XST_OK; i++) {
        const xst_layer_kind kind = e->net->layer[i].kind;
        if (kind == XST_LAYER_LINEAR && !flat) {
            status = flatten(e, at, err);
            at = e->flat;
            flat = true;
        }
        e->x[i] = at;
        if (status == XST_OK)
            status = kind == XST_LAYER_CONV   ? conv_forward(e, i, err)
                     : kind == XST_LAYER_POOL ? pool_forward(e, i, err)
                                              : linear_forward(e, i, err);
        at = e->y[i];
    }
    if (status == XST_OK && !flat) {
        status = flatten(e, at, err);
        at = e->flat;
    }
    e->head_x = at;
    char name[XST_NAME_MAX];
    snprintf(name, sizeof name, "%s.weight", e->net->head);
    if (status == XST_OK)
        status = xst_emit_find(e->tensors, name, NULL, &w, err);
    if (status == XST_OK)
        status = row_temp(e, e->net->head, "y", e->classes, logits, err);
    return status == XST_OK ? linear_op(e, e->net->head, at, w, *logits, false, err) : status;
}

/* ---- backward -------------------------------------------------------------------------------------------------------
 */

/* SGD with Nesterov momentum, no decay, on a per-task tensor. */
static xst_status update_param(xst_emitter *e, const char *prefix, const char *suffix, xst_tensor gradient,
                               xst_error *err)
{
    char name[XST_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    xst_op op = xst_op_make(XST_OP_SGD, name);
    op.p.sgd = (xst_sgd_params){.momentum = e->momentum, .decay = 0.0f};
    op.in[0] = gradient;
    xst_status status = xst_emit_find(e->tensors, "rates", NULL, &op.in[1], err);
    if (status == XST_OK)
        status = xst_emit_find(e->tensors, name, NULL, &op.out[0], err);
    if (status == XST_OK)
        status = xst_emit_find(e->tensors, name, "velocity", &op.out[1], err);
    return status == XST_OK ? add(e, &op, err) : status;
}

static xst_status backward_data(xst_emitter *e, xst_op_kind kind, const char *label, xst_tensor dy, xst_tensor w,
                                xst_tensor dx, xst_error *err)
{
    xst_op op = xst_op_make(kind, label);
    op.in[0] = dy;
    op.in[1] = w;
    op.out[0] = dx;
    return add(e, &op, err);
}

/* Head or hidden layer: dx, then dw and dbias; dw goes to the method, or is a per-task tensor's (head). */
static xst_status linear_backward(xst_emitter *e, const char *name, xst_tensor x, xst_tensor w, xst_tensor dy,
                                  const int64_t dim[2], xst_tensor *dx, xst_tensor *dw, xst_error *err)
{
    xst_tensor dbias;
    xst_status status = row_temp(e, name, "dx", dim[1], dx, err);
    if (status == XST_OK)
        status = backward_data(e, XST_OP_LINEAR_BACKWARD_DATA, name, dy, w, *dx, err);
    if (status == XST_OK)
        status = vector_temp(e, name, "dbias", dim[0], &dbias, err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_LINEAR_BACKWARD_WEIGHTS, name);
    op.in[0] = x;
    op.in[1] = dy;
    op.out[0] = *dw;
    op.out[1] = dbias;
    status = add(e, &op, err);
    return status == XST_OK ? update_param(e, name, "bias", dbias, err) : status;
}

static xst_status head_backward(xst_emitter *e, xst_tensor dy, xst_tensor *dx, xst_error *err)
{
    char name[XST_NAME_MAX];
    const int64_t dim[2] = {e->classes, e->net->features};
    xst_tensor w, dw;
    snprintf(name, sizeof name, "%s.weight", e->net->head);
    xst_status status = xst_emit_find(e->tensors, name, NULL, &w, err);
    if (status == XST_OK)
        status = xst_emit_temp(e, e->net->head, "dw", XST_F32, 2, dim, &dw, err);
    if (status == XST_OK)
        status = linear_backward(e, e->net->head, e->head_x, w, dy, dim, dx, &dw, err);
    return status == XST_OK ? update_param(e, e->net->head, "weight", dw, err) : status;
}

static xst_status hidden_backward(xst_emitter *e, int i, xst_tensor dy, xst_tensor *dx, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    xst_tensor masked_dy, dw;
    xst_status status = row_temp(e, l->name, "dy", l->out, &masked_dy, err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_RELU_BACKWARD, l->name);
    op.in[0] = dy;
    op.in[1] = e->y[i];
    op.out[0] = masked_dy;
    status = add(e, &op, err);
    if (status == XST_OK)
        status = weight_temp(e, l, "dw", &dw, err);
    if (status == XST_OK)
        status =
            linear_backward(e, l->name, e->x[i], e->w[i], masked_dy, (const int64_t[]){l->out, l->in}, dx, &dw, err);
    return status == XST_OK ? e->hooks->gradient(e->hooks->user, e, l->masked, dw, err) : status;
}

/* Frozen BN: only the gradient of its input. */
static xst_status frozen_bn_backward(xst_emitter *e, int i, xst_tensor dy, xst_tensor *dx, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    char name[XST_NAME_MAX];
    xst_op op = xst_op_make(XST_OP_BN_RELU_EVAL_BACKWARD, l->bn);
    snprintf(name, sizeof name, "%s.weight", l->bn);
    xst_status status = xst_emit_find(e->tensors, name, NULL, &op.in[2], err);
    snprintf(name, sizeof name, "%s.running_var", l->bn);
    if (status == XST_OK)
        status = xst_emit_find(e->tensors, name, NULL, &op.in[3], err);
    if (status == XST_OK)
        status = map_temp(e, l->bn, "dx", l->out, l->side, dx, err);
    if (status != XST_OK)
        return status;
    op.p.bn = (xst_bn_params){.momentum = e->bn_momentum, .eps = 1e-5f};
    op.in[0] = dy;
    op.in[1] = e->y[i];
    op.out[0] = *dx;
    return add(e, &op, err);
}

static xst_status bn_backward(xst_emitter *e, int i, xst_tensor dy, xst_tensor *dx, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    char name[XST_NAME_MAX];
    xst_op op = xst_op_make(XST_OP_BN_RELU_BACKWARD, l->bn);
    snprintf(name, sizeof name, "%s.weight", l->bn);
    xst_status status = xst_emit_find(e->tensors, name, NULL, &op.in[3], err);
    if (status == XST_OK)
        status = map_temp(e, l->bn, "dx", l->out, l->side, dx, err);
    if (status == XST_OK)
        status = vector_temp(e, l->bn, "dgamma", l->out, &op.out[1], err);
    if (status == XST_OK)
        status = vector_temp(e, l->bn, "dbeta", l->out, &op.out[2], err);
    if (status != XST_OK)
        return status;
    op.p.bn = (xst_bn_params){.momentum = e->bn_momentum, .eps = 1e-5f};
    op.in[0] = dy;
    op.in[1] = e->pre[i];
    op.in[2] = e->y[i];
    op.in[4] = e->mean[i];
    op.in[5] = e->inverse_std[i];
    op.out[0] = *dx;
    status = add(e, &op, err);
    if (status == XST_OK)
        status = update_param(e, l->bn, "weight", op.out[1], err);
    return status == XST_OK ? update_param(e, l->bn, "bias", op.out[2], err) : status;
}

static xst_status conv_backward(xst_emitter *e, int i, xst_tensor dy, xst_tensor *dx, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    xst_tensor pre_gradient, dw;
    xst_status status =
        e->bn_frozen ? frozen_bn_backward(e, i, dy, &pre_gradient, err) : bn_backward(e, i, dy, &pre_gradient, err);
    if (status == XST_OK && i > 0) /* nobody needs the gradient of the images */
        status = map_temp(e, l->name, "dx", l->in, l->side, dx, err);
    if (status == XST_OK && i > 0)
        status = backward_data(e, XST_OP_CONV_BACKWARD_DATA, l->name, pre_gradient, e->w[i], *dx, err);
    if (status == XST_OK)
        status = weight_temp(e, l, "dw", &dw, err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_CONV_BACKWARD_WEIGHTS, l->name);
    op.in[0] = e->x[i];
    op.in[1] = pre_gradient;
    op.out[0] = dw;
    status = add(e, &op, err);
    return status == XST_OK ? e->hooks->gradient(e->hooks->user, e, l->masked, dw, err) : status;
}

static xst_status pool_backward(xst_emitter *e, int i, xst_tensor dy, xst_tensor *dx, xst_error *err)
{
    const xst_layer *const l = &e->net->layer[i];
    const xst_status status = map_temp(e, l->name, "dx", l->in, l->side, dx, err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_POOL_BACKWARD, l->name);
    op.in[0] = dy;
    op.in[1] = e->x[i];
    op.in[2] = e->y[i];
    op.out[0] = *dx;
    return add(e, &op, err);
}

static xst_status unflatten(xst_emitter *e, xst_tensor dy, xst_tensor *dx, xst_error *err)
{
    const xst_tensor_info info = e->tensors->info[e->map];
    const xst_status status = xst_emit_temp(e, "flatten", "dx", XST_F32, info.rank, info.dim, dx, err);
    return status == XST_OK ? reshape(e, "flatten", dy, *dx, err) : status;
}

xst_status xst_emit_backward(xst_emitter *e, xst_tensor dlogits, xst_error *err)
{
    xst_tensor d = -1, next = -1;
    xst_status status = head_backward(e, dlogits, &d, err);
    bool flat = true;
    for (int i = e->net->count - 1; i >= 0 && status == XST_OK; i--) {
        const xst_layer_kind kind = e->net->layer[i].kind;
        if (kind != XST_LAYER_LINEAR && flat) {
            status = unflatten(e, d, &next, err);
            d = next;
            flat = false;
        }
        if (status == XST_OK)
            status = kind == XST_LAYER_CONV   ? conv_backward(e, i, d, &next, err)
                     : kind == XST_LAYER_POOL ? pool_backward(e, i, d, &next, err)
                                              : hidden_backward(e, i, d, &next, err);
        d = next;
    }
    return status;
}
