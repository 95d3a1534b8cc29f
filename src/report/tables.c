/* What all tables share: how a run is called, and the notes below. */
#include "report/report.h"

#include <stdio.h>
#include <string.h>

const char *xst_report_run_label(const xst_report_run *run, char label[XST_REPORT_LABEL + 16])
{
    if (run->mark > 0)
        snprintf(label, XST_REPORT_LABEL + 16, "%s [%d]", run->label, run->mark);
    else
        snprintf(label, XST_REPORT_LABEL + 16, "%s", run->label);
    return label;
}

bool xst_report_has_task(const xst_comparison *c, const xst_report_run *run, int j)
{
    const xst_manifest *const as = &c->runs[c->reference].manifest;
    return j < run->done && run->manifest.task_count == as->task_count &&
           strcmp(run->manifest.tasks[j].name, as->tasks[j].name) == 0;
}

/* Methods that make choices by accuracy while they learn, on test images unless valid_share holds some back. */
static void note_choosers(const xst_comparison *c, xst_sheet *table)
{
    for (int i = 0; i < c->count; i++) {
        const xst_report_run *const run = &c->runs[i];
        if (strcmp(run->manifest.choices, "held-out") == 0)
            xst_sheet_note(table, "%s: %s made its choices on held-out training images (valid_share %g).", run->label,
                           run->manifest.method, run->config->valid_share);
        else if (run->manifest.choices[0])
            xst_sheet_note(table,
                           "%s: %s made its choices on the test images, as its reference does, so its figures are "
                           "flattered.",
                           run->label, run->manifest.method);
    }
}

void xst_report_notes(const xst_comparison *c, xst_sheet *table)
{
    note_choosers(c, table);
    for (int i = 0; i < c->count; i++)
        if (c->runs[i].mark > 0)
            xst_sheet_note(table, "[%d] %s: %s; left out of means over seeds, tests and ratios.", c->runs[i].mark,
                           c->runs[i].label, c->runs[i].excluded);
}
