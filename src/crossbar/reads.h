/* What a layer's arrays do during one inference, summed over its input vectors and their bits. */
#ifndef XST_CROSSBAR_READS_H
#define XST_CROSSBAR_READS_H

#include "crossbar/array.h"
#include "crossbar/shape.h"

#include <stdint.h>

typedef struct xst_reads {
    int block_rows, block_columns; /* arrays of the layer, mapped once */
    double *current, *constant;    /* J of conversions, [block_rows * block_columns] */
    double *active;                /* rows whose bit is 1, [block_rows] */
    double vectors;                /* input vectors times bits */
    double conversions, idle;      /* idle: of columns without an active row */
} xst_reads;

xst_status xst_reads_make(const xst_array_model *a, const xst_shape *shape, xst_reads *out, xst_error *err);
void xst_reads_free(xst_reads *reads);

/* Size of the block at `index` of a matrix side cut into blocks. */
double xst_block_size(double side, double block, int index);

/* Draws weights and inputs of a layer and sums its reads. Counters: (element div 4, layer, 0, 0); keys (seed, 5) for
 * weights in (row, output) order and (seed, 6) for bits in (vector, bit, row) order: position 0, which no task has.
 * Exactly round(density * n) of n are picked. */
xst_status xst_reads_draw(const xst_device *device, const xst_array_model *a, const xst_shape *shape, int layer,
                          double density, double input_density, uint32_t seed, xst_reads *out, xst_error *err);

#endif
