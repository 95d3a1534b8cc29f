/* Which classes make which task. */
#ifndef XST_DATA_SPLIT_H
#define XST_DATA_SPLIT_H

#include "data/labels.h"

typedef struct xst_split_task {
    char name[XST_TASK_NAME];
    int classes;
    int fine[XST_CLASSES_MAX]; /* ascending */
} xst_split_task;

/* No class is in two tasks, so that there are at most as many tasks as classes. */
typedef struct xst_split {
    int tasks;
    xst_split_task task[XST_CLASSES_MAX];
} xst_split;

/* spec: "superclass", "class-order" or a file (dataset.h). Errors in a file name the file and the line. XST_ERROR_DATA.
 */
xst_status xst_split_read(const char *spec, const xst_labels *labels, xst_split *split, xst_error *err);

#endif
