/* What a step does with the gradient dw of a masked layer's weights: everything that reads dw, in one pass, job by job,
 * while that part of dw is in the cache. The operations keep their meaning; only their order within the layer changes.
 */
#ifndef XST_BACKEND_CPU_GRADIENT_H
#define XST_BACKEND_CPU_GRADIENT_H

#include "backend/cpu/update.h"

/* The operations that read one dw; -1: none of this kind. */
typedef struct cpu_readers {
    int32_t sgd, mask, adam, drop_grow;
    int32_t last; /* the last of them */
    bool all;     /* nothing else in the program reads dw */
} cpu_readers;

/* Those from operation `first` on whose work may be done at `first`: nothing before them touches what they use. */
cpu_readers xst_cpu_readers_of(const cpu_compiler *c, int32_t first, xst_tensor dw);

typedef struct cpu_gradient {
    cpu_columns columns;
    xst_cpu_isa isa;
    cpu_column_sgd sgd;                              /* COLUMN_SGD, if sgd.active */
    const cpu_place *frozen, *slope, *preserved, *g; /* MASK_GRADIENT, if frozen */
    cpu_adam adam;                                   /* ADAM, if adam.m_r: then g is not stored */
    const cpu_place *score;                          /* for DROP_GROW, if there */
    const cpu_place *scratch;                        /* g of a job, per thread */
} cpu_gradient;

/* Prepares the readers' work and marks them in c->fused. layout: that of dw. */
xst_status xst_cpu_gradient_create(cpu_compiler *c, const cpu_readers *readers, const cpu_layout *layout,
                                   cpu_gradient *out, xst_error *err);
void xst_cpu_gradient_free(cpu_gradient *gradient);

/* Scalars of this run, for all jobs. */
cpu_adam_scalars xst_cpu_gradient_scalars(const cpu_gradient *gradient);
/* One job, by the calling thread of a team; dw points to the job's first filter. */
void xst_cpu_gradient_job(const cpu_gradient *gradient, const cpu_adam_scalars *scalars, int64_t index,
                          const float *dw);

#endif
