/* Tables: the runs; accuracy on each task (Table I of the paper); forgetting and transfer. */
#include "report/published.h"
#include "report/report.h"

#include <math.h>

static void table_runs(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    xst_sheet *const t = xst_sheets_add(tables, "runs", 1);
    xst_sheet_title(t, "Runs");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "method");
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "seed");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "tasks learnt");
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "epochs a task");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "backend");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "folder");
    for (int i = 0; i < c->count; i++) {
        const xst_report_run *const run = &c->runs[i];
        const xst_manifest *const m = &run->manifest;
        xst_sheet_text(t, "%s", xst_report_run_label(run, label));
        xst_sheet_text(t, "%s", m->method);
        xst_sheet_number(t, m->seed);
        xst_sheet_text(t, "%d of %d", run->done, m->task_count);
        xst_sheet_number(t, run->config->epochs);
        xst_sheet_text(t, "%s %s", m->backend, m->precision);
        xst_sheet_text(t, "%s", run->path);
    }
    xst_report_notes(c, t);
}

/* ---- accuracy on each task ------------------------------------------------------------------------------------------
 */

/* Published figures are for CIFAR-100's superclasses, so they stand beside no other tasks. */
static bool has_published(const xst_report_run *as)
{
    for (int j = 0; j < as->manifest.task_count; j++)
        if (!isnan(xst_published_accuracy(xst_published_at(0), as->manifest.tasks[j].name)))
            return true;
    return false;
}

/* Mean of the published figures for these tasks; NaN where one is missing. */
static double published_mean(const xst_published *p, const xst_report_run *as)
{
    double sum = 0.0;
    for (int j = 0; j < as->manifest.task_count; j++)
        sum += xst_published_accuracy(p, as->manifest.tasks[j].name);
    return sum / as->manifest.task_count;
}

static void accuracy_rows(const xst_comparison *c, xst_sheet *t, int published)
{
    const xst_report_run *const as = &c->runs[c->reference];
    for (int j = 0; j < as->manifest.task_count; j++) {
        xst_sheet_number(t, j + 1);
        xst_sheet_text(t, "%s", as->manifest.tasks[j].name);
        for (int i = 0; i < c->count; i++) {
            const xst_report_run *const run = &c->runs[i];
            xst_sheet_number(t, xst_report_has_task(c, run, j) ? run->accuracy[(run->done - 1) * run->done + j] : NAN);
        }
        for (int k = 0; k < published; k++)
            xst_sheet_number(t, xst_published_accuracy(xst_published_at(k), as->manifest.tasks[j].name));
    }
}

static void accuracy_means(const xst_comparison *c, xst_sheet *t, int published)
{
    const xst_report_run *const as = &c->runs[c->reference];
    xst_sheet_text(t, "%s", "");
    xst_sheet_text(t, "mean (ACC)");
    for (int i = 0; i < c->count; i++)
        xst_sheet_number(t, c->runs[i].same_tasks ? c->runs[i].public.final_average : NAN);
    for (int k = 0; k < published; k++)
        xst_sheet_number(t, published_mean(xst_published_at(k), as));
    if (published == 0)
        return;
    xst_sheet_text(t, "%s", "");
    xst_sheet_text(t, "mean as printed");
    for (int i = 0; i < c->count; i++)
        xst_sheet_number(t, NAN);
    for (int k = 0; k < published; k++)
        xst_sheet_number(t, xst_published_at(k)->mean);
}

static void table_accuracy(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    const int published = has_published(&c->runs[c->reference]) ? xst_published_count() : 0;
    xst_sheet *const t = xst_sheets_add(tables, "accuracy", 2);
    xst_sheet_title(t, "Test accuracy on each task after the last one was learnt, percent");
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "#");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "task");
    for (int i = 0; i < c->count; i++)
        xst_sheet_column_add(t, XST_CELL_FIXED, 2, "%s", xst_report_run_label(&c->runs[i], label));
    for (int k = 0; k < published; k++)
        xst_sheet_column_add(t, XST_CELL_FIXED, 2, "%s (published)", xst_published_at(k)->name);
    accuracy_rows(c, t, published);
    accuracy_means(c, t, published);
    xst_sheet_note(t, "Task-aware: the task of an image is known. Tasks in the order learnt. Float weights.");
    for (int k = 0; k < published; k++)
        xst_sheet_note(t, "%s (published), not measured here: %s.", xst_published_at(k)->name,
                       xst_published_at(k)->source);
    if (published > 0)
        xst_sheet_note(t, "mean (ACC) of a published column: over the tasks of this table; as printed: over all %d.",
                       XST_PUBLISHED_TASKS);
    xst_report_notes(c, t);
}

/* ---- forgetting and transfer ----------------------------------------------------------------------------------------
 */

static void note_gain(const xst_comparison *c, xst_sheet *t)
{
    bool any = false;
    for (int i = 0; i < c->count; i++) {
        const xst_report_run *const run = &c->runs[i];
        if (run->gain_base < 0)
            continue;
        const xst_report_run *const base = &c->runs[run->gain_base];
        any = true;
        if (base->excluded[0] || base->manifest.seed != run->manifest.seed)
            xst_sheet_note(t, "Gain of %s is over %s, which has %s%s.", run->label, base->label,
                           base->excluded[0] ? "another net" : "another seed",
                           base->excluded[0] && base->manifest.seed != run->manifest.seed ? " and seed" : "");
    }
    if (!any)
        xst_sheet_note(t, "Gain over scratch needs a finished scratch run of the same tasks among the runs.");
}

static void table_forgetting(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    static const char *const columns[] = {"ACC",
                                          "average incremental",
                                          "diagonal",
                                          "BWT (GEM)",
                                          "forgetting F (Chaudhry)",
                                          "forgetting clipped",
                                          "gain over scratch"};
    xst_sheet *const t = xst_sheets_add(tables, "forgetting", 1);
    xst_sheet_title(t, "Accuracy (percent), forgetting and transfer (points)");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++)
        xst_sheet_column_add(t, XST_CELL_FIXED, 2, "%s", columns[k]);
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "FWT");
    for (int i = 0; i < c->count; i++) {
        const xst_compared_run *const p = &c->runs[i].public;
        xst_sheet_text(t, "%s", xst_report_run_label(&c->runs[i], label));
        xst_sheet_number(t, p->final_average);
        xst_sheet_number(t, p->incremental);
        xst_sheet_number(t, p->diagonal);
        xst_sheet_number(t, p->bwt);
        xst_sheet_number(t, p->forgetting);
        xst_sheet_number(t, p->forgetting_clipped);
        xst_sheet_number(t, p->gain);
        xst_sheet_text(t, "n/a");
    }
    xst_sheet_note(t,
                   "R[i][j]: test accuracy on task j after learning task i, measured from the stored files; N: tasks "
                   "learnt. Task-aware.");
    xst_sheet_note(t, "ACC (final average accuracy) = mean over j of R[N][j].");
    xst_sheet_note(t, "average incremental = mean over i of the mean over j <= i of R[i][j].");
    xst_sheet_note(t, "diagonal (learning accuracy) = mean over j of R[j][j].");
    xst_sheet_note(t, "BWT (GEM) = mean over j < N of R[N][j] - R[j][j]; first-minus-last forgetting is its negative.");
    xst_sheet_note(t,
                   "forgetting F (Chaudhry 2018) = mean over j < N of (max over j <= i < N of R[i][j]) - R[N][j]; can "
                   "be negative.");
    xst_sheet_note(t, "forgetting, clipped = the same with the maximum over j <= i <= N; never negative.");
    xst_sheet_note(t,
                   "BWT and both forgettings are 0 for a single task, and by construction for methods that keep what "
                   "each task uses.");
    xst_sheet_note(
        t, "gain over scratch = mean over j of R[j][j] - scratch[j], scratch[j] being R[j][j] of a scratch run.");
    xst_sheet_note(t, "FWT: n/a (task-specific heads): a task not yet learnt has no head to be tested with.");
    note_gain(c, t);
    xst_report_notes(c, t);
}

void xst_report_tables_accuracy(const xst_comparison *c, xst_sheets *tables)
{
    table_runs(c, tables);
    table_accuracy(c, tables);
    table_forgetting(c, tables);
}
