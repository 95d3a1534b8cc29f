/* A program: a plain list of operations over a table of tensors, emitted once, compiled by a backend, replayed. */
#ifndef XST_PROGRAM_PROGRAM_H
#define XST_PROGRAM_PROGRAM_H

#include "base/text.h"
#include "program/ops.h"

typedef struct xst_program {
    char name[XST_NAME_MAX]; /* "step", "step.exchange", "short", "short.exchange", "epoch", "test" */
    xst_op *op;
    int32_t count;
    size_t capacity;
} xst_program;

/* Appends an operation; `in` and `out` are as in ops.h, ended by the table's count. Checks the number of tensors, and
 * that shapes and dtypes fit the operation: what does not is a bug in the emitter (XST_ERROR_INTERNAL). */
xst_status xst_program_add(xst_program *program, const xst_tensors *tensors, const xst_op *op, xst_error *err);
void xst_program_free(xst_program *program);

/* One line per operation: name, label, tensors with shapes. `xst train --dry-run -v` shows it. */
void xst_program_print(const xst_program *program, const xst_tensors *tensors, xst_text *text);

/* Multiply-adds of an operation (conv and linear; 0 else), for GFLOP/s = 2 * MACs / time. */
double xst_op_macs(const xst_op *op, const xst_tensors *tensors);

#endif
