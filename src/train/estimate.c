/* What a run will take: its plan is made, its programs compiled and a few steps timed; nothing is written. */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "train/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 2, TIMED = 7 };

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static xst_status time_steps(xst_task_programs *p, double *median, xst_error *err)
{
    double seconds[TIMED] = {0};
    xst_status status = p->api->run(p->executable[XST_PROGRAM_EPOCH], err);
    for (int i = 0; i < WARM_UP + TIMED && status == XST_OK; i++) {
        const uint32_t start = 0; /* always the first step: a full batch */
        status = xst_task_upload(p, "t", NULL, &start, err);
        const double before = xst_clock_seconds();
        if (status == XST_OK)
            status = p->api->run(p->executable[XST_PROGRAM_STEP], err);
        if (status == XST_OK)
            status = p->api->synchronise(p->session, err);
        if (i >= WARM_UP)
            seconds[i - WARM_UP] = xst_clock_seconds() - before;
    }
    qsort(seconds, TIMED, sizeof seconds[0], ascending);
    *median = seconds[TIMED / 2];
    return status;
}

/* Of a task, at most. */
static uint64_t most_steps(const xst_trainer *t, const xst_task_programs *p)
{
    return (uint64_t)xst_method_most_epochs(t->config) * p->steps_per_epoch;
}

static void count(const xst_trainer *t, const xst_task_programs *p, xst_estimate *e)
{
    const xst_config *const c = t->config;
    e->steps = most_steps(t, p) * (uint64_t)t->tasks;
    e->memory_bytes = (double)p->api->session_bytes(p->session);
    for (int m = 0; m < t->net.masked_count; m++) {
        const xst_layer *const l = xst_net_masked(&t->net, m);
        const uint64_t weights = (uint64_t)xst_geometry_weights(&l->geometry);
        e->parameters += weights;
        e->conv_weights += l->kind == XST_LAYER_CONV ? weights : 0;
        e->columns += l->geometry.columns;
        e->macs_per_image += (double)weights * l->side * l->side;
        /* values and indices once in all (a net per task: each time), mask bits of every later task */
        const double nets = t->method->whole ? t->tasks : 1.0;
        e->disk_bytes += nets * ((double)weights * 4.0 + (double)l->geometry.columns * 4.0) +
                         (t->method->whole ? 0.0 : (t->tasks - 1) * (double)l->geometry.columns / 8.0);
    }
    e->macs_per_image += (double)t->net.features * p->classes;
    e->disk_bytes += (double)t->tasks * (p->test_count * (double)p->classes * 4.0 + 65536.0);
    if (c->checkpoint_every > 0)
        e->disk_bytes += e->disk_bytes / t->tasks;
}

static xst_status copy_program(const xst_task_programs *p, char **out, xst_error *err)
{
    xst_text text = {0};
    void *memory = NULL;
    xst_program_print(&p->program[XST_PROGRAM_STEP], &p->tensors, &text);
    xst_status status = xst_text_check(&text, err);
    if (status == XST_OK)
        status = xst_alloc(&memory, text.size + 1, 1, "program text", err);
    if (status == XST_OK)
        memcpy(memory, xst_text_string(&text), text.size);
    xst_text_free(&text);
    *out = memory;
    return status;
}

/* The plan of a task as training would make it; its columns are then owned, so that the next plan is a later task's. */
static xst_status try_task(xst_trainer *t, int position, const xst_task_data *data, double *seconds, xst_estimate *e,
                           char **program_text, xst_error *err)
{
    xst_task_plan plan = {0};
    xst_task_programs *p = NULL;
    xst_course course = xst_trainer_course(t, position, data->name);
    xst_status status = xst_trainer_plan(t, &course, NULL, &plan, err);
    if (status == XST_OK)
        status = xst_task_programs_create(t->api, t->backend, t->config, &t->net, &plan, data, &p, err);
    if (status == XST_OK)
        status = xst_state_start(p, t->model, data, err);
    if (status == XST_OK)
        status = time_steps(p, seconds, err);
    for (int m = 0; m < t->net.masked_count && status == XST_OK; m++)
        status = xst_model_own(t->model, m, position, plan.layer[m].active, plan.layer[m].value, plan.layer[m].count,
                               t->method->whole, err);
    if (status == XST_OK && e)
        count(t, p, e);
    if (status == XST_OK && program_text)
        status = copy_program(p, program_text, err);
    if (status == XST_OK) /* seconds of the whole task */
    {
        if (e)
            e->step_seconds = *seconds;
        *seconds *= (double)most_steps(t, p);
    }
    xst_task_programs_destroy(p);
    xst_task_plan_free(&plan);
    return status;
}

static xst_status check_goals(const xst_trainer *t, xst_error *err)
{
    void *tasks = NULL;
    xst_status status = xst_alloc(&tasks, (size_t)t->tasks, sizeof(xst_run_task), "goals", err);
    if (status == XST_OK)
        status = xst_goals_read(t, tasks, err);
    xst_free(tasks);
    return status;
}

xst_status xst_train_estimate(xst_config *config, xst_estimate *estimate, char **program_text, xst_error *err)
{
    xst_trainer t = {0};
    xst_task_data data = {0};
    double first = 0.0, later = 0.0;
    *estimate = (xst_estimate){0};
    if (program_text)
        *program_text = NULL;
    xst_status status = xst_trainer_open(&t, config, err);
    if (status == XST_OK && t.method->goals)
        status = check_goals(&t, err);
    const bool more = status == XST_OK && t.tasks > 1;
    if (status == XST_OK)
        status = xst_dataset_load(t.dataset, config->tasks.at[0], config->valid_share, &data, err);
    if (status == XST_OK)
        status = try_task(&t, 1, &data, &first, more ? NULL : estimate, more ? NULL : program_text, err);
    if (status == XST_OK && more) /* a step with masks stands for all later tasks */
        status = try_task(&t, 2, &data, &later, estimate, program_text, err);
    estimate->seconds = first + (t.tasks - 1) * later;
    xst_task_data_free(&data);
    xst_trainer_close(&t);
    return status;
}

void xst_text_release(char *text)
{
    xst_free(text);
}
