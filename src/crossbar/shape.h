/* The layers of a network as matrices: what a floorplan and an energy need to know of them. */
#ifndef XST_CROSSBAR_SHAPE_H
#define XST_CROSSBAR_SHAPE_H

#include "xst/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct xst_shape {
    char name[64];
    double feature_map;  /* values of the layer's input: IFM rows * columns * channels */
    double rows;         /* of the weight matrix: channels * kernel rows * kernel columns */
    double outputs;      /* filters */
    double columns;      /* physical: cells per weight * outputs */
    double vectors;      /* input vectors per inference: output positions */
    bool pooled;         /* a 2x2 maximum follows */
    double output_share; /* of the partial sums that are formed: 1, less where columns are off */
} xst_shape;

/* Network file: `IFM rows, IFM columns, IFM channels, kernel rows, kernel columns, outputs, pooling (0/1), stride`, one
 * layer a line, no header. shapes: [*count], freed with xst_free. XST_ERROR_DATA with file and line. */
xst_status xst_network_read(const char *path, int cells_per_weight, xst_shape **shapes, int *count, xst_error *err);

#endif
