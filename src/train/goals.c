/* What method cpg is to reach: accuracies from a run of `scratch`, or from a file. */
#include "train/trainer.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *task_name(const xst_trainer *trainer, int i)
{
    return xst_dataset_task_name(trainer->dataset, trainer->config->tasks.at[i]);
}

static xst_status find_goal(const xst_manifest *manifest, const char *path, const char *name, double *goal,
                            xst_error *err)
{
    for (int i = 0; i < manifest->task_count; i++)
        if (strcmp(manifest->tasks[i].name, name) == 0 && isfinite(manifest->tasks[i].accuracy)) {
            *goal = manifest->tasks[i].accuracy;
            return XST_OK;
        }
    return xst_fail(err, XST_ERROR_RUN, "cpg_goals: '%s' has no finished task '%s'", path, name);
}

static xst_status from_run(const xst_trainer *trainer, const char *path, double *goals, xst_error *err)
{
    xst_run *run = NULL;
    xst_manifest manifest = {0};
    xst_status status = xst_run_open(path, XST_RUN_READ, &run, err);
    if (status == XST_OK)
        status = xst_run_read_manifest(run, &manifest, err);
    if (status == XST_OK && strcmp(manifest.method, xst_method_name(XST_METHOD_SCRATCH)) != 0)
        status =
            xst_fail(err, XST_ERROR_RUN, "cpg_goals: '%s' is a run of method %s, not scratch", path, manifest.method);
    for (int i = 0; i < trainer->tasks && status == XST_OK; i++)
        status = find_goal(&manifest, path, task_name(trainer, i), &goals[i], err);
    xst_manifest_free(&manifest);
    xst_run_close(run);
    return status;
}

static xst_status from_text(const xst_trainer *trainer, const char *path, char *text, double *goals, xst_error *err)
{
    int line = 0, n = 0;
    char *rest = NULL;
    for (char *at = strtok_r(text, "\n", &rest); at && n < trainer->tasks; at = strtok_r(NULL, "\n", &rest)) {
        char *end = NULL;
        line++;
        at += strspn(at, " \t\r");
        if (*at == 0 || *at == '#')
            continue;
        errno = 0;
        goals[n] = strtod(at, &end);
        end += strspn(end, " \t\r%");
        if (errno != 0 || *end != 0 || !(goals[n] >= 0.0 && goals[n] <= 100.0))
            return xst_fail(err, XST_ERROR_CONFIG, "cpg_goals: %s:%d: '%.40s' is not a percentage", path, line, at);
        n++;
    }
    if (n < trainer->tasks)
        return xst_fail(err, XST_ERROR_CONFIG, "cpg_goals: '%s' has %d percentages for %d tasks", path, n,
                        trainer->tasks);
    return XST_OK;
}

static xst_status from_file(const xst_trainer *trainer, const char *path, double *goals, xst_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    void *text = NULL;
    xst_status status = xst_file_read(path, &bytes, &size, err);
    if (status == XST_OK)
        status = xst_alloc(&text, size + 1, 1, "goals", err);
    if (status == XST_OK) {
        if (size > 0)
            memcpy(text, bytes, size);
        status = from_text(trainer, path, text, goals, err);
    }
    xst_free(text);
    xst_free(bytes);
    return status;
}

xst_status xst_goals_read(const xst_trainer *trainer, double **goals, xst_error *err)
{
    const char *const path = trainer->config->cpg_goals;
    void *memory = NULL;
    *goals = NULL;
    xst_status status = xst_alloc(&memory, (size_t)trainer->tasks, sizeof(double), "goals", err);
    if (status != XST_OK)
        return status;
    status = xst_path_is_folder(path) ? from_run(trainer, path, memory, err) : from_file(trainer, path, memory, err);
    if (status != XST_OK)
        xst_free(memory);
    else
        *goals = memory;
    return status;
}
