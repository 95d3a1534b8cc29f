/* Energy and time of writing the cells of a task (method notes, section 10; NeuroSim's training circuit). */
#ifndef XST_CROSSBAR_PROGRAMMING_H
#define XST_CROSSBAR_PROGRAMMING_H

#include "crossbar/run_plan.h"

/* One weight going from one code to another: sums over its cells, and the longest of them. */
typedef struct xst_write {
    double set, reset, pulses, energy; /* cells, cells, count, J */
    float longest_set, longest_reset;  /* s */
} xst_write;

typedef struct xst_writes {
    int count;       /* codes, erased included as the last */
    xst_write *pair; /* [from * count + to] */
} xst_writes;

xst_status xst_writes_make(const xst_device *device, const xst_codes *codes, xst_writes *out, xst_error *err);
void xst_writes_free(xst_writes *writes);

/* Writes the current task's cells under the plan's mapping: its new columns alone where columns are written once, else
 * every cell whose code differs from that of the task before. Its head, where heads stand on arrays, is written once,
 * on arrays of its own. Counts in net's layers how often each weight is written. */
xst_status xst_program(const xst_run_plan *plan, xst_run_net *net, const xst_writes *writes, xst_programming *out,
                       xst_error *err);

#endif
