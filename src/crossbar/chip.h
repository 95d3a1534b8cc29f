/* A chip for a network: array, floorplan, and what its PEs, tiles and global parts cost (NeuroSim's hierarchy: a chip
 * of square tiles, tiles of square PEs, PEs of arrays; register files as buffers). */
#ifndef XST_CROSSBAR_CHIP_H
#define XST_CROSSBAR_CHIP_H

#include "crossbar/array.h"
#include "crossbar/floorplan.h"

typedef struct xst_chip {
    const xst_device *device;
    xst_technology tech;
    xst_array_model array;
    xst_floorplan plan;
    double input_bits;
    double served;                               /* columns that share a shift-add */
    double pe_sum, tile_sum;                     /* bits of a PE's and of a tile's result: array sum + tree stages */
    double tree_bits;                            /* bits that enter a tile's tree */
    double pe_trees, tile_trees;                 /* adder trees side by side */
    double pe_out_bits;                          /* of a PE's output register */
    double bus_in, bus_out;                      /* m, wires along and across a PE */
    double side_pe, side_tile;                   /* m */
    double htree_path, htree_wire;               /* m: what a bit crosses; wire of a line, for leakage */
    xst_register_file global, tile_in, tile_out; /* one core each */
    double tile_in_cores, tile_out_cores, tile_out_word;
    double area[XST_COMPONENTS], area_total; /* of the chip, m2 */
    double tile_area[XST_COMPONENTS], tile_area_total;
    double leakage_pe, leakage_tile; /* W without adder trees; a tile with its PEs */
} xst_chip;

xst_status xst_chip_make(const xst_device *device, const xst_shape *shapes, int layers, int input_bits, int weight_bits,
                         xst_chip *out, xst_error *err);
void xst_chip_free(xst_chip *chip);

#endif
