/* Tables: training time of each task, and where its ratio to xst comes from (Fig. 3 of the paper). */
#include "report/report.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

/* The run whose time this one's is compared with; NULL: none, or itself. */
static const xst_report_run *base_of(const xst_comparison *c, const xst_report_run *run)
{
    const xst_report_run *const base = run->time_base >= 0 ? &c->runs[run->time_base] : NULL;
    return base == run ? NULL : base;
}

/* Why a comparable run has no ratio. */
static void note_missing(const xst_comparison *c, xst_sheet *t)
{
    bool xst = false;
    for (int i = 0; i < c->count; i++)
        xst = xst || (strcmp(c->runs[i].manifest.method, "xst") == 0 && !c->runs[i].excluded[0]);
    if (!xst)
        xst_sheet_note(t, "Ratios need a finished run of method xst among the runs.");
    for (int i = 0; xst && i < c->count; i++)
        if (c->runs[i].time_base < 0 && !c->runs[i].excluded[0])
            xst_sheet_note(t,
                           "%s has no ratio: no xst run was trained on its machine (backend, precision, processor, "
                           "threads).",
                           c->runs[i].label);
}

static double seconds_of(const xst_manifest *manifest, const char *name)
{
    for (int i = 0; i < manifest->task_count; i++)
        if (strcmp(manifest->tasks[i].name, name) == 0)
            return manifest->tasks[i].seconds;
    return NAN;
}

/* Seconds that the run which gave the goals took for the tasks learnt here; NaN where it cannot be read. *same: on the
 * same machine. */
static double goal_seconds(const xst_report_run *run, bool *same)
{
    xst_run *goals = NULL;
    xst_manifest manifest = {0};
    double seconds = NAN;
    if (!xst_path_is_folder(run->config->cpg_goals))
        return NAN;
    if (xst_run_open(run->config->cpg_goals, XST_RUN_READ, &goals, NULL) == XST_OK &&
        xst_run_read_manifest(goals, &manifest, NULL) == XST_OK) {
        seconds = 0.0;
        for (int i = 0; i < run->done; i++)
            seconds += seconds_of(&manifest, run->manifest.tasks[i].name);
        *same = xst_report_same_machine(&manifest, &run->manifest);
    }
    xst_manifest_free(&manifest);
    xst_run_close(goals);
    return seconds;
}

/* What a method needs from other runs is not in its own time. */
static void note_goals(const xst_comparison *c, xst_sheet *t)
{
    for (int i = 0; i < c->count; i++) {
        const xst_report_run *const run = &c->runs[i];
        bool same = false;
        if (run->done == 0 || !isfinite(run->manifest.tasks[0].goal))
            continue;
        const double seconds = goal_seconds(run, &same), ratio = run->public.time_ratio;
        if (isfinite(seconds) && same && isfinite(ratio))
            xst_sheet_note(
                t,
                "%s: the scratch run that gives its goals is not counted in it: %.0f s more (%.2f instead of "
                "%.2f times xst).",
                run->label, seconds, ratio * (1.0 + seconds / run->public.seconds), ratio);
        else if (isfinite(seconds))
            xst_sheet_note(t, "%s: the scratch run that gives its goals is not counted in it: %.0f s more%s.",
                           run->label, seconds, same ? "" : ", on another machine");
        else
            xst_sheet_note(t, "%s: the scratch run that gave its goals is not counted.", run->label);
    }
}

static void table_tasks(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    const xst_report_run *const as = &c->runs[c->reference];
    xst_sheet *const t = xst_sheets_add(tables, "time_tasks", 2);
    xst_sheet_title(t, "Training time of each task, seconds, and ratio to xst");
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "#");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "task");
    for (int i = 0; i < c->count; i++) {
        xst_sheet_column_add(t, XST_CELL_FIXED, 1, "%s", xst_report_run_label(&c->runs[i], label));
        if (base_of(c, &c->runs[i]))
            xst_sheet_column_add(t, XST_CELL_FIXED, 2, "over %s", base_of(c, &c->runs[i])->label);
    }
    for (int j = 0; j <= as->manifest.task_count; j++) {
        const bool total = j == as->manifest.task_count;
        if (total)
            xst_sheet_text(t, "%s", "");
        else
            xst_sheet_number(t, j + 1);
        xst_sheet_text(t, "%s", total ? "all" : as->manifest.tasks[j].name);
        for (int i = 0; i < c->count; i++) {
            const xst_report_run *const run = &c->runs[i], *const base = base_of(c, run);
            const bool there = total ? run->same_tasks : xst_report_has_task(c, run, j);
            const double seconds = !there ? NAN : total ? run->public.seconds : run->tasks[j].seconds;
            xst_sheet_number(t, seconds);
            if (base)
                xst_sheet_number(t, seconds / (total ? base->public.seconds : base->tasks[j].seconds));
        }
    }
    xst_sheet_note(t, "Wall time of training alone: no evaluation, no reading or writing of files.");
    note_missing(c, t);
    note_goals(c, t);
    xst_report_notes(c, t);
}

static void table_product(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    xst_sheet *const t = xst_sheets_add(tables, "time_product", 1);
    xst_sheet_title(t, "Training time of all tasks as a product, and each factor over that of xst");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    xst_sheet_column_add(t, XST_CELL_FIXED, 1, "seconds");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "= epochs");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "x ms per step");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "x rest / 1000");
    xst_sheet_column_add(t, XST_CELL_FIXED, 3, "ratio to xst");
    xst_sheet_column_add(t, XST_CELL_FIXED, 3, "= epochs ratio");
    xst_sheet_column_add(t, XST_CELL_FIXED, 3, "x ms ratio");
    xst_sheet_column_add(t, XST_CELL_FIXED, 3, "x rest ratio");
    for (int i = 0; i < c->count; i++) {
        const xst_report_run *const run = &c->runs[i];
        const xst_report_run *const base = run->time_base >= 0 ? &c->runs[run->time_base] : NULL;
        xst_sheet_text(t, "%s", xst_report_run_label(run, label));
        xst_sheet_number(t, run->public.seconds);
        xst_sheet_number(t, run->epochs);
        xst_sheet_number(t, run->ms_per_step);
        xst_sheet_number(t, run->rest);
        xst_sheet_number(t, run->public.time_ratio);
        xst_sheet_number(t, base ? (double)run->epochs / base->epochs : NAN);
        xst_sheet_number(t, base ? run->ms_per_step / base->ms_per_step : NAN);
        xst_sheet_number(t, base ? run->rest / base->rest : NAN);
    }
    xst_sheet_note(t,
                   "epochs: over all tasks, whatever they were for. ms per step: median over epochs of the time of an "
                   "update. rest: updates in an epoch, and all that makes an epoch longer or shorter than the median.");
    xst_sheet_note(t, "Ratios are to the xst run of the same seed, else to the first, trained on the same machine.");
    note_missing(c, t);
    note_goals(c, t);
    xst_report_notes(c, t);
}

void xst_report_tables_time(const xst_comparison *c, xst_sheets *tables)
{
    table_tasks(c, tables);
    table_product(c, tables);
}
