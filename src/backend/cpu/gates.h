/* Gates of columns, drawn 64 at a time. */
#ifndef XST_BACKEND_CPU_GATES_H
#define XST_BACKEND_CPU_GATES_H

#include "backend/cpu/cpu.h"

typedef struct cpu_gates {
    xst_gates_params params;
    xst_cpu_isa isa;
    const cpu_place *m_r, *preserved, *t, *slope;
} cpu_gates;

cpu_gates xst_cpu_gates_of(cpu_compiler *c, const xst_op *op);

/* Draws columns first .. first+n-1 (first a multiple of 4): their slopes to their place, their gates to gate[n]. */
void xst_cpu_gates_draw(const cpu_gates *gates, int64_t first, int64_t n, float *gate);

/* The GATES operation whose gate only operation `effective` reads, which then draws it; -1: none. */
int32_t xst_cpu_gates_for(const cpu_compiler *c, int32_t effective);

#endif
