/* 2x2 maximum and its backward; reshape. */
#include "backend/ref/call.h"

#include <string.h>

/* Flat index of the first maximum, in row order, of the window under y(b, c, h, w). */
static int64_t first_maximum(const xst_ref_tensor *x, int64_t b, int64_t c, int64_t h, int64_t w)
{
    const double *const v = xst_ref_reals(x);
    int64_t best = xst_ref_index(x, b, c, 2 * h, 2 * w);
    for (int64_t k = 1; k < 4; k++) {
        const int64_t at = xst_ref_index(x, b, c, 2 * h + k / 2, 2 * w + k % 2);
        if (v[at] > v[best])
            best = at;
    }
    return best;
}

xst_status xst_ref_pool_forward(const xst_ref_call *call)
{
    const xst_ref_tensor *const x = call->in[0], *const y = call->out[0];
    const int64_t *const dim = y->info.dim;
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t c = 0; c < dim[1]; c++)
            for (int64_t h = 0; h < dim[2]; h++)
                for (int64_t w = 0; w < dim[3]; w++)
                    *xst_ref_at(y, b, c, h, w) = xst_ref_reals(x)[first_maximum(x, b, c, h, w)];
    return XST_OK;
}

xst_status xst_ref_pool_backward(const xst_ref_call *call)
{
    const xst_ref_tensor *const dy = call->in[0], *const x = call->in[1], *const dx = call->out[0];
    const int64_t *const dim = dy->info.dim;
    for (int64_t i = 0; i < dx->elements; i++)
        xst_ref_reals(dx)[i] = 0.0;
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t c = 0; c < dim[1]; c++)
            for (int64_t h = 0; h < dim[2]; h++)
                for (int64_t w = 0; w < dim[3]; w++)
                    xst_ref_reals(dx)[first_maximum(x, b, c, h, w)] = *xst_ref_at(dy, b, c, h, w);
    return XST_OK;
}

xst_status xst_ref_reshape(const xst_ref_call *call)
{
    const xst_dtype dtype = call->in[0]->info.dtype;
    const size_t size = dtype == XST_F32 ? sizeof(double) : xst_dtype_size(dtype);
    memcpy(call->out[0]->data, call->in[0]->data, (size_t)call->in[0]->elements * size);
    return XST_OK;
}
