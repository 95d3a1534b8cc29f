/* Inside of store: what a run folder is to the files that read and write its parts. */
#ifndef XST_STORE_FOLDER_H
#define XST_STORE_FOLDER_H

#include "store/run.h"

#include "base/file.h"

struct xst_run {
    char path[XST_PATH_MAX];
    int lock; /* descriptor of the locked folder; -1: opened for reading */
};

/* Refuses to write to a run that was opened for reading (a bug of the caller). */
xst_status xst_run_check_writable(const xst_run *run, xst_error *err);
/* The path of a file of the run, by its name relative to the folder. */
xst_status xst_run_file(const xst_run *run, const char *name, char path[XST_PATH_MAX], xst_error *err);
/* "tasks/03.h5" */
void xst_run_task_file(int position, char name[32]);
/* The whole file `name` of the run; missing: XST_ERROR_RUN. *path is filled for messages. */
xst_status xst_run_read_file(const xst_run *run, const char *name, char path[XST_PATH_MAX], char **bytes, size_t *size,
                             xst_error *err);

#endif
