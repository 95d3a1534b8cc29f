/* Re-evaluating a run from its exported columns and masks alone. */
#ifndef XST_EVAL_H
#define XST_EVAL_H

#include "xst/status.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL or 0: as the run was trained. */
typedef struct xst_eval_options {
    const char *data;
    const char *backend;
    const char *precision;
    int threads;
} xst_eval_options;

typedef struct xst_eval_task {
    char name[64];
    double accuracy;             /* of the last row, percent */
    bool logits_identical;       /* to those stored when the task was learnt, bit for bit */
    double max_logit_difference; /* absolute */
} xst_eval_task;

typedef struct xst_evaluation {
    char run[4096], method[32];
    int tasks;
    double *accuracy; /* [tasks][tasks], percent; row i = after learning task i; NaN above the diagonal */
    xst_eval_task *task;
    double forgetting;     /* F (Chaudhry 2018), points: mean over j < N of max over i < N of R[i][j], minus R[N][j] */
    bool logits_identical; /* of all tasks */
    bool same_backend;     /* backend and precision are those of training: logits must be identical */
} xst_evaluation;

/* Evaluates every finished task of a run folder. Also leaves RUN/activity.csv (one-bits of the inputs of each masked
 * layer and of the head) there, where the folder can be written. Freed with xst_evaluation_free. */
xst_status xst_evaluate(const char *run, const xst_eval_options *options, xst_evaluation *out, xst_error *err);
void xst_evaluation_free(xst_evaluation *evaluation);

/* Forgetting of a matrix as above; 0 for a single task. */
double xst_forgetting(const double *accuracy, int tasks);

#ifdef __cplusplus
}
#endif
#endif
