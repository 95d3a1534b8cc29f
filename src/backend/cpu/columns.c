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

/* The first entry of active[low .. high) that is not below `column`, or high. */
static uint32_t first_from(const uint32_t *active, uint32_t low, uint32_t high, int64_t column)
{
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (active[middle] < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t xst_cpu_active_below(const cpu_columns *c, const uint32_t *active, uint32_t n, int64_t o)
{
    return first_from(active, 0, n, o * c->geometry.groups);
}

uint32_t xst_cpu_active_until(const cpu_columns *c, const uint32_t *active, uint32_t begin, uint32_t n, int64_t o)
{
    const int64_t column = o * c->geometry.groups;
    uint32_t low = begin, stride = 1;
    while (n - low > stride && active[low + stride] < column) {
        low += stride;
        stride *= 2;
    }
    return first_from(active, low, n - low > stride ? low + stride : n, column);
}

/* Columns of one weight, all of one filter; at[k] is where column first + k has it. */
static void put_single(float *base, const int64_t *at, uint32_t first, const uint32_t *column, uint32_t n,
                       const float *compact)
{
    for (uint32_t i = 0; i < n; i++)
        base[at[column[i] - first]] = compact ? compact[i] : 0.0f;
}

void xst_cpu_columns_put(const cpu_columns *c, const uint32_t *column, uint32_t n, float *weights, const float *compact)
{
    const uint32_t groups = (uint32_t)c->geometry.groups;
    const int32_t longest = c->geometry.longest;
    for (uint32_t i = 0, end = 0; i < n; i = end) {
        const uint32_t o = column[i] / groups, first = o * groups;
        float *const base = weights + c->filter[o];
        const float *const from = compact ? compact + (int64_t)i * longest : NULL;
        end = xst_cpu_active_until(c, column, i, n, (int64_t)o + 1);
        if (longest == 1) {
            put_single(base, c->weight, first, column + i, end - i, from);
            continue;
        }
        for (uint32_t k = 0; k < end - i; k++) {
            const int64_t *const at = c->weight + (column[i + k] - first) * c->step;
            const int32_t length = xst_column_length(&c->geometry, column[i + k]);
            for (int32_t r = 0; r < length; r++)
                base[at[r]] = from ? from[(int64_t)k * longest + r] : 0.0f;
        }
    }
}
