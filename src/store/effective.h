/* One task's effective network from the files of a run alone: its own columns, and every column of earlier tasks whose
 * bit is on in its mask; where `whole`, its own file is all there is. */
#ifndef XST_STORE_EFFECTIVE_H
#define XST_STORE_EFFECTIVE_H

#include "store/run.h"

typedef struct xst_effective {
    xst_task_record record; /* of the task: names, geometry, per-task tensors, logits */
    float **weights;        /* [record.layer_count]: [O,I,kh,kw] each */
    uint16_t **owner; /* [record.layer_count]: [columns]: the task that owns it, 0 where none up to this task does */
} xst_effective;

/* Reads tasks 1..position. Freed by xst_effective_free whatever the outcome. */
xst_status xst_effective_read(const xst_run *run, const xst_manifest *manifest, int position, xst_effective *out,
                              xst_error *err);
void xst_effective_free(xst_effective *effective);

#endif
