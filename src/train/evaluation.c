/* xst eval: a run folder measured again. */
#include "xst/eval.h"

#include "base/accuracy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/activity.h"
#include "train/reopen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double xst_forgetting(const double *accuracy, int tasks)
{
    return tasks > 0 ? xst_accuracy_forgetting(accuracy, tasks) : 0.0;
}

static xst_status make_tables(const xst_trainer *t, int done, xst_evaluation *out, xst_error *err)
{
    const size_t n = (size_t)done;
    void *accuracy = NULL, *task = NULL;
    xst_status status = xst_alloc(&accuracy, n * n, sizeof *out->accuracy, "accuracy matrix", err);
    out->accuracy = accuracy;
    if (status == XST_OK)
        status = xst_alloc(&task, n, sizeof *out->task, "tasks of a run", err);
    out->task = task;
    out->tasks = status == XST_OK ? done : 0;
    snprintf(out->method, sizeof out->method, "%s", xst_method_name(t->config->method));
    for (size_t i = 0; i < n * n && status == XST_OK; i++)
        out->accuracy[i] = NAN;
    for (size_t i = 0; i < n && status == XST_OK; i++)
        snprintf(out->task[i].name, sizeof out->task[i].name, "%s", t->manifest.tasks[i].name);
    return status;
}

static xst_status load_tests(xst_trainer *t, int done, xst_error *err)
{
    xst_status status = XST_OK;
    for (int i = 1; i <= done && status == XST_OK; i++) {
        xst_task_data data = {0};
        status = xst_dataset_load(t->dataset, t->config->tasks.at[i - 1], t->config->valid_share, &data, err);
        if (status == XST_OK)
            xst_trainer_keep_test(t, i, &data);
        xst_task_data_free(&data);
    }
    return status;
}

static xst_status measure(xst_trainer *t, const xst_run *run, int done, xst_evaluation *out, xst_error *err)
{
    const xst_measure m = {t->api, t->backend, t->method, &t->net, run, &t->manifest, t->tests};
    static const char *const precision[] = {"fp32", "tf32", "bf16"};
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, (size_t)done, sizeof(xst_logit_check), "logit checks", err);
    xst_logit_check *const check = memory;
    if (status == XST_OK)
        status = xst_measure_rows(&m, 1, done, done, out->accuracy, check, err);
    out->logits_identical = status == XST_OK;
    for (int i = 0; i < done && status == XST_OK; i++) {
        out->task[i].accuracy = out->accuracy[(done - 1) * done + i];
        out->task[i].logits_identical = check[i].identical;
        out->task[i].max_logit_difference = check[i].max_difference;
        out->logits_identical = out->logits_identical && check[i].identical;
    }
    out->forgetting = status == XST_OK ? xst_forgetting(out->accuracy, done) : NAN;
    out->same_backend = strcmp(t->manifest.backend, t->api->name) == 0 &&
                        strcmp(t->manifest.precision, precision[t->config->precision]) == 0;
    xst_free(memory);
    return status;
}

/* activity.csv: what the crossbar model needs to know of the inputs. A folder that cannot be written is left without.
 */
static xst_status measure_task_activity(xst_trainer *t, const xst_run *run, int position, xst_activity_meter *meter,
                                        xst_text *csv, xst_error *err)
{
    xst_task_record record = {0};
    xst_task_data data = {0};
    xst_status status = xst_run_read_task(run, position, t->manifest.tasks[position - 1].xxh3, &record, err);
    if (status == XST_OK)
        status = xst_activity_meter_own(meter, &record, err);
    if (status == XST_OK)
        status = xst_dataset_load(t->dataset, t->config->tasks.at[position - 1], t->config->valid_share, &data, err);
    if (status == XST_OK)
        status = xst_activity_meter_measure(meter, &record, &data, csv, err);
    xst_task_data_free(&data);
    xst_task_record_free(&record);
    return status;
}

static xst_status measure_activity(xst_trainer *t, const xst_run *run, int done, xst_error *err)
{
    xst_activity_meter *meter = NULL;
    xst_text csv = {0};
    char path[XST_PATH_MAX];
    xst_quant weights;
    xst_status status = xst_quant_parse("apot4", &weights, err);
    if (status == XST_OK)
        status = xst_activity_meter_create(t->api, t->backend, &t->net, &weights, false, &meter, err);
    xst_activity_header(&csv);
    for (int i = 1; i <= done && status == XST_OK; i++)
        status = measure_task_activity(t, run, i, meter, &csv, err);
    if (status == XST_OK)
        status = xst_text_check(&csv, err);
    if (status == XST_OK)
        status = xst_path(path, err, "%s/activity.csv", xst_run_path(run));
    if (status == XST_OK)
        (void)xst_file_write(path, csv.bytes, csv.size, NULL);
    xst_text_free(&csv);
    xst_activity_meter_destroy(meter);
    return status;
}

xst_status xst_evaluate(const char *path, const xst_eval_options *options, xst_evaluation *out, xst_error *err)
{
    xst_reopened r;
    *out = (xst_evaluation){0};
    snprintf(out->run, sizeof out->run, "%s", path);
    xst_status status = xst_reopen(path, options, &r, err);
    if (status == XST_OK)
        status = make_tables(&r.trainer, r.done, out, err);
    if (status == XST_OK)
        status = load_tests(&r.trainer, r.done, err);
    if (status == XST_OK)
        status = measure(&r.trainer, r.run, r.done, out, err);
    if (status == XST_OK)
        status = measure_activity(&r.trainer, r.run, r.done, err);
    xst_reopened_close(&r);
    if (status != XST_OK)
        xst_evaluation_free(out);
    return status;
}

void xst_evaluation_free(xst_evaluation *evaluation)
{
    xst_free(evaluation->accuracy);
    xst_free(evaluation->task);
    *evaluation = (xst_evaluation){0};
}
