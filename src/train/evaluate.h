/* Evaluating tasks from what the run folder stores, and nothing else.
 *
 * An evaluator holds one compiled program (batches of XST_EVAL_BATCH in file order, running BN statistics) and takes
 * weights, the columns that count, and per-task tensors from outside. Training uses the same evaluator for the logits
 * it stores, so that a later evaluation repeats them bit for bit. */
#ifndef XST_TRAIN_EVALUATE_H
#define XST_TRAIN_EVALUATE_H

#include "backend/backend.h"
#include "data/dataset.h"
#include "net/model.h"
#include "net/record.h"

typedef struct xst_evaluator xst_evaluator;

xst_status xst_evaluator_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net, int classes,
                                uint32_t images, xst_evaluator **out, xst_error *err);
void xst_evaluator_destroy(xst_evaluator *evaluator);
bool xst_evaluator_fits(const xst_evaluator *evaluator, int classes, uint32_t images);

/* Sets the weights of all columns that `model` owns: once, for as many tasks as it knows. */
xst_status xst_evaluator_set_weights(xst_evaluator *evaluator, const xst_model *model, xst_error *err);
/* Chooses the columns that count: those of the task of `record`, and those of earlier tasks that have their bit in the
 * record's masks. The model must already own the record's columns. */
xst_status xst_evaluator_set_columns(xst_evaluator *evaluator, const xst_model *model, const xst_task_record *record,
                                     xst_error *err);
/* Sets BN and biases from `record`, and the head from `head` (the same record, but for methods that replay). */
xst_status xst_evaluator_set_tensors(xst_evaluator *evaluator, const xst_task_record *record,
                                     const xst_task_record *head, xst_error *err);

/* logits[images][classes] and the accuracy in percent on a task's test images; mean and std are those it was trained
 * with. */
xst_status xst_evaluator_run(xst_evaluator *evaluator, const xst_images *test, const double mean[XST_CHANNELS],
                             const double std[XST_CHANNELS], float *logits, double *accuracy, xst_error *err);

#endif
