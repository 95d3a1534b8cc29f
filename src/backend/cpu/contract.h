/* Sums over columns: the gradient of the mask and the growth score. */
#ifndef XST_BACKEND_CPU_CONTRACT_H
#define XST_BACKEND_CPU_CONTRACT_H

#include "backend/cpu/columns.h"
#include "backend/cpu/isa.h"

/* out[column] = sum over the column of a * b, for the columns of unit u; both in the layout of `columns`. */
void xst_cpu_contract_unit(const cpu_columns *columns, xst_cpu_isa isa, int64_t unit, const float *a, const float *b,
                           float *out);

#endif
