/* XST (paper III; method notes, section 5): a few new columns per task, a learnt mask over the frozen ones. */
#ifndef XST_METHODS_SPARSE_H
#define XST_METHODS_SPARSE_H

#include "methods/method.h"

/* Column or element granularity, as the net was built. */
xst_status xst_sparse_begin(const xst_config *config, const xst_model *model, int position, xst_task_plan *plan,
                            xst_error *err);

#endif
