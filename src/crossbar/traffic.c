#include "crossbar/traffic.h"

#include <math.h>

/* A block of the layer's matrix: cells, where it begins, and its arrays. */
typedef struct block {
    double rows, columns, first_row, first_column;
    int row, column, row_end, column_end; /* arrays */
} block;

static block block_of(const xst_chip *c, const xst_shape *s, double row, double column, double side)
{
    block b = {.rows = fmin(side, s->rows - row), .columns = fmin(side, s->columns - column)};
    b.first_row = row;
    b.first_column = column;
    b.row = (int)(row / c->array.rows);
    b.column = (int)(column / c->array.columns);
    b.row_end = b.row + (int)ceil(b.rows / c->array.rows);
    b.column_end = b.column + (int)ceil(b.columns / c->array.columns);
    return b;
}

/* Block number (i, j) of those of `side` cells that a tile is cut into. */
static block part_of(const xst_chip *c, const xst_shape *s, const block *tile, int i, int j, double side)
{
    return block_of(c, s, tile->first_row + i * side, tile->first_column + j * side, side);
}

static void add_arrays(const xst_chip *c, const xst_reads *reads, const block *b, double energy[XST_PARTS])
{
    const xst_array_model *const a = &c->array;
    const double steps = a->steps, v = reads->vectors;
    for (int i = b->row; i < b->row_end; i++) {
        for (int j = b->column; j < b->column_end; j++) {
            const int at = i * reads->block_columns + j;
            energy[XST_PART_CELLS] += reads->current[at];
            energy[XST_PART_CONVERT] += reads->constant[at];
            energy[XST_PART_WORDLINE] += steps * a->wordline_row * reads->active[i];
            energy[XST_PART_SWITCH] += steps * (a->switch_row * reads->active[i] + a->switch_step * v);
            energy[XST_PART_MUX] += steps * a->adcs * a->mux_adc * v;
            energy[XST_PART_MUX_DECODER] += steps * a->mux_decoder * v;
            energy[XST_PART_SHIFT_WEIGHT] += a->units * a->shifts * a->shift_weight * v;
            energy[XST_PART_SHIFT_INPUT] += a->units * a->shifts * a->shift_input * v;
        }
    }
}

/* Words that a PE's input register, and its output register, take in (whole words only, as NeuroSim counts). */
static double words_in(const xst_chip *c, const xst_shape *s, const block *b)
{
    return floor(b->rows * s->vectors / c->array.rows);
}

static double words_out(const xst_chip *c, const xst_shape *s, const block *b)
{
    const double results = floor(b->columns / c->array.cells);
    return floor(results * c->array.sum_bits * s->vectors / c->pe_out_bits);
}

/* Copies of a block inside one PE that serves a whole tile. */
typedef struct copies {
    double row, column;
} copies;

static void add_pe(const xst_chip *c, const xst_shape *s, const xst_reads *reads, const block *b, copies inside,
                   xst_trees *trees, double energy[XST_PARTS])
{
    const xst_device_circuit *const k = &c->device->circuit;
    const xst_technology *const t = &c->tech;
    if (reads)
        add_arrays(c, reads, b, energy);
    const bool full = inside.row >= c->plan.array_rows && inside.column >= c->plan.array_columns;
    if (!full) {
        const bool once = inside.row * inside.column == 1;
        const double arrays = (b->row_end - b->row) * (double)(b->column_end - b->column), units = b->row_end - b->row;
        energy[XST_PART_PE_TREE] += s->output_share * (once ? 1 : arrays) * c->pe_trees * c->array.shifts * s->vectors *
                                    xst_tree_energy(t, units, c->array.sum_bits);
        trees->pe_bits = c->pe_trees * xst_tree_bits(units, c->array.sum_bits);
    }
    energy[XST_PART_PE_IN] += words_in(c, s, b) * c->array.rows * c->input_bits * t->dff_energy;
    energy[XST_PART_PE_OUT] += s->output_share * words_out(c, s, b) * c->pe_out_bits * t->dff_energy;
    energy[XST_PART_PE_BUS_IN] += c->bus_in * t->fast.energy * k->input_toggle * b->rows * s->vectors * c->input_bits;
    energy[XST_PART_PE_BUS_OUT] += s->output_share * c->bus_out * t->fast.energy * k->output_toggle *
                                   floor(b->columns / c->array.cells) * c->pe_sum * s->vectors;
}

static bool one_pe(const xst_chip *c, const xst_place *p)
{
    return p->speed_row >= c->plan.pes && p->speed_column >= c->plan.pes;
}

static bool unduplicated(const xst_place *p)
{
    return p->speed_row * p->speed_column == 1;
}

static copies copies_inside(const xst_chip *c, const xst_place *p)
{
    return (copies){ceil(p->speed_row / c->plan.pes), ceil(p->speed_column / c->plan.pes)};
}

/* Inputs of a tile's adder tree: 0 where it has none. */
static double tile_units(const xst_chip *c, const xst_place *p, const block *tile)
{
    if (one_pe(c, p))
        return 0;
    const double units = ceil(tile->rows / c->plan.pe);
    return unduplicated(p) ? c->plan.pes : units > 1 ? units : 0;
}

/* The PEs of a tile, and again the last one for each PE outside the matrix. */
static void add_pes(const xst_chip *c, const xst_shape *s, const xst_place *p, const xst_reads *reads,
                    const block *tile, bool stale, xst_trees *trees, xst_energy_figures *out)
{
    if (one_pe(c, p)) {
        add_pe(c, s, reads, tile, copies_inside(c, p), trees, out->energy);
        return;
    }
    double last[XST_PARTS] = {0};
    double used = 0;
    for (int i = 0; i < ceil(tile->rows / c->plan.pe); i++) {
        for (int j = 0; j < ceil(tile->columns / c->plan.pe); j++, used++) {
            const block b = part_of(c, s, tile, i, j, c->plan.pe);
            for (int part = 0; part < XST_PARTS; part++)
                last[part] = 0;
            add_pe(c, s, reads, &b, (copies){1, 1}, trees, last);
            for (int part = 0; part < XST_PARTS; part++)
                out->energy[part] += last[part];
        }
    }
    const double again = stale && unduplicated(p) ? c->plan.pes * c->plan.pes - used : 0;
    for (int part = 0; part < XST_PARTS; part++) {
        out->energy[part] += again * last[part];
        out->stale_energy += again * last[part];
    }
}

static void add_tile(const xst_chip *c, const xst_shape *s, const xst_place *p, const block *tile, xst_trees *trees,
                     double energy[XST_PARTS])
{
    const xst_device_circuit *const k = &c->device->circuit;
    const double in = tile->rows * s->vectors * c->input_bits;
    const double out = s->output_share * tile->columns / c->array.cells * c->tile_sum * s->vectors;
    const double units = tile_units(c, p, tile);
    if (units > 0) {
        energy[XST_PART_TILE_TREE] += s->output_share * c->tile_trees * c->array.shifts * s->vectors *
                                      xst_tree_energy(&c->tech, units, c->tree_bits);
        trees->tile_bits = c->tile_trees * xst_tree_bits(units, c->tree_bits);
    }
    energy[XST_PART_TILE_IN] += (c->tile_in.read + c->tile_in.write) / 2 * in;
    energy[XST_PART_TILE_OUT] += (c->tile_out.read + c->tile_out.write) / 2 * out;
    energy[XST_PART_TILE_TREE_WIRE] +=
        c->htree_path * c->tech.relaxed.energy * (k->input_toggle * in + k->output_toggle * out);
}

static void add_chip(const xst_chip *c, const xst_shape *s, const xst_place *p, double energy[XST_PARTS])
{
    const xst_device_circuit *const k = &c->device->circuit;
    const xst_technology *const t = &c->tech;
    const double lanes = c->plan.tile / c->served, b = c->input_bits, pooling = s->pooled ? 4 : 1;
    const double results = s->vectors * s->outputs, in = s->rows * b * s->vectors,
                 out = s->output_share * results * b / pooling;
    if (p->tile_rows > 1)
        energy[XST_PART_CHIP_TREE] +=
            s->output_share * lanes * ceil(s->columns / c->array.cells * s->vectors / lanes) *
            xst_tree_energy(t, p->tile_rows, c->array.sum_bits + log2(c->plan.tile / c->array.rows));
    energy[XST_PART_RELU] += ceil(results / lanes) * lanes * b * t->dff_energy;
    if (s->pooled)
        energy[XST_PART_POOL] +=
            ceil(results / 4 / lanes) * lanes * t->v2 * (k->pool_bit_capacitance * b + k->pool_fixed_capacitance);
    energy[XST_PART_GLOBAL_READ] += c->global.read * in;
    energy[XST_PART_GLOBAL_WRITE] += c->global.write * out;
    /* The way back counts the tile rows below the middle but one: none for 2 or 3, less than none for 1. */
    const double across = c->side_tile * ceil(c->plan.grid_columns / 2);
    const double back = c->side_tile * (c->plan.grid_rows - ceil(c->plan.grid_rows / 2) - 1);
    energy[XST_PART_GLOBAL_BUS] += k->input_toggle * in * across * t->relaxed.energy +
                                   k->output_toggle * out * back * (back > 0 ? t->relaxed.energy : t->bare.energy);
}

void xst_layer_energy(const xst_chip *chip, const xst_shape *shape, const xst_place *place, const xst_reads *reads,
                      bool stale, xst_trees *trees, xst_energy_figures *out)
{
    const double side = chip->plan.tile;
    for (int i = 0; i < place->tile_rows; i++) {
        for (int j = 0; j < place->tile_columns; j++) {
            const block tile = block_of(chip, shape, i * side, j * side, side);
            add_pes(chip, shape, place, reads, &tile, stale, trees, out);
            add_tile(chip, shape, place, &tile, trees, out->energy);
        }
    }
    add_chip(chip, shape, place, out->energy);
    const double per_tile = chip->plan.pes * chip->plan.pes * chip->plan.array_rows * chip->plan.array_columns;
    out->arrays_on_chip = place->tile_rows * place->tile_columns * per_tile;
    if (!reads)
        return;
    const double arrays = (double)reads->block_rows * reads->block_columns;
    out->arrays_mapped = arrays;
    out->array_reads = arrays * reads->vectors;
    out->adc_conversions = reads->conversions;
    out->idle_conversions = reads->idle;
    out->cells_used = shape->rows * shape->columns;
    out->utilisation = out->cells_used / (arrays * chip->array.rows * chip->array.columns);
}

/* ---- Latency, in clocks ---- */

typedef struct clocks {
    double adc, adders, buffer, wire, other;
} clocks;

static double total(clocks c)
{
    return c.adc + c.adders + c.buffer + c.wire + c.other;
}

static clocks pe_clocks(const xst_chip *c, const xst_shape *s, const block *b, copies inside, double steps)
{
    const bool full = inside.row >= c->plan.array_rows && inside.column >= c->plan.array_columns;
    const double at_once = inside.row * inside.column;
    clocks out = {.adc = steps * s->vectors * c->input_bits / at_once};
    out.adders = full ? 0 : c->array.shifts * s->vectors / at_once;
    out.buffer = words_in(c, s, b) + words_out(c, s, b);
    return out;
}

static clocks tile_clocks(const xst_chip *c, const xst_shape *s, const xst_place *p, block tile, double steps)
{
    clocks slowest = {0};
    double share = c->plan.pes * c->plan.pes;
    if (one_pe(c, p)) {
        slowest = pe_clocks(c, s, &tile, copies_inside(c, p), steps);
    } else {
        share = p->speed_row * p->speed_column;
        for (int i = 0; i < ceil(tile.rows / c->plan.pe); i++)
            for (int j = 0; j < ceil(tile.columns / c->plan.pe); j++) {
                const block b = part_of(c, s, &tile, i, j, c->plan.pe);
                const clocks pe = pe_clocks(c, s, &b, (copies){1, 1}, steps);
                if (total(pe) > total(slowest))
                    slowest = pe;
            }
    }
    clocks out = {slowest.adc / share, slowest.adders / share, slowest.buffer / share, 0, 0};
    if (tile_units(c, p, &tile) > 0)
        out.adders += c->array.shifts * s->vectors;
    const double in = tile.rows * s->vectors * c->input_bits;
    const double results = tile.columns / c->array.cells * c->tile_sum * s->vectors;
    const double word = c->device->interconnect.tile_columns, wide = c->plan.tile;
    out.buffer += in / word / fmin(c->tile_in_cores, ceil(wide / word)) +
                  results / c->tile_out_word / fmin(c->tile_out_cores, ceil(wide / c->tile_out_word));
    out.wire += (in + results) / wide;
    return out;
}

static void add_chip_clocks(const xst_chip *c, const xst_shape *s, const xst_place *p, clocks *out)
{
    const double lanes = c->plan.tile / c->served, b = c->input_bits, pooling = s->pooled ? 4 : 1;
    const double results = s->vectors * s->outputs, in = s->rows * b * s->vectors, written = results * b / pooling;
    const double word = c->device->interconnect.global_columns;
    out->other += ceil(results / lanes);
    if (s->pooled)
        out->other += 3 * ceil(results / 4 / lanes);
    if (p->tile_rows > 1)
        out->adders += ceil(s->columns / c->array.cells * s->vectors / lanes);
    out->buffer += (in + written) / word / fmin(c->plan.buffer_cores, ceil(c->plan.bus_bits / word));
    out->wire += ceil(in / c->plan.bus_bits * c->plan.grid_rows / p->tile_rows);
    if (c->plan.grid_rows - ceil(c->plan.grid_rows / 2) - 1 > 0)
        out->wire += ceil(written / c->plan.bus_bits * c->plan.grid_columns / p->tile_columns);
}

void xst_layer_latency(const xst_chip *chip, const xst_shape *shape, const xst_place *place, double steps,
                       xst_energy_figures *out)
{
    clocks slowest = {0};
    const double side = chip->plan.tile;
    for (int i = 0; i < place->tile_rows; i++)
        for (int j = 0; j < place->tile_columns; j++) {
            const clocks tile = tile_clocks(chip, shape, place, block_of(chip, shape, i * side, j * side, side), steps);
            if (total(tile) > total(slowest))
                slowest = tile;
        }
    add_chip_clocks(chip, shape, place, &slowest);
    const double clock = chip->array.clock;
    out->latency[XST_COMPONENT_ADC] = slowest.adc * clock;
    out->latency[XST_COMPONENT_ACCUMULATION] = slowest.adders * clock;
    out->latency[XST_COMPONENT_BUFFER] = slowest.buffer * clock;
    out->latency[XST_COMPONENT_INTERCONNECT] = slowest.wire * clock;
    out->latency[XST_COMPONENT_OTHER] = slowest.other * clock;
}

/* ---- Leakage ---- */

double xst_tile_leakage(const xst_chip *chip, const xst_trees *trees)
{
    const double bits = chip->plan.pes * chip->plan.pes * trees->pe_bits + trees->tile_bits;
    return chip->leakage_tile + bits * chip->tech.adder_leakage;
}

xst_trees xst_all_trees(const xst_chip *chip)
{
    return (xst_trees){chip->pe_trees * xst_tree_bits(chip->plan.array_rows, chip->array.sum_bits),
                       chip->tile_trees * xst_tree_bits(chip->plan.pes, chip->tree_bits)};
}
