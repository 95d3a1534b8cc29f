/* xst_energy_of_run: one pass over the tasks of a run folder. */
#include "crossbar/inference.h"
#include "crossbar/output.h"
#include "crossbar/programming.h"
#include "crossbar/report.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "config/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What lasts over the tasks. */
typedef struct walk {
    const xst_device *device;
    const xst_energy_run_options *options;
    xst_run *run;
    xst_manifest manifest;
    int group, group_fc; /* of the run's configuration */
    bool map_head;
    xst_quant quant;
    xst_activity activity;
    xst_run_net net;
    xst_run_plan plan;
    xst_writes writes;
    xst_powers *powers; /* [layers] */
    xst_energy_run *out;
} walk;

static void close_walk(walk *w)
{
    for (int l = 0; w->powers && l < w->net.layer_count; l++)
        xst_powers_free(&w->powers[l]);
    xst_free(w->powers);
    xst_writes_free(&w->writes);
    xst_run_plan_free(&w->plan);
    xst_run_net_free(&w->net);
    xst_activity_free(&w->activity);
    xst_manifest_free(&w->manifest);
    xst_run_close(w->run);
}

static xst_status read_config(walk *w, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_config *config = NULL;
    xst_status status = xst_config_create(&config, err);
    if (status == XST_OK)
        status = xst_run_config_path(w->run, path, err);
    if (status == XST_OK)
        status = xst_config_load(config, path, err);
    if (status == XST_OK) {
        w->group = config->group;
        w->group_fc = config->group_fc;
        w->map_head = config->map_head || w->options->map_head;
    }
    xst_config_destroy(config);
    return status;
}

static xst_status open_walk(walk *w, const char *path, xst_error *err)
{
    xst_status status = xst_run_open(path, XST_RUN_READ, &w->run, err);
    if (status == XST_OK)
        status = xst_run_read_manifest(w->run, &w->manifest, err);
    if (status == XST_OK && xst_manifest_done(&w->manifest) == 0)
        status = xst_fail(err, XST_ERROR_RUN, "%s: no task is finished yet", path);
    if (status == XST_OK)
        status = read_config(w, err);
    if (status != XST_OK)
        return status;
    xst_energy_run *const out = w->out;
    const int tasks = xst_manifest_done(&w->manifest);
    void *memory = NULL;
    status = xst_alloc(&memory, (size_t)tasks, sizeof(xst_energy_task), "task energies", err);
    if (status != XST_OK)
        return status;
    out->tasks = memory;
    out->task_count = tasks;
    snprintf(out->run, sizeof out->run, "%s", path);
    snprintf(out->method, sizeof out->method, "%s", w->manifest.method);
    snprintf(out->quant, sizeof out->quant, "%s%d", w->quant.kind == XST_QUANT_APOT ? "apot" : "uniform",
             w->quant.bits);
    return XST_OK;
}

/* Net, chip and tables, once the first task is read. */
static xst_status start(walk *w, const xst_task_record *first, xst_error *err)
{
    const xst_run_plan_options plan = {w->options->mapping, w->options->input_bits, w->map_head ? &w->manifest : NULL};
    if (first->layer_count == 0)
        return xst_fail(err, XST_ERROR_RUN, "%s: the run has no masked layers", w->out->run);
    xst_status status =
        xst_run_net_make(w->device, &w->quant, w->manifest.method, first, w->group, w->group_fc, &w->net, err);
    if (status == XST_OK && w->net.codes.cells > w->device->array.columns)
        status = xst_fail(err, XST_ERROR_CONFIG, "a weight of %d bits takes %d cells: more than a row of an array has",
                          w->quant.bits, w->net.codes.cells);
    if (status == XST_OK)
        status = xst_activity_read(w->run, first, w->out->task_count, &w->activity, err);
    if (status == XST_OK)
        status = xst_run_plan_make(w->device, w->run, &w->net, first, &w->activity, &plan, &w->plan, err);
    if (status == XST_OK)
        status = xst_writes_make(w->device, &w->net.codes, &w->writes, err);
    void *powers = NULL;
    if (status == XST_OK)
        status = xst_alloc(&powers, (size_t)w->net.layer_count, sizeof(xst_powers), "column conductances", err);
    w->powers = powers;
    for (int l = 0; l < w->net.layer_count && status == XST_OK; l++)
        status = xst_powers_make(&w->plan.column[l], &w->powers[l], err);
    w->net.keep_before = !(w->options->mapping == XST_MAPPING_COLUMN && w->net.written_once);
    w->out->column_wise = w->net.column_wise;
    w->out->map_head = w->map_head;
    return status;
}

/* With those that its tiles leave empty. */
static double arrays_on_chip(const xst_chip *chip, int layer)
{
    const xst_floorplan *const plan = &chip->plan;
    const xst_place *const place = &plan->places[layer];
    return place->tile_rows * place->tile_columns * plan->pes * plan->pes * plan->array_rows * plan->array_columns;
}

/* The layers of a task, for xst_parallel. */
typedef struct layers_job {
    const walk *w;
    xst_energy_task *task;
    xst_energy_figures *dense, *column, *all_on; /* [layers] */
} layers_job;

/* A layer under the chosen mapping, and beside it with all columns on and dense. */
static xst_status layer_energy(void *user, int l, xst_error *err)
{
    const layers_job *const j = user;
    const walk *const w = j->w;
    const xst_energy_task *const task = j->task;
    const xst_activity_entry *activity = NULL;
    xst_status status =
        xst_activity_find(&w->activity, w->run, task->task, l, xst_run_plan_bits(&w->plan, l), &activity, err);
    if (status != XST_OK)
        return status;
    xst_powers_update(&w->plan, &w->net, l, &w->powers[l]);
    const bool chosen_dense = w->options->mapping == XST_MAPPING_DENSE;
    xst_energy_figures *const out = &task->inference.layers[l];
    const bool stale = w->options->neurosim_compat != 0;
    status = xst_layer_dense_energy(&w->plan, &w->net, l, activity, stale, chosen_dense ? out : &j->dense[l], err);
    if (status != XST_OK)
        return status;
    if (chosen_dense)
        j->dense[l] = *out;
    status = xst_layer_column_energy(&w->plan, &w->net, l, &w->powers[l], activity, chosen_dense ? &j->column[l] : out,
                                     &j->all_on[l], err);
    out->arrays_on_chip = arrays_on_chip(&w->plan.built, l);
    return status;
}

static xst_status layer_energies(const walk *w, xst_energy_task *task, xst_error *err)
{
    void *memory = NULL;
    const size_t n = (size_t)w->plan.layers;
    xst_status status = xst_alloc(&memory, 3 * n, sizeof(xst_energy_figures), "energies of layers", err);
    if (status != XST_OK)
        return status;
    xst_energy_figures *const figures = memory;
    layers_job j = {w, task, figures, figures + n, figures + 2 * n};
    status = xst_parallel(w->plan.layers, layer_energy, &j, err);
    for (int l = 0; l < w->plan.layers && status == XST_OK; l++) {
        task->dense_energy += xst_figures_energy(&j.dense[l]) - j.dense[l].stale_energy;
        task->dense_conversions += j.dense[l].adc_conversions;
        task->all_on_energy += xst_figures_energy(&j.all_on[l]);
        task->all_on_conversions += j.all_on[l].adc_conversions;
    }
    xst_free(memory);
    return status;
}

/* The task's head is the last layer of its report. */
static xst_status head_energy(walk *w, const xst_task_record *record, xst_energy_task *task, xst_error *err)
{
    const xst_activity_entry *activity = NULL;
    const int h = w->plan.layers;
    xst_energy_figures *const out = &task->inference.layers[h];
    xst_status status = xst_run_net_take_head(&w->net, record, err);
    if (status == XST_OK)
        status = xst_activity_find(&w->activity, w->run, task->task, h, xst_run_plan_bits(&w->plan, h), &activity, err);
    if (status == XST_OK)
        status = xst_head_energy(&w->plan, &w->net, activity, w->options->neurosim_compat != 0, out, err);
    out->arrays_on_chip = arrays_on_chip(&w->plan.built, h);
    const double energy = xst_figures_energy(out) - out->stale_energy;
    task->dense_energy += energy;
    task->dense_conversions += out->adc_conversions;
    task->all_on_energy += energy;
    task->all_on_conversions += out->adc_conversions;
    return status;
}

/* Area, arrays and leakage power are those of the whole chip, which carries the heads of all tasks. */
static void add_other_heads(const xst_run_plan *plan, xst_energy_report *report)
{
    xst_energy_figures *const head = &report->layers[plan->layers];
    for (int c = 0; c < XST_COMPONENTS; c++)
        head->area[c] *= plan->heads;
    head->blank_area *= plan->heads;
    head->leakage_power *= plan->heads;
    head->arrays_on_chip *= plan->heads;
    head->arrays_mapped *= plan->heads;
    head->cells_used *= plan->heads;
}

static xst_status task_energy(walk *w, const xst_task_record *record, xst_energy_task *task, xst_error *err)
{
    task->task = record->position;
    snprintf(task->name, sizeof task->name, "%s", record->name);
    const int layers = w->plan.layers + (w->plan.heads > 0);
    xst_status status = xst_run_net_step(&w->net, record, err);
    if (status == XST_OK)
        status = xst_report_start(&w->plan.built, w->plan.shapes, layers, &task->inference, err);
    void *leakage = NULL;
    if (status == XST_OK)
        status = xst_alloc(&leakage, (size_t)layers, sizeof(double), "leakage", err);
    if (status == XST_OK)
        status = layer_energies(w, task, err);
    if (status == XST_OK && w->plan.heads)
        status = head_energy(w, record, task, err);
    if (status == XST_OK) {
        const xst_trees trees = xst_all_trees(&w->plan.built);
        for (int l = 0; l < layers; l++)
            ((double *)leakage)[l] = xst_tile_leakage(&w->plan.built, &trees);
        task->inference.clock = w->plan.chip.array.clock;
        xst_report_leakage(&w->plan.built, leakage, &task->inference);
        if (w->plan.heads)
            add_other_heads(&w->plan, &task->inference);
        xst_report_total(&w->plan.built, &task->inference);
        xst_run_net_count(&w->net, &task->columns_on, &task->columns);
        status = xst_program(&w->plan, &w->net, &w->writes, &task->programming, err);
    }
    xst_free(leakage);
    return status;
}

/* Owners after the last task, and the cell written most often. */
static xst_status finish(walk *w, xst_error *err)
{
    xst_energy_run *const out = w->out;
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, (size_t)w->net.layer_count, sizeof(xst_energy_owners), "owners", err);
    if (status != XST_OK)
        return status;
    out->layers = memory;
    for (int l = 0; l < w->net.layer_count; l++) {
        const xst_run_layer *const from = &w->net.layers[l];
        xst_energy_owners *const to = &out->layers[out->layer_count++];
        memcpy(to->name, from->name, sizeof to->name);
        to->filters = from->mapping.out;
        to->groups = from->mapping.groups;
        for (int64_t i = 0, n = xst_geometry_weights(&from->stored); i < n; i++)
            out->most_writes = fmax(out->most_writes, from->writes[i]);
        if (from->stored.group == 0)
            continue;
        void *owner = NULL;
        if ((status = xst_alloc(&owner, from->stored.columns, sizeof(uint16_t), "owners", err)) != XST_OK)
            return status;
        memcpy(owner, from->owner, from->stored.columns * sizeof(uint16_t));
        to->owner = owner;
    }
    out->endurance_used = out->most_writes / w->device->cell.endurance;
    xst_text text = {0};
    xst_explain_chip(&w->plan.built, &text);
    status = xst_text_check(&text, err);
    if (status == XST_OK && !(out->circuits = strdup(xst_text_string(&text))))
        status = xst_fail(err, XST_ERROR_MEMORY, "no memory for the explanation");
    xst_text_free(&text);
    return status;
}

static xst_status walk_tasks(walk *w, xst_error *err)
{
    for (int t = 0; t < w->out->task_count; t++) {
        xst_task_record record = {0};
        xst_status status = xst_run_read_task(w->run, t + 1, w->manifest.tasks[t].xxh3, &record, err);
        if (status == XST_OK && t == 0)
            status = start(w, &record, err);
        if (status == XST_OK)
            status = task_energy(w, &record, &w->out->tasks[t], err);
        xst_task_record_free(&record);
        if (status != XST_OK)
            return xst_fail_context(err, status, "%s", w->out->run);
    }
    return finish(w, err);
}

static xst_status check_options(const xst_energy_run_options *o, xst_quant *quant, xst_error *err)
{
    if (o->input_bits != 4 && o->input_bits != 8)
        return xst_fail(err, XST_ERROR_USAGE, "input bits of a run must be 4 or 8 (activity.csv has those)");
    if (o->neurosim_compat && o->mapping != XST_MAPPING_DENSE)
        return xst_fail(err, XST_ERROR_USAGE, "neurosim_compat goes with mapping dense: NeuroSim knows no other");
    return xst_quant_parse(o->quant ? o->quant : "apot4", quant, err);
}

xst_status xst_energy_of_run(const xst_device *device, const char *path, const xst_energy_run_options *options,
                             xst_energy_run *out, xst_error *err)
{
    *out = (xst_energy_run){.mapping = options->mapping, .input_bits = options->input_bits};
    walk w = {.device = device, .options = options, .out = out};
    xst_status status = check_options(options, &w.quant, err);
    if (status != XST_OK)
        return status;
    status = open_walk(&w, path, err);
    if (status == XST_OK)
        status = walk_tasks(&w, err);
    close_walk(&w);
    if (status != XST_OK)
        xst_energy_run_free(out);
    return status;
}

void xst_energy_run_free(xst_energy_run *run)
{
    for (int t = 0; t < run->task_count && run->tasks; t++)
        xst_energy_report_free(&run->tasks[t].inference);
    for (int l = 0; l < run->layer_count; l++)
        xst_free(run->layers[l].owner);
    free(run->circuits);
    xst_free(run->tasks);
    xst_free(run->layers);
    *run = (xst_energy_run){0};
}
