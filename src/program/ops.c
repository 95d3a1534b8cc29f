#include "program/ops.h"

#include <stdio.h>

static const struct {
    const char *name, *inputs, *outputs;
} ops[] = {
#define OP_ROW(NAME, name, in, out, member) [XST_OP_##NAME] = {name, in, out},
    XST_OPS(OP_ROW)
#undef OP_ROW
};

const char *xst_op_name(xst_op_kind kind)
{
    return ops[kind].name;
}

const char *xst_op_inputs(xst_op_kind kind)
{
    return ops[kind].inputs;
}

const char *xst_op_outputs(xst_op_kind kind)
{
    return ops[kind].outputs;
}

xst_op xst_op_make(xst_op_kind kind, const char *label)
{
    xst_op op = {.kind = kind};
    snprintf(op.label, sizeof op.label, "%s", label);
    for (int i = 0; i < XST_OP_INPUTS; i++)
        op.in[i] = -1;
    for (int i = 0; i < XST_OP_OUTPUTS; i++)
        op.out[i] = -1;
    return op;
}
