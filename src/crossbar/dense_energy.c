/* A layer under the dense mapping: NeuroSim's model with the actual cells of the task's effective weights. */
#include "crossbar/inference.h"

#include "base/memory.h"

#include <math.h>

/* One array: filters first .. end-1 of a block of rows. */
static void add_array(const xst_array_model *a, const xst_run_net *net, const xst_run_layer *from,
                      const xst_code_conductances *g, const xst_factors *f, int row, int rows, int first, int end,
                      double *current, double *constant)
{
    const xst_codes *const codes = &net->codes;
    const int64_t height = xst_geometry_weights(&from->stored) / from->stored.out;
    for (int o = first; o < end; o++) {
        const uint8_t *const code = from->effective + o * height + row;
        double sum[XST_CELLS_MAX], squares[XST_CELLS_MAX];
        xst_sum_codes(g, code, rows, sum, squares);
        for (int c = 0; c < codes->cells; c++) {
            double power = 0, scaled = 0;
            xst_column_power(a, sum[c], squares[c], &power, &scaled);
            *current += power * f->first + scaled * f->second;
            *constant += f->constant;
        }
    }
}

static void fill_reads(const xst_run_plan *plan, const xst_run_net *net, int layer, const xst_activity_entry *activity,
                       xst_reads *out)
{
    const xst_shape *const shape = &plan->shapes[layer];
    const xst_array_model *const a = &xst_run_plan_chip(plan, layer)->array;
    const int filters = plan->dense[layer].filters, outputs = net->layers[layer].stored.out;
    double active = 0;
    for (int z = 0; z < activity->planes; z++)
        active += activity->share[z];
    for (int i = 0; i < out->block_rows; i++) {
        const double rows = xst_block_size(shape->rows, a->rows, i);
        double idle = 0;
        const xst_factors f = xst_plane_factors(a, activity->share, activity->planes, rows, shape->vectors, &idle);
        xst_code_conductances g;
        xst_code_conductances_make(plan, &net->codes, layer, rows, &g);
        out->active[i] = shape->vectors * active * rows;
        out->conversions += shape->columns * out->vectors;
        out->idle += shape->columns * idle;
        for (int j = 0; j < out->block_columns; j++) {
            const int first = j * filters, end = first + filters < outputs ? first + filters : outputs;
            const int at = i * out->block_columns + j;
            add_array(a, net, &net->layers[layer], &g, &f, i * a->rows, (int)rows, first, end, &out->current[at],
                      &out->constant[at]);
        }
    }
}

xst_status xst_layer_dense_energy(const xst_run_plan *plan, const xst_run_net *net, int layer,
                                  const xst_activity_entry *activity, bool stale, xst_energy_figures *out,
                                  xst_error *err)
{
    const xst_chip *const chip = xst_run_plan_chip(plan, layer);
    const xst_shape *const shape = &plan->shapes[layer];
    const xst_place *const place = &chip->plan.places[layer];
    xst_reads reads = {0};
    const xst_status status = xst_reads_make(&chip->array, shape, &reads, err);
    if (status != XST_OK)
        return status;
    fill_reads(plan, net, layer, activity, &reads);
    xst_trees trees = {0};
    xst_layer_energy(chip, shape, place, &reads, stale, &trees, out);
    xst_layer_latency(chip, shape, place, chip->array.steps, out);
    xst_reads_free(&reads);
    return XST_OK;
}
