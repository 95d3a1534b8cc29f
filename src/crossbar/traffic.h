/* Energy, latency and leakage of a layer on a chip: its arrays' reads, and all that moves and adds their results
 * (NeuroSim; method notes, section 10). */
#ifndef XST_CROSSBAR_TRAFFIC_H
#define XST_CROSSBAR_TRAFFIC_H

#include "crossbar/chip.h"
#include "crossbar/reads.h"

#include <stdbool.h>

/* Adder bits of the trees that last ran. NeuroSim's leakage counts those alone, and keeps them from layer to layer. */
typedef struct xst_trees {
    double pe_bits, tile_bits;
} xst_trees;

/* energy[], array reads, conversions, cells, utilisation, stale_energy of out; reads NULL: what stands above the arrays
 * alone, adder trees, output buffers and wires in proportion to the shape's output_share. stale: NeuroSim's rule that a
 * tile of a layer without copies counts its last PE again for each PE outside the matrix. trees: updated. */
void xst_layer_energy(const xst_chip *chip, const xst_shape *shape, const xst_place *place, const xst_reads *reads,
                      bool stale, xst_trees *trees, xst_energy_figures *out);

/* latency[] of out. steps: columns that the slowest ADC converts per read. */
void xst_layer_latency(const xst_chip *chip, const xst_shape *shape, const xst_place *place, double steps,
                       xst_energy_figures *out);

/* Leakage power of one tile with these trees. */
double xst_tile_leakage(const xst_chip *chip, const xst_trees *trees);
/* All trees of a tile. */
xst_trees xst_all_trees(const xst_chip *chip);

#endif
