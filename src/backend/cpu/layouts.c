/* The layout pass. Activations between convolutions, BN and pooling lie in channel blocks; effective weights and their
 * gradients as the chosen convolutions want them, so that a step reorders nothing; frozen weights like the gradient
 * they are multiplied with; all else, and every other STATE, row-major. */
#include "backend/cpu/layouts.h"

#include "backend/cpu/conv.h"

/* Number of names in a list such as "x w [counter]". */
static int names(const char *list)
{
    int n = *list != 0;
    for (; *list; list++)
        n += *list == ' ';
    return n;
}

int xst_cpu_input_count(xst_op_kind kind)
{
    return names(xst_op_inputs(kind));
}

int xst_cpu_output_count(xst_op_kind kind)
{
    return names(xst_op_outputs(kind));
}

static bool is_in(const xst_tensor *list, int count, xst_tensor t)
{
    for (int i = 0; i < count; i++)
        if (list[i] == t)
            return true;
    return false;
}

bool xst_cpu_writes(const xst_program *program, xst_tensor tensor)
{
    for (int32_t i = 0; i < program->count; i++)
        if (is_in(program->op[i].out, xst_cpu_output_count(program->op[i].kind), tensor))
            return true;
    return false;
}

/* Operations that take their big tensors in any layout. */
static bool takes_any_layout(xst_op_kind kind)
{
    switch (kind) {
    case XST_OP_CONV_FORWARD:
    case XST_OP_CONV_BACKWARD_DATA:
    case XST_OP_CONV_BACKWARD_WEIGHTS:
    case XST_OP_BN_RELU_FORWARD:
    case XST_OP_BN_RELU_BACKWARD:
    case XST_OP_BN_RELU_EVAL:
    case XST_OP_BN_RELU_EVAL_BACKWARD:
    case XST_OP_POOL_FORWARD:
    case XST_OP_POOL_BACKWARD:
    case XST_OP_RESHAPE:
        return true;
    default:
        return false;
    }
}

/* Whether the layout of t is decided already: a STATE tensor that has its memory, or that some operation of this
 * program needs row by row. */
static bool is_fixed(const cpu_compiler *c, xst_tensor t)
{
    if (xst_cpu_info(c, t)->kind == XST_TEMP)
        return false;
    if (c->session->state[t].placed)
        return true;
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        if (!takes_any_layout(op->kind) &&
            (is_in(op->in, xst_cpu_input_count(op->kind), t) || is_in(op->out, xst_cpu_output_count(op->kind), t)))
            return true;
    }
    return false;
}

static void set_layout(cpu_compiler *c, xst_tensor t, const cpu_layout *layout)
{
    cpu_use *const use = &c->use[t];
    if (use->variants == 0)
        use->layout[use->variants++] = *layout;
}

/* A further layout in which the writer of w_eff makes it. */
static void add_layout(cpu_compiler *c, xst_tensor t, const cpu_layout *layout)
{
    cpu_use *const use = &c->use[t];
    for (int32_t v = 0; v < use->variants; v++)
        if (xst_cpu_layout_same(&use->layout[v], layout))
            return;
    if (use->variants < CPU_VARIANTS)
        use->layout[use->variants++] = *layout;
}

static void set_channels(cpu_compiler *c, xst_tensor t)
{
    if (is_fixed(c, t))
        return;
    const cpu_layout layout = xst_cpu_layout_channels(xst_cpu_info(c, t), c->session->backend->channel_block);
    set_layout(c, t, &layout);
}

/* Activations that an operation reads or writes in channel blocks. */
static void block_activations(cpu_compiler *c, const xst_op *op)
{
    switch (op->kind) {
    case XST_OP_BN_RELU_FORWARD:
    case XST_OP_BN_RELU_EVAL:
    case XST_OP_POOL_FORWARD:
        set_channels(c, op->in[0]);
        set_channels(c, op->out[0]);
        break;
    case XST_OP_BN_RELU_EVAL_BACKWARD:
        set_channels(c, op->in[0]);
        set_channels(c, op->in[1]);
        set_channels(c, op->out[0]);
        break;
    case XST_OP_BN_RELU_BACKWARD:
    case XST_OP_POOL_BACKWARD:
        for (int i = 0; i < 3; i++)
            set_channels(c, op->in[i]);
        set_channels(c, op->out[0]);
        break;
    case XST_OP_CONV_FORWARD:
    case XST_OP_CONV_BACKWARD_DATA:
    case XST_OP_CONV_BACKWARD_WEIGHTS:
        set_channels(c, xst_cpu_conv_tensors(op).y);
        break;
    default:
        break;
    }
}

/* The layout of a convolution's input: images (few channels) stay row-major, oneDNN has kernels for that. */
static cpu_layout input_layout(cpu_compiler *c, xst_tensor x)
{
    const xst_tensor_info *const info = xst_cpu_info(c, x);
    const int block = c->session->backend->channel_block;
    return info->dim[1] < block / 2 ? xst_cpu_layout_plain(info) : xst_cpu_layout_channels(info, block);
}

static bool written_by_effective(const cpu_compiler *c, xst_tensor t)
{
    for (int32_t i = 0; i < c->program->count; i++)
        if (c->program->op[i].kind == XST_OP_EFFECTIVE && c->program->op[i].out[0] == t)
            return true;
    return false;
}

static xst_status choose_conv(cpu_compiler *c, int32_t index, xst_error *err)
{
    const xst_op *const op = &c->program->op[index];
    const cpu_conv_tensors t = xst_cpu_conv_tensors(op);
    const cpu_layout wanted = input_layout(c, t.x);
    if (!is_fixed(c, t.x))
        set_layout(c, t.x, &wanted);
    const cpu_layout x = is_fixed(c, t.x) ? wanted : c->use[t.x].layout[0];
    const cpu_layout y = is_fixed(c, t.y)
                             ? xst_cpu_layout_channels(xst_cpu_info(c, t.y), c->session->backend->channel_block)
                             : c->use[t.y].layout[0];
    const xst_status status = xst_cpu_conv_choose(c, op, &x, &y, &c->conv[index], err);
    if (status != XST_OK || is_fixed(c, t.w))
        return status;
    if (written_by_effective(c, t.w))
        add_layout(c, t.w, &c->conv[index].w);
    else
        set_layout(c, t.w, &c->conv[index].w);
    return XST_OK;
}

static xst_status choose_convs(cpu_compiler *c, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < c->program->count && status == XST_OK; i++)
        if (xst_cpu_is_conv(c->program->op[i].kind))
            status = choose_conv(c, i, err);
    return status;
}

/* Frozen weights of the layer: as its dw, else as its w_eff, unless an earlier program fixed them. */
static void choose_frozen(cpu_compiler *c, xst_op_kind kind, int like_in, int like_out, int frozen_in)
{
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        if (op->kind != kind || op->in[frozen_in] < 0)
            continue;
        const xst_tensor like = like_in >= 0 ? op->in[like_in] : op->out[like_out], frozen = op->in[frozen_in];
        if (c->use[like].variants > 0 && xst_cpu_info(c, frozen)->kind == XST_STATE &&
            !c->session->state[frozen].placed)
            set_layout(c, frozen, &c->use[like].layout[0]);
    }
}

static void set_plain(cpu_compiler *c, const xst_tensor *tensor, int count)
{
    for (int i = 0; i < count; i++)
        if (tensor[i] >= 0) {
            const cpu_layout plain = xst_cpu_layout_plain(xst_cpu_info(c, tensor[i]));
            set_layout(c, tensor[i], &plain);
        }
}

xst_status xst_cpu_choose_layouts(cpu_compiler *c, xst_error *err)
{
    for (int32_t t = 0; t < c->session->tensors.count; t++)
        if (c->session->state[t].placed)
            set_layout(c, t, &c->session->state[t].layout);
    for (int32_t i = 0; i < c->program->count; i++)
        block_activations(c, &c->program->op[i]);
    const xst_status status = choose_convs(c, err);
    if (status != XST_OK)
        return status;
    choose_frozen(c, XST_OP_MASK_GRADIENT, 0, -1, 1);
    choose_frozen(c, XST_OP_EFFECTIVE, -1, 0, 0);
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        set_plain(c, op->in, xst_cpu_input_count(op->kind));
        set_plain(c, op->out, xst_cpu_output_count(op->kind));
    }
    return XST_OK;
}
