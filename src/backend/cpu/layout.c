#include "backend/cpu/layout.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

static void dims_of(dnnl_dims_t dims, const xst_tensor_info *info)
{
    for (int d = 0; d < XST_RANK_MAX; d++)
        dims[d] = info->dim[d];
}

static cpu_layout tagged(const xst_tensor_info *info, dnnl_format_tag_t tag, bool blocked)
{
    cpu_layout layout = {.blocked = blocked};
    dnnl_dims_t dims;
    dims_of(dims, info);
    if (dnnl_memory_desc_init_by_tag(&layout.desc, XST_RANK_MAX, dims, dnnl_f32, tag) != dnnl_success)
        return (cpu_layout){.bytes = xst_tensor_bytes(info)};
    layout.bytes = dnnl_memory_desc_get_size(&layout.desc);
    return layout;
}

cpu_layout xst_cpu_layout_plain(const xst_tensor_info *info)
{
    if (info->dtype != XST_F32 || xst_tensor_elements(info) == 0)
        return (cpu_layout){.bytes = xst_tensor_bytes(info)};
    return tagged(info, dnnl_abcd, false);
}

cpu_layout xst_cpu_layout_channels(const xst_tensor_info *info, int block)
{
    return tagged(info, block == 16 ? dnnl_nChw16c : dnnl_nChw8c, true);
}

cpu_layout xst_cpu_layout_of(const dnnl_memory_desc_t *desc)
{
    dnnl_memory_desc_t plain;
    cpu_layout layout = {.blocked = true, .desc = *desc, .bytes = dnnl_memory_desc_get_size(desc)};
    if (dnnl_memory_desc_init_by_tag(&plain, desc->ndims, desc->dims, dnnl_f32, dnnl_abcd) == dnnl_success)
        layout.blocked = !dnnl_memory_desc_equal(&plain, desc);
    return layout;
}

bool xst_cpu_layout_same(const cpu_layout *a, const cpu_layout *b)
{
    if (!a->blocked && !b->blocked)
        return a->bytes == b->bytes;
    return a->blocked == b->blocked && dnnl_memory_desc_equal(&a->desc, &b->desc);
}

/* Offset of index i of dimension d: the inner blocks take its low digits, the outer stride the rest. */
static int64_t blocked_offset(const dnnl_memory_desc_t *desc, int d, int64_t i)
{
    const dnnl_blocking_desc_t *const b = &desc->format_desc.blocking;
    int64_t offset = 0, stride = 1, scale = 1;
    for (int k = b->inner_nblks - 1; k >= 0; k--) {
        if (b->inner_idxs[k] == d) {
            offset += i / scale % b->inner_blks[k] * stride;
            scale *= b->inner_blks[k];
        }
        stride *= b->inner_blks[k];
    }
    return offset + i / scale * b->strides[d];
}

xst_status xst_cpu_offsets_create(cpu_offsets *out, const xst_tensor_info *info, const cpu_layout *layout,
                                  xst_error *err)
{
    size_t total = 0;
    void *memory = NULL;
    *out = (cpu_offsets){0};
    for (int d = 0; d < XST_RANK_MAX; d++) {
        out->dim[d] = info->dim[d];
        out->padded[d] = layout->blocked ? layout->desc.padded_dims[d] : info->dim[d];
        total += (size_t)out->padded[d];
    }
    const xst_status status = xst_alloc(&memory, total, sizeof *out->memory, "offset tables", err);
    if (status != XST_OK)
        return status;
    out->memory = memory;
    int64_t *at = out->memory, stride = 1;
    for (int d = XST_RANK_MAX - 1; d >= 0; d--) {
        out->of[d] = at;
        for (int64_t i = 0; i < out->padded[d]; i++)
            *at++ = layout->blocked ? blocked_offset(&layout->desc, d, i) : i * stride;
        stride *= out->dim[d];
    }
    return XST_OK;
}

void xst_cpu_offsets_free(cpu_offsets *offsets)
{
    xst_free(offsets->memory);
    *offsets = (cpu_offsets){0};
}

void xst_cpu_layout_copy(const cpu_offsets *o, void *laid, void *plain, bool to_plain)
{
    const int64_t rows = o->dim[0], row = o->dim[1] * o->dim[2] * o->dim[3];
    float *const a = laid, *const b = plain;
#pragma omp parallel for
    for (int64_t i = 0; i < rows; i++) {
        float *at = b + i * row;
        for (int64_t j = 0; j < o->dim[1]; j++)
            for (int64_t k = 0; k < o->dim[2]; k++)
                for (int64_t l = 0; l < o->dim[3]; l++, at++) {
                    float *const there = a + o->of[0][i] + o->of[1][j] + o->of[2][k] + o->of[3][l];
                    if (to_plain)
                        memcpy(at, there, sizeof *at);
                    else
                        memcpy(there, at, sizeof *at);
                }
    }
}
