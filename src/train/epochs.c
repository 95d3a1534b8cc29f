/* The epochs of a phase: an epoch is a shuffle, a replay per step, and one read-back. */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/error.h"
#include "train/state.h"

#include <math.h>
#include <stdio.h>

/* A step is reported, and so waited for, only in epochs that take longer than this. */
static const double REPORT_SECONDS = 0.25;
/* Saving takes at most this share of the time: at GPU speed ten epochs are over before a state is on the disk. */
static const double SAVE_SHARE = 0.05;

typedef struct looping {
    xst_trainer *trainer;
    xst_task_programs *p;
    xst_course *course;
    const xst_task_data *data;
    uint32_t t;               /* updates done in the phase */
    double started, reported; /* clock: this epoch's first step; the last report */
    double saved, saving;     /* clock: the end of the last save; seconds that it took */
    uint32_t epoch_from;      /* t when this process began the epoch */
    bool stop;                /* the method has seen enough */
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
        .epochs = s->p->plan->epochs,
        .phase = s->p->plan->name,
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
    const double begin = xst_clock_seconds();
    xst_array_list arrays = {0};
    xst_status status = xst_course_save(s->course, &arrays, err);
    if (status == XST_OK)
        status = xst_state_save(s->p, &arrays, err);
    if (status == XST_OK)
        status = xst_run_write_resume(s->trainer->run, &arrays, err);
    xst_arrays_free(&arrays);
    s->saved = xst_clock_seconds();
    s->saving = s->saved - begin;
    return status;
}

static bool may_save(const looping *s)
{
    return SAVE_SHARE * (xst_clock_seconds() - s->saved) >= s->saving;
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
    const float rates[2] = {(float)xst_rate_at(&s->p->plan->lr, (int)epoch),
                            (float)xst_rate_at(&s->p->plan->mask_lr, (int)epoch)};
    const double zero[2] = {0.0, 0.0};
    xst_status status = xst_task_upload(s->p, "rates", NULL, rates, err);
    if (status == XST_OK && s->t == epoch * s->p->steps_per_epoch)
        status = xst_task_upload(s->p, "metrics", NULL, zero, err);
    if (status == XST_OK)
        status = s->p->api->run(s->p->executable[XST_PROGRAM_EPOCH], err);
    s->started = s->reported = xst_clock_seconds();
    s->epoch_from = s->t;
    return status;
}

static xst_status run_steps(looping *s, uint32_t until, xst_error *err)
{
    xst_status status = XST_OK;
    while (s->t < until && status == XST_OK) {
        status = s->p->api->run(s->p->executable[xst_task_programs_due(s->p, s->t + 1)], err);
        s->t++;
        s->trainer->steps_left -= s->trainer->steps_left > 0;
        if (status == XST_OK && xst_clock_seconds() - s->reported > REPORT_SECONDS)
            status = report_step(s, err);
        if (status == XST_OK && s->t < until)
            status = stop_if_asked(s, err);
    }
    return status == XST_OK ? s->p->api->synchronise(s->p->session, err) : status;
}

/* Accuracy on the test images, or on those held out, with running statistics and the exported mask. */
static xst_status evaluate(looping *s, xst_program_id id, double *accuracy, xst_error *err)
{
    const bool valid = id == XST_PROGRAM_VALID;
    const char *const name = valid ? "valid_metrics" : "test_metrics";
    const uint32_t zero = 0, images = valid ? s->p->valid_count : s->p->test_count;
    double metrics[2] = {0.0, 0.0};
    xst_status status = xst_task_upload(s->p, "cursor", NULL, &zero, err);
    if (status == XST_OK)
        status = xst_task_upload(s->p, name, NULL, metrics, err);
    for (uint32_t i = 0; i < images && status == XST_OK; i += XST_EVAL_BATCH)
        status = s->p->api->run(s->p->executable[id], err);
    if (status == XST_OK)
        status = xst_task_download(s->p, name, NULL, metrics, err);
    *accuracy = 100.0 * metrics[1] / images;
    return status;
}

/* The accuracies that are due after an epoch of the phase (0: before the first). */
static xst_status measure(looping *s, int epoch, double *test, double *chosen, xst_error *err)
{
    const xst_task_plan *const plan = s->p->plan;
    const int number = (int)s->course->epochs + epoch;
    const bool last = epoch == plan->epochs;
    const bool choose = plan->choose == XST_CHOOSE_EVERY || (plan->choose == XST_CHOOSE_LAST && last);
    const bool on_test = choose && s->p->valid_count == 0;
    xst_status status = XST_OK;
    *test = *chosen = NAN;
    if (on_test || (epoch > 0 && (last || number % s->trainer->config->eval_every == 0)))
        status = evaluate(s, XST_PROGRAM_EVAL, test, err);
    *chosen = on_test ? *test : NAN;
    if (choose && !on_test && status == XST_OK)
        status = evaluate(s, XST_PROGRAM_VALID, chosen, err);
    return status;
}

/* The method looks at the epoch, and may put the net aside or end the phase. */
static xst_status judge(looping *s, int epoch, double train, double chosen, xst_error *err)
{
    const xst_task_plan *const plan = s->p->plan;
    const xst_method *const method = s->trainer->method;
    bool keep = false;
    s->course->last = (xst_epoch){.epoch = epoch, .epochs = plan->epochs, .train = train, .chosen = chosen};
    if (!method->judge || plan->choose != XST_CHOOSE_EVERY)
        return XST_OK;
    method->judge(s->course, &s->course->last, &keep, &s->stop);
    if (!keep)
        return XST_OK;
    xst_task_record_free(&s->course->kept);
    return xst_state_record(s->p, s->trainer->model, &s->course->kept, err);
}

static xst_status finish_epoch(looping *s, int epoch, xst_error *err)
{
    const double seconds = xst_clock_seconds() - s->started;
    double metrics[2], chosen = NAN;
    xst_status status = read_metrics(s, metrics, err);
    if (status == XST_OK && !isfinite(metrics[0]))
        return xst_fail(err, XST_ERROR_NUMERIC,
                        "the loss is not finite in task %d, epoch %d: lower lr (now %g); the run keeps its last "
                        "checkpoint",
                        s->p->plan->position, epoch, s->p->plan->lr.base);
    xst_metrics_row row = {.task = s->p->plan->position,
                           .epoch = (int)s->course->epochs + epoch,
                           .step = s->course->steps + s->t,
                           .train_loss = metrics[0] / s->p->train_count,
                           .train_accuracy = 100.0 * metrics[1] / s->p->train_count,
                           .test_accuracy = NAN,
                           .seconds = seconds};
    snprintf(row.phase, sizeof row.phase, "%s", s->p->plan->name);
    row.images_per_s = (double)(s->t - s->epoch_from) * s->p->train_count / s->p->steps_per_epoch / seconds;
    if (status == XST_OK)
        status = measure(s, epoch, &row.test_accuracy, &chosen, err);
    if (status == XST_OK)
        status = xst_state_active(s->p, &row.active_columns, err);
    row.mask_density = NAN;
    if (status == XST_OK && !s->trainer->method->no_mask)
        status = xst_state_mask_density(s->p, &row.mask_density, err);
    if (status == XST_OK)
        status = judge(s, epoch, row.train_accuracy, chosen, err);
    if (status == XST_OK && s->stop && isnan(row.test_accuracy)) /* the last epoch has one */
        status = evaluate(s, XST_PROGRAM_EVAL, &row.test_accuracy, err);
    if (status == XST_OK)
        status = xst_run_append_metrics(s->trainer->run, &row, err);
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

/* A method that chooses among all epochs also sees the net it starts from. */
static xst_status look_at_start(looping *s, xst_error *err)
{
    double test, chosen;
    if (s->t > 0 || s->p->plan->choose != XST_CHOOSE_EVERY)
        return XST_OK;
    const xst_status status = measure(s, 0, &test, &chosen, err);
    return status == XST_OK ? judge(s, 0, NAN, chosen, err) : status;
}

static xst_status run_epoch(looping *s, int epoch, xst_error *err)
{
    xst_trainer_range(s->trainer, "epoch %d", epoch + 1);
    xst_status status = start_epoch(s, (uint32_t)epoch, err);
    if (status == XST_OK)
        status = run_steps(s, (uint32_t)(epoch + 1) * s->p->steps_per_epoch, err);
    if (status == XST_OK)
        status = finish_epoch(s, epoch + 1, err);
    xst_trainer_range_end(s->trainer);
    return status;
}

xst_status xst_trainer_epochs(xst_trainer *trainer, xst_task_programs *p, xst_course *course, const xst_task_data *data,
                              xst_error *err)
{
    looping s = {.trainer = trainer, .p = p, .course = course, .data = data};
    const int every = trainer->config->checkpoint_every, epochs = p->plan->epochs;
    xst_status status = xst_task_download(p, "t", NULL, &s.t, err);
    if (status == XST_OK)
        status = look_at_start(&s, err);
    if (status == XST_OK && course->phase > 0 && s.t == 0 && every > 0)
        status = save(&s, err);
    for (int epoch = (int)(s.t / p->steps_per_epoch); epoch < epochs && !s.stop && status == XST_OK; epoch++) {
        const bool more = epoch + 1 < epochs;
        status = run_epoch(&s, epoch, err);
        const bool due = more && !s.stop && every > 0 && ((int)course->epochs + epoch + 1) % every == 0;
        if (status == XST_OK && due && may_save(&s))
            status = save(&s, err);
        if (status == XST_OK && more && !s.stop)
            status = stop_if_asked(&s, err);
    }
    course->epochs += s.t / p->steps_per_epoch;
    course->steps += s.t;
    return status;
}
