/* The run folder (interface.md): the only place that knows its file formats.
 *
 * Order of writing at a task's end, so that a crash at any moment loses nothing: tasks/NN.h5, metrics.csv and
 * accuracy.csv, then manifest.json, which is the commit point (a task counts when the manifest says so, with the hash
 * of its file), then resume.h5 is removed. Opening for writing cuts what lies beyond the commit point. resume.h5
 * carries its own hash in its HDF5 user block, so that it is one file, whole or ignored. */
#ifndef XST_STORE_RUN_H
#define XST_STORE_RUN_H

#include "net/record.h"
#include "store/arrays.h"

#include "base/text.h"

typedef struct xst_run xst_run;

typedef struct xst_run_task {
    int position;  /* from 1 */
    char name[64]; /* superclass */
    int classes[100];
    int class_count;
    char status[16]; /* "done", "training", "waiting" */
    double accuracy; /* percent, right after it was learnt; NaN: not yet */
    double seconds;
    double mask_density; /* NaN: no mask */
    double goal;         /* percent, of methods that want one; NaN else */
    char kept[64];       /* what the task's net came from, of methods that choose among phases; else "" */
    char file[32];       /* "tasks/01.h5" */
    char xxh3[17];
} xst_run_task;

typedef struct xst_manifest {
    char version[32], git_commit[64], method[32], backend[32], precision[16], libraries[256], cpu[128], gpu[128];
    char started[32], ended[32]; /* ended: "" while running */
    char choices[16];            /* of methods that choose by accuracy: on "test" or "held-out" images; else "" */
    uint32_t seed;
    int threads;
    int task_count;
    xst_run_task *tasks;
} xst_manifest;

typedef struct xst_metrics_row {
    int task, epoch;
    uint32_t step;
    double train_loss, train_accuracy, test_accuracy; /* test_accuracy NaN: not evaluated */
    double images_per_s, seconds;
    uint64_t active_columns;
    double mask_density; /* NaN: no mask */
    char phase[32];      /* of methods that train a task in phases; "": the only one */
} xst_metrics_row;

typedef enum xst_run_mode { XST_RUN_CREATE, XST_RUN_RESUME, XST_RUN_READ } xst_run_mode;

/* CREATE: makes the folder (with tasks/), refuses one that exists and is not empty; RESUME: takes a run or a fresh
 * folder (below), and removes what lies beyond the commit point, but for rows of metrics.csv (xst_run_keep_metrics);
 * both lock the folder against a second writer (flock on the folder; the lock dies with the process) and remove stray
 * *.tmp. READ needs no lock. XST_ERROR_RUN says what is wrong with the folder. */
xst_status xst_run_open(const char *path, xst_run_mode mode, xst_run **out, xst_error *err);
void xst_run_close(xst_run *run);
/* *fresh = nothing was saved in the folder yet: it is absent, empty, or holds only what a run writes before its first
 * manifest (config.yaml, an empty tasks/). A folder with other things in it and no manifest is XST_ERROR_RUN. */
xst_status xst_run_is_fresh(const char *path, bool *fresh, xst_error *err);
const char *xst_run_path(const xst_run *run);

/* config.yaml: written once as text; its path for reading. */
xst_status xst_run_write_config(xst_run *run, const char *yaml, size_t size, xst_error *err);
xst_status xst_run_config_path(const xst_run *run, char *path, xst_error *err); /* path[XST_PATH_MAX] */

/* manifest.json. Reading checks types; a missing or foreign file is XST_ERROR_RUN. */
xst_status xst_run_write_manifest(xst_run *run, const xst_manifest *manifest, xst_error *err);
xst_status xst_run_read_manifest(const xst_run *run, xst_manifest *out, xst_error *err);
void xst_manifest_free(xst_manifest *manifest);
/* Index into tasks of the first that is not "done" = number of finished tasks. */
int xst_manifest_done(const xst_manifest *manifest);

/* metrics.csv: a row is appended per epoch; the header is written with the first row. flush (fsync): what resume.h5 and
 * tasks/NN.h5 call before they appear, so that no row that they stand for is lost; an epoch on a GPU is shorter than an
 * fsync. keep: cuts the file (atomically) to the rows with task < `task`, or task == `task` and epoch <= `epoch`. */
xst_status xst_run_append_metrics(xst_run *run, const xst_metrics_row *row, xst_error *err);
xst_status xst_run_flush_metrics(const xst_run *run, xst_error *err);
xst_status xst_run_keep_metrics(xst_run *run, int task, int epoch, xst_error *err);
xst_status xst_run_read_metrics(const xst_run *run, xst_metrics_row **rows, size_t *count, xst_error *err);

/* accuracy.csv: row i holds R[i][1..i], percent. matrix is [n][n], row-major, NaN = empty; rows written: `rows` of n.
 */
xst_status xst_run_write_accuracy(xst_run *run, const double *matrix, int rows, int n, xst_error *err);
xst_status xst_run_read_accuracy(const xst_run *run, double **matrix, int *rows, int *n, xst_error *err);

/* tasks/NN.h5. Write gives the hash of the file. Read checks size and hash against `xxh3` before the HDF5 library sees
 * the bytes, and every shape and range after (a damaged or foreign file is XST_ERROR_RUN, naming file and dataset). */
xst_status xst_run_write_task(xst_run *run, const xst_task_record *record, char xxh3[17], xst_error *err);
xst_status xst_run_read_task(const xst_run *run, int position, const char *xxh3, xst_task_record *out, xst_error *err);

/* resume.h5: named arrays. Read: XST_ERROR_RUN where it is damaged; no arrays where it is not there. */
xst_status xst_run_write_resume(xst_run *run, const xst_array_list *arrays, xst_error *err);
xst_status xst_run_read_resume(const xst_run *run, xst_array_list *arrays, xst_error *err);
xst_status xst_run_remove_resume(xst_run *run, xst_error *err);

/* Any other small file of the run (activity.csv, report/...): atomic; name is relative to the folder. */
xst_status xst_run_write_file(xst_run *run, const char *name, const void *bytes, size_t size, xst_error *err);

#endif
