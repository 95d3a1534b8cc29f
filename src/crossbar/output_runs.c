/* Runs as tables and JSON. */
#include "crossbar/output.h"

#include "base/error.h"
#include "crossbar/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The paper's figures, section IV-B. */
static const double paper_early = 2.8, paper_mean = 1.5, paper_programming = 2.5;

static json_t *task_json(const xst_energy_task *t)
{
    const xst_programming *const p = &t->programming;
    return json_pack("{s:i, s:s, s:o, s:{s:f, s:f, s:f, s:f, s:f}, s:f, s:f, s:{s:f, s:f}, s:{s:f, s:f}}", "task",
                     t->task, "name", t->name, "inference", xst_report_json(&t->inference), "programming", "cells_set",
                     p->cells_set, "cells_reset", p->cells_reset, "pulses", p->pulses, "energy_J", p->energy, "seconds",
                     p->seconds, "columns_on", t->columns_on, "columns", t->columns, "all_columns_on", "energy_J",
                     t->all_on_energy, "adc_conversions", t->all_on_conversions, "dense", "energy_J", t->dense_energy,
                     "adc_conversions", t->dense_conversions);
}

/* Programming over tasks 2..N; task 1 is shown apart. */
static xst_programming later(const xst_energy_run *run)
{
    xst_programming sum = {0};
    for (int t = 1; t < run->task_count; t++) {
        const xst_programming *const p = &run->tasks[t].programming;
        sum.cells_set += p->cells_set;
        sum.cells_reset += p->cells_reset;
        sum.pulses += p->pulses;
        sum.energy += p->energy;
        sum.seconds += p->seconds;
    }
    return sum;
}

static double mean_energy(const xst_energy_run *run)
{
    double sum = 0;
    for (int t = 0; t < run->task_count; t++)
        sum += xst_figures_energy(&run->tasks[t].inference.total);
    return sum / run->task_count;
}

static json_t *run_json(const xst_energy_run *run)
{
    json_t *const tasks = json_array();
    for (int t = 0; t < run->task_count; t++)
        json_array_append_new(tasks, task_json(&run->tasks[t]));
    const xst_programming p = later(run);
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:i, s:o, s:f, s:{s:f, s:f, s:f, s:f, s:f}, s:f, s:f}", "run", run->run,
                     "method", run->method, "quant", run->quant, "columns_switched", run->column_wise, "map_head",
                     run->map_head, "input_bits", run->input_bits, "tasks", tasks, "mean_inference_J", mean_energy(run),
                     "programming_2_to_N", "cells_set", p.cells_set, "cells_reset", p.cells_reset, "pulses", p.pulses,
                     "energy_J", p.energy, "seconds", p.seconds, "most_writes", run->most_writes, "endurance_used",
                     run->endurance_used);
}

static const char *mapping_name(const xst_energy_run *run)
{
    return run->mapping == XST_MAPPING_DENSE ? "dense" : "column";
}

static void task_table(const xst_energy_run *run, xst_energy_format format, xst_text *text)
{
    xst_table table;
    xst_table_start(&table, "task|columns on %|energy uJ|array|adc|wordline|mux|accumulation|buffer|interconnect|"
                            "other|leakage uJ|latency us|all on / this|dense / this|conversions");
    for (int t = 0; t < run->task_count; t++) {
        const xst_energy_task *const k = &run->tasks[t];
        const xst_energy_figures *const f = &k->inference.total;
        const double energy = xst_figures_energy(f);
        xst_table_add(&table, "%d", k->task);
        xst_table_add(&table, "%.2f", 100 * k->columns_on / k->columns);
        xst_table_number(&table, energy, 1e-6);
        for (int c = 0; c < XST_COMPONENTS; c++)
            xst_table_number(&table, xst_figures_component(f, (xst_component)c), 1e-6);
        xst_table_number(&table, f->leakage_energy, 1e-6);
        xst_table_number(&table, xst_figures_latency(f), 1e-6);
        xst_table_add(&table, "%.3f", k->all_on_energy / energy);
        xst_table_add(&table, "%.3f", k->dense_energy / energy);
        xst_table_add(&table, "%.0f", f->adc_conversions);
    }
    xst_table_write(&table, format, text);
}

static void programming_row(const char *name, const xst_programming *p, xst_table *table)
{
    xst_table_add(table, "%s", name);
    xst_table_add(table, "%.0f", p->cells_set);
    xst_table_add(table, "%.0f", p->cells_reset);
    xst_table_add(table, "%.0f", p->pulses);
    xst_table_number(table, p->energy, 1e-6);
    xst_table_number(table, p->seconds, 1e-6);
}

static void programming_table(const xst_energy_run *run, xst_energy_format format, xst_text *text)
{
    xst_table table;
    xst_table_start(&table, "task|cells set|cells reset|pulses|energy uJ|time us");
    for (int t = 0; t < run->task_count; t++) {
        char name[16];
        snprintf(name, sizeof name, "%d", run->tasks[t].task);
        programming_row(name, &run->tasks[t].programming, &table);
    }
    const xst_programming sum = later(run);
    if (run->task_count > 1)
        programming_row("2 to last", &sum, &table);
    xst_table_write(&table, format, text);
}

static void run_pages(const xst_energy_run *run, int explain, xst_energy_format format, xst_text *text)
{
    xst_heading(text, format, "%s: %s, mapping %s, %d input bits (image 8), weights %s%s", run->run, run->method,
                mapping_name(run), run->input_bits, run->quant, run->map_head ? ", heads on arrays" : "");
    task_table(run, format, text);
    xst_heading(text, format,
                "Programming before each task (%s); a cell is written %.0f times at most, %.2g of its life",
                run->column_wise && run->mapping == XST_MAPPING_COLUMN ? "its new columns" : "what differs",
                run->most_writes, run->endurance_used);
    programming_table(run, format, text);
    const xst_energy_task *const last = &run->tasks[run->task_count - 1];
    xst_heading(text, format, "Layers under task %d", last->task);
    xst_report_tables(&last->inference, format, text);
    if (explain) {
        xst_text_add(text, "%s", run->circuits);
        xst_explain_report(&last->inference, text);
    }
}

/* The first run whose columns are switched is what the others are compared with; -1 where there is none. */
static int reference_of(const xst_energy_run *runs, int count)
{
    for (int r = 0; r < count; r++)
        if (runs[r].column_wise)
            return r;
    return -1;
}

/* Ratios of a run to the reference: first task, mean, programming. */
typedef struct ratios {
    double early, mean, dense_mean, programming;
} ratios;

static ratios ratios_of(const xst_energy_run *run, const xst_energy_run *to)
{
    const int n = run->task_count < to->task_count ? run->task_count : to->task_count;
    double ours = 0, theirs = 0, dense = 0;
    for (int t = 0; t < n; t++) {
        ours += xst_figures_energy(&to->tasks[t].inference.total);
        theirs += xst_figures_energy(&run->tasks[t].inference.total);
        dense += run->tasks[t].dense_energy;
    }
    const double early = xst_figures_energy(&run->tasks[0].inference.total);
    return (ratios){early / xst_figures_energy(&to->tasks[0].inference.total), theirs / ours, dense / ours,
                    later(run).energy / later(to).energy};
}

static void ratio_table(const xst_energy_run *runs, int count, int reference, xst_energy_format format, xst_text *text)
{
    xst_heading(text, format, "Ratios to %s (energy; above 1: it needs less)", runs[reference].run);
    xst_table table;
    xst_table_start(&table, "run|method|inference task 1|inference mean|dense mean|programming 2 to last");
    for (int r = 0; r < count; r++) {
        if (r == reference)
            continue;
        const ratios x = ratios_of(&runs[r], &runs[reference]);
        xst_table_add(&table, "%.79s", runs[r].run);
        xst_table_add(&table, "%s", runs[r].method);
        xst_table_add(&table, "%.3f", x.early);
        xst_table_add(&table, "%.3f", x.mean);
        xst_table_add(&table, "%.3f", x.dense_mean);
        xst_table_add(&table, "%.3f", x.programming);
    }
    xst_table_add(&table, "the paper (CPG)");
    xst_table_add(&table, "cpg");
    xst_table_add(&table, "up to %.1f", paper_early);
    xst_table_add(&table, "%.1f", paper_mean);
    xst_table_add(&table, "-");
    xst_table_add(&table, "%.1f", paper_programming);
    xst_table_write(&table, format, text);
}

static json_t *ratios_json(const xst_energy_run *runs, int count, int reference)
{
    json_t *const out = json_array();
    for (int r = 0; r < count; r++) {
        if (r == reference)
            continue;
        const ratios x = ratios_of(&runs[r], &runs[reference]);
        json_array_append_new(out, json_pack("{s:s, s:s, s:f, s:f, s:f, s:o}", "run", runs[r].run, "to",
                                             runs[reference].run, "inference_task_1", x.early, "inference_mean", x.mean,
                                             "dense_mean", x.dense_mean, "programming",
                                             isfinite(x.programming) ? json_real(x.programming) : json_null()));
    }
    return out;
}

static json_t *document(const xst_device *device, const xst_energy_run *runs, int count, const xst_text *explained)
{
    json_t *const list = json_array();
    for (int r = 0; r < count; r++)
        json_array_append_new(list, run_json(&runs[r]));
    json_t *const out = json_pack("{s:o, s:s, s:o}", "device", xst_device_json(device), "mapping",
                                  mapping_name(&runs[0]), "runs", list);
    const int reference = reference_of(runs, count);
    if (reference >= 0 && count > 1)
        json_object_set_new(out, "ratios", ratios_json(runs, count, reference));
    if (explained->size)
        json_object_set_new(out, "explain", xst_lines_json(explained));
    return out;
}

static void explain_all(const xst_device *device, const xst_energy_run *runs, int count, xst_text *text)
{
    xst_explain_device(device, text);
    for (int r = 0; r < count; r++) {
        xst_text_add(text, "%s\n%s, task %d\n", runs[r].circuits, runs[r].run,
                     runs[r].tasks[runs[r].task_count - 1].task);
        xst_explain_report(&runs[r].tasks[runs[r].task_count - 1].inference, text);
    }
}

xst_status xst_energy_write_runs(const xst_device *device, const xst_energy_run *runs, int count,
                                 xst_energy_format format, int explain, char **out, xst_error *err)
{
    xst_text text = {0};
    xst_status status = XST_OK;
    if (format == XST_ENERGY_JSON) {
        if (explain)
            explain_all(device, runs, count, &text);
        status = xst_text_check(&text, err);
        if (status == XST_OK)
            status = xst_json_text(document(device, runs, count, &text), out, err);
        xst_text_free(&text);
        return status;
    }
    xst_device_heading(device, format, &text);
    if (explain)
        xst_explain_device(device, &text);
    for (int r = 0; r < count; r++)
        run_pages(&runs[r], explain, format, &text);
    const int reference = reference_of(runs, count);
    if (reference >= 0 && count > 1)
        ratio_table(runs, count, reference, format, &text);
    status = xst_text_check(&text, err);
    if (status == XST_OK && !(*out = strdup(xst_text_string(&text))))
        status = xst_fail(err, XST_ERROR_MEMORY, "no memory for the report");
    xst_text_free(&text);
    return status;
}
