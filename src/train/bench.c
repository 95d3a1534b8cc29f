#include "xst/bench.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/ceiling.h"
#include "train/machine.h"
#include "train/state.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 200, PROFILE_REPEATS = 9, WARM_UP = 2 };
/* Steps that come first: a GPU that was idle needs this long to reach its clock. */
static const double WARM_UP_SECONDS = 0.5;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

static xst_status run_once(const xst_backend_api *api, xst_session *session, xst_executable *executable,
                           double *seconds, xst_error *err)
{
    const double before = xst_clock_seconds();
    xst_status status = api->run(executable, err);
    if (status == XST_OK)
        status = api->synchronise(session, err);
    *seconds = xst_clock_seconds() - before;
    return status;
}

/* Starts the count anew, so that each row has its own peak (Linux; elsewhere it stays that of the process). */
static void restart_peak(void)
{
    FILE *const f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
}

static double peak_mebibytes(void)
{
    char line[128];
    double kibibytes = NAN;
    FILE *const f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kibibytes = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return kibibytes / 1024.0;
}

/* The next step will be number t, which must be one that the program to be run is for. */
static xst_status stand_before(xst_task_programs *p, uint32_t t, xst_error *err)
{
    const uint32_t done = t - 1;
    return xst_task_upload(p, "t", NULL, &done, err);
}

/* The first step at which a full batch exchanges columns; 0: none. */
static uint32_t first_exchange(const xst_task_programs *p)
{
    for (uint32_t t = 1; t <= p->exchange_events * p->exchange_every; t++)
        if (xst_task_programs_due(p, t) == XST_PROGRAM_STEP_EXCHANGE)
            return t;
    return 0;
}

static xst_status warm_up(xst_task_programs *p, xst_error *err)
{
    const double start = xst_clock_seconds();
    double seconds;
    xst_status status = XST_OK;
    do {
        status = stand_before(p, 1, err);
        if (status == XST_OK)
            status = run_once(p->api, p->session, p->executable[XST_PROGRAM_STEP], &seconds, err);
    } while (status == XST_OK && xst_clock_seconds() - start < WARM_UP_SECONDS);
    return status;
}

/* Step and ceiling in turn, so that a machine whose speed drifts drifts for both. */
static xst_status time_rounds(xst_task_programs *p, const xst_ceiling *c, int rounds, xst_bench_step *step,
                              xst_error *err)
{
    double steps[ROUNDS_MAX], ceilings[ROUNDS_MAX], ratios[ROUNDS_MAX], grow[ROUNDS_MAX];
    const int every = p->config->update_every;
    const uint32_t exchange = first_exchange(p);
    int grown = 0;
    xst_status status = warm_up(p, err);
    for (int i = -WARM_UP; i < rounds && status == XST_OK; i++) {
        const int k = i > 0 ? i : 0;
        status = stand_before(p, 1, err);
        if (status == XST_OK)
            status = run_once(p->api, p->session, p->executable[XST_PROGRAM_STEP], &steps[k], err);
        if (status == XST_OK)
            status = run_once(c->api, c->session, c->executable, &ceilings[k], err);
        if (status == XST_OK && exchange > 0 && i >= 0 && i % 4 == 0) {
            status = stand_before(p, exchange, err);
            if (status == XST_OK)
                status = run_once(p->api, p->session, p->executable[XST_PROGRAM_STEP_EXCHANGE], &grow[grown++], err);
        }
    }
    if (status != XST_OK)
        return status;
    step->grow_ms = grown > 0 ? 1e3 * median(grow, grown) : NAN;
    const double extra = grown > 0 ? fmax(0.0, step->grow_ms * 1e-3 - median(steps, rounds)) / every : 0.0;
    for (int i = 0; i < rounds; i++)
        ratios[i] = ceilings[i] / (steps[i] + extra);
    step->ratio = median(ratios, rounds);
    step->ms = 1e3 * median(steps, rounds);
    step->images_per_s = p->batch / (step->ms * 1e-3 + extra);
    step->ceiling_images_per_s = p->batch / median(ceilings, rounds);
    return XST_OK;
}

/* With bf16, activations and what is computed from weights are kept in it. */
static double tensor_bytes(const xst_tensor_info *info, xst_precision precision)
{
    const bool half = precision == XST_BF16 && info->kind == XST_TEMP && info->dtype == XST_F32 &&
                      (info->rank == 2 || info->rank == 4);
    return (double)xst_tensor_bytes(info) / (half ? 2.0 : 1.0);
}

/* Bytes that an operation must at least touch: each operand once (a fused one that skips columns touches fewer). */
static double operand_bytes(const xst_op *op, const xst_tensors *tensors, xst_precision precision)
{
    double bytes = 0.0;
    for (int i = 0; i < XST_OP_INPUTS; i++)
        bytes += op->in[i] >= 0 ? tensor_bytes(&tensors->info[op->in[i]], precision) : 0.0;
    for (int i = 0; i < XST_OP_OUTPUTS; i++)
        bytes += op->out[i] >= 0 ? tensor_bytes(&tensors->info[op->out[i]], precision) : 0.0;
    return bytes;
}

static xst_status list_operations(xst_task_programs *p, xst_bench_result *out, xst_error *err)
{
    const xst_program *const program = &p->program[XST_PROGRAM_STEP];
    void *memory = NULL, *times = NULL;
    xst_status status = xst_alloc(&memory, (size_t)program->count, sizeof *out->operation, "operations", err);
    out->operation = memory;
    if (status == XST_OK)
        status = xst_alloc(&times, (size_t)program->count, sizeof(double), "times", err);
    if (status == XST_OK)
        status = stand_before(p, 1, err);
    /* full batches only: not past the epoch's last step, which may be a short one */
    const int full = p->steps_per_epoch > 1 ? (int)p->steps_per_epoch - 1 : PROFILE_REPEATS;
    if (status == XST_OK)
        status = p->api->profile(p->executable[XST_PROGRAM_STEP], full < PROFILE_REPEATS ? full : PROFILE_REPEATS,
                                 times, err);
    const double *const ms = times;
    double all = 0.0, outside = 0.0;
    for (int32_t i = 0; i < program->count && status == XST_OK; i++) {
        const xst_op *const op = &program->op[i];
        xst_bench_operation *const o = &out->operation[out->operations++];
        const double macs = xst_op_macs(op, &p->tensors);
        all += ms[i];
        outside += macs > 0.0 ? 0.0 : ms[i];
        snprintf(o->layer, sizeof o->layer, "%s", op->label);
        snprintf(o->operation, sizeof o->operation, "%s", xst_op_name(op->kind));
        o->ms = ms[i];
        o->gflops = ms[i] > 0.0 ? 2.0 * macs / (ms[i] * 1e6) : 0.0;
        o->gbytes_per_s =
            ms[i] > 0.0 ? operand_bytes(op, &p->tensors, (xst_precision)p->config->precision) / (ms[i] * 1e6) : 0.0;
    }
    for (int i = 0; i < out->operations; i++)
        out->operation[i].share = all > 0.0 ? out->operation[i].ms / all : 0.0;
    out->outside_conv_gemm_share = all > 0.0 ? outside / all : 0.0;
    xst_free(times);
    return status;
}

static void describe(const xst_config *config, int task, int batch, xst_bench_step *step)
{
    static const char *const precision[] = {"fp32", "tf32", "bf16"};
    *step = (xst_bench_step){.task = task, .batch = batch};
    snprintf(step->method, sizeof step->method, "%s", xst_method_name(config->method));
    snprintf(step->precision, sizeof step->precision, "%s", precision[config->precision]);
}

static xst_status bench_step(xst_trainer *t, const xst_task_plan *plan, const xst_task_data *data, int rounds,
                             bool operations, xst_bench_result *out, xst_error *err)
{
    xst_bench_step *const step = &out->step[out->steps++];
    xst_task_programs *p = NULL;
    xst_ceiling ceiling = {0};
    double seconds;
    describe(t->config, plan->position, t->config->batch, step);
    restart_peak();
    xst_status status = xst_task_programs_create(t->api, t->backend, t->config, &t->net, plan, data, &p, err);
    if (status == XST_OK)
        status = xst_state_start(p, t->model, data, err);
    if (status == XST_OK)
        status = p->api->run(p->executable[XST_PROGRAM_EPOCH], err);
    if (status == XST_OK)
        status = run_once(p->api, p->session, p->executable[XST_PROGRAM_STEP], &seconds, err);
    const bool device = strcmp(t->api->name, "cuda") == 0;
    step->peak_MiB = device && p ? (double)p->api->session_bytes(p->session) / 0x1p20 : peak_mebibytes();
    if (status == XST_OK)
        status = xst_ceiling_create(t->api, t->backend, &t->net, (int)p->batch, data->classes, &ceiling, err);
    if (status == XST_OK)
        status = time_rounds(p, &ceiling, rounds, step, err);
    xst_ceiling_free(&ceiling);
    if (status == XST_OK && operations)
        status = list_operations(p, out, err);
    xst_task_programs_destroy(p);
    return status;
}

/* One task at one batch size; position 2 follows a task 1 whose columns are taken as they start. */
static xst_status bench_task(const xst_config *config, int position, int rounds, bool operations, xst_bench_result *out,
                             xst_error *err)
{
    xst_trainer t = {0};
    xst_task_data data = {0};
    xst_status status = xst_trainer_open(&t, config, err);
    if (status == XST_OK)
        status = xst_dataset_load(t.dataset, 0, 0.0, &data, err);
    for (int i = 1; i <= position && status == XST_OK; i++) {
        xst_task_plan plan = {0};
        xst_course course = xst_trainer_course(&t, i, data.name);
        status = xst_trainer_plan(&t, &course, NULL, &plan, err);
        for (int m = 0; m < plan.layers && i < position && status == XST_OK; m++)
            status = xst_model_own(t.model, m, i, plan.layer[m].active, plan.layer[m].value, plan.layer[m].count,
                                   t.method->whole, err);
        if (status == XST_OK && i == position)
            status = bench_step(&t, &plan, &data, rounds, operations, out, err);
        xst_task_plan_free(&plan);
    }
    xst_machine machine = {0};
    if (status == XST_OK && operations)
        status = xst_machine_measure(t.api, t.backend, &machine, err);
    if (operations) {
        out->gemm_gflops = machine.gemm_gflops;
        out->copy_gbytes_per_s = machine.copy_gbytes_per_s;
    }
    snprintf(out->machine, sizeof out->machine, "%s", t.facts.device);
    snprintf(out->libraries, sizeof out->libraries, "%s", t.facts.libraries);
    xst_task_data_free(&data);
    xst_trainer_close(&t);
    return status;
}

xst_status xst_bench(xst_config *config, int rounds, xst_bench_result *out, xst_error *err)
{
    char batch[16];
    const int n = rounds > 0 ? (rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX) : 15;
    *out = (xst_bench_result){0};
    xst_status status = xst_config_set(config, "data", "synthetic", err);
    if (status == XST_OK)
        status = xst_config_set(config, "tasks", "2", err);
    snprintf(batch, sizeof batch, "%d", config->batch);
    if (status == XST_OK)
        status = bench_task(config, 2, n, true, out, err);
    if (status == XST_OK)
        status = bench_task(config, 1, n, false, out, err);
    if (status == XST_OK && config->batch != 128) {
        status = xst_config_set(config, "batch", "128", err);
        if (status == XST_OK)
            status = bench_task(config, 2, n, false, out, err);
        if (status == XST_OK)
            status = xst_config_set(config, "batch", batch, err);
    }
    if (status != XST_OK)
        xst_bench_free(out);
    return status;
}

void xst_bench_free(xst_bench_result *result)
{
    xst_free(result->operation);
    *result = (xst_bench_result){0};
}
