/* The network of a run as it stands on arrays: codes of all weights written so far, who owns them, and which columns
 * the current task has on. */
#ifndef XST_CROSSBAR_RUN_NET_H
#define XST_CROSSBAR_RUN_NET_H

#include "crossbar/codes.h"
#include "store/run.h"

typedef struct xst_run_layer {
    char name[XST_RECORD_NAME];
    xst_geometry stored;  /* columns of the files */
    xst_geometry mapping; /* logical columns of the column mapping; differs where the files are element-wise */
    uint8_t *code;        /* [weights]: index of the code that the owner gave; codes.zero where nobody has */
    uint8_t *effective;   /* [weights]: the current task's: codes.zero where the column is off */
    uint8_t *before;      /* [weights]: the same of the task before; codes.count (erased) before the first. Where the
                           * net keeps it */
    uint8_t *writes;      /* [weights]: times written */
    uint16_t *owner;      /* [stored.columns]: 0 nobody */
    uint8_t *on;          /* [stored.columns] */
} xst_run_layer;

typedef struct xst_run_net {
    xst_quant quant;
    xst_codes codes;
    bool column_wise;  /* only columns that are on are read */
    bool written_once; /* a task writes its new columns and nothing else (mapping column) */
    bool keep_before;  /* `before` of the layers is wanted: what differs is rewritten */
    int task;
    int layer_count;
    xst_run_layer *layers;
    uint8_t *head; /* [weights]: codes of the current task's head; NULL where heads are digital */
    size_t head_weights;
} xst_run_net;

/* From the record of task 1. group, group_fc: logical columns where the files are element-wise. */
xst_status xst_run_net_make(const xst_device *device, const xst_quant *quant, const char *method,
                            const xst_task_record *first, int group, int group_fc, xst_run_net *out, xst_error *err);
void xst_run_net_free(xst_run_net *net);

/* Goes on to the next task: quantises what it wrote, sets on, effective and before. Refuses a record whose network
 * differs, or that owns what an earlier task owns. */
xst_status xst_run_net_step(xst_run_net *net, const xst_task_record *record, xst_error *err);

/* Quantises the head of the current task. Freed with the net. */
xst_status xst_run_net_take_head(xst_run_net *net, const xst_task_record *record, xst_error *err);

/* Columns of the mapping that are on, and all. */
void xst_run_net_count(const xst_run_net *net, double *on, double *all);

#endif
