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

/* Work on a layer goes in jobs of 16 filters, that is a tile or 16 rows; their columns are one stretch. */
enum { CPU_JOB_FILTERS = 16 };

typedef struct cpu_job {
    int64_t first, last;     /* filters first .. last-1 */
    int64_t column, columns; /* the first of their columns, and how many */
} cpu_job;

static inline int64_t xst_cpu_jobs(const cpu_columns *c)
{
    return (c->geometry.out + CPU_JOB_FILTERS - 1) / CPU_JOB_FILTERS;
}

static inline cpu_job xst_cpu_job(const cpu_columns *c, int64_t index)
{
    const int64_t first = index * CPU_JOB_FILTERS, next = first + CPU_JOB_FILTERS,
                  last = next < c->geometry.out ? next : c->geometry.out;
    return (cpu_job){first, last, first * c->geometry.groups, (last - first) * c->geometry.groups};
}

/* Number of entries of the ascending list active[n] that are below the first column of filter o. */
uint32_t xst_cpu_active_below(const cpu_columns *c, const uint32_t *active, uint32_t n, int64_t o);

/* The same from entry `begin` on, which is quick where few entries are left out: where the columns of filter o begin.
 */
uint32_t xst_cpu_active_until(const cpu_columns *c, const uint32_t *active, uint32_t begin, uint32_t n, int64_t o);

/* Copies the ascending columns column[n] from compact rows to the layer's weights; NULL as compact writes zeros. */
void xst_cpu_columns_put(const cpu_columns *c, const uint32_t *column, uint32_t n, float *weights,
                         const float *compact);

#endif
