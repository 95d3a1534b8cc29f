#include "crossbar/layout.h"

static int32_t blocks(int32_t size, int32_t block)
{
    return (size + block - 1) / block;
}

void xst_layout_make(xst_mapping mapping, const xst_geometry *geometry, int array_rows, int filters, xst_layout *out)
{
    const int32_t rows = geometry->in * geometry->kh * geometry->kw, longest = geometry->longest;
    *out = (xst_layout){.mapping = mapping,
                        .geometry = *geometry,
                        .array_rows = array_rows,
                        .filters = filters,
                        .stack = longest <= array_rows ? array_rows / longest : 1,
                        .span = blocks(longest, array_rows),
                        .rows = rows,
                        .block_columns = blocks(geometry->out, filters)};
    if (mapping == XST_MAPPING_DENSE)
        out->block_rows = blocks(rows, array_rows);
    else
        out->block_rows = out->span > 1 ? geometry->groups * out->span : blocks(geometry->groups, out->stack);
}

int32_t xst_layout_row(const xst_layout *layout, int group)
{
    if (layout->mapping == XST_MAPPING_DENSE)
        return group * layout->geometry.longest;
    if (layout->span > 1)
        return group * layout->span * layout->array_rows;
    return group / layout->stack * layout->array_rows + group % layout->stack * layout->geometry.longest;
}

double xst_layout_utilisation(const xst_layout *layout)
{
    const double arrays = (double)layout->block_rows * layout->block_columns;
    return (double)xst_geometry_weights(&layout->geometry) / (arrays * layout->array_rows * layout->filters);
}

double xst_layout_conversions(const xst_layout *layout, int cells)
{
    if (layout->mapping == XST_MAPPING_DENSE)
        return (double)layout->block_rows * layout->geometry.out * cells;
    double arrays = 0;
    for (int g = 0; g < layout->geometry.groups; g++)
        arrays += blocks(xst_column_length(&layout->geometry, (uint32_t)g), layout->array_rows);
    return arrays * layout->geometry.out * cells;
}
