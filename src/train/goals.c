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
    return xst_fail(err, XST_ERROR_RUN,
                    "cpg_goals: '%s' has no finished task '%s': finish that run, or give one that has it", path, name);
}

/* CPG's goals are those of the net before it grows. */
static void check_size(const xst_trainer *trainer, const xst_run *run)
{
    char path[XST_PATH_MAX];
    xst_config *config = NULL;
    if (xst_run_config_path(run, path, NULL) == XST_OK && xst_config_create(&config, NULL) == XST_OK &&
        xst_config_load(config, path, NULL) == XST_OK && fabs(config->expand - 1.0) > 1e-9)
        xst_trainer_report(trainer, &(xst_progress){.event = XST_EVENT_MESSAGE,
                                                    .text = "cpg_goals: that run was not trained at expand 1, as CPG's "
                                                            "goals are: its net is of another size"});
    xst_config_destroy(config);
}

static xst_status from_run(const xst_trainer *trainer, const char *path, xst_run_task *tasks, xst_error *err)
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
        status = find_goal(&manifest, path, task_name(trainer, i), &tasks[i].goal, err);
    if (status == XST_OK)
        check_size(trainer, run);
    xst_manifest_free(&manifest);
    xst_run_close(run);
    return status;
}

static xst_status from_text(const xst_trainer *trainer, const char *path, char *text, xst_run_task *tasks,
                            xst_error *err)
{
    int line = 0, n = 0;
    for (char *at; (at = strsep(&text, "\n")) != NULL && n < trainer->tasks; line++) {
        char *end = NULL;
        at += strspn(at, " \t\r");
        if (*at == 0 || *at == '#')
            continue;
        errno = 0;
        const double goal = strtod(at, &end);
        const bool number = end != at && errno == 0 && goal >= 0.0 && goal <= 100.0;
        end += strspn(end, " \t\r%");
        if (!number || *end != 0)
            return xst_fail(err, XST_ERROR_CONFIG, "cpg_goals: %s:%d: '%.40s' is not a percentage", path, line + 1, at);
        tasks[n++].goal = goal;
    }
    if (n < trainer->tasks)
        return xst_fail(err, XST_ERROR_CONFIG, "cpg_goals: '%s' has %d percentages for %d tasks", path, n,
                        trainer->tasks);
    return XST_OK;
}

static xst_status from_file(const xst_trainer *trainer, const char *path, xst_run_task *tasks, xst_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    void *text = NULL;
    xst_status status = xst_file_read(path, &bytes, &size, err);
    if (status != XST_OK)
        return xst_fail_context(err, status, "cpg_goals");
    if (status == XST_OK)
        status = xst_alloc(&text, size + 1, 1, "goals", err);
    if (status == XST_OK) {
        if (size > 0)
            memcpy(text, bytes, size);
        status = from_text(trainer, path, text, tasks, err);
    }
    xst_free(text);
    xst_free(bytes);
    return status;
}

xst_status xst_goals_read(const xst_trainer *trainer, xst_run_task *tasks, xst_error *err)
{
    const char *const path = trainer->config->cpg_goals;
    return xst_path_is_folder(path) ? from_run(trainer, path, tasks, err) : from_file(trainer, path, tasks, err);
}
