/* A layer or head under the dense mapping: NeuroSim's model with the actual cells of the task's effective weights. */
#include "crossbar/inference.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>

/* What blocks of rows of the same height have in common: all but the last, and the last. */
typedef struct height {
    double rows, idle;
    xst_factors factors;
    xst_code_conductances conductances;
} height;

static void make_height(const xst_run_plan *plan, const xst_codes *codes, int layer, const xst_activity_entry *activity,
                        double rows, height *out)
{
    const xst_array_model *const a = &xst_run_plan_chip(plan, layer)->array;
    *out = (height){.rows = rows};
    out->factors =
        xst_plane_factors(a, activity->share, activity->planes, rows, plan->shapes[layer].vectors, &out->idle);
    xst_code_conductances_make(plan, codes, layer, rows, &out->conductances);
}

/* One filter's cells in one array. */
static void add_filter(const xst_array_model *a, const xst_codes *codes, const height *h, const uint8_t *code,
                       double *current, double *constant)
{
    double sum[XST_CELLS_MAX], squares[XST_CELLS_MAX];
    xst_sum_codes(&h->conductances, code, (int)h->rows, sum, squares);
    for (int c = 0; c < codes->cells; c++) {
        double power = 0, scaled = 0;
        xst_column_power(a, sum[c], squares[c], &power, &scaled);
        *current += power * h->factors.first + scaled * h->factors.second;
        *constant += h->factors.constant;
    }
}

static void fill_reads(const xst_run_plan *plan, const xst_codes *codes, const uint8_t *weights, int layer,
                       const xst_activity_entry *activity, xst_reads *out)
{
    const xst_shape *const shape = &plan->shapes[layer];
    const xst_array_model *const a = &xst_run_plan_chip(plan, layer)->array;
    const int filters = plan->dense[layer].filters, outputs = (int)shape->outputs, last = out->block_rows - 1;
    double active = 0;
    height heights[2];
    for (int z = 0; z < activity->planes; z++)
        active += activity->share[z];
    make_height(plan, codes, layer, activity, a->rows, &heights[0]);
    make_height(plan, codes, layer, activity, xst_block_size(shape->rows, a->rows, last), &heights[1]);
    for (int i = 0; i <= last; i++) {
        const height *const h = &heights[i == last];
        out->active[i] = shape->vectors * active * h->rows;
        out->conversions += shape->columns * out->vectors;
        out->idle += shape->columns * h->idle;
    }
    for (int o = 0; o < outputs; o++) /* in the order of memory */
        for (int i = 0; i <= last; i++) {
            const int at = i * out->block_columns + o / filters;
            add_filter(a, codes, &heights[i == last],
                       weights + (int64_t)o * (int64_t)shape->rows + (int64_t)i * a->rows, &out->current[at],
                       &out->constant[at]);
        }
}

static xst_status dense_energy(const xst_run_plan *plan, const xst_codes *codes, const uint8_t *weights, int layer,
                               const xst_activity_entry *activity, bool stale, xst_energy_figures *out, xst_error *err)
{
    const xst_chip *const chip = xst_run_plan_chip(plan, layer);
    const xst_shape *const shape = &plan->shapes[layer];
    const xst_place *const place = &chip->plan.places[layer];
    xst_reads reads = {0};
    const xst_status status = xst_reads_make(&chip->array, shape, &reads, err);
    if (status != XST_OK)
        return status;
    fill_reads(plan, codes, weights, layer, activity, &reads);
    xst_trees trees = {0};
    xst_layer_energy(chip, shape, place, &reads, stale, &trees, out);
    xst_layer_latency(chip, shape, place, chip->array.steps, out);
    xst_reads_free(&reads);
    return XST_OK;
}

xst_status xst_layer_dense_energy(const xst_run_plan *plan, const xst_run_net *net, int layer,
                                  const xst_activity_entry *activity, bool stale, xst_energy_figures *out,
                                  xst_error *err)
{
    return dense_energy(plan, &net->codes, net->layers[layer].effective, layer, activity, stale, out, err);
}

xst_status xst_head_energy(const xst_run_plan *plan, const xst_run_net *net, const xst_activity_entry *activity,
                           bool stale, xst_energy_figures *out, xst_error *err)
{
    const int h = xst_run_plan_head(plan, net->task);
    if (net->head_weights != (size_t)(plan->shapes[h].rows * plan->shapes[h].outputs))
        return xst_fail(err, XST_ERROR_RUN, "task %d: its head has %zu weights, its classes and task 1's want %.0f",
                        net->task, net->head_weights, plan->shapes[h].rows * plan->shapes[h].outputs);
    return dense_energy(plan, &net->codes, net->head, h, activity, stale, out, err);
}
