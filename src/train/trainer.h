/* The state of a run while it is being trained; shared by the files of this folder. */
#ifndef XST_TRAIN_TRAINER_H
#define XST_TRAIN_TRAINER_H

#include "train/course.h"
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
    uint64_t steps_left;   /* of the whole run, at most */
} xst_trainer;

/* Opens net, data, backend and model of a configuration; nothing is written. Freed by xst_trainer_close whatever the
 * outcome. */
xst_status xst_trainer_open(xst_trainer *trainer, const xst_config *config, xst_error *err);
void xst_trainer_close(xst_trainer *trainer);

/* Tells the observer, if there is one. */
void xst_trainer_report(const xst_trainer *trainer, const xst_progress *progress);

/* Names what the backend runs until the end of the range, for a profiler: "task 3", "epoch 12". */
__attribute__((format(printf, 2, 3))) void xst_trainer_range(const xst_trainer *trainer, const char *format, ...);
void xst_trainer_range_end(const xst_trainer *trainer);

/* Takes test images out of a loaded task into tests[position-1]. */
void xst_trainer_keep_test(xst_trainer *trainer, int position, xst_task_data *data);

/* The model takes over a finished task's columns, BN and biases from its file. */
xst_status xst_trainer_adopt_file(xst_trainer *trainer, int position, xst_error *err);

/* Learns the task at `position` (from 1): train, write its file and rows, commit in the manifest. */
xst_status xst_trainer_learn(xst_trainer *trainer, int position, xst_error *err);

/* A task at the start of its way, and the plan of the phase it is in (freed with xst_task_plan_free whatever the
 * outcome). */
xst_course xst_trainer_course(const xst_trainer *trainer, int position, const char *name);
xst_status xst_trainer_plan(const xst_trainer *trainer, xst_course *course, const xst_task_record *net,
                            xst_task_plan *plan, xst_error *err);

/* The epochs of a phase over compiled programs, from the step the device stands at; the method judges them, and may put
 * a net aside. The phase's epochs and steps are added to the course's. data names the task. */
xst_status xst_trainer_epochs(xst_trainer *trainer, xst_task_programs *programs, xst_course *course,
                              const xst_task_data *data, xst_error *err);

/* The accuracies that method cpg is to reach (`cpg_goals`), by task: tasks[trainer->tasks].goal, percent. A run folder
 * is matched by the names of the tasks, a file by position. XST_ERROR_CONFIG or XST_ERROR_RUN says what is missing.
 * Read once, when a run begins: the manifest keeps them. */
xst_status xst_goals_read(const xst_trainer *trainer, xst_run_task *tasks, xst_error *err);

#endif
