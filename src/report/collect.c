/* Reads a run folder into memory: small figures of each task, no weights. */
#include "report/report.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void xst_report_run_free(xst_report_run *run)
{
    for (int i = 0; run->tasks && i < run->done; i++) {
        xst_free(run->tasks[i].predicted);
        xst_free(run->tasks[i].right);
    }
    xst_free(run->tasks);
    xst_free(run->layers);
    xst_free(run->accuracy);
    xst_free(run->metrics);
    xst_config_destroy(run->config);
    xst_manifest_free(&run->manifest);
    *run = (xst_report_run){0};
}

static xst_status read_config(const xst_run *folder, xst_report_run *run, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_run_config_path(folder, path, err);
    if (status == XST_OK)
        status = xst_config_create(&run->config, err);
    return status == XST_OK ? xst_config_load(run->config, path, err) : status;
}

/* The rows of finished tasks; every entry up to the diagonal must be a percentage. */
static xst_status read_accuracy(const xst_run *folder, xst_report_run *run, xst_error *err)
{
    double *matrix = NULL;
    void *memory = NULL;
    int rows = 0, n = 0;
    xst_status status = xst_run_read_accuracy(folder, &matrix, &rows, &n, err);
    if (status == XST_OK && (rows < run->done || n != run->manifest.task_count))
        status = xst_fail(err, XST_ERROR_RUN,
                          "%s: accuracy.csv has %d rows and %d tasks, manifest.json %d finished of %d tasks", run->path,
                          rows, n, run->done, run->manifest.task_count);
    if (status == XST_OK)
        status = xst_alloc(&memory, (size_t)run->done * (size_t)run->done, sizeof(double), "accuracy matrix", err);
    run->accuracy = memory;
    for (int i = 0; i < run->done && status == XST_OK; i++)
        for (int j = 0; j < run->done && status == XST_OK; j++) {
            const double r = j <= i ? matrix[i * n + j] : NAN;
            run->accuracy[i * run->done + j] = r;
            if (j <= i && !(r >= 0.0 && r <= 100.0))
                status = xst_fail(err, XST_ERROR_RUN, "%s: accuracy.csv, row %d, task %d: no percentage", run->path,
                                  i + 1, j + 1);
        }
    xst_free(matrix);
    return status;
}

static xst_status file_size(const xst_report_run *run, const char *name, uint64_t *size, xst_error *err)
{
    char path[XST_PATH_MAX];
    struct stat st;
    const xst_status status = xst_path(path, err, "%s/%s", run->path, name);
    if (status != XST_OK)
        return status;
    if (stat(path, &st) != 0)
        return xst_fail(err, XST_ERROR_RUN, "%s: %s is missing", run->path, name);
    *size = (uint64_t)st.st_size;
    return XST_OK;
}

/* Geometry from the first task's file, and a byte per column to remember which are owned. */
static xst_status keep_layers(const xst_task_record *record, xst_report_run *run, uint8_t ***owned, xst_error *err)
{
    const size_t n = (size_t)record->layer_count;
    void *layers = NULL, *lists = NULL;
    xst_status status = xst_alloc(&layers, n, sizeof *run->layers, "layers", err);
    run->layers = layers;
    if (status == XST_OK)
        status = xst_alloc(&lists, n, sizeof **owned, "owned columns", err);
    *owned = lists;
    run->layer_count = status == XST_OK ? record->layer_count : 0;
    for (size_t l = 0; l < n && status == XST_OK; l++) {
        void *list = NULL;
        run->layers[l] = record->layers[l].geometry;
        status = xst_alloc(&list, run->layers[l].columns, 1, "owned columns", err);
        (*owned)[l] = list;
    }
    return status;
}

static xst_status check_layers(const xst_task_record *record, const xst_report_run *run, xst_error *err)
{
    bool same = record->layer_count == run->layer_count;
    for (int l = 0; same && l < run->layer_count; l++)
        same = memcmp(&record->layers[l].geometry, &run->layers[l], sizeof run->layers[l]) == 0;
    return same ? XST_OK
                : xst_fail(err, XST_ERROR_RUN, "%s: tasks 1 and %d have different networks", run->path,
                           record->position);
}

static xst_status read_tasks(const xst_run *folder, xst_report_run *run, xst_error *err)
{
    uint8_t **owned = NULL;
    xst_status status = XST_OK;
    for (int i = 0; i < run->done && status == XST_OK; i++) {
        const xst_run_task *const entry = &run->manifest.tasks[i];
        xst_task_record record = {0};
        status = file_size(run, entry->file, &run->tasks[i].bytes.file, err);
        if (status == XST_OK)
            status = xst_run_read_task(folder, i + 1, entry->xxh3, &record, err);
        if (status == XST_OK)
            status = i == 0 ? keep_layers(&record, run, &owned, err) : check_layers(&record, run, err);
        if (status == XST_OK)
            status = xst_report_account(&record, owned, &run->tasks[i], err);
        run->whole = record.whole;
        xst_task_record_free(&record);
    }
    for (int l = 0; owned && l < run->layer_count; l++)
        xst_free(owned[l]);
    xst_free(owned);
    return status;
}

static xst_status read_folder(const xst_run *folder, xst_report_run *run, xst_error *err)
{
    void *tasks = NULL;
    xst_status status = xst_run_read_manifest(folder, &run->manifest, err);
    if (status == XST_OK)
        status = read_config(folder, run, err);
    if (status == XST_OK)
        run->done = xst_manifest_done(&run->manifest);
    if (status == XST_OK)
        status = xst_alloc(&tasks, (size_t)run->done, sizeof *run->tasks, "tasks of a run", err);
    run->tasks = tasks;
    if (status == XST_OK && run->done > 0)
        status = read_accuracy(folder, run, err);
    if (status == XST_OK && run->done > 0)
        status = xst_run_read_metrics(folder, &run->metrics, &run->metrics_count, err);
    return status == XST_OK ? read_tasks(folder, run, err) : status;
}

xst_status xst_report_read(const char *path, xst_report_run *run, xst_error *err)
{
    xst_run *folder = NULL;
    *run = (xst_report_run){.group = -1, .time_base = -1, .gain_base = -1};
    xst_status status = xst_path(run->path, err, "%s", path);
    for (size_t n = strlen(run->path); n > 1 && run->path[n - 1] == '/';)
        run->path[--n] = 0;
    if (status == XST_OK)
        status = xst_run_open(run->path, XST_RUN_READ, &folder, err);
    if (status == XST_OK)
        status = read_folder(folder, run, err);
    xst_run_close(folder);
    return status == XST_OK ? xst_report_measure(run, err) : status;
}
