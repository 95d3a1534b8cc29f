/* Training: learns the tasks of a configuration one after the other into a run folder (paper III-B; Fig. 2a). */
#ifndef XST_TRAIN_H
#define XST_TRAIN_H

#include "xst/config.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum xst_event {
    XST_EVENT_MESSAGE,   /* text: something worth saying once */
    XST_EVENT_TASK,      /* a task begins */
    XST_EVENT_STEP,      /* a few times a second while training */
    XST_EVENT_EPOCH,     /* an epoch is done, its metrics are in metrics.csv */
    XST_EVENT_TASK_DONE, /* accuracy[0 .. task-1]: percent on every task learnt so far */
    XST_EVENT_DONE       /* all tasks are learnt */
} xst_event;

/* What the observer is told. Fields that an event has no value for are 0 or NaN. */
typedef struct xst_progress {
    xst_event event;
    const char *text;
    int task, tasks; /* from 1 */
    const char *task_name;
    const char *phase;                                /* of methods that train a task in phases; "" or NULL: one */
    int epoch, epochs;                                /* from 1, of the phase */
    uint32_t step, steps;                             /* updates done in this phase, and all of them */
    double train_loss, train_accuracy, test_accuracy; /* of the epoch; percent; test NaN where not evaluated */
    double images_per_s, eta_s;                       /* eta: to the end of the run */
    double mask_density;                              /* share of preserved columns that are on; NaN without a mask */
    const double *accuracy;                           /* TASK_DONE */
} xst_progress;

typedef struct xst_observer {
    void (*report)(void *user, const xst_progress *progress); /* may be NULL */
    void *user;
    const volatile sig_atomic_t *stop; /* a signal number asks to save and stop at the next step; NULL: never */
} xst_observer;

/* Trains. `out` must name a folder that is absent or empty; with resume it goes on from the newest valid state there,
 * takes its options from the folder's config.yaml (options that were set in `config` must agree) and leaves a finished
 * run as it is. Returns XST_INTERRUPTED or XST_TERMINATED after stopping on a signal with the state saved. */
xst_status xst_train(xst_config *config, bool resume, const xst_observer *observer, xst_error *err);

/* What a run will take, measured on a few steps, before anything is written. */
typedef struct xst_estimate {
    uint64_t steps;                    /* of the whole run */
    uint64_t parameters, conv_weights; /* of masked layers; of convs alone */
    uint64_t columns;
    double macs_per_image; /* forward */
    double memory_bytes;   /* of the backend's session */
    double disk_bytes;     /* of the run folder */
    double step_seconds;   /* median of the timed steps */
    double seconds;        /* predicted training time */
} xst_estimate;

/* Fills *estimate; with program_text not NULL also gives the step's operations as text (freed with xst_text_release).
 */
xst_status xst_train_estimate(xst_config *config, xst_estimate *estimate, char **program_text, xst_error *err);
void xst_text_release(char *text);

#ifdef __cplusplus
}
#endif
#endif
