/* Which layer lies where: tiles of a chip, PEs of a tile, arrays of a PE, and how often a layer is copied inside its
 * tiles.
 *
 * NeuroSim's automatic floorplan for conventional mapping: the tile and PE sizes of best utilisation; a layer never
 * shares a tile; spare PEs and arrays of its tiles hold copies, which divide latency. Sides are in cells. */
#ifndef XST_CROSSBAR_FLOORPLAN_H
#define XST_CROSSBAR_FLOORPLAN_H

#include "crossbar/device.h"
#include "crossbar/shape.h"

typedef struct xst_place {
    double tile_rows, tile_columns; /* tiles of the layer */
    double speed_row, speed_column; /* copies: of PEs times of arrays in a PE */
} xst_place;

typedef struct xst_floorplan {
    double tile, pe;                  /* cells a side */
    double pes;                       /* PEs a side of a tile */
    double array_rows, array_columns; /* arrays a side of a PE */
    double tiles, grid_rows, grid_columns;
    double bus_bits;       /* global bus */
    double buffer_cores;   /* of the global buffer */
    double most_tile_rows; /* of any layer */
    int layers;
    xst_place *places; /* [layers] */
} xst_floorplan;

xst_status xst_floorplan_make(const xst_device *device, const xst_shape *shapes, int layers, int input_bits,
                              xst_floorplan *out, xst_error *err);
void xst_floorplan_free(xst_floorplan *plan);

#endif
