#include "crossbar/floorplan.h"

#include "base/memory.h"

#include <math.h>

static double blocks(double size, double block)
{
    return ceil(size / block);
}

static double copies(double room, double size, double block)
{
    return fmax(1, floor(room / blocks(size, block)));
}

/* Utilisation of tiles of `tile` cells a side, without copies. */
static double tile_utilisation(const xst_shape *shapes, int layers, double tile, double *tiles)
{
    double cells = 0;
    *tiles = 0;
    for (int l = 0; l < layers; l++) {
        cells += shapes[l].rows * shapes[l].columns;
        *tiles += blocks(shapes[l].rows, tile) * blocks(shapes[l].columns, tile);
    }
    return cells / (*tiles * tile * tile);
}

/* Copies of a layer over the blocks of a square of `room` x `room` cells; a layer larger both ways has one. */
static void copy(const xst_shape *s, double room, double block_rows, double block_columns, double *row, double *column)
{
    const bool large = s->rows > room && s->columns > room;
    *row = large ? 1 : copies(floor(room / block_rows), s->rows, block_rows);
    *column = large ? 1 : copies(floor(room / block_columns), s->columns, block_columns);
}

static double pe_utilisation(const xst_shape *shapes, int layers, double tile, double tiles, double pe)
{
    double cells = 0;
    for (int l = 0; l < layers; l++) {
        double row = 1, column = 1;
        copy(&shapes[l], tile, pe, pe, &row, &column);
        cells += shapes[l].rows * shapes[l].columns * row * column;
    }
    return cells / (tiles * tile * tile);
}

static void choose_sizes(const xst_device *device, const xst_shape *shapes, int layers, xst_floorplan *plan)
{
    const double rows = device->array.rows;
    double widest = 0;
    for (int l = 0; l < layers; l++)
        widest = fmax(widest, shapes[l].columns);
    const double start = fmax(4 * rows, exp2(ceil(log2(widest))));
    double best = 0;
    plan->tile = start;
    double tile = start;
    do {
        double tiles = 0;
        const double utilisation = tile_utilisation(shapes, layers, tile, &tiles);
        if (utilisation > best) {
            best = utilisation;
            plan->tile = tile;
        }
        tile /= 2;
    } while (tile > 4 * rows);
    tile_utilisation(shapes, layers, plan->tile, &plan->tiles);
    plan->pe = plan->tile / 2;
    double pe = plan->tile / 2;
    while (pe > 2 * rows) {
        const double utilisation = pe_utilisation(shapes, layers, plan->tile, plan->tiles, pe);
        if (utilisation > best) {
            best = utilisation;
            plan->pe = pe;
        }
        pe /= 2;
    }
}

xst_status xst_floorplan_make(const xst_device *device, const xst_shape *shapes, int layers, int input_bits,
                              xst_floorplan *out, xst_error *err)
{
    xst_floorplan *const plan = out;
    *plan = (xst_floorplan){.layers = layers};
    void *places = NULL;
    const xst_status status = xst_alloc(&places, (size_t)layers, sizeof(xst_place), "floorplan", err);
    if (status != XST_OK)
        return status;
    plan->places = places;
    choose_sizes(device, shapes, layers, plan);
    plan->pes = plan->tile / plan->pe;
    plan->array_rows = fmax(1, floor(plan->pe / device->array.rows));
    plan->array_columns = fmax(1, floor(plan->pe / device->array.columns));
    double map = 0;
    for (int l = 0; l < layers; l++) {
        xst_place *const place = &plan->places[l];
        place->tile_rows = blocks(shapes[l].rows, plan->tile);
        place->tile_columns = blocks(shapes[l].columns, plan->tile);
        double pe_row = 1, pe_column = 1, array_row = 1, array_column = 1;
        copy(&shapes[l], plan->tile, plan->pe, plan->pe, &pe_row, &pe_column);
        copy(&shapes[l], plan->pe, device->array.rows, device->array.columns, &array_row, &array_column);
        place->speed_row = pe_row * array_row;
        place->speed_column = pe_column * array_column;
        plan->most_tile_rows = fmax(plan->most_tile_rows, place->tile_rows);
        map = fmax(map, shapes[l].feature_map);
    }
    plan->grid_rows = ceil(sqrt(plan->tiles));
    plan->grid_columns = ceil(plan->tiles / plan->grid_rows);
    plan->bus_bits = layers * (plan->tile + plan->tile / device->array.adc_share);
    while (plan->bus_bits > device->interconnect.bus_limit)
        plan->bus_bits /= 2;
    plan->buffer_cores =
        ceil(input_bits * map / ((double)device->interconnect.global_rows * device->interconnect.global_columns));
    return XST_OK;
}

void xst_floorplan_free(xst_floorplan *plan)
{
    xst_free(plan->places);
    *plan = (xst_floorplan){0};
}
