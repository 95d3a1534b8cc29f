/* xst_energy_of_network, and what it shares with runs: a report from a chip and its layers' reads. */
#include "crossbar/report.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

xst_status xst_report_start(const xst_chip *chip, const xst_shape *shapes, int layers, xst_energy_report *out,
                            xst_error *err)
{
    *out = (xst_energy_report){.layer_count = layers,
                               .clock = chip->array.clock,
                               .tile_cells = chip->plan.tile,
                               .pe_cells = chip->plan.pe,
                               .tiles = chip->plan.tiles,
                               .grid_rows = chip->plan.grid_rows,
                               .grid_columns = chip->plan.grid_columns,
                               .bus_bits = chip->plan.bus_bits,
                               .buffer_cores = chip->plan.buffer_cores};
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, (size_t)layers, sizeof(xst_energy_figures), "report", err);
    if (status != XST_OK)
        return status;
    out->layers = memory;
    for (int l = 0; l < layers; l++) {
        xst_energy_figures *const f = &out->layers[l];
        const double tiles = chip->plan.places[l].tile_rows * chip->plan.places[l].tile_columns;
        memcpy(f->name, shapes[l].name, sizeof f->name);
        f->blank_area = tiles * chip->tile_area_total;
        for (int c = 0; c < XST_COMPONENTS; c++) {
            f->area[c] = tiles * chip->tile_area[c];
            f->blank_area -= f->area[c];
        }
    }
    return XST_OK;
}

void xst_report_leakage(const xst_chip *chip, const double *tile_leakage, xst_energy_report *report)
{
    for (int l = 0; l < report->layer_count; l++) {
        xst_energy_figures *const f = &report->layers[l];
        const double tiles = chip->plan.places[l].tile_rows * chip->plan.places[l].tile_columns;
        f->leakage_power = tiles * tile_leakage[l];
        f->leakage_energy = (chip->plan.tiles - tiles) * tile_leakage[l] * xst_figures_latency(f);
    }
}

void xst_report_total(const xst_chip *chip, xst_energy_report *report)
{
    xst_energy_figures *const t = &report->total;
    *t = (xst_energy_figures){.name = "total"};
    for (int l = 0; l < report->layer_count; l++) {
        const xst_energy_figures *const f = &report->layers[l];
        for (int p = 0; p < XST_PARTS; p++)
            t->energy[p] += f->energy[p];
        for (int c = 0; c < XST_COMPONENTS; c++)
            t->latency[c] += f->latency[c];
        t->leakage_energy += f->leakage_energy;
        t->leakage_power += f->leakage_power;
        t->arrays_on_chip += f->arrays_on_chip;
        t->arrays_mapped += f->arrays_mapped;
        t->array_reads += f->array_reads;
        t->adc_conversions += f->adc_conversions;
        t->idle_conversions += f->idle_conversions;
        t->cells_used += f->cells_used;
        t->stale_energy += f->stale_energy;
    }
    t->utilisation = t->cells_used / (t->arrays_mapped * chip->array.rows * chip->array.columns);
    t->blank_area = chip->area_total;
    for (int c = 0; c < XST_COMPONENTS; c++) {
        t->area[c] = chip->area[c];
        t->blank_area -= chip->area[c];
    }
}

/* Leakage of each layer's tiles. NeuroSim: with the trees that ran last; the first layer finds those of the last. */
static void set_leakage(const xst_chip *chip, const xst_trees *after, bool compat, double *tile_leakage,
                        xst_energy_report *report)
{
    const xst_trees all = xst_all_trees(chip);
    for (int l = 0; l < report->layer_count; l++)
        tile_leakage[l] = xst_tile_leakage(chip, compat ? &after[l] : &all);
    xst_report_leakage(chip, tile_leakage, report);
}

static xst_status add_layers(const xst_device *device, const xst_chip *chip, const xst_shape *shapes, int layers,
                             const xst_energy_network *network, xst_trees *after, xst_energy_report *out,
                             xst_error *err)
{
    /* A first pass over the layers leaves its trees to the second, as NeuroSim's two passes do. */
    xst_trees trees = {0};
    for (int l = 0; l < layers; l++) {
        xst_reads reads = {0};
        const xst_status status = xst_reads_draw(device, &chip->array, &shapes[l], l, network->density,
                                                 network->input_density, network->seed, &reads, err);
        if (status != XST_OK)
            return status;
        after[l] = (xst_trees){-1, -1};
        xst_layer_energy(chip, &shapes[l], &chip->plan.places[l], &reads, network->neurosim_compat != 0, &after[l],
                         &out->layers[l]);
        xst_layer_latency(chip, &shapes[l], &chip->plan.places[l], chip->array.steps, &out->layers[l]);
        xst_reads_free(&reads);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int l = 0; l < layers; l++) {
            if (after[l].pe_bits >= 0)
                trees.pe_bits = after[l].pe_bits;
            if (after[l].tile_bits >= 0)
                trees.tile_bits = after[l].tile_bits;
            if (pass == 1)
                after[l] = trees;
        }
    }
    return XST_OK;
}

static xst_status check_network(const xst_energy_network *n, xst_error *err)
{
    if (!(n->density >= 0 && n->density <= 1))
        return xst_fail(err, XST_ERROR_USAGE, "density must be 0 to 1");
    if (!(n->input_density >= 0 && n->input_density <= 1))
        return xst_fail(err, XST_ERROR_USAGE, "input density must be 0 to 1");
    if (n->input_bits < 1 || n->input_bits > 8)
        return xst_fail(err, XST_ERROR_USAGE, "input bits must be 1 to 8");
    return XST_OK;
}

static xst_status report_on(const xst_device *device, const xst_chip *chip, const xst_shape *shapes, int layers,
                            const xst_energy_network *network, xst_energy_report *out, xst_error *err)
{
    void *trees = NULL, *leakage = NULL;
    xst_status status = xst_report_start(chip, shapes, layers, out, err);
    if (status == XST_OK &&
        (status = xst_alloc(&trees, (size_t)layers, sizeof(xst_trees), "adder trees", err)) == XST_OK &&
        (status = xst_alloc(&leakage, (size_t)layers, sizeof(double), "leakage", err)) == XST_OK &&
        (status = add_layers(device, chip, shapes, layers, network, trees, out, err)) == XST_OK) {
        set_leakage(chip, trees, network->neurosim_compat != 0, leakage, out);
        xst_report_total(chip, out);
    }
    xst_free(leakage);
    xst_free(trees);
    if (status != XST_OK)
        xst_energy_report_free(out);
    return status;
}

xst_status xst_energy_of_network(const xst_device *device, const xst_energy_network *network, xst_energy_report *out,
                                 xst_error *err)
{
    xst_status status = check_network(network, err);
    if (status != XST_OK)
        return status;
    const int weight_bits = device->array.weight_bits;
    const int cells = (weight_bits + device->cell.bits - 1) / device->cell.bits;
    xst_shape *shapes = NULL;
    int layers = 0;
    status = xst_network_read(network->path, cells, &shapes, &layers, err);
    if (status != XST_OK)
        return status;
    xst_chip chip = {0};
    status = xst_chip_make(device, shapes, layers, network->input_bits, weight_bits, &chip, err);
    if (status == XST_OK)
        status = report_on(device, &chip, shapes, layers, network, out, err);
    xst_chip_free(&chip);
    xst_free(shapes);
    return status;
}
