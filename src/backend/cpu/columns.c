#include "backend/cpu/columns.h"

#include "base/memory.h"

#include <string.h>

static cpu_arrangement arrangement_of(const cpu_layout *layout, const cpu_columns *c)
{
    if (!layout->blocked)
        return CPU_ROWS;
    const int64_t padded = layout->desc.padded_dims[0];
    if (padded % 16 != 0)
        return CPU_ANY;
    for (int64_t o = 0; o < padded; o++)
        if (c->filter[o] != c->filter[o - o % 16] + o % 16)
            return CPU_ANY;
    return CPU_TILES;
}

xst_status xst_cpu_columns_create(cpu_columns *out, const xst_geometry *geometry, const cpu_layout *layout,
                                  xst_error *err)
{
    const xst_geometry *const g = geometry;
    const xst_tensor_info info = {.dtype = XST_F32, .rank = 4, .dim = {g->out, g->in, g->kh, g->kw}};
    cpu_offsets offsets = {0};
    void *p = NULL;
    *out = (cpu_columns){.geometry = *g};
    out->filter_weights = (int64_t)g->in * g->kh * g->kw;
    out->step = g->group > 0 ? g->longest : 1;
    xst_status status = xst_cpu_offsets_create(&offsets, &info, layout, err);
    if (status == XST_OK) {
        status = xst_alloc(&p, (size_t)offsets.padded[0], sizeof *out->filter, "column tables", err);
        out->filter = p;
    }
    if (status == XST_OK) {
        status = xst_alloc(&p, (size_t)out->filter_weights, sizeof *out->weight, "column tables", err);
        out->weight = p;
    }
    if (status == XST_OK) {
        memcpy(out->filter, offsets.of[0], (size_t)offsets.padded[0] * sizeof *out->filter);
        int64_t *at = out->weight;
        for (int64_t i = 0; i < g->in; i++)
            for (int64_t h = 0; h < g->kh; h++)
                for (int64_t w = 0; w < g->kw; w++)
                    *at++ = offsets.of[1][i] + offsets.of[2][h] + offsets.of[3][w];
        out->arrangement = arrangement_of(layout, out);
    } else {
        xst_cpu_columns_free(out);
    }
    xst_cpu_offsets_free(&offsets);
    return status;
}

void xst_cpu_columns_free(cpu_columns *columns)
{
    xst_free(columns->filter);
    xst_free(columns->weight);
    *columns = (cpu_columns){0};
}

uint32_t xst_cpu_active_below(const cpu_columns *c, const uint32_t *active, uint32_t n, int64_t o)
{
    const int64_t first = o * c->geometry.groups;
    uint32_t low = 0, high = n;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (active[middle] < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void xst_cpu_column_put(const cpu_columns *c, uint32_t column, float *weights, const float *compact)
{
    const uint32_t groups = (uint32_t)c->geometry.groups;
    float *const base = weights + c->filter[column / groups];
    const int64_t *const at = c->weight + column % groups * c->step;
    const int32_t length = xst_column_length(&c->geometry, column);
    for (int32_t r = 0; r < length; r++)
        base[at[r]] = compact ? compact[r] : 0.0f;
}
