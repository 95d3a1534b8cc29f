/* activity.csv of a run: the share of one-bits in each masked layer's input, by task and bit plane (written by `xst
 * eval`). */
#ifndef XST_CROSSBAR_ACTIVITY_H
#define XST_CROSSBAR_ACTIVITY_H

#include "store/run.h"

enum { XST_PLANES_MAX = 8 };

typedef struct xst_activity_entry {
    int planes;                   /* 0: not in the file */
    double share[XST_PLANES_MAX]; /* of one-bits, in the order of the file */
    double bits;                  /* bits of one plane: test images * positions * rows of the layer */
} xst_activity_entry;

typedef struct xst_activity {
    int tasks, layers;           /* layers: the masked ones, then the head */
    xst_activity_entry *entries; /* [tasks][layers][2]: 4 and 8 input bits */
} xst_activity;

/* Names of the layers and the head are those of the record. XST_ERROR_RUN where the file is missing (naming the
 * command that writes it) or damaged. */
xst_status xst_activity_read(const xst_run *run, const xst_task_record *record, int tasks, xst_activity *out,
                             xst_error *err);
void xst_activity_free(xst_activity *activity);

/* The planes of a layer's input under a task; tasks count from 1, layers from 0, the head behind the last.
 * XST_ERROR_RUN where they are not complete. */
xst_status xst_activity_find(const xst_activity *activity, const xst_run *run, int task, int layer, int input_bits,
                             const xst_activity_entry **out, xst_error *err);

#endif
