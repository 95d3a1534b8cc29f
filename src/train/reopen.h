/* A run folder that is there, opened to be measured again: its options with data, backend, precision and threads as the
 * caller wants them. Nothing is trained. */
#ifndef XST_TRAIN_REOPEN_H
#define XST_TRAIN_REOPEN_H

#include "train/trainer.h"
#include "xst/eval.h"

typedef struct xst_reopened {
    xst_run *run;
    xst_config *config;
    xst_trainer trainer; /* manifest, net, data set and backend */
    int done;            /* tasks finished: at least 1 */
} xst_reopened;

/* options NULL: as trained. Freed by xst_reopened_close whatever the outcome. */
xst_status xst_reopen(const char *path, const xst_eval_options *options, xst_reopened *out, xst_error *err);
void xst_reopened_close(xst_reopened *reopened);

#endif
