/* The state of a run while it is being trained; shared by the files of this folder. */
#ifndef XST_TRAIN_TRAINER_H
#define XST_TRAIN_TRAINER_H

#include "train/measure.h"
#include "train/programs.h"
#include "xst/train.h"

typedef struct xst_trainer {
    const xst_config *config;
    const xst_method *method;
    const xst_observer *observer;
    xst_net net;
    xst_dataset *dataset;
    const xst_backend_api *api;
    xst_backend *backend;
    xst_backend_facts facts;
    xst_model *model;
    xst_run *run;
    xst_manifest manifest;
    int tasks;
    xst_test_set *tests;   /* [tasks], filled as tasks are learnt */
    double *accuracy;      /* [tasks][tasks], NaN = not yet */
    double seconds, steps; /* of the steps run by this process, for the time left */
    uint64_t steps_left;   /* of the whole run */
} xst_trainer;

/* Opens net, data, backend and model of a configuration; nothing is written. Freed by xst_trainer_close whatever the
 * outcome. */
xst_status xst_trainer_open(xst_trainer *trainer, const xst_config *config, xst_error *err);
void xst_trainer_close(xst_trainer *trainer);

/* Tells the observer, if there is one. */
void xst_trainer_report(const xst_trainer *trainer, const xst_progress *progress);

/* Takes test images out of a loaded task into tests[position-1]. */
void xst_trainer_keep_test(xst_trainer *trainer, int position, xst_task_data *data);

/* The model takes over a finished task's columns, BN and biases from its file. */
xst_status xst_trainer_adopt_file(xst_trainer *trainer, int position, xst_error *err);

/* Learns the task at `position` (from 1): train, write its file and rows, commit in the manifest. */
xst_status xst_trainer_learn(xst_trainer *trainer, int position, xst_error *err);

/* One phase of epochs over compiled programs, from the step the device stands at. position and data name the task. */
xst_status xst_trainer_epochs(xst_trainer *trainer, xst_task_programs *programs, const xst_task_data *data,
                              double *seconds, xst_error *err);

#endif
