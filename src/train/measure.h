/* Measuring accuracies from the files of a run folder: the rows of accuracy.csv, and `xst eval`. */
#ifndef XST_TRAIN_MEASURE_H
#define XST_TRAIN_MEASURE_H

#include "methods/method.h"
#include "store/run.h"
#include "train/evaluate.h"

/* The test images of a task, all that is needed once it has been learnt. */
typedef struct xst_test_set {
    char sha256[65];
    int classes;
    xst_images images;
} xst_test_set;

/* Where and with what to measure. tests[j] belongs to task j+1 in the order learnt. */
typedef struct xst_measure {
    const xst_backend_api *api;
    xst_backend *backend;
    const xst_method *method;
    const xst_net *net;
    const xst_run *run;
    const xst_manifest *manifest;
    const xst_test_set *tests;
} xst_measure;

/* How a task's logits, measured now, compare with those stored when it was learnt. */
typedef struct xst_logit_check {
    bool identical;
    double max_difference;
} xst_logit_check;

/* matrix[n][n] (row-major): R[i][j], percent, for rows first_row .. rows (from 1) and j <= i; other cells are left
 * alone. check[rows], where not NULL, is filled for every task (at the row in which it was learnt, for methods that
 * replay). Each row is measured anew from the files; where a task's net cannot depend on the row (all methods but those
 * that replay), it is measured once and the figure stands in every row asked for. */
xst_status xst_measure_rows(const xst_measure *measure, int first_row, int rows, int n, double *matrix,
                            xst_logit_check *check, xst_error *err);

/* XST_ERROR_RUN where the masked layers of a task's file are not those of the net. */
xst_status xst_record_fits(const xst_net *net, const xst_task_record *record, xst_error *err);

void xst_test_set_free(xst_test_set *test);

#endif
