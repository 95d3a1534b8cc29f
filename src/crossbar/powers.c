/* What columns conduct. */
#include "crossbar/inference.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Steps of the largest conductance: 4096 cells still fit in 32 bits. */
enum { STEPS = 1 << 19 };

void xst_code_conductances_make(const xst_run_plan *plan, const xst_codes *codes, int layer, double rows,
                                xst_code_conductances *out)
{
    const xst_array_model *const a = &xst_run_plan_chip(plan, layer)->array;
    const double columns = fmin(plan->dense[layer].filters, plan->shapes[layer].outputs) * codes->cells;
    *out = (xst_code_conductances){.pairs = (codes->cells + 1) / 2};
    const double largest = xst_cell_conductance(plan->device, a, 1, rows, columns);
    out->unit = largest / STEPS;
    for (int i = 0; i < codes->count; i++)
        for (int c = 0; c < codes->cells; c++) {
            const double share = xst_cell_conductance(plan->device, a, codes->share[i][c], rows, columns) / largest;
            const int shift = c % 2 ? 0 : 32;
            out->of[c / 2][i] |= (uint64_t)(share * STEPS + 0.5) << shift;
            out->squares[c / 2][i] |= (uint64_t)(share * share * STEPS + 0.5) << shift;
        }
    out->short_codes = out->pairs == 1 && codes->count <= 16;
    for (int i = 0; out->short_codes && i < 256; i++) {
        out->two[i][0] = out->of[0][i & 15] + out->of[0][i >> 4];
        out->two[i][1] = out->squares[0][i & 15] + out->squares[0][i >> 4];
    }
}

void xst_sum_codes(const xst_code_conductances *table, const uint8_t *code, int rows, double sum[XST_CELLS_MAX],
                   double squares[XST_CELLS_MAX])
{
    for (int p = 0; p < table->pairs; p++) {
        uint64_t g = 0, g2 = 0;
        int r = 0;
        for (; table->short_codes && r + 1 < rows; r += 2) {
            const uint64_t *const two = table->two[code[r] | code[r + 1] << 4];
            g += two[0];
            g2 += two[1];
        }
        for (; r < rows; r++) {
            g += table->of[p][code[r]];
            g2 += table->squares[p][code[r]];
        }
        sum[2 * p] = (double)(g >> 32) * table->unit;
        sum[2 * p + 1] = (double)(uint32_t)g * table->unit;
        squares[2 * p] = (double)(g2 >> 32) * table->unit * table->unit * STEPS;
        squares[2 * p + 1] = (double)(uint32_t)g2 * table->unit * table->unit * STEPS;
    }
}

xst_status xst_powers_make(const xst_layout *layout, xst_powers *out, xst_error *err)
{
    void *memory = NULL;
    const size_t entries = (size_t)layout->geometry.columns * (size_t)layout->span;
    const xst_status status = xst_alloc(&memory, 2 * entries, sizeof(float), "column conductances", err);
    if (status != XST_OK)
        return status;
    out->power = memory;
    out->scaled = out->power + entries;
    return XST_OK;
}

void xst_powers_free(xst_powers *powers)
{
    xst_free(powers->power);
    *powers = (xst_powers){0};
}

/* The part of a column in one array: rows codes. Single precision is enough: the exponent is near 1. */
static void measure(const xst_array_model *a, const xst_code_conductances *g, const xst_codes *codes,
                    const uint8_t *code, int rows, float *power, float *scaled)
{
    double sum[XST_CELLS_MAX] = {0}, squares[XST_CELLS_MAX] = {0};
    xst_sum_codes(g, code, rows, sum, squares);
    *power = 0;
    *scaled = 0;
    for (int c = 0; c < codes->cells && c < XST_CELLS_MAX; c++) {
        double p = 0, s = 0;
        xst_column_power(a, sum[c], squares[c], &p, &s);
        *power += (float)p;
        *scaled += (float)s;
    }
}

/* Holds what it held under the task before: it was measured then. */
static bool is_unchanged(const xst_run_net *net, const xst_run_layer *layer, uint32_t column)
{
    const int64_t start = xst_column_start(&layer->mapping, column);
    const size_t length = (size_t)xst_column_length(&layer->mapping, column);
    return net->keep_before && memcmp(layer->before + start, layer->effective + start, length) == 0;
}

void xst_powers_update(const xst_run_plan *plan, const xst_run_net *net, int layer, xst_powers *powers)
{
    const xst_run_layer *const from = &net->layers[layer];
    const xst_layout *const layout = &plan->column[layer];
    const xst_geometry *const g = &layout->geometry;
    const xst_array_model *const a = &xst_run_plan_chip(plan, layer)->array;
    const int used = layout->stack < g->groups ? layout->stack : g->groups;
    const uint8_t *const codes = net->column_wise ? from->code : from->effective;
    for (int s = 0; s < layout->span; s++) {
        /* A column that goes through several arrays fills all but the last; the table is for the wires of a full group.
         */
        const int begin = s * layout->array_rows;
        const int full = g->longest - begin < layout->array_rows ? g->longest - begin : layout->array_rows;
        xst_code_conductances table;
        xst_code_conductances_make(plan, &net->codes, layer, layout->span > 1 ? full : used * g->longest, &table);
        for (uint32_t c = 0; c < g->columns; c++) {
            if (net->column_wise ? from->owner[c] != net->task : is_unchanged(net, from, c))
                continue;
            const int left = xst_column_length(g, c) - begin, rows = left < full ? left : full;
            const size_t at = (size_t)c * (size_t)layout->span + (size_t)s;
            measure(a, &table, &net->codes, codes + xst_column_start(g, c) + begin, rows > 0 ? rows : 0,
                    &powers->power[at], &powers->scaled[at]);
        }
    }
}
