/* The programs of one phase of a task: declared, emitted and compiled once, then replayed by the trainer.
 *
 * Which step program is due follows from the step number alone: {full batch, last short batch} x {without, with an
 * exchange: drop and grow, or a release of pruned weights}. Beside them: the start of an epoch (shuffle), an evaluation
 * batch (of the test images, or of those held out), the count of columns that the mask has on, and a batch of BN
 * recalibration. */
#ifndef XST_TRAIN_PROGRAMS_H
#define XST_TRAIN_PROGRAMS_H

#include "backend/backend.h"
#include "data/dataset.h"
#include "methods/method.h"

enum { XST_EVAL_BATCH = 100 };

typedef enum xst_program_id {
    XST_PROGRAM_STEP,
    XST_PROGRAM_STEP_EXCHANGE,
    XST_PROGRAM_SHORT,
    XST_PROGRAM_SHORT_EXCHANGE,
    XST_PROGRAM_EPOCH,
    XST_PROGRAM_EVAL,
    XST_PROGRAM_VALID,
    XST_PROGRAM_MASK,
    XST_PROGRAM_BN,
    XST_PROGRAM_BN_SHORT,
    XST_PROGRAM_COUNT
} xst_program_id;

typedef struct xst_task_programs {
    const xst_backend_api *api;
    const xst_config *config;
    const xst_net *net;
    const xst_task_plan *plan;
    xst_tensors tensors;
    xst_program program[XST_PROGRAM_COUNT];
    xst_session *session;
    xst_executable *executable[XST_PROGRAM_COUNT]; /* NULL: not needed in this task */
    int classes;
    uint32_t train_count, test_count, valid_count; /* valid: 0 unless the method chooses on held-out images */
    uint32_t batch, last;                          /* images of a full step and of an epoch's last */
    uint32_t steps_per_epoch, steps;               /* of the whole phase */
    /* An exchange follows the updates t = exchange_offset + k * exchange_every, k = 1 .. exchange_events. */
    uint32_t exchange_every, exchange_offset, exchange_events;
    uint32_t ramp; /* steps of gradual pruning */
} xst_task_programs;

/* Whether a task of so many training images can be trained with the batch: no BN may see a single value, and gradual
 * pruning must have a step at which weights are released. XST_ERROR_CONFIG. */
xst_status xst_task_check_steps(const xst_config *config, const xst_net *net, uint32_t train_count, xst_error *err);

/* Declares, emits and compiles. data gives counts and classes only. All pointers must outlive the programs. */
xst_status xst_task_programs_create(const xst_backend_api *api, xst_backend *backend, const xst_config *config,
                                    const xst_net *net, const xst_task_plan *plan, const xst_task_data *data,
                                    xst_task_programs **out, xst_error *err);
void xst_task_programs_destroy(xst_task_programs *programs);

/* The program of step t (from 1). */
xst_program_id xst_task_programs_due(const xst_task_programs *programs, uint32_t t);

/* Uploads a STATE tensor by name ("name" or "name/what"); the size must be the tensor's. */
xst_status xst_task_upload(xst_task_programs *programs, const char *name, const char *what, const void *from,
                           xst_error *err);
xst_status xst_task_download(xst_task_programs *programs, const char *name, const char *what, void *to, xst_error *err);

#endif
