#include "crossbar/reads.h"

#include "base/memory.h"

#include <math.h>

double xst_block_size(double side, double block, int index)
{
    return fmin(block, side - index * block);
}

xst_status xst_reads_make(const xst_array_model *a, const xst_shape *shape, xst_reads *out, xst_error *err)
{
    *out = (xst_reads){.block_rows = (int)ceil(shape->rows / a->rows),
                       .block_columns = (int)ceil(shape->columns / a->columns),
                       .vectors = shape->vectors * a->input_bits};
    const size_t rows = (size_t)out->block_rows, arrays = rows * (size_t)out->block_columns;
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, 2 * arrays + rows, sizeof(double), "array energies", err);
    if (status != XST_OK)
        return status;
    out->current = memory;
    out->constant = out->current + arrays;
    out->active = out->constant + arrays;
    return XST_OK;
}

void xst_reads_free(xst_reads *reads)
{
    xst_free(reads->current);
    *reads = (xst_reads){0};
}
