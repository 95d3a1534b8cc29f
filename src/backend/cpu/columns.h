/* How the columns of a masked layer lie in one layout of its weights.
 *
 * Every layout is separable, so weight r of filter o (r = flat (i, h, w)) lies at filter[o] + weight[r], and column g
 * of a filter is the stretch of `weight` from g * step. Two arrangements have fast paths: `rows`, where a column is
 * contiguous (row-major: the FC layers), and `tiles`, where 16 filters lie side by side (the convolutions under
 * AVX-512), so that one vector holds one weight of 16 columns. */
#ifndef XST_BACKEND_CPU_COLUMNS_H
#define XST_BACKEND_CPU_COLUMNS_H

#include "backend/cpu/layout.h"
#include "columns/geometry.h"

typedef enum cpu_arrangement { CPU_ROWS, CPU_TILES, CPU_ANY } cpu_arrangement;

typedef struct cpu_columns {
    xst_geometry geometry;
    cpu_arrangement arrangement;
    int64_t filter_weights; /* weights of a filter: in * kh * kw */
    int64_t step;           /* from one column of a filter to the next, in weights */
    int64_t *filter;        /* [out, padded to the layout] */
    int64_t *weight;        /* [filter_weights] */
} cpu_columns;

xst_status xst_cpu_columns_create(cpu_columns *out, const xst_geometry *geometry, const cpu_layout *layout,
                                  xst_error *err);
void xst_cpu_columns_free(cpu_columns *columns);

/* Filters that are handled together: 16 in tiles, else 1; and the number of such units. */
static inline int64_t xst_cpu_unit_filters(const cpu_columns *c)
{
    return c->arrangement == CPU_TILES ? 16 : 1;
}

static inline int64_t xst_cpu_units(const cpu_columns *c)
{
    const int64_t filters = xst_cpu_unit_filters(c);
    return (c->geometry.out + filters - 1) / filters;
}

/* Number of entries of the ascending list active[n] that are below the first column of filter o. */
uint32_t xst_cpu_active_below(const cpu_columns *c, const uint32_t *active, uint32_t n, int64_t o);

/* Copies one column between a compact row and the layer's weights; NULL as compact writes zeros. */
void xst_cpu_column_put(const cpu_columns *c, uint32_t column, float *weights, const float *compact);
void xst_cpu_column_get(const cpu_columns *c, uint32_t column, const float *weights, float *compact);

#endif
