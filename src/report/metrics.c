/* Figures of a run, and those that need another run beside it. */
#include "report/report.h"

#include "base/accuracy.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(x, n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2.0;
}

/* Epochs, updates and seconds of each task from metrics.csv. The manifest has a task's seconds too; where the task was
 * interrupted, the longer of the two is what it took. */
static xst_status measure_time(xst_report_run *run, xst_error *err)
{
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, run->metrics_count, sizeof(double), "times of epochs", err);
    if (status != XST_OK)
        return status;
    double *const ms = memory, total = 0.0;
    size_t n = 0;
    for (size_t i = 0; i < run->metrics_count; i++) {
        const xst_metrics_row *const row = &run->metrics[i];
        if (row->task < 1 || row->task > run->done)
            continue;
        xst_report_task *const task = &run->tasks[row->task - 1];
        const uint32_t updates = row->step > task->steps ? row->step - task->steps : row->step;
        task->epochs++;
        task->seconds += row->seconds;
        task->steps = row->step > task->steps ? row->step : task->steps + row->step;
        if (updates > 0)
            ms[n++] = 1000.0 * row->seconds / updates;
        run->epochs++;
    }
    run->ms_per_step = median(ms, n);
    xst_free(memory);
    for (int i = 0; i < run->done; i++) {
        run->tasks[i].seconds = fmax(run->tasks[i].seconds, run->manifest.tasks[i].seconds);
        total += run->tasks[i].seconds;
    }
    run->public.seconds = total;
    run->rest = total / (run->epochs * run->ms_per_step / 1000.0);
    return XST_OK;
}

xst_status xst_report_measure(xst_report_run *run, xst_error *err)
{
    xst_compared_run *const p = &run->public;
    const double *const r = run->accuracy;
    const int n = run->done;
    *p = (xst_compared_run){.path = run->path,
                            .label = run->label,
                            .method = run->manifest.method,
                            .excluded = run->excluded,
                            .seed = run->manifest.seed,
                            .tasks = n,
                            .planned = run->manifest.task_count,
                            .accuracy = r};
    p->final_average = n > 0 ? xst_accuracy_final(r, n) : NAN;
    p->incremental = n > 0 ? xst_accuracy_incremental(r, n) : NAN;
    p->diagonal = n > 0 ? xst_accuracy_diagonal(r, n) : NAN;
    p->bwt = n > 0 ? xst_accuracy_bwt(r, n) : NAN;
    p->forgetting = n > 0 ? xst_accuracy_forgetting(r, n) : NAN;
    p->forgetting_clipped = n > 0 ? xst_accuracy_forgetting_clipped(r, n) : NAN;
    p->gain = p->time_ratio = NAN;
    for (int i = 0; i < n; i++)
        p->bytes += run->tasks[i].bytes.file - run->tasks[i].bytes.logits;
    return measure_time(run, err);
}

static bool is_method(const xst_report_run *run, const char *method)
{
    return strcmp(run->manifest.method, method) == 0;
}

bool xst_report_same_machine(const xst_manifest *a, const xst_manifest *b)
{
    return strcmp(a->backend, b->backend) == 0 && strcmp(a->precision, b->precision) == 0 &&
           strcmp(a->cpu, b->cpu) == 0 && strcmp(a->gpu, b->gpu) == 0 && a->threads == b->threads;
}

/* The xst run to take times relative to: of the same seed, else the first. */
static int find_time_base(const xst_comparison *c, const xst_report_run *run)
{
    int found = -1;
    for (int i = 0; i < c->count; i++) {
        const xst_report_run *const base = &c->runs[i];
        if (!is_method(base, "xst") || base->excluded[0] || !xst_report_same_machine(&base->manifest, &run->manifest))
            continue;
        if (base->manifest.seed == run->manifest.seed)
            return i;
        found = found < 0 ? i : found;
    }
    return found;
}

/* The scratch run to take gains over: of the same net and seed, else of the same net, else any on the same tasks. */
static int find_gain_base(const xst_comparison *c, const xst_report_run *run)
{
    int found = -1, best = -1;
    for (int i = 0; i < c->count; i++) {
        const xst_report_run *const base = &c->runs[i];
        const int score = 2 * !base->excluded[0] + (base->manifest.seed == run->manifest.seed);
        if (is_method(base, "scratch") && base->same_tasks && score > best) {
            best = score;
            found = i;
        }
    }
    return found;
}

static double gain_over(const xst_report_run *run, const xst_report_run *scratch)
{
    double sum = 0.0;
    for (int j = 0; j < run->done; j++)
        sum += run->accuracy[j * run->done + j] - scratch->accuracy[j * scratch->done + j];
    return sum / run->done;
}

void xst_report_relate(xst_comparison *c)
{
    for (int i = 0; i < c->count; i++) {
        xst_report_run *const run = &c->runs[i];
        if (!run->excluded[0])
            run->time_base = find_time_base(c, run);
        if (run->same_tasks && !is_method(run, "scratch"))
            run->gain_base = find_gain_base(c, run);
        if (run->time_base >= 0)
            run->public.time_ratio = run->public.seconds / c->runs[run->time_base].public.seconds;
        if (run->gain_base >= 0)
            run->public.gain = gain_over(run, &c->runs[run->gain_base]);
    }
}
