/* A phase's state on the device: how it starts, how it is saved and restored (resume), and what it leaves behind
 * (record). */
#ifndef XST_TRAIN_STATE_H
#define XST_TRAIN_STATE_H

#include "net/model.h"
#include "store/arrays.h"
#include "train/programs.h"

/* Uploads everything a phase starts from: data, frozen weights, A with its values, masks, per-task tensors, quotas. */
xst_status xst_state_start(xst_task_programs *programs, const xst_model *model, const xst_task_data *data,
                           xst_error *err);

/* Everything that a phase's training changes is added to the arrays; and back. Restoring checks that names and sizes
 * are those of this phase: XST_ERROR_RUN. */
xst_status xst_state_save(xst_task_programs *programs, xst_array_list *arrays, xst_error *err);
xst_status xst_state_restore(xst_task_programs *programs, const xst_array_list *arrays, xst_error *err);

/* |A|, all masked layers together: without the columns that were pruned away. */
xst_status xst_state_active(xst_task_programs *programs, uint64_t *active, xst_error *err);
/* Share of preserved columns with m_r > 0, all masked layers together; NaN where the task has no mask. */
xst_status xst_state_mask_density(xst_task_programs *programs, double *density, xst_error *err);

/* The task's columns, values, mask bits and per-task tensors. name, data_sha256, mean, std and logits are the caller's.
 */
xst_status xst_state_record(xst_task_programs *programs, const xst_model *model, xst_task_record *record,
                            xst_error *err);

#endif
