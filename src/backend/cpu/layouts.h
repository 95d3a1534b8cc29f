/* The layout pass: which layout each tensor of a program has. */
#ifndef XST_BACKEND_CPU_LAYOUTS_H
#define XST_BACKEND_CPU_LAYOUTS_H

#include "backend/cpu/cpu.h"

/* Fills c->use (variants and layouts) of every tensor that the program names, and c->conv of every convolution. */
xst_status xst_cpu_choose_layouts(cpu_compiler *c, xst_error *err);

/* Tensors that an operation of this kind reads and writes. */
int xst_cpu_input_count(xst_op_kind kind);
int xst_cpu_output_count(xst_op_kind kind);

#endif
