/* One task from its data to its commit in the manifest. */
#include "train/trainer.h"

#include "base/error.h"
#include "base/memory.h"
#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void xst_trainer_keep_test(xst_trainer *trainer, int position, xst_task_data *data)
{
    xst_test_set *const test = &trainer->tests[position - 1];
    xst_test_set_free(test);
    memcpy(test->sha256, data->test_sha256, sizeof test->sha256);
    test->classes = data->classes;
    test->images = data->test;
    data->test = (xst_images){0};
}

xst_course xst_trainer_course(const xst_trainer *trainer, int position, const char *name)
{
    return (xst_course){.config = trainer->config,
                        .model = trainer->model,
                        .task = name,
                        .position = position,
                        .goal = trainer->manifest.tasks ? trainer->manifest.tasks[position - 1].goal : NAN};
}

xst_status xst_trainer_plan(const xst_trainer *trainer, xst_course *course, const xst_task_record *net,
                            xst_task_plan *plan, xst_error *err)
{
    *plan = (xst_task_plan){.position = course->position, .stage = course->phase, .layers = trainer->net.masked_count};
    return trainer->method->plan(course, net, plan, err);
}

/* Steps to come, at most: what this task may still take, and the tasks after it. */
static uint64_t steps_to_come(const xst_trainer *trainer, const xst_course *course, const xst_task_programs *p)
{
    const uint64_t task = (uint64_t)xst_method_most_epochs(trainer->config) * p->steps_per_epoch;
    return (task > course->steps ? task - course->steps : 0) + (uint64_t)(trainer->tasks - course->position) * task;
}

/* BN statistics anew under the exported mask, without noise (method notes, section 9). */
static xst_status recalibrate(xst_task_programs *p, xst_error *err)
{
    const uint32_t zero = 0;
    xst_status status = xst_task_upload(p, "cursor", NULL, &zero, err);
    for (uint32_t i = 0; i < p->train_count / XST_EVAL_BATCH && status == XST_OK; i++)
        status = p->api->run(p->executable[XST_PROGRAM_BN], err);
    if (status == XST_OK && p->executable[XST_PROGRAM_BN_SHORT])
        status = p->api->run(p->executable[XST_PROGRAM_BN_SHORT], err);
    return status;
}

/* One phase from its plan to the net it leaves. saved: goes on from there. */
static xst_status train_phase(xst_trainer *trainer, xst_course *course, const xst_task_plan *plan,
                              const xst_task_data *data, const xst_array_list *saved, xst_task_record *net,
                              xst_error *err)
{
    xst_task_programs *p = NULL;
    uint32_t t = 0;
    xst_status status =
        xst_task_programs_create(trainer->api, trainer->backend, trainer->config, &trainer->net, plan, data, &p, err);
    if (status == XST_OK)
        status = xst_state_start(p, trainer->model, data, err);
    if (status == XST_OK && saved)
        status = xst_state_restore(p, saved, err);
    if (status == XST_OK && saved)
        status = xst_task_download(p, "t", NULL, &t, err);
    if (status == XST_OK)
        status =
            xst_run_keep_metrics(trainer->run, plan->position, (int)(course->epochs + t / p->steps_per_epoch), err);
    if (status == XST_OK) {
        trainer->steps_left = steps_to_come(trainer, course, p) - t;
        status = xst_trainer_epochs(trainer, p, course, data, err);
    }
    if (status == XST_OK)
        status = xst_state_record(p, trainer->model, net, err);
    xst_task_programs_destroy(p);
    return status;
}

/* BN statistics anew for the net that the task keeps, before they are stored (method notes, section 9). */
static xst_status recalibrate_net(xst_trainer *trainer, const xst_course *course, const xst_task_data *data,
                                  xst_task_record *net, xst_error *err)
{
    xst_task_plan plan = {.position = course->position,
                          .epochs = 1,
                          .preserved = course->position > 1 && !trainer->method->whole,
                          .mask_start = 1.0f,
                          .layers = trainer->net.masked_count};
    xst_task_programs *p = NULL;
    xst_task_record left = {0};
    xst_status status = xst_plan_net(net, &plan, err);
    if (status == XST_OK)
        status = xst_task_programs_create(trainer->api, trainer->backend, trainer->config, &trainer->net, &plan, data,
                                          &p, err);
    if (status == XST_OK)
        status = xst_state_start(p, trainer->model, data, err);
    if (status == XST_OK)
        status = recalibrate(p, err);
    if (status == XST_OK)
        status = xst_state_record(p, trainer->model, &left, err);
    xst_task_programs_destroy(p);
    xst_task_plan_free(&plan);
    xst_task_record_free(net);
    *net = left;
    return status;
}

/* Plans and trains the phase under way; *net, what the phase before it left, becomes what this one leaves. */
static xst_status run_phase(xst_trainer *trainer, xst_course *course, const xst_task_data *data,
                            const xst_array_list *saved, xst_task_record *net, bool *bn_frozen, xst_error *err)
{
    xst_task_plan plan = {0};
    xst_task_record left = {0};
    xst_status status = xst_trainer_plan(trainer, course, course->phase > 0 ? net : NULL, &plan, err);
    *bn_frozen = plan.bn_frozen;
    xst_trainer_range(trainer, "phase %s", plan.name[0] ? plan.name : "train");
    if (status == XST_OK)
        status = train_phase(trainer, course, &plan, data, saved, &left, err);
    xst_trainer_range_end(trainer);
    xst_task_plan_free(&plan);
    xst_task_record_free(net);
    *net = left;
    return status;
}

/* All phases, from the start or from what resume.h5 holds of this task. */
static xst_status train(xst_trainer *trainer, xst_course *course, const xst_task_data *data, xst_task_record *net,
                        xst_error *err)
{
    xst_array_list saved = {0};
    bool more = true, resumed = false, bn_frozen = false;
    xst_status status = xst_run_read_resume(trainer->run, &saved, err);
    if (status == XST_OK && xst_course_is_of(&saved, course->position)) {
        resumed = true;
        status = xst_course_restore(course, data->classes, &saved, err);
        if (status == XST_OK && course->phase > 0)
            status = xst_course_saved_net(course, data->classes, &saved, net, err);
    }
    while (more && status == XST_OK) {
        status = run_phase(trainer, course, data, resumed ? &saved : NULL, net, &bn_frozen, err);
        xst_arrays_free(&saved);
        resumed = more = false;
        if (status == XST_OK && trainer->method->next)
            status = trainer->method->next(course, net, &more, err);
        course->phase++;
    }
    xst_arrays_free(&saved);
    if (status == XST_OK && trainer->config->bn_recalibrate && !bn_frozen)
        status = recalibrate_net(trainer, course, data, net, err);
    return status;
}

/* Share of preserved columns that the task has on; NaN where it has no mask. The model does not own the task's yet. */
static double mask_density(const xst_model *model, const xst_task_record *record)
{
    uint64_t on = 0, all = 0;
    for (int m = 0; m < record->layer_count; m++) {
        const uint8_t *const mask = record->layers[m].mask;
        for (uint32_t c = 0; mask && c < record->layers[m].geometry.columns; c++) {
            const bool owned = model->layer[m].owner[c] != 0;
            all += owned;
            on += owned && (mask[c / 8] >> c % 8 & 1) != 0;
        }
    }
    return all > 0 ? (double)on / (double)all : NAN;
}

/* Seconds of the task's epochs, whichever process ran them. */
static xst_status training_seconds(const xst_trainer *trainer, int position, double *seconds, xst_error *err)
{
    xst_metrics_row *rows = NULL;
    size_t count = 0;
    const xst_status status = xst_run_read_metrics(trainer->run, &rows, &count, err);
    *seconds = 0.0;
    for (size_t i = 0; i < count; i++)
        *seconds += rows[i].task == position ? rows[i].seconds : 0.0;
    xst_free(rows);
    return status;
}

/* The model takes over the task's columns, BN and biases. */
static xst_status adopt(xst_trainer *trainer, const xst_task_record *record, xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < record->layer_count && status == XST_OK; m++)
        status = xst_model_own(trainer->model, m, record->position, record->layers[m].columns, record->layers[m].values,
                               record->layers[m].count, record->whole, err);
    for (int i = 0; i < record->tensor_count && status == XST_OK; i++) {
        const xst_tensor_record *const t = &record->tensors[i];
        status = xst_model_set_param(trainer->model, t->name, t->values, xst_tensor_record_elements(t), err);
    }
    trainer->model->tasks = record->position;
    return status;
}

xst_status xst_trainer_adopt_file(xst_trainer *trainer, int position, xst_error *err)
{
    xst_task_record record = {0};
    xst_status status =
        xst_run_read_task(trainer->run, position, trainer->manifest.tasks[position - 1].xxh3, &record, err);
    if (status == XST_OK && record.layer_count != trainer->net.masked_count)
        status = xst_fail(err, XST_ERROR_RUN, "task %d does not fit the run's network", position);
    if (status == XST_OK)
        status = adopt(trainer, &record, err);
    xst_task_record_free(&record);
    return status;
}

/* Logits of the task's test images, by the evaluator that later evaluations use. */
static xst_status add_logits(xst_trainer *trainer, xst_task_record *record, xst_error *err)
{
    const xst_test_set *const test = &trainer->tests[record->position - 1];
    xst_evaluator *evaluator = NULL;
    void *logits = NULL;
    double accuracy;
    record->images = test->images.count;
    record->classes = (uint32_t)test->classes;
    xst_status status = xst_evaluator_create(trainer->api, trainer->backend, &trainer->net, test->classes,
                                             test->images.count, &evaluator, err);
    if (status == XST_OK)
        status = xst_alloc(&logits, (size_t)record->images * record->classes, sizeof(float), "logits", err);
    record->logits = logits;
    if (status == XST_OK)
        status = xst_evaluator_set_weights(evaluator, trainer->model, err);
    if (status == XST_OK)
        status = xst_evaluator_set_columns(evaluator, trainer->model, record, err);
    if (status == XST_OK)
        status = xst_evaluator_set_tensors(evaluator, record, record, err);
    if (status == XST_OK)
        status = xst_evaluator_run(evaluator, &test->images, record->mean, record->std, record->logits, &accuracy, err);
    xst_evaluator_destroy(evaluator);
    return status;
}

/* tasks/NN.h5, the row of accuracy.csv measured from the files, then the manifest: the commit point. */
static xst_status commit(xst_trainer *trainer, const xst_task_record *record, xst_error *err)
{
    const int i = record->position, n = trainer->tasks;
    xst_run_task *const task = &trainer->manifest.tasks[i - 1];
    const xst_measure measure = {trainer->api, trainer->backend,   trainer->method, &trainer->net,
                                 trainer->run, &trainer->manifest, trainer->tests};
    snprintf(task->file, sizeof task->file, "tasks/%02d.h5", i);
    xst_status status = xst_run_write_task(trainer->run, record, task->xxh3, err);
    if (status == XST_OK)
        status = xst_measure_rows(&measure, i, i, n, trainer->accuracy, NULL, err);
    if (status == XST_OK)
        status = xst_run_write_accuracy(trainer->run, trainer->accuracy, i, n, err);
    if (status != XST_OK)
        return status;
    snprintf(task->status, sizeof task->status, "done");
    task->accuracy = trainer->accuracy[(i - 1) * n + i - 1];
    status = xst_run_write_manifest(trainer->run, &trainer->manifest, err);
    return status == XST_OK ? xst_run_remove_resume(trainer->run, err) : status;
}

static void report_done(const xst_trainer *trainer, int position)
{
    const xst_progress progress = {.event = XST_EVENT_TASK_DONE,
                                   .task = position,
                                   .tasks = trainer->tasks,
                                   .task_name = trainer->manifest.tasks[position - 1].name,
                                   .test_accuracy = trainer->manifest.tasks[position - 1].accuracy,
                                   .mask_density = trainer->manifest.tasks[position - 1].mask_density,
                                   .accuracy = &trainer->accuracy[(position - 1) * trainer->tasks]};
    xst_trainer_report(trainer, &progress);
}

static void describe(const xst_trainer *trainer, const xst_task_data *data, xst_task_record *record)
{
    snprintf(record->method, sizeof record->method, "%s", xst_method_name(trainer->config->method));
    snprintf(record->name, sizeof record->name, "%s", data->name);
    snprintf(record->data_sha256, sizeof record->data_sha256, "%s", data->test_sha256);
    record->whole = trainer->method->whole;
    memcpy(record->mean, data->mean, sizeof record->mean);
    memcpy(record->std, data->std, sizeof record->std);
}

xst_status xst_trainer_learn(xst_trainer *trainer, int position, xst_error *err)
{
    xst_task_data data = {0};
    xst_task_record record = {0};
    double seconds = 0.0, density = NAN;
    xst_status status = xst_dataset_load(trainer->dataset, trainer->config->tasks.at[position - 1],
                                         trainer->config->valid_share, &data, err);
    xst_course course = xst_trainer_course(trainer, position, data.name);
    if (status == XST_OK) {
        const xst_progress progress = {
            .event = XST_EVENT_TASK, .task = position, .tasks = trainer->tasks, .task_name = data.name};
        xst_trainer_report(trainer, &progress);
        status = train(trainer, &course, &data, &record, err);
    }
    if (status == XST_OK) {
        density = trainer->method->no_mask ? NAN : mask_density(trainer->model, &record);
        describe(trainer, &data, &record);
        xst_trainer_keep_test(trainer, position, &data);
        status = adopt(trainer, &record, err);
    }
    if (status == XST_OK)
        status = add_logits(trainer, &record, err);
    if (status == XST_OK)
        status = training_seconds(trainer, position, &seconds, err);
    if (status == XST_OK) {
        xst_run_task *const task = &trainer->manifest.tasks[position - 1];
        task->seconds = seconds;
        task->mask_density = density;
        snprintf(task->kept, sizeof task->kept, "%s", course.note);
        status = commit(trainer, &record, err);
    }
    if (status == XST_OK)
        report_done(trainer, position);
    xst_task_record_free(&record);
    xst_course_free(&course);
    xst_task_data_free(&data);
    return status;
}
