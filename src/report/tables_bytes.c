/* Tables: what is stored, what is used of the net, what masks cost. */
#include "report/report.h"

#include <math.h>
#include <string.h>

/* ---- bytes ----------------------------------------------------------------------------------------------------------
 */

enum { KINDS = 6 };

static const char *const kind_names[KINDS] = {"weights",    "column indices (owners)", "mask", "BN, FC biases", "head",
                                              "file format"};

static double kind_of(const xst_task_bytes *b, int kind)
{
    const uint64_t bytes[KINDS] = {b->weights, b->columns, b->mask, b->bn + b->biases, b->head, b->other};
    return (double)bytes[kind];
}

static void kind_columns(xst_sheet *t)
{
    for (int k = 0; k < KINDS; k++)
        xst_sheet_column_add(t, XST_CELL_BYTES, 0, "%s", kind_names[k]);
    xst_sheet_column_add(t, XST_CELL_BYTES, 0, "all");
}

/* Of tasks from .. to - 1. */
static void kind_cells(const xst_report_run *run, int from, int to, xst_sheet *t)
{
    double all = 0.0;
    for (int k = 0; k < KINDS; k++) {
        double sum = 0.0;
        for (int j = from; j < to; j++)
            sum += kind_of(&run->tasks[j].bytes, k);
        xst_sheet_number(t, sum);
        all += sum;
    }
    xst_sheet_number(t, all);
}

static void note_bytes(const xst_comparison *c, xst_sheet *t)
{
    xst_sheet_note(t, "Of tasks/NN.h5 as they lie there, without the test logits kept for checking. Indices say which "
                      "task owns a column. Free columns are not stored.");
    for (int i = 0; i < c->count; i++)
        if (c->runs[i].whole) {
            xst_sheet_note(
                t, "Methods with a net for each task (scratch, finetune and the like) store all of it with each "
                   "task; finetune needs the newest net and the heads alone, the others are kept so that "
                   "forgetting can be measured.");
            break;
        }
    xst_report_notes(c, t);
}

static void table_bytes(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    xst_sheet *const t = xst_sheets_add(tables, "bytes", 1);
    xst_sheet_title(t, "Bytes stored, all tasks learnt, by kind");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    kind_columns(t);
    for (int i = 0; i < c->count; i++) {
        xst_sheet_text(t, "%s", xst_report_run_label(&c->runs[i], label));
        kind_cells(&c->runs[i], 0, c->runs[i].done, t);
    }
    note_bytes(c, t);
}

static void table_bytes_tasks(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    xst_sheet *const t = xst_sheets_add(tables, "bytes_tasks", 2);
    t->detail = true;
    xst_sheet_title(t, "Bytes stored by each task, by kind");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "task");
    kind_columns(t);
    for (int i = 0; i < c->count; i++)
        for (int j = 0; j < c->runs[i].done; j++) {
            xst_sheet_text(t, "%s", xst_report_run_label(&c->runs[i], label));
            xst_sheet_number(t, j + 1);
            kind_cells(&c->runs[i], j, j + 1, t);
        }
    note_bytes(c, t);
}

/* ---- masks ----------------------------------------------------------------------------------------------------------
 */

static bool has_mask(const xst_report_run *run)
{
    for (int j = 0; j < run->done; j++)
        if (run->tasks[j].bytes.mask > 0)
            return true;
    return false;
}

static void mask_cells(const xst_report_run *run, xst_sheet *t)
{
    uint64_t raw = 0, packed = 0;
    double entropy = 0.0;
    for (int j = 0; j < run->done; j++) {
        raw += run->tasks[j].bytes.mask;
        packed += run->tasks[j].bytes.mask_preserved;
        entropy += run->tasks[j].bytes.mask_entropy;
    }
    xst_sheet_number(t, (double)raw);
    xst_sheet_number(t, (double)packed);
    xst_sheet_number(t, ceil(entropy));
}

/* Weights for each bit of the mask, over the convs (3), the FC layers (1), or all (0). */
static double weights_per_column(const xst_report_run *run, int kind)
{
    double weights = 0.0, columns = 0.0;
    for (int l = 0; l < run->layer_count; l++) {
        const xst_geometry *const g = &run->layers[l];
        const int is = g->kh > 1 ? 3 : 1;
        if (kind != 0 && is != kind)
            continue;
        weights += (double)xst_geometry_weights(g);
        columns += g->columns;
    }
    return columns > 0.0 ? weights / columns : NAN;
}

static void table_masks(const xst_comparison *c, xst_sheets *tables)
{
    char label[XST_REPORT_LABEL + 16];
    bool any = false;
    for (int i = 0; i < c->count; i++)
        any = any || has_mask(&c->runs[i]);
    if (!any)
        return;
    xst_sheet *const t = xst_sheets_add(tables, "masks", 1);
    xst_sheet_title(t, "Size of the masks, all tasks together");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    xst_sheet_column_add(t, XST_CELL_BYTES, 0, "raw, as stored");
    xst_sheet_column_add(t, XST_CELL_BYTES, 0, "packed: preserved columns only");
    xst_sheet_column_add(t, XST_CELL_BYTES, 0, "entropy bound");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "element-wise over this: convs");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "element-wise over this: FC");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "element-wise over this: all");
    for (int i = 0; i < c->count; i++) {
        if (!has_mask(&c->runs[i]))
            continue;
        xst_sheet_text(t, "%s", xst_report_run_label(&c->runs[i], label));
        mask_cells(&c->runs[i], t);
        xst_sheet_number(t, weights_per_column(&c->runs[i], 3));
        xst_sheet_number(t, weights_per_column(&c->runs[i], 1));
        xst_sheet_number(t, weights_per_column(&c->runs[i], 0));
    }
    xst_sheet_note(t,
                   "raw: a bit for each column of each masked layer and task after the first. packed: bits of columns "
                   "that were preserved at the time; the owners tell which. entropy bound: what any code needs at "
                   "least, given the share that is on in each layer.");
    xst_sheet_note(
        t, "element-wise over this: weights / columns, how many times larger a mask with a bit for each weight "
           "of this net would be. A full column of a 3x3 layer has 9 G weights (72 at G = 8), of an FC layer G; "
           "the first layer has 3 input channels.");
    xst_report_notes(c, t);
}

/* ---- densities ------------------------------------------------------------------------------------------------------
 */

typedef enum density { DENSITY_MASK, DENSITY_NET, WEIGHTS_ON } density;

static double density_of(const xst_report_task *task, density what)
{
    if (what == DENSITY_MASK)
        return task->mask_density;
    return what == WEIGHTS_ON ? (double)task->weights_on : (double)task->weights_on / (double)task->weights_all;
}

static xst_sheet *add_density(const xst_comparison *c, xst_sheets *tables, const char *id, const char *title,
                              density what)
{
    char label[XST_REPORT_LABEL + 16];
    const xst_report_run *const as = &c->runs[c->reference];
    xst_sheet *const t = xst_sheets_add(tables, id, 2);
    xst_sheet_title(t, "%s", title);
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "#");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "task");
    for (int i = 0; i < c->count; i++)
        xst_sheet_column_add(t, what == WEIGHTS_ON ? XST_CELL_COUNT : XST_CELL_FIXED, 4, "%s",
                             xst_report_run_label(&c->runs[i], label));
    for (int j = 0; j < as->manifest.task_count; j++) {
        xst_sheet_number(t, j + 1);
        xst_sheet_text(t, "%s", as->manifest.tasks[j].name);
        for (int i = 0; i < c->count; i++)
            xst_sheet_number(t, xst_report_has_task(c, &c->runs[i], j) ? density_of(&c->runs[i].tasks[j], what) : NAN);
    }
    return t;
}

static void table_densities(const xst_comparison *c, xst_sheets *tables)
{
    xst_sheet *t =
        add_density(c, tables, "mask_density", "Mask density: share of preserved columns that are on", DENSITY_MASK);
    xst_sheet_note(t, "All masked layers together. \"-\": the task has no mask.");
    xst_report_notes(c, t);
    t = add_density(c, tables, "net_density",
                    "Density of the effective net: share of the masked layers' weights in use", DENSITY_NET);
    xst_sheet_note(t, "In use: the task's own columns, and earlier tasks' columns that its mask has on.");
    xst_report_notes(c, t);
    t = add_density(c, tables, "weights_in_use", "Weights in use by each task", WEIGHTS_ON);
    xst_sheet_note(t, "Of the masked layers: convs and hidden FC layers, without BN, biases and head.");
    xst_report_notes(c, t);
}

void xst_report_tables_bytes(const xst_comparison *c, xst_sheets *tables)
{
    table_bytes(c, tables);
    table_bytes_tasks(c, tables);
    table_masks(c, tables);
    table_densities(c, tables);
}
