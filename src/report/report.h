/* What a comparison knows: the runs as read from their folders, and what follows from them. */
#ifndef XST_REPORT_REPORT_H
#define XST_REPORT_REPORT_H

#include "base/file.h"
#include "config/config.h"
#include "report/sheet.h"
#include "report/statistics.h"
#include "store/run.h"
#include "xst/compare.h"

#include <stdbool.h>

enum { XST_REPORT_RUNS = 256, XST_REPORT_LABEL = 64, XST_REPORT_REASON = 256, XST_REPORT_GROUP = 160 };

/* Bytes of tasks/NN.h5 by kind. */
typedef struct xst_task_bytes {
    uint64_t weights; /* of the task's own columns, short last groups padded */
    uint64_t columns; /* their indices, which tell the owners */
    uint64_t mask;    /* as stored: a bit for each column of each layer */
    uint64_t bn, biases, head;
    uint64_t logits; /* of the test images, kept for checking */
    uint64_t other;  /* names, attributes and alignment of the file format */
    uint64_t file;   /* all of it */
    /* not stored so, for comparison */
    uint64_t mask_preserved; /* a bit for each preserved column only; each layer is rounded up to bytes */
    double mask_entropy;     /* lower bound: preserved columns * H(share on), per layer */
} xst_task_bytes;

typedef struct xst_report_task {
    xst_task_bytes bytes;
    uint64_t weights_on, weights_all; /* of the masked layers: in the task's effective net, and all */
    double mask_density;              /* share of preserved columns that are on; NaN: no mask */
    char data_sha256[65];
    uint32_t images;
    uint16_t *predicted; /* [images] argmax of the stored logits, the lowest on a tie */
    uint8_t *right;      /* [images] predicted = label; NULL while the labels are not known */
    int epochs;
    uint32_t steps;
    double seconds;
} xst_report_task;

typedef struct xst_report_run {
    char path[XST_PATH_MAX], label[XST_REPORT_LABEL];
    char excluded[XST_REPORT_REASON]; /* "": comparable */
    int mark;                         /* number of the note that says why it is excluded; 0: comparable */
    bool same_tasks;                  /* all tasks learnt, and they are the reference's */
    bool whole;                       /* every task has a net of its own */
    xst_manifest manifest;
    xst_config *config;
    int done;
    double *accuracy; /* [done][done]; NaN above the diagonal */
    xst_metrics_row *metrics;
    size_t metrics_count;
    xst_report_task *tasks; /* [done] */
    xst_geometry *layers;   /* [layer_count] masked layers */
    int layer_count;
    int group;                /* index; -1: none */
    int time_base, gain_base; /* index of the run whose time, whose accuracies it is measured against; -1: none */
    int epochs;               /* of all tasks learnt */
    double ms_per_step;       /* median over epochs */
    double rest;              /* seconds = epochs * ms_per_step / 1000 * rest: steps in an epoch, and what is no step */
    xst_compared_run public;
} xst_report_run;

/* Runs that differ in their seed alone. */
typedef struct xst_report_group {
    char name[XST_REPORT_GROUP]; /* the method, and the options that tell it from other groups of that method */
    int count;
    int *run; /* [count], ascending seeds */
} xst_report_group;

/* Two groups on the same images. */
typedef struct xst_report_test {
    int a, b;      /* groups */
    int seeds;     /* how many runs of each are in it */
    uint32_t seed; /* where seeds = 1 */
    uint64_t images;
    double difference;   /* A minus B, points */
    double error;        /* its standard error over images */
    double p;            /* of the paired test; McNemar's mid-p where seeds = 1 */
    xst_mcnemar mcnemar; /* where seeds = 1 */
} xst_report_test;

struct xst_comparison {
    int count;
    xst_report_run *runs;
    int reference; /* what the others are checked against: the first finished run, else the first */
    xst_report_group *groups;
    int group_count;
    xst_report_test *tests;
    int test_count;
    char untested[XST_REPORT_REASON + 1024]; /* why there are no paired tests; "" where there are */
    xst_sheets tables;
    xst_text text, json, said;
};

/* collect.c: reads a run folder. */
xst_status xst_report_read(const char *path, xst_report_run *run, xst_error *err);
void xst_report_run_free(xst_report_run *run);

/* bytes.c: what a task's file holds. owned[layer][column] = 1 for columns of earlier tasks; the task's are added. */
xst_status xst_report_account(const xst_task_record *record, uint8_t *const *owned, xst_report_task *task,
                              xst_error *err);

/* metrics.c: accuracy figures and the parts of the training time of one run; then what needs the other runs. */
xst_status xst_report_measure(xst_report_run *run, xst_error *err);
void xst_report_relate(xst_comparison *comparison);
/* Whether times can be compared: backend, precision, processor, threads. */
bool xst_report_same_machine(const xst_manifest *a, const xst_manifest *b);

/* groups.c: labels, what can be compared with what, seeds. */
xst_status xst_report_label(xst_comparison *comparison, xst_error *err);
void xst_report_check(xst_comparison *comparison);
xst_status xst_report_group_runs(xst_comparison *comparison, xst_error *err);

/* paired.c: tests over images between groups. data: NULL, or where the images are now. */
xst_status xst_report_test_pairs(xst_comparison *comparison, const char *data, xst_error *err);

/* tables_*.c: the tables. */
void xst_report_tables_accuracy(const xst_comparison *comparison, xst_sheets *tables);
void xst_report_tables_seeds(const xst_comparison *comparison, xst_sheets *tables);
void xst_report_tables_phases(const xst_comparison *comparison, xst_sheets *tables);
void xst_report_tables_time(const xst_comparison *comparison, xst_sheets *tables);
void xst_report_tables_bytes(const xst_comparison *comparison, xst_sheets *tables);
/* "name", or "name [2]" for a run that note 2 is about. */
const char *xst_report_run_label(const xst_report_run *run, char label[XST_REPORT_LABEL + 16]);
/* Whether a run has learnt the task of row j (from 0) of a table by tasks, which are those of the reference. */
bool xst_report_has_task(const xst_comparison *comparison, const xst_report_run *run, int j);
/* Notes that every table ends with: excluded runs by name, methods that chose on test images. */
void xst_report_notes(const xst_comparison *comparison, xst_sheet *table);

/* json.c, plots.c */
xst_status xst_report_document(const xst_comparison *comparison, xst_text *text, xst_error *err);
xst_status xst_report_plots(const xst_comparison *comparison, const char *folder, xst_text *said, xst_error *err);

#endif
