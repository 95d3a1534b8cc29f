/* A layer under the column mapping: only logical columns that are on draw current and are converted. */
#include "crossbar/inference.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { SPAN_MAX = 512 }; /* arrays that a column goes through */

/* Parts of columns with the same number of rows in an array: of full groups (short 0) and of the last (1), by array. */
typedef struct class
{
    int rows;
    xst_factors factors;
    double idle;
    double zero_power, zero_scaled; /* of zeros */
    double on, power, scaled;       /* sums over columns that are read */
} class;

/* What is driven, summed over groups and array columns. Units are shift-adds with their ADCs. */
typedef struct driven {
    double rows;    /* of bands (or stretches) with a column on */
    double reads;   /* of arrays with a column on */
    double units;   /* with a column on */
    double most_on; /* weights of one unit */
    double bands;   /* with a column on, the most of one array */
} driven;

static class make_class(const xst_run_plan *plan, const xst_codes *codes, int layer, int length, int s,
                        const xst_activity_entry *activity)
{
    const xst_layout *const layout = &plan->column[layer];
    const xst_array_model *const a = &xst_run_plan_chip(plan, layer)->array;
    const int left = length - s * layout->array_rows;
    class out = {.rows = left < 0 ? 0 : left < layout->array_rows ? left : layout->array_rows};
    if (out.rows == 0)
        return out;
    out.factors =
        xst_plane_factors(a, activity->share, activity->planes, out.rows, plan->shapes[layer].vectors, &out.idle);
    xst_code_conductances table;
    const int used = layout->stack < layout->geometry.groups ? layout->stack : layout->geometry.groups;
    xst_code_conductances_make(plan, codes, layer, layout->span > 1 ? out.rows : used * layout->geometry.longest,
                               &table);
    uint8_t zeros[4096];
    double sum[XST_CELLS_MAX], squares[XST_CELLS_MAX];
    memset(zeros, codes->zero, (size_t)out.rows);
    xst_sum_codes(&table, zeros, out.rows, sum, squares);
    for (int c = 0; c < codes->cells; c++) {
        double power = 0, scaled = 0;
        xst_column_power(a, sum[c], squares[c], &power, &scaled);
        out.zero_power += power;
        out.zero_scaled += scaled;
    }
    return out;
}

/* Adds a column that is on to its classes. */
static void add_column(const xst_powers *powers, int span, uint32_t column, class *classes)
{
    for (int s = 0; s < span; s++) {
        class *const to = &classes[s];
        if (to->rows == 0)
            continue;
        const size_t at = (size_t)column * (size_t)span + (size_t)s;
        to->on += 1;
        to->power += (double)powers->power[at];
        to->scaled += (double)powers->scaled[at];
    }
}

/* The filters of one unit. counts[group]: its columns that are on. */
static void add_unit(const xst_run_net *net, const xst_run_layer *layer, const xst_layout *layout,
                     const xst_powers *powers, int first, int end, uint16_t *counts, class classes[2][SPAN_MAX])
{
    const xst_geometry *const g = &layout->geometry;
    const bool ragged = xst_column_length(g, (uint32_t)g->groups - 1) < g->longest;
    for (int o = first; o < end; o++)
        for (int group = 0; group < g->groups; group++) {
            const uint32_t c = (uint32_t)o * (uint32_t)g->groups + (uint32_t)group;
            if (net->column_wise && !layer->on[c])
                continue;
            counts[group]++;
            add_column(powers, layout->span, c, classes[ragged && group + 1 == g->groups]);
        }
}

/* What one array column drives. units[group]: units with a column on. */
static void add_arrays(const xst_layout *layout, const uint16_t *units, class classes[2][SPAN_MAX], driven *d)
{
    const xst_geometry *const g = &layout->geometry;
    double bands = 0;
    for (int group = 0; group < g->groups; group++) {
        if (group % layout->stack == 0)
            bands = 0;
        if (units[group] == 0)
            continue;
        const bool is_short = xst_column_length(g, (uint32_t)group) < g->longest;
        int arrays = 0;
        for (int s = 0; s < layout->span; s++) {
            arrays += classes[is_short][s].rows > 0;
            d->rows += classes[is_short][s].rows;
        }
        d->reads += arrays;
        d->units += units[group] * arrays;
        d->bands = fmax(d->bands, ++bands);
    }
}

/* counts, units: [groups], zero. */
static driven add_columns(const xst_run_plan *plan, const xst_run_net *net, int layer, const xst_powers *powers,
                          uint16_t *counts, uint16_t *units, class classes[2][SPAN_MAX])
{
    const xst_layout *const layout = &plan->column[layer];
    const int outputs = layout->geometry.out, groups = layout->geometry.groups;
    const int per_unit = (int)xst_run_plan_chip(plan, layer)->array.shifts;
    driven d = {0};
    for (int first = 0; first < outputs; first += layout->filters) {
        const int end = first + layout->filters < outputs ? first + layout->filters : outputs;
        for (int o = first; o < end; o += per_unit) {
            add_unit(net, &net->layers[layer], layout, powers, o, o + per_unit < end ? o + per_unit : end, counts,
                     classes);
            for (int group = 0; group < groups; group++) {
                units[group] = (uint16_t)(units[group] + (counts[group] > 0));
                d.most_on = fmax(d.most_on, counts[group]);
                counts[group] = 0;
            }
        }
        add_arrays(layout, units, classes, &d);
        memset(units, 0, (size_t)groups * sizeof *units);
    }
    return d;
}

/* The same with every column on: those that are off hold zeros. units: [groups], zero; left zero. */
static driven add_others(const xst_layout *layout, int per_unit, uint16_t *units, class classes[2][SPAN_MAX])
{
    const xst_geometry *const g = &layout->geometry;
    const int ragged = xst_column_length(g, (uint32_t)g->groups - 1) < g->longest;
    driven d = {.most_on = per_unit < g->out ? per_unit : g->out};
    for (int k = 0; k < 2; k++)
        for (int s = 0; s < layout->span; s++) {
            class *const to = &classes[k][s];
            const double all = to->rows == 0 ? 0 : (double)g->out * (k == 0 ? g->groups - ragged : ragged);
            to->power += (all - to->on) * to->zero_power;
            to->scaled += (all - to->on) * to->zero_scaled;
            to->on = all;
        }
    for (int first = 0; first < g->out; first += layout->filters) {
        const int filters = g->out - first < layout->filters ? g->out - first : layout->filters;
        for (int group = 0; group < g->groups; group++)
            units[group] = (uint16_t)((filters + per_unit - 1) / per_unit);
        add_arrays(layout, units, classes, &d);
    }
    memset(units, 0, (size_t)g->groups * sizeof *units);
    return d;
}

static void add_classes(const class *classes, int span, int cells, xst_energy_figures *out)
{
    for (int s = 0; s < span; s++) {
        const class *const k = &classes[s];
        out->energy[XST_PART_CELLS] += k->power * k->factors.first + k->scaled * k->factors.second;
        out->energy[XST_PART_CONVERT] += k->on * cells * k->factors.constant;
        out->idle_conversions += k->on * cells * k->idle;
    }
}

static void add_driven(const xst_array_model *a, const driven *d, const xst_activity_entry *activity, double vectors,
                       xst_energy_figures *out)
{
    double active = 0;
    for (int z = 0; z < activity->planes; z++)
        active += activity->share[z];
    const double adcs = a->adcs / a->units, steps = d->most_on * a->cells / adcs; /* the most on columns of one ADC */
    const double all = vectors * activity->planes;
    out->energy[XST_PART_WORDLINE] = steps * a->wordline_row * vectors * active * d->rows;
    out->energy[XST_PART_SWITCH] =
        steps * (a->switch_row * vectors * active * d->rows + a->switch_step * all * d->reads);
    out->energy[XST_PART_MUX] = steps * adcs * a->mux_adc * all * d->units;
    out->energy[XST_PART_MUX_DECODER] = steps * a->mux_decoder * all * d->reads;
    out->energy[XST_PART_SHIFT_WEIGHT] = d->most_on * a->shift_weight * all * d->units;
    out->energy[XST_PART_SHIFT_INPUT] = d->most_on * a->shift_input * all * d->units;
    out->array_reads = all * d->reads;
}

static void set_figures(const xst_run_plan *plan, const xst_run_net *net, int layer, class classes[2][SPAN_MAX],
                        const driven *d, const xst_activity_entry *activity, xst_energy_figures *out)
{
    const xst_layout *const layout = &plan->column[layer];
    const xst_chip *const chip = xst_run_plan_chip(plan, layer);
    const xst_place *const place = &chip->plan.places[layer];
    double on = 0;
    for (int k = 0; k < 2; k++) {
        add_classes(classes[k], layout->span, net->codes.cells, out);
        on += classes[k][0].on;
        for (int s = 0; s < layout->span; s++)
            out->adc_conversions +=
                classes[k][s].on * net->codes.cells * plan->shapes[layer].vectors * activity->planes;
    }
    add_driven(&chip->array, d, activity, plan->shapes[layer].vectors, out);
    xst_shape shape = plan->shapes[layer];
    shape.output_share = on / layout->geometry.columns;
    xst_trees trees = {0};
    xst_layer_energy(chip, &shape, place, NULL, false, &trees, out);
    const double adcs = chip->array.adcs / chip->array.units;
    xst_layer_latency(chip, &shape, place, d->most_on * chip->array.cells / adcs * d->bands, out);
    out->arrays_mapped = (double)layout->block_rows * layout->block_columns;
    out->cells_used = shape.rows * shape.columns;
    out->utilisation = xst_layout_utilisation(layout);
}

xst_status xst_layer_column_energy(const xst_run_plan *plan, const xst_run_net *net, int layer,
                                   const xst_powers *powers, const xst_activity_entry *activity,
                                   xst_energy_figures *out, xst_energy_figures *all_on, xst_error *err)
{
    const xst_layout *const layout = &plan->column[layer];
    const xst_geometry *const g = &layout->geometry;
    class classes[2][SPAN_MAX] = {0};
    if (layout->span > SPAN_MAX)
        return xst_fail(err, XST_ERROR_CONFIG, "layer %s: a column goes through %d arrays, more than %d",
                        plan->shapes[layer].name, layout->span, SPAN_MAX);
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, 2 * (size_t)g->groups, sizeof(uint16_t), "columns on", err);
    if (status != XST_OK)
        return status;
    const int short_length = xst_column_length(g, (uint32_t)g->groups - 1);
    for (int s = 0; s < layout->span; s++) {
        classes[0][s] = make_class(plan, &net->codes, layer, g->longest, s, activity);
        classes[1][s] = make_class(plan, &net->codes, layer, short_length, s, activity);
    }
    uint16_t *const counts = memory, *const units = counts + g->groups;
    driven d = add_columns(plan, net, layer, powers, counts, units, classes);
    set_figures(plan, net, layer, classes, &d, activity, out);
    d = add_others(layout, (int)xst_run_plan_chip(plan, layer)->array.shifts, units, classes);
    set_figures(plan, net, layer, classes, &d, activity, all_on);
    xst_free(memory);
    return XST_OK;
}
