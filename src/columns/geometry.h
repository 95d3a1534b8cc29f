/* The columns of a masked layer (method.md section 1; paper III-A).
 *
 * Weights W[out][in][kh][kw]; column c = o * groups + g holds input channels g*group .. min((g+1)*group, in)-1 of
 * filter o, times kh*kw. In (o, i, h, w) order a column is one contiguous stretch. Element granularity: every weight
 * its own column, index = flat (o, i, h, w). Everything else in the program knows columns only by count, start and
 * length. */
#ifndef XST_COLUMNS_GEOMETRY_H
#define XST_COLUMNS_GEOMETRY_H

#include <stdint.h>

typedef struct xst_geometry {
    int32_t out, in, kh, kw;
    int32_t group;   /* input channels per column, cut to `in`; 0: element granularity */
    int32_t groups;  /* columns per filter */
    int32_t longest; /* weights in a full column: group*kh*kw, or 1 */
    uint32_t columns;
} xst_geometry;

/* group: 1.. (cut to in), or 0 for element granularity. */
xst_geometry xst_geometry_make(int32_t out, int32_t in, int32_t kh, int32_t kw, int32_t group);

/* Flat index (o, i, h, w) of the first weight of column c. */
static inline int64_t xst_column_start(const xst_geometry *g, uint32_t c)
{
    if (g->group == 0)
        return c;
    const int64_t o = c / (uint32_t)g->groups, k = c % (uint32_t)g->groups;
    return (o * g->in + k * g->group) * g->kh * g->kw;
}

/* Number of weights of column c: `longest`, less in the last group of a filter where group does not divide in. */
static inline int32_t xst_column_length(const xst_geometry *g, uint32_t c)
{
    if (g->group == 0)
        return 1;
    const int32_t first = (int32_t)(c % (uint32_t)g->groups) * g->group, left = g->in - first;
    return (left < g->group ? left : g->group) * g->kh * g->kw;
}

static inline int64_t xst_geometry_weights(const xst_geometry *g)
{
    return (int64_t)g->out * g->in * g->kh * g->kw;
}

#endif
