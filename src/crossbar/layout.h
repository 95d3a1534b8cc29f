/* Where the weights of a layer stand on arrays, under either mapping (method notes, section 10). */
#ifndef XST_CROSSBAR_LAYOUT_H
#define XST_CROSSBAR_LAYOUT_H

#include "columns/geometry.h"
#include "xst/energy.h"

#include <stdint.h>

typedef struct xst_layout {
    xst_mapping mapping;
    xst_geometry geometry;             /* logical columns */
    int array_rows, filters;           /* rows of an array; weights it holds per row */
    int stack;                         /* groups above each other in an array, read one after the other (column) */
    int span;                          /* arrays that a column goes through (column) */
    int32_t rows;                      /* of the weight matrix: in * kh * kw */
    int32_t block_rows, block_columns; /* arrays; their product is the layer's number of arrays */
} xst_layout;

void xst_layout_make(xst_mapping mapping, const xst_geometry *geometry, int array_rows, int filters, xst_layout *out);

/* Row of the arrays, all block rows one under the other, of the first weight of an input group; the group's weights
 * follow. */
int32_t xst_layout_row(const xst_layout *layout, int group);

/* weights / (arrays * rows * filters) */
double xst_layout_utilisation(const xst_layout *layout);

/* Conversions of one position and bit plane with everything on; cells: of a weight. */
double xst_layout_conversions(const xst_layout *layout, int cells);

#endif
