/* The epochs of one task: an epoch is a shuffle, a replay per step, and one read-back. */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/error.h"
#include "train/state.h"

#include <math.h>
#include <stdio.h>

static const double REPORT_SECONDS = 0.25;

typedef struct looping {
    xst_trainer *trainer;
    xst_task_programs *p;
    const xst_task_data *data;
    uint32_t t;               /* updates done */
    double started, reported; /* clock: this epoch's first step; the last report */
    double seconds;           /* of training in this task, by this process */
    uint32_t epoch_from;      /* t when this process began the epoch */
} looping;

static xst_progress progress_of(const looping *s, xst_event event)
{
    const xst_trainer *const trainer = s->trainer;
    const uint32_t done = s->t > 0 ? (s->t - 1) / s->p->steps_per_epoch : 0;
    return (xst_progress){
        .event = event,
        .task = s->p->plan->position,
        .tasks = trainer->tasks,
        .task_name = s->data->name,
        .epoch = (int)done + 1,
        .epochs = trainer->config->epochs,
        .step = s->t,
        .steps = s->p->steps,
        .train_loss = NAN,
        .train_accuracy = NAN,
        .test_accuracy = NAN,
        .mask_density = NAN,
        .eta_s = trainer->steps > 0.0 ? (double)trainer->steps_left * trainer->seconds / trainer->steps : NAN};
}

/* Images processed in this epoch up to step t. */
static uint32_t images_done(const xst_task_programs *p, uint32_t t)
{
    const uint32_t in_epoch = (t - 1) % p->steps_per_epoch + 1;
    return in_epoch == p->steps_per_epoch ? p->train_count : in_epoch * p->batch;
}

static xst_status read_metrics(looping *s, double metrics[2], xst_error *err)
{
    return xst_task_download(s->p, "metrics", NULL, metrics, err);
}

static xst_status report_step(looping *s, xst_error *err)
{
    double metrics[2];
    const xst_status status = read_metrics(s, metrics, err);
    const double images = images_done(s->p, s->t), now = xst_clock_seconds();
    xst_progress progress = progress_of(s, XST_EVENT_STEP);
    progress.train_loss = metrics[0] / images;
    progress.train_accuracy = 100.0 * metrics[1] / images;
    progress.images_per_s = (double)(s->t - s->epoch_from) * s->p->batch / (now - s->started);
    s->reported = now;
    xst_trainer_report(s->trainer, &progress);
    return status;
}

static xst_status save(looping *s, xst_error *err)
{
    xst_array_record *arrays = NULL;
    int count = 0;
    xst_status status = xst_state_save(s->p, &arrays, &count, err);
    if (status == XST_OK)
        status = xst_run_write_resume(s->trainer->run, arrays, count, err);
    xst_arrays_free(arrays, count);
    return status;
}

/* A signal asks to stop: the state is saved at this step boundary. */
static xst_status stop_if_asked(looping *s, xst_error *err)
{
    const xst_observer *const observer = s->trainer->observer;
    const int signal = observer && observer->stop ? (int)*observer->stop : 0;
    if (signal == 0)
        return XST_OK;
    const xst_status status = save(s, err);
    if (status != XST_OK)
        return status;
    return xst_fail(err, signal == SIGTERM ? XST_TERMINATED : XST_INTERRUPTED,
                    "stopped in task %d at step %u: the state is saved; go on with --resume", s->p->plan->position,
                    s->t);
}

static xst_status start_epoch(looping *s, uint32_t epoch, xst_error *err)
{
    const xst_config *const c = s->trainer->config;
    const float rates[2] = {
        (float)xst_schedule_rate(s->p->plan->lr, c->lr_gamma, &c->lr_steps, (int)epoch, c->epochs),
        (float)xst_schedule_rate(c->mask_lr, c->lr_gamma, &c->mask_lr_steps, (int)epoch, c->epochs)};
    const double zero[2] = {0.0, 0.0};
    xst_status status = xst_task_upload(s->p, "rates", NULL, rates, err);
    if (status == XST_OK && s->t == epoch * s->p->steps_per_epoch)
        status = xst_task_upload(s->p, "metrics", NULL, zero, err);
    if (status == XST_OK)
        status = s->p->api->run(s->p->executable[XST_PROGRAM_EPOCH], err);
    s->started = xst_clock_seconds();
    s->epoch_from = s->t;
    return status;
}

static xst_status run_steps(looping *s, uint32_t until, xst_error *err)
{
    xst_status status = XST_OK;
    while (s->t < until && status == XST_OK) {
        status = s->p->api->run(s->p->executable[xst_task_programs_due(s->p, s->t + 1)], err);
        s->t++;
        s->trainer->steps_left--;
        if (status == XST_OK && xst_clock_seconds() - s->reported > REPORT_SECONDS)
            status = report_step(s, err);
        if (status == XST_OK && s->t < until)
            status = stop_if_asked(s, err);
    }
    return status == XST_OK ? s->p->api->synchronise(s->p->session, err) : status;
}

/* Accuracy on the test images with running statistics and the exported mask. */
static xst_status evaluate(looping *s, double *accuracy, xst_error *err)
{
    const uint32_t zero = 0;
    double metrics[2] = {0.0, 0.0};
    xst_status status = xst_task_upload(s->p, "cursor", NULL, &zero, err);
    if (status == XST_OK)
        status = xst_task_upload(s->p, "test_metrics", NULL, metrics, err);
    for (uint32_t i = 0; i < s->p->test_count && status == XST_OK; i += XST_EVAL_BATCH)
        status = s->p->api->run(s->p->executable[XST_PROGRAM_EVAL], err);
    if (status == XST_OK)
        status = xst_task_download(s->p, "test_metrics", NULL, metrics, err);
    *accuracy = 100.0 * metrics[1] / s->p->test_count;
    return status;
}

static uint64_t active_columns(const xst_task_plan *plan)
{
    uint64_t n = 0;
    for (int m = 0; m < plan->layers; m++)
        n += plan->layer[m].count;
    return n;
}

static xst_status finish_epoch(looping *s, int epoch, xst_error *err)
{
    const xst_config *const c = s->trainer->config;
    const double seconds = xst_clock_seconds() - s->started;
    double metrics[2];
    xst_status status = read_metrics(s, metrics, err);
    if (status == XST_OK && !isfinite(metrics[0]))
        return xst_fail(err, XST_ERROR_NUMERIC,
                        "the loss is not finite in task %d, epoch %d: lower lr (now %g); the run keeps its last "
                        "checkpoint",
                        s->p->plan->position, epoch, s->p->plan->lr);
    xst_metrics_row row = {.task = s->p->plan->position,
                           .epoch = epoch,
                           .step = s->t,
                           .train_loss = metrics[0] / s->p->train_count,
                           .train_accuracy = 100.0 * metrics[1] / s->p->train_count,
                           .test_accuracy = NAN,
                           .seconds = seconds,
                           .active_columns = active_columns(s->p->plan)};
    row.images_per_s = (double)(s->t - s->epoch_from) * s->p->train_count / s->p->steps_per_epoch / seconds;
    if (status == XST_OK && (epoch % c->eval_every == 0 || epoch == c->epochs))
        status = evaluate(s, &row.test_accuracy, err);
    if (status == XST_OK)
        status = xst_state_mask_density(s->p, s->trainer->model, &row.mask_density, err);
    if (status == XST_OK)
        status = xst_run_append_metrics(s->trainer->run, &row, err);
    s->seconds += seconds;
    s->trainer->seconds += seconds;
    s->trainer->steps += s->t - s->epoch_from;
    xst_progress progress = progress_of(s, XST_EVENT_EPOCH);
    progress.train_loss = row.train_loss;
    progress.train_accuracy = row.train_accuracy;
    progress.test_accuracy = row.test_accuracy;
    progress.images_per_s = row.images_per_s;
    progress.mask_density = row.mask_density;
    if (status == XST_OK)
        xst_trainer_report(s->trainer, &progress);
    return status;
}

xst_status xst_trainer_epochs(xst_trainer *trainer, xst_task_programs *p, const xst_task_data *data, double *seconds,
                              xst_error *err)
{
    looping s = {.trainer = trainer, .p = p, .data = data};
    const int every = trainer->config->checkpoint_every;
    xst_status status = xst_task_download(p, "t", NULL, &s.t, err);
    s.reported = xst_clock_seconds();
    for (uint32_t epoch = s.t / p->steps_per_epoch; (int)epoch < trainer->config->epochs && status == XST_OK; epoch++) {
        const int number = (int)epoch + 1;
        status = start_epoch(&s, epoch, err);
        if (status == XST_OK)
            status = run_steps(&s, (epoch + 1) * p->steps_per_epoch, err);
        if (status == XST_OK)
            status = finish_epoch(&s, number, err);
        if (status == XST_OK && every > 0 && number % every == 0 && number < trainer->config->epochs)
            status = save(&s, err);
        if (status == XST_OK && number < trainer->config->epochs)
            status = stop_if_asked(&s, err);
    }
    *seconds = s.seconds;
    return status;
}
