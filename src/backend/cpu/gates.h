/* Gates of columns, drawn 64 at a time. */
#ifndef XST_BACKEND_CPU_GATES_H
#define XST_BACKEND_CPU_GATES_H

#include "backend/cpu/cpu.h"

/* gate and slope (ops.h, GATES) of columns first .. first+n-1, n <= 64, first a multiple of 4; m_r, preserved, gate and
 * slope point to column `first`. */
void xst_cpu_draw_gates(xst_cpu_isa isa, const xst_gates_params *p, uint32_t t, uint32_t first, uint32_t n,
                        const float *m_r, const uint8_t *preserved, float *gate, float *slope);

#endif
