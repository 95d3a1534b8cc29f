#include "program/tensors.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

size_t xst_dtype_size(xst_dtype dtype)
{
    static const size_t size[] = {[XST_F32] = 4, [XST_F64] = 8, [XST_U32] = 4, [XST_U8] = 1};
    return size[dtype];
}

const char *xst_dtype_name(xst_dtype dtype)
{
    static const char *const name[] = {[XST_F32] = "f32", [XST_F64] = "f64", [XST_U32] = "u32", [XST_U8] = "u8"};
    return name[dtype];
}

int64_t xst_tensor_elements(const xst_tensor_info *info)
{
    int64_t n = 1;
    for (int32_t i = 0; i < info->rank; i++)
        n *= info->dim[i];
    return n;
}

size_t xst_tensor_bytes(const xst_tensor_info *info)
{
    return (size_t)xst_tensor_elements(info) * xst_dtype_size(info->dtype);
}

xst_tensor xst_tensors_find(const xst_tensors *tensors, const char *name)
{
    for (int32_t i = 0; i < tensors->count; i++)
        if (strcmp(tensors->info[i].name, name) == 0)
            return i;
    return -1;
}

xst_status xst_tensors_add(xst_tensors *tensors, const char *name, xst_dtype dtype, xst_tensor_kind kind, int32_t rank,
                           const int64_t *dim, xst_tensor *out, xst_error *err)
{
    if (strlen(name) >= XST_NAME_MAX || rank < 0 || rank > XST_RANK_MAX)
        return xst_fail(err, XST_ERROR_INTERNAL, "tensor '%.60s': bad name or rank %d", name, (int)rank);
    if (xst_tensors_find(tensors, name) >= 0)
        return xst_fail(err, XST_ERROR_INTERNAL, "tensor '%s' is declared twice", name);
    void *info = tensors->info;
    const xst_status status =
        xst_grow(&info, &tensors->capacity, (size_t)tensors->count + 1, sizeof *tensors->info, "tensor table", err);
    if (status != XST_OK)
        return status;
    tensors->info = info;
    xst_tensor_info *const t = &tensors->info[tensors->count];
    *t = (xst_tensor_info){.dtype = dtype, .kind = kind, .rank = rank, .dim = {1, 1, 1, 1}};
    snprintf(t->name, sizeof t->name, "%s", name);
    for (int32_t i = 0; i < rank; i++)
        t->dim[i] = dim[i];
    *out = tensors->count++;
    return XST_OK;
}

void xst_tensors_free(xst_tensors *tensors)
{
    xst_free(tensors->info);
    *tensors = (xst_tensors){0};
}
