/* The dense baselines (method notes, section 6): every column is active, nothing is masked or preserved. */
#ifndef XST_METHODS_DENSE_H
#define XST_METHODS_DENSE_H

#include "methods/method.h"

/* A new net for each task. */
xst_status xst_scratch_begin(const xst_config *config, const xst_model *model, int position, xst_task_plan *plan,
                             xst_error *err);
/* One net that every task goes on changing: from the second task on at `finetune_lr`. */
xst_status xst_finetune_begin(const xst_config *config, const xst_model *model, int position, xst_task_plan *plan,
                              xst_error *err);

#endif
