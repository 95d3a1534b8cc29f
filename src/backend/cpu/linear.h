/* The weight gradient of an FC layer, handed over to its readers. */
#ifndef XST_BACKEND_CPU_LINEAR_H
#define XST_BACKEND_CPU_LINEAR_H

#include "backend/cpu/gradient.h"

/* dw = dy^T x is never whole in memory: oneDNN makes 16 rows of it in a thread's cache, and its readers use them there.
 * At 5016 x 5016 and batch 32 that takes the time of the product alone; writing dw, 100 MB, and reading it again took
 * more than twice as long. */
xst_status xst_cpu_linear_gradient(cpu_compiler *c, const xst_op *op, const cpu_readers *readers, const cpu_place *x,
                                   const cpu_place *dy, xst_error *err);

#endif
