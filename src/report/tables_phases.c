/* Table: what the phases of a task came to, for methods that train a task in several. */
#include "report/report.h"

#include <math.h>
#include <string.h>

static bool has_phases(const xst_report_run *run)
{
    return run->metrics_count > 0 && run->metrics[0].phase[0] != 0;
}

/* The phases of one task, as metrics.csv has them. */
typedef struct phases {
    int first, prune, retrain; /* epochs */
    double start;              /* test accuracy at the end of the first phase; NaN: none measured */
    int stages, counted;       /* of gradual pruning: run, and above the floor */
} phases;

static phases phases_of(const xst_report_run *run, int task)
{
    phases p = {.start = NAN};
    for (size_t i = 0; i < run->metrics_count; i++) {
        const xst_metrics_row *const row = &run->metrics[i];
        if (row->task != task)
            continue;
        const xst_metrics_row *const next = i + 1 < run->metrics_count ? row + 1 : NULL;
        const bool last = !next || next->task != task || strcmp(next->phase, row->phase) != 0;
        if (strncmp(row->phase, "prune", 5) == 0) {
            p.prune++;
            p.stages += last;
            p.counted += last && rint(row->train_accuracy * 100.0) > rint(run->config->cpg_train_floor * 1e4);
        } else if (strcmp(row->phase, "retrain") == 0) {
            p.retrain++;
        } else {
            p.first++;
            p.start = last ? row->test_accuracy : p.start;
        }
    }
    return p;
}

static void add_task(const xst_report_run *run, int j, xst_sheet *t)
{
    char label[XST_REPORT_LABEL + 16];
    const xst_run_task *const task = &run->manifest.tasks[j];
    const phases p = phases_of(run, j + 1);
    xst_sheet_text(t, "%s", xst_report_run_label(run, label));
    xst_sheet_number(t, j + 1);
    xst_sheet_text(t, "%s", task->name);
    xst_sheet_number(t, p.first);
    xst_sheet_number(t, p.prune);
    xst_sheet_number(t, p.retrain);
    xst_sheet_number(t, task->goal);
    xst_sheet_number(t, p.start);
    xst_sheet_number(t, p.stages > 0 ? (double)p.stages : NAN);
    xst_sheet_number(t, p.stages > 0 ? (double)p.counted : NAN);
    xst_sheet_text(t, "%s", task->kept);
    xst_sheet_number(t, task->accuracy);
}

void xst_report_tables_phases(const xst_comparison *c, xst_sheets *tables)
{
    bool any = false;
    for (int i = 0; i < c->count; i++)
        any = any || has_phases(&c->runs[i]);
    if (!any)
        return;
    xst_sheet *const t = xst_sheets_add(tables, "phases", 3);
    xst_sheet_title(t, "Phases of a task, for methods that train it in several");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "#");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "task");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "epochs: train");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "prune");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "retrain");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "goal %%");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "trained %%");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "stages");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "counted");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "kept");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "end %%");
    for (int i = 0; i < c->count; i++)
        for (int j = 0; j < c->runs[i].done && has_phases(&c->runs[i]); j++)
            add_task(&c->runs[i], j, t);
    for (int i = 0; i < c->count; i++) {
        const xst_config *const config = c->runs[i].config;
        if (has_phases(&c->runs[i]) && strcmp(c->runs[i].manifest.method, "cpg") == 0)
            xst_sheet_note(
                t,
                "%s: a stage counts where its training accuracy is above %g %% (cpg_train_floor); retraining "
                "had to beat %s (cpg_retrain_against).",
                c->runs[i].label, 100.0 * config->cpg_train_floor,
                config->cpg_retrain_against == XST_AGAINST_PRUNED ? "the pruned net"
                                                                  : "the pruned net under the new mask");
    }
    xst_sheet_note(t, "trained: test accuracy at the end of the first phase.");
    xst_report_notes(c, t);
}
