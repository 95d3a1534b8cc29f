#include "program/program.h"

#include "base/error.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The next name of a list such as "x w [counter]"; *optional tells brackets. False at the end. */
static bool next_name(const char **list, char name[XST_NAME_MAX], bool *optional)
{
    size_t n = 0;
    *optional = false;
    while (**list == ' ')
        (*list)++;
    for (; **list && **list != ' '; (*list)++) {
        if (**list == '[')
            *optional = true;
        else if (**list != ']' && n + 1 < XST_NAME_MAX)
            name[n++] = **list;
    }
    name[n] = 0;
    return n > 0;
}

typedef struct operands {
    const xst_tensor *tensor;
    int max;
    const char *names;
} operands;

/* Every name has a tensor of the table, or -1 where it is optional; the rest of the slots are not used. */
static xst_status check_operands(const xst_op *op, const xst_tensors *tensors, const operands *side, xst_error *err)
{
    const char *list = side->names;
    char name[XST_NAME_MAX];
    bool optional;
    for (int i = 0; next_name(&list, name, &optional); i++) {
        const xst_tensor t = i < side->max ? side->tensor[i] : -2;
        if (t >= tensors->count || t < (optional ? -1 : 0))
            return xst_fail(err, XST_ERROR_INTERNAL, "%s (%s): tensor for '%s' is missing", xst_op_name(op->kind),
                            op->label, name);
    }
    return XST_OK;
}

static const xst_tensor_info *info_of(const xst_tensors *tensors, xst_tensor t)
{
    return &tensors->info[t];
}

static bool is_conv(xst_op_kind kind)
{
    return kind == XST_OP_CONV_FORWARD || kind == XST_OP_CONV_BACKWARD_DATA || kind == XST_OP_CONV_BACKWARD_WEIGHTS;
}

static bool is_linear(xst_op_kind kind)
{
    return kind == XST_OP_LINEAR_FORWARD || kind == XST_OP_LINEAR_BACKWARD_DATA ||
           kind == XST_OP_LINEAR_BACKWARD_WEIGHTS;
}

/* The input, output and weight tensors of a conv or linear operation, whatever its direction. */
typedef struct product {
    const xst_tensor_info *x, *y, *w;
} product;

static product product_of(const xst_op *op, const xst_tensors *tensors)
{
    const xst_tensor_info *const a = info_of(tensors, op->in[0]), *const b = info_of(tensors, op->in[1]),
                                 *const c = info_of(tensors, op->out[0]);
    switch (op->kind) {
    case XST_OP_CONV_FORWARD:
    case XST_OP_LINEAR_FORWARD:
        return (product){.x = a, .w = b, .y = c};
    case XST_OP_CONV_BACKWARD_DATA:
    case XST_OP_LINEAR_BACKWARD_DATA:
        return (product){.y = a, .w = b, .x = c};
    default:
        return (product){.x = a, .y = b, .w = c};
    }
}

static xst_status check_shapes(const xst_op *op, const xst_tensors *tensors, xst_error *err)
{
    bool fits = true;
    if (is_conv(op->kind)) {
        const product p = product_of(op, tensors);
        fits = p.x->dim[0] == p.y->dim[0] && p.x->dim[1] == p.w->dim[1] && p.y->dim[1] == p.w->dim[0] &&
               p.x->dim[2] == p.y->dim[2] && p.x->dim[3] == p.y->dim[3] && p.w->dim[2] % 2 == 1 && p.w->dim[3] % 2 == 1;
    } else if (is_linear(op->kind)) {
        const product p = product_of(op, tensors);
        fits = p.x->dim[0] == p.y->dim[0] && p.x->dim[1] == p.w->dim[1] && p.y->dim[1] == p.w->dim[0] &&
               p.w->dim[2] * p.w->dim[3] == 1;
    } else if (op->kind == XST_OP_RESHAPE) {
        fits = xst_tensor_elements(info_of(tensors, op->in[0])) == xst_tensor_elements(info_of(tensors, op->out[0]));
    } else if (op->kind == XST_OP_EFFECTIVE) {
        fits = xst_tensor_elements(info_of(tensors, op->out[0])) == xst_geometry_weights(&op->p.columns.geometry);
    }
    return fits ? XST_OK
                : xst_fail(err, XST_ERROR_INTERNAL, "%s (%s): shapes do not fit", xst_op_name(op->kind), op->label);
}

xst_status xst_program_add(xst_program *program, const xst_tensors *tensors, const xst_op *op, xst_error *err)
{
    const operands in = {op->in, XST_OP_INPUTS, xst_op_inputs(op->kind)},
                   out = {op->out, XST_OP_OUTPUTS, xst_op_outputs(op->kind)};
    xst_status status = check_operands(op, tensors, &in, err);
    if (status == XST_OK)
        status = check_operands(op, tensors, &out, err);
    if (status == XST_OK)
        status = check_shapes(op, tensors, err);
    void *ops = program->op;
    if (status == XST_OK)
        status = xst_grow(&ops, &program->capacity, (size_t)program->count + 1, sizeof *program->op, "program", err);
    program->op = ops;
    if (status == XST_OK)
        program->op[program->count++] = *op;
    return status;
}

void xst_program_free(xst_program *program)
{
    xst_free(program->op);
    program->op = NULL;
    program->count = 0;
    program->capacity = 0;
}

static void print_operands(const xst_tensors *tensors, const operands *side, xst_text *text)
{
    const char *list = side->names;
    char name[XST_NAME_MAX];
    bool optional;
    for (int i = 0; i < side->max && next_name(&list, name, &optional); i++) {
        if (side->tensor[i] < 0)
            continue;
        const xst_tensor_info *const t = info_of(tensors, side->tensor[i]);
        xst_text_add(text, " %s=%s:%s[", name, t->name, xst_dtype_name(t->dtype));
        for (int d = 0; d < t->rank; d++)
            xst_text_add(text, "%s%" PRId64, d ? "," : "", t->dim[d]);
        xst_text_add(text, "]");
    }
}

void xst_program_print(const xst_program *program, const xst_tensors *tensors, xst_text *text)
{
    xst_text_add(text, "program %s: %d operations\n", program->name, (int)program->count);
    for (int32_t i = 0; i < program->count; i++) {
        const xst_op *const op = &program->op[i];
        const operands in = {op->in, XST_OP_INPUTS, xst_op_inputs(op->kind)},
                       out = {op->out, XST_OP_OUTPUTS, xst_op_outputs(op->kind)};
        xst_text_add(text, "%4d %-24s %-22s", (int)i, xst_op_name(op->kind), op->label);
        print_operands(tensors, &in, text);
        xst_text_add(text, " ->");
        print_operands(tensors, &out, text);
        xst_text_add(text, "\n");
    }
}

double xst_op_macs(const xst_op *op, const xst_tensors *tensors)
{
    if (!is_conv(op->kind) && !is_linear(op->kind))
        return 0.0;
    const product p = product_of(op, tensors);
    return (double)xst_tensor_elements(p.w) * (double)p.y->dim[0] * (double)p.y->dim[2] * (double)p.y->dim[3];
}
