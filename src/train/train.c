/* A run from its configuration to its last task; resuming one. */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/version.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void xst_trainer_report(const xst_trainer *trainer, const xst_progress *progress)
{
    if (trainer->observer && trainer->observer->report)
        trainer->observer->report(trainer->observer->user, progress);
}

void xst_trainer_range(const xst_trainer *trainer, const char *format, ...)
{
    char name[128];
    va_list args;
    if (!trainer->api->range_begin)
        return;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    trainer->api->range_begin(name);
}

void xst_trainer_range_end(const xst_trainer *trainer)
{
    if (trainer->api->range_end)
        trainer->api->range_end();
}

static xst_status check_tasks(const xst_trainer *trainer, xst_error *err)
{
    const int there = xst_dataset_tasks(trainer->dataset);
    for (int i = 0; i < trainer->tasks; i++)
        if (trainer->config->tasks.at[i] >= there)
            return xst_fail(err, XST_ERROR_CONFIG, "tasks: task %d does not exist: the split has %d (0 to %d)",
                            trainer->config->tasks.at[i], there, there - 1);
    return XST_OK;
}

static xst_status check_steps(const xst_trainer *trainer, xst_error *err)
{
    xst_status status = XST_OK;
    for (int i = 0; i < trainer->tasks && status == XST_OK; i++) {
        const int classes = xst_dataset_task_classes(trainer->dataset, trainer->config->tasks.at[i]);
        const uint32_t images = (uint32_t)classes * xst_dataset_train_images(trainer->config->valid_share);
        status = xst_task_check_steps(trainer->config, &trainer->net, images, err);
    }
    return status;
}

static xst_status make_tables(xst_trainer *trainer, xst_error *err)
{
    const size_t n = (size_t)trainer->tasks;
    void *tests = NULL, *accuracy = NULL;
    xst_status status = xst_alloc(&tests, n, sizeof *trainer->tests, "test sets", err);
    trainer->tests = tests;
    if (status == XST_OK)
        status = xst_alloc(&accuracy, n * n, sizeof *trainer->accuracy, "accuracy matrix", err);
    trainer->accuracy = accuracy;
    for (size_t i = 0; i < n * n && status == XST_OK; i++)
        trainer->accuracy[i] = NAN;
    return status;
}

xst_status xst_trainer_open(xst_trainer *trainer, const xst_config *config, xst_error *err)
{
    *trainer = (xst_trainer){.config = config, .method = xst_method_of(config->method), .tasks = config->tasks.count};
    const xst_backend_options options = {.precision = (xst_precision)config->precision,
                                         .threads = config->threads,
                                         .deterministic = config->deterministic};
    xst_status status = xst_config_check(config, err);
    if (status == XST_OK)
        status = xst_net_build(config, xst_method_element(config), &trainer->net, err);
    if (status == XST_OK)
        status = xst_dataset_open(config->data, config->task_split, &trainer->dataset, err);
    if (status == XST_OK)
        status = check_tasks(trainer, err);
    if (status == XST_OK)
        status = check_steps(trainer, err);
    if (status == XST_OK)
        status = xst_backend_find(config->backend, &trainer->api, err);
    if (status == XST_OK)
        status = trainer->api->open(&options, &trainer->backend, err);
    if (status == XST_OK) {
        trainer->api->facts(trainer->backend, &trainer->facts);
        status = xst_model_create(&trainer->net, &trainer->model, err);
    }
    return status == XST_OK ? make_tables(trainer, err) : status;
}

void xst_trainer_close(xst_trainer *trainer)
{
    for (int i = 0; trainer->tests && i < trainer->tasks; i++)
        xst_test_set_free(&trainer->tests[i]);
    xst_free(trainer->tests);
    xst_free(trainer->accuracy);
    xst_model_destroy(trainer->model);
    if (trainer->backend)
        trainer->api->close(trainer->backend);
    xst_dataset_close(trainer->dataset);
    xst_manifest_free(&trainer->manifest);
    xst_run_close(trainer->run);
    *trainer = (xst_trainer){0};
}

/* ---- a new run ------------------------------------------------------------------------------------------------------
 */

static xst_status describe_tasks(xst_trainer *trainer, xst_error *err)
{
    xst_manifest *const m = &trainer->manifest;
    void *tasks = NULL;
    xst_status status = xst_alloc(&tasks, (size_t)trainer->tasks, sizeof *m->tasks, "manifest", err);
    m->tasks = tasks;
    m->task_count = status == XST_OK ? trainer->tasks : 0;
    for (int i = 0; i < trainer->tasks && status == XST_OK; i++) {
        const int index = trainer->config->tasks.at[i];
        xst_run_task *const task = &m->tasks[i];
        task->position = i + 1;
        task->accuracy = task->mask_density = task->goal = NAN;
        task->class_count = xst_dataset_task_classes(trainer->dataset, index);
        xst_dataset_task_fine(trainer->dataset, index, task->classes);
        snprintf(task->name, sizeof task->name, "%s", xst_dataset_task_name(trainer->dataset, index));
        snprintf(task->status, sizeof task->status, "waiting");
    }
    return status == XST_OK && trainer->method->goals ? xst_goals_read(trainer, m->tasks, err) : status;
}

static xst_status describe_run(xst_trainer *trainer, xst_error *err)
{
    static const char *const precision[] = {"fp32", "tf32", "bf16"};
    xst_manifest *const m = &trainer->manifest;
    snprintf(m->version, sizeof m->version, "%s", xst_version());
    snprintf(m->git_commit, sizeof m->git_commit, "%s", xst_git_commit());
    snprintf(m->method, sizeof m->method, "%s", xst_method_name(trainer->config->method));
    snprintf(m->backend, sizeof m->backend, "%s", trainer->api->name);
    snprintf(m->precision, sizeof m->precision, "%s", precision[trainer->config->precision]);
    snprintf(m->libraries, sizeof m->libraries, "%s", trainer->facts.libraries);
    const bool gpu = strcmp(trainer->api->name, "cuda") == 0;
    snprintf(m->cpu, sizeof m->cpu, "%s", gpu ? "" : trainer->facts.device);
    snprintf(m->gpu, sizeof m->gpu, "%s", gpu ? trainer->facts.device : "");
    if (trainer->method->chooses)
        snprintf(m->choices, sizeof m->choices, "%s", trainer->config->valid_share > 0.0 ? "held-out" : "test");
    m->seed = trainer->config->seed;
    m->threads = trainer->facts.threads;
    xst_clock_text(m->started);
    return describe_tasks(trainer, err);
}

/* mode: CREATE, or RESUME where a run was killed before it had saved anything. */
static xst_status create_run(xst_trainer *trainer, xst_run_mode mode, xst_error *err)
{
    xst_text text = {0};
    xst_status status = describe_run(trainer, err);
    if (status == XST_OK)
        status = xst_run_open(trainer->config->out, mode, &trainer->run, err);
    if (status != XST_OK)
        return status;
    xst_config_write(trainer->config, &text);
    status = xst_text_check(&text, err);
    if (status == XST_OK)
        status = xst_run_write_config(trainer->run, text.bytes, text.size, err);
    xst_text_free(&text);
    return status == XST_OK ? xst_run_write_manifest(trainer->run, &trainer->manifest, err) : status;
}

/* ---- resuming -------------------------------------------------------------------------------------------------------
 */

/* Earlier tasks come back from their files: frozen columns, newest tensors, test sets, rows of accuracy.csv. */
static xst_status rebuild(xst_trainer *trainer, int done, xst_error *err)
{
    xst_status status = XST_OK;
    double *matrix = NULL;
    int rows = 0, n = 0;
    for (int i = 1; i <= done && status == XST_OK; i++) {
        xst_task_data data = {0};
        status = xst_trainer_adopt_file(trainer, i, err);
        if (status == XST_OK)
            status = xst_dataset_load(trainer->dataset, trainer->config->tasks.at[i - 1], trainer->config->valid_share,
                                      &data, err);
        if (status == XST_OK)
            xst_trainer_keep_test(trainer, i, &data);
        xst_task_data_free(&data);
    }
    if (status == XST_OK && done > 0)
        status = xst_run_read_accuracy(trainer->run, &matrix, &rows, &n, err);
    if (status == XST_OK && done > 0 && (rows < done || n != trainer->tasks))
        status = xst_fail(err, XST_ERROR_RUN, "accuracy.csv has %d rows for %d finished tasks", rows, done);
    for (int i = 0; i < done * trainer->tasks && status == XST_OK && matrix; i++)
        trainer->accuracy[i] = matrix[i];
    xst_free(matrix);
    return status;
}

static xst_status reopen_run(xst_trainer *trainer, xst_error *err)
{
    xst_status status = xst_run_open(trainer->config->out, XST_RUN_RESUME, &trainer->run, err);
    if (status == XST_OK)
        status = xst_run_read_manifest(trainer->run, &trainer->manifest, err);
    if (status == XST_OK && trainer->manifest.task_count != trainer->tasks)
        status = xst_fail(err, XST_ERROR_RUN, "manifest.json names %d tasks, config.yaml %d",
                          trainer->manifest.task_count, trainer->tasks);
    if (status == XST_OK && strcmp(trainer->manifest.backend, trainer->api->name) != 0)
        status = xst_fail(err, XST_ERROR_RUN, "the run was trained on backend %s, this is %s: set backend to match",
                          trainer->manifest.backend, trainer->api->name);
    return status == XST_OK ? rebuild(trainer, xst_manifest_done(&trainer->manifest), err) : status;
}

/* The options of the run folder, after checking that those set in `config` agree. */
static xst_status load_stored(xst_config *config, xst_config **stored, xst_error *err)
{
    xst_run *run = NULL;
    char path[XST_PATH_MAX];
    xst_status status = xst_run_open(config->out, XST_RUN_READ, &run, err);
    if (status == XST_OK)
        status = xst_run_config_path(run, path, err);
    xst_run_close(run);
    if (status == XST_OK)
        status = xst_config_create(stored, err);
    if (status == XST_OK)
        status = xst_config_load(*stored, path, err);
    if (status == XST_OK) /* the folder may have been moved or renamed */
        status = xst_config_set(*stored, "out", config->out, err);
    const char *const conflict = status == XST_OK ? xst_config_conflict(*stored, config) : NULL;
    return conflict ? xst_fail(err, XST_ERROR_CONFIG,
                               "--resume: option '%s' differs from the run's config.yaml: leave it out", conflict)
                    : status;
}

static xst_status run_tasks(xst_trainer *trainer, xst_error *err)
{
    const int done = xst_manifest_done(&trainer->manifest);
    xst_status status = XST_OK;
    for (int i = done + 1; i <= trainer->tasks && status == XST_OK; i++) {
        xst_trainer_range(trainer, "task %d", i);
        status = xst_trainer_learn(trainer, i, err);
        xst_trainer_range_end(trainer);
    }
    if (status != XST_OK)
        return status;
    xst_clock_text(trainer->manifest.ended);
    status = xst_run_write_manifest(trainer->run, &trainer->manifest, err);
    const xst_progress progress = {.event = XST_EVENT_DONE,
                                   .tasks = trainer->tasks,
                                   .task = trainer->tasks,
                                   .accuracy = &trainer->accuracy[(trainer->tasks - 1) * trainer->tasks]};
    if (status == XST_OK)
        xst_trainer_report(trainer, &progress);
    return status;
}

static void say(const xst_trainer *trainer, const char *text)
{
    xst_trainer_report(trainer, &(xst_progress){.event = XST_EVENT_MESSAGE, .text = text});
}

/* What a user should know before the hours are spent. */
static void say_what_to_know(const xst_trainer *trainer)
{
    const xst_config *const c = trainer->config;
    if (c->gate == XST_GATE_PAPER && trainer->tasks > 1 && xst_method_learns_gumbel(c))
        say(trainer,
            "gate: paper trains with most columns off but tests with nearly all on: tasks with a mask will test "
            "near chance (logit does not)");
    if (trainer->method->chooses && c->valid_share <= 0.0)
        say(trainer,
            "this method makes choices by accuracy on the test images, as its reference does: valid_share holds "
            "training images back for that");
}

xst_status xst_train(xst_config *config, bool resume, const xst_observer *observer, xst_error *err)
{
    xst_trainer trainer = {0};
    xst_config *stored = NULL;
    bool fresh = true;
    if (config->out[0] == 0)
        return xst_fail(err, XST_ERROR_USAGE, "no run folder: say where to write with --out RUN");
    xst_status status = resume ? xst_run_is_fresh(config->out, &fresh, err) : XST_OK;
    if (status == XST_OK && !fresh)
        status = load_stored(config, &stored, err);
    if (status == XST_OK)
        status = xst_trainer_open(&trainer, stored ? stored : config, err);
    trainer.observer = observer;
    if (status == XST_OK)
        status =
            fresh ? create_run(&trainer, resume ? XST_RUN_RESUME : XST_RUN_CREATE, err) : reopen_run(&trainer, err);
    if (status == XST_OK && trainer.manifest.ended[0] == 0) {
        say_what_to_know(&trainer);
        status = run_tasks(&trainer, err);
    }
    xst_trainer_close(&trainer);
    xst_config_destroy(stored);
    return status;
}
