#include "store/run.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "store/folder.h"
#include "store/hdf.h"
#include "store/task_file.h"

#include <math.h>
#include <string.h>

/* No weight tensor is larger: indices of weights and columns are 32 bits. */
enum { DIM_MAX = 1 << 20 };

static void check_finite(xst_hdf *hdf, const char *name, const float *values, uint64_t count)
{
    for (uint64_t i = 0; hdf->status == XST_OK && i < count; i++)
        if (!isfinite(values[i]))
            xst_hdf_refuse(hdf, "'%s': element %llu is not a finite number", name, (unsigned long long)i);
}

static void read_header(xst_hdf *hdf, int position, xst_task_record *out)
{
    const uint32_t format = xst_hdf_read_number(hdf, "/", "format");
    if (format != XST_TASK_FORMAT)
        xst_hdf_refuse(hdf, "format %u, this program reads format %d", format, XST_TASK_FORMAT);
    xst_hdf_read_text(hdf, "/", "method", out->method, sizeof out->method);
    const uint32_t task = xst_hdf_read_number(hdf, "/", "task");
    if (task != (uint32_t)position)
        xst_hdf_refuse(hdf, "it belongs to task %u", task);
    out->position = position;
    xst_hdf_read_text(hdf, "/", "name", out->name, sizeof out->name);
    const uint32_t whole = xst_hdf_read_number(hdf, "/", "whole");
    if (whole > 1)
        xst_hdf_refuse(hdf, "'whole' is neither 0 nor 1");
    out->whole = whole == 1;
    xst_hdf_read_numbers(hdf, "/", "mean", XST_ARRAY_F64, 3, out->mean);
    xst_hdf_read_numbers(hdf, "/", "std", XST_ARRAY_F64, 3, out->std);
    for (int c = 0; c < 3; c++)
        if (!isfinite(out->mean[c]) || !isfinite(out->std[c]) || out->std[c] <= 0)
            xst_hdf_refuse(hdf, "'mean' or 'std' is out of range");
    xst_hdf_read_text(hdf, "/", "data_sha256", out->data_sha256, sizeof out->data_sha256);
    if (strlen(out->data_sha256) != 64 || strspn(out->data_sha256, "0123456789abcdef") != 64)
        xst_hdf_refuse(hdf, "'data_sha256' is not 64 hexadecimal digits");
}

static void read_logits(xst_hdf *hdf, xst_task_record *out)
{
    uint64_t dim[2] = {0};
    out->logits = xst_hdf_read(hdf, "logits", XST_ARRAY_F32, 2, dim);
    if (dim[0] < 1 || dim[0] > UINT32_MAX || dim[1] < 1 || dim[1] > UINT32_MAX)
        xst_hdf_refuse(hdf, "'logits' is empty or too large");
    if (hdf->status != XST_OK)
        return;
    out->images = (uint32_t)dim[0];
    out->classes = (uint32_t)dim[1];
    check_finite(hdf, "logits", out->logits, dim[0] * dim[1]);
}

static void read_geometry(xst_hdf *hdf, xst_layer_record *layer)
{
    uint32_t shape[4] = {0};
    uint64_t weights = 1;
    xst_hdf_read_numbers(hdf, layer->name, "shape", XST_ARRAY_U32, 4, shape);
    const uint32_t group = xst_hdf_read_number(hdf, layer->name, "group");
    for (int i = 0; i < 4; i++) {
        weights *= shape[i] <= DIM_MAX ? shape[i] : 0;
        if (weights < 1 || weights > UINT32_MAX)
            xst_hdf_refuse(hdf, "'%s': 'shape' is out of range", layer->name);
    }
    if (group > shape[1])
        xst_hdf_refuse(hdf, "'%s': 'group' is out of range", layer->name);
    if (hdf->status == XST_OK)
        layer->geometry = xst_geometry_make((int32_t)shape[0], (int32_t)shape[1], (int32_t)shape[2], (int32_t)shape[3],
                                            (int32_t)group);
}

static void read_columns(xst_hdf *hdf, xst_layer_record *layer)
{
    char name[XST_OBJECT_NAME];
    uint64_t count[1] = {0}, dim[2] = {0};
    xst_object_name(name, layer->name, "columns");
    layer->columns = xst_hdf_read(hdf, name, XST_ARRAY_U32, 1, count);
    if (count[0] > layer->geometry.columns)
        xst_hdf_refuse(hdf, "'%s': more columns than the layer has", name);
    for (uint64_t i = 0; hdf->status == XST_OK && i < count[0]; i++)
        if (layer->columns[i] >= layer->geometry.columns || (i > 0 && layer->columns[i] <= layer->columns[i - 1]))
            xst_hdf_refuse(hdf, "'%s': element %llu is out of range or not ascending", name, (unsigned long long)i);
    layer->count = (uint32_t)count[0];
    xst_object_name(name, layer->name, "values");
    layer->values = xst_hdf_read(hdf, name, XST_ARRAY_F32, 2, dim);
    if (dim[0] != layer->count || dim[1] != (uint64_t)layer->geometry.longest)
        xst_hdf_refuse(hdf, "'%s' does not have one row of %d weights for each column", name, layer->geometry.longest);
    if (hdf->status == XST_OK)
        check_finite(hdf, name, layer->values, dim[0] * dim[1]);
    if (xst_hdf_has_attribute(hdf, name, "scale")) {
        xst_hdf_read_numbers(hdf, name, "scale", XST_ARRAY_F64, 1, &layer->scale);
        if (!isfinite(layer->scale) || layer->scale <= 0)
            xst_hdf_refuse(hdf, "'%s': 'scale' is out of range", name);
    }
}

static void read_mask(xst_hdf *hdf, xst_layer_record *layer)
{
    char name[XST_OBJECT_NAME];
    uint64_t bytes[1] = {0};
    const uint32_t columns = layer->geometry.columns;
    xst_object_name(name, layer->name, "mask");
    if (!xst_hdf_has(hdf, name))
        return;
    layer->mask = xst_hdf_read(hdf, name, XST_ARRAY_U8, 1, bytes);
    if (bytes[0] != xst_mask_bytes(columns))
        xst_hdf_refuse(hdf, "'%s' does not have one bit for each column", name);
    else if (layer->mask && columns % 8 != 0 && layer->mask[bytes[0] - 1] >> (columns % 8) != 0)
        xst_hdf_refuse(hdf, "'%s' has bits beyond the last column", name);
}

static void read_layer(xst_hdf *hdf, const char *name, xst_layer_record *layer)
{
    memcpy(layer->name, name, strlen(name) + 1);
    read_geometry(hdf, layer);
    if (hdf->status == XST_OK)
        read_columns(hdf, layer);
    if (hdf->status == XST_OK)
        read_mask(hdf, layer);
}

static void read_tensor(xst_hdf *hdf, const char *name, xst_tensor_record *tensor)
{
    xst_array_type type = XST_ARRAY_U8;
    uint64_t dim[4], count = 1;
    memcpy(tensor->name, name, strlen(name) + 1);
    xst_hdf_shape(hdf, name, &type, &tensor->rank, dim);
    if (tensor->rank < 1)
        xst_hdf_refuse(hdf, "'%s' is not a tensor", name);
    if (hdf->status != XST_OK)
        return;
    tensor->values = xst_hdf_read(hdf, name, XST_ARRAY_F32, tensor->rank, dim);
    for (int i = 0; hdf->status == XST_OK && i < tensor->rank; i++) {
        tensor->dim[i] = (int64_t)dim[i];
        count *= dim[i];
    }
    if (hdf->status == XST_OK)
        check_finite(hdf, name, tensor->values, count);
}

/* Each member of the root is a masked layer (a group), a tensor, or the logits. */
static void read_members(xst_hdf *hdf, xst_task_record *out)
{
    char name[XST_RECORD_NAME];
    void *layers = NULL, *tensors = NULL;
    const int members = xst_hdf_members(hdf, "/");
    if (hdf->status == XST_OK)
        hdf->status = xst_alloc(&layers, (size_t)members, sizeof *out->layers, "layers", hdf->err);
    out->layers = layers;
    if (hdf->status == XST_OK)
        hdf->status = xst_alloc(&tensors, (size_t)members, sizeof *out->tensors, "tensors", hdf->err);
    out->tensors = tensors;
    for (int i = 0; hdf->status == XST_OK && i < members; i++) {
        xst_hdf_member(hdf, "/", i, name, sizeof name);
        const bool group = xst_hdf_is_group(hdf, name);
        if (hdf->status == XST_OK && group)
            read_layer(hdf, name, &out->layers[out->layer_count++]);
        else if (hdf->status == XST_OK && strcmp(name, "logits") != 0)
            read_tensor(hdf, name, &out->tensors[out->tensor_count++]);
    }
}

static xst_status parse(const char *path, const char *bytes, size_t size, int position, xst_task_record *out,
                        xst_error *err)
{
    xst_hdf hdf = xst_hdf_open(path, bytes, size, err);
    read_header(&hdf, position, out);
    read_members(&hdf, out);
    read_logits(&hdf, out);
    const xst_status status = xst_hdf_close(&hdf);
    if (status != XST_OK)
        xst_task_record_free(out);
    return status;
}

xst_status xst_run_read_task(const xst_run *run, int position, const char *xxh3, xst_task_record *out, xst_error *err)
{
    char name[32], path[XST_PATH_MAX], found[17];
    char *bytes = NULL;
    size_t size = 0;
    memset(out, 0, sizeof *out);
    xst_run_task_file(position, name);
    xst_status status = xst_run_read_file(run, name, path, &bytes, &size, err);
    if (status != XST_OK)
        return status;
    xst_hash64_text(bytes, size, found);
    if (strcmp(found, xxh3) != 0)
        status =
            xst_fail(err, XST_ERROR_RUN, "'%s': damaged: its XXH3 is %s, the manifest says %s: restore it from a copy",
                     path, found, xxh3);
    else
        status = parse(path, bytes, size, position, out, err);
    xst_free(bytes);
    return status;
}
