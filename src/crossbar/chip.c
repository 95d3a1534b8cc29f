#include "crossbar/chip.h"

#include <math.h>

static double sum_area(const double area[XST_COMPONENTS])
{
    double sum = 0;
    for (int c = 0; c < XST_COMPONENTS; c++)
        sum += area[c];
    return sum;
}

/* Flip-flops in full columns of height `along` (or full rows of that width), m2. */
static double register_area(double count, double along, double step, double across)
{
    const double per_line = fmax(1, floor(along / step + 1e-9));
    return ceil(count / per_line) * across * along;
}

/* A PE: arrays, an adder tree over their rows, registers at either end. Returns its area with blanks. */
static double make_pe(xst_chip *c, double area[XST_COMPONENTS])
{
    const xst_array_model *const a = &c->array;
    const xst_technology *const t = &c->tech;
    const double arrays = c->plan.array_rows * c->plan.array_columns;
    const double tree = t->adder_area * c->pe_trees * xst_tree_bits(c->plan.array_rows, a->sum_bits);
    const double in =
        register_area(a->rows * c->input_bits, c->plan.array_rows * a->height, t->dff_height, t->dff_width);
    const double out = register_area(c->pe_out_bits, c->plan.array_columns * a->width, t->dff_width, t->dff_height);
    area[XST_COMPONENT_ARRAY] = arrays * a->area_cells;
    area[XST_COMPONENT_ADC] = arrays * a->area_adc;
    area[XST_COMPONENT_WORDLINE] = arrays * a->area_wordline;
    area[XST_COMPONENT_MUX] = arrays * a->area_mux;
    area[XST_COMPONENT_ACCUMULATION] = arrays * a->area_shift + tree;
    area[XST_COMPONENT_BUFFER] = in + out;
    area[XST_COMPONENT_OTHER] = arrays * a->area_column;
    const double all = arrays * a->width * a->height + tree + in + out;
    c->side_pe = sqrt(all);
    c->bus_in = a->width * (c->plan.array_rows - 1);
    c->bus_out = a->height * (c->plan.array_rows - 1);
    c->leakage_pe = arrays * a->leakage + (a->rows * c->input_bits + c->pe_out_bits) * t->dff_leakage +
                    t->fast.leakage * (a->rows * c->bus_in + a->columns * c->plan.array_columns * c->bus_out);
    return all;
}

/* The H-tree of a tile: a main bus over half of it, then pairs of branches that halve. */
static double make_htree(xst_chip *c)
{
    const double stages = log2(c->plan.pes), lines = c->plan.tile, fold = c->device->interconnect.tile_fold;
    const xst_line *const line = &c->tech.relaxed;
    const double main = c->side_pe * c->plan.pes / 2;
    double area = main * lines * line->pitch_height / fold;
    c->htree_path = c->side_pe * (c->plan.pes - 1 + c->plan.pes / 2);
    c->htree_wire = main;
    for (int k = 1; k <= (int)stages - 1; k++) {
        const double length = c->side_pe * c->plan.pes / exp2(k + 1);
        area += k * lines * (line->pitch_width + line->pitch_height) / fold * length / 2;
        c->htree_wire += 2 * length;
    }
    return area;
}

static void make_tile_buffers(xst_chip *c)
{
    const xst_device_interconnect *const i = &c->device->interconnect;
    const double core = (double)i->tile_rows * i->tile_columns;
    c->tile_in = xst_register_file_make(c->device, &c->tech, i->tile_rows, i->tile_columns);
    c->tile_in_cores = ceil(c->plan.pes * c->input_bits * c->array.rows / core);
    /* Output: a word holds the results of all PEs of a row; one core where it fits. */
    const double word = c->tile_sum * c->plan.pes, words = c->array.columns / c->served;
    c->tile_out_cores = ceil(words * word / core);
    c->tile_out_word = c->tile_out_cores > 1 ? i->tile_columns : word;
    c->tile_out = c->tile_out_cores > 1 ? c->tile_in : xst_register_file_make(c->device, &c->tech, words, word);
}

static void make_tile(xst_chip *c)
{
    double pe[XST_COMPONENTS] = {0};
    const double pe_area = make_pe(c, pe), pes = c->plan.pes * c->plan.pes;
    const double tree = c->tech.adder_area * c->tile_trees * xst_tree_bits(c->plan.pes, c->tree_bits);
    make_tile_buffers(c);
    const double buffers = c->tile_in_cores * c->tile_in.area + c->tile_out_cores * c->tile_out.area;
    const double htree = make_htree(c);
    for (int i = 0; i < XST_COMPONENTS; i++)
        c->tile_area[i] = pes * pe[i];
    c->tile_area[XST_COMPONENT_ACCUMULATION] += tree;
    c->tile_area[XST_COMPONENT_BUFFER] += buffers;
    c->tile_area[XST_COMPONENT_INTERCONNECT] += htree;
    c->tile_area_total = pes * pe_area + tree + buffers + htree;
    c->side_tile = sqrt(c->tile_area_total);
    c->leakage_tile = pes * c->leakage_pe + c->tile_in.leakage + c->tile_out.leakage +
                      c->tech.relaxed.leakage * c->plan.tile * c->htree_wire;
}

static void make_chip_parts(xst_chip *c)
{
    const xst_device *const d = c->device;
    const xst_technology *const t = &c->tech;
    const xst_floorplan *const p = &c->plan;
    const double columns = p->tile / c->served;
    c->global = xst_register_file_make(d, t, d->interconnect.global_rows, d->interconnect.global_columns);
    double extra[XST_COMPONENTS] = {0};
    extra[XST_COMPONENT_BUFFER] = p->buffer_cores * c->global.area;
    extra[XST_COMPONENT_INTERCONNECT] =
        p->bus_bits / d->interconnect.chip_fold * c->side_tile *
        (t->relaxed.pitch_width * p->grid_rows + t->relaxed.pitch_height * p->grid_columns);
    const double pool = (d->circuit.pool_bit_pitches * c->input_bits + d->circuit.pool_fixed_pitches) *
                        d->layout.gate_pitch * d->layout.cell_height * t->feature * t->feature;
    extra[XST_COMPONENT_OTHER] = columns * (pool + c->input_bits * t->dff_area);
    extra[XST_COMPONENT_ACCUMULATION] =
        t->adder_area * columns * xst_tree_bits(p->most_tile_rows, c->array.sum_bits + log2(p->tile / c->array.rows));
    c->area_total = p->tiles * c->tile_area_total + sum_area(extra);
    for (int i = 0; i < XST_COMPONENTS; i++)
        c->area[i] = p->tiles * c->tile_area[i] + extra[i];
}

xst_status xst_chip_make(const xst_device *device, const xst_shape *shapes, int layers, int input_bits, int weight_bits,
                         xst_chip *out, xst_error *err)
{
    xst_chip *const c = out;
    *c = (xst_chip){.device = device, .input_bits = input_bits};
    xst_technology_make(device, &c->tech);
    xst_array_make(device, &c->tech, input_bits, weight_bits, &c->array);
    const xst_status status = xst_floorplan_make(device, shapes, layers, input_bits, &c->plan, err);
    if (status != XST_OK)
        return status;
    const double stages = log2(c->plan.array_rows);
    c->served = c->array.columns / c->array.units;
    c->pe_sum = c->array.sum_bits + stages;
    c->tree_bits = c->array.sum_bits + c->plan.array_rows;
    c->tile_sum = c->tree_bits + log2(c->plan.pes);
    c->pe_trees = c->array.units * c->plan.array_columns;
    c->tile_trees = c->plan.tile / c->served;
    c->pe_out_bits = c->array.units * c->pe_sum;
    make_tile(c);
    make_chip_parts(c);
    return XST_OK;
}

void xst_chip_free(xst_chip *chip)
{
    xst_floorplan_free(&chip->plan);
}
