/* Convolutions: which oneDNN implementation a shape gets, and in which layouts. */
#ifndef XST_BACKEND_CPU_CONV_H
#define XST_BACKEND_CPU_CONV_H

#include "backend/cpu/cpu.h"

typedef struct cpu_conv_choice {
    dnnl_primitive_desc_t pd;
    cpu_layout x, w, y; /* what pd wants */
} cpu_conv_choice;

static inline bool xst_cpu_is_conv(xst_op_kind kind)
{
    return kind == XST_OP_CONV_FORWARD || kind == XST_OP_CONV_BACKWARD_DATA || kind == XST_OP_CONV_BACKWARD_WEIGHTS;
}

/* The tensors of a convolution in any direction. */
typedef struct cpu_conv_tensors {
    xst_tensor x, w, y;
} cpu_conv_tensors;

cpu_conv_tensors xst_cpu_conv_tensors(const xst_op *op);

/* Chooses the implementation of c->program->op[index] by a rule on the shape (never by timing: a run that is resumed
 * must choose the same). x and y are the layouts that the activations have. */
xst_status xst_cpu_conv_choose(cpu_compiler *c, const xst_op *op, const cpu_layout *x, const cpu_layout *y,
                               cpu_conv_choice *out, xst_error *err);

#endif
