/* Sums over columns: the gradient of the mask and the growth score. */
#ifndef XST_BACKEND_CPU_CONTRACT_H
#define XST_BACKEND_CPU_CONTRACT_H

#include "backend/cpu/columns.h"
#include "backend/cpu/isa.h"

/* out[(o - first) * groups + g] = sum over column (o, g) of a * b, for the filters first .. last-1 of one job. a and b
 * point to where filter `first` lies, both in the layout of `columns`. */
void xst_cpu_contract(const cpu_columns *columns, xst_cpu_isa isa, int64_t first, int64_t last, const float *a,
                      const float *b, float *out);

#endif
