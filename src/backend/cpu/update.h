/* The optimisers on stretches of columns. */
#ifndef XST_BACKEND_CPU_UPDATE_H
#define XST_BACKEND_CPU_UPDATE_H

#include "backend/cpu/columns.h"
#include "backend/cpu/cpu.h"

typedef struct cpu_adam {
    const cpu_place *preserved, *t, *rates, *m_r, *m, *v;
} cpu_adam;

/* The same for every column of a step. */
typedef struct cpu_adam_scalars {
    float rate; /* rates[1] / (1 - .9^t) */
    float root; /* 1 / sqrt(1 - .999^t) */
} cpu_adam_scalars;

typedef struct cpu_column_sgd {
    float momentum, decay;
    uint32_t actives;
    const cpu_place *active, *rates, *value, *velocity;
} cpu_column_sgd;

cpu_adam xst_cpu_adam_of(cpu_compiler *c, const xst_op *op);
cpu_adam_scalars xst_cpu_adam_scalars_of(const cpu_adam *adam);
/* Columns first .. first+n-1; g points to that of `first`. */
void xst_cpu_adam_run(const cpu_adam *adam, const cpu_adam_scalars *scalars, xst_cpu_isa isa, int64_t first, int64_t n,
                      const float *g);

cpu_column_sgd xst_cpu_column_sgd_of(cpu_compiler *c, const xst_op *op);
/* The active columns of a job; dw points to the job's first filter. */
void xst_cpu_column_sgd_job(const cpu_column_sgd *sgd, const cpu_columns *columns, xst_cpu_isa isa, const cpu_job *job,
                            const float *dw);

#endif
