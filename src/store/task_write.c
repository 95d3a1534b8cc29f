#include "store/run.h"

#include "base/hash.h"
#include "base/memory.h"
#include "store/folder.h"
#include "store/hdf.h"
#include "store/task_file.h"

static void write_layer(xst_hdf *hdf, const xst_layer_record *layer)
{
    const xst_geometry *const g = &layer->geometry;
    const uint32_t shape[4] = {(uint32_t)g->out, (uint32_t)g->in, (uint32_t)g->kh, (uint32_t)g->kw};
    const uint64_t dim[2] = {layer->count, (uint64_t)g->longest}, bytes[1] = {xst_mask_bytes(g->columns)};
    char name[XST_OBJECT_NAME];
    xst_hdf_group(hdf, layer->name);
    xst_hdf_write_numbers(hdf, layer->name, "shape", XST_ARRAY_U32, 4, shape);
    xst_hdf_write_number(hdf, layer->name, "group", (uint32_t)g->group);
    xst_object_name(name, layer->name, "columns");
    xst_hdf_write(hdf, name, XST_ARRAY_U32, 1, dim, layer->columns);
    xst_object_name(name, layer->name, "values");
    xst_hdf_write(hdf, name, XST_ARRAY_F32, 2, dim, layer->values);
    if (layer->scale > 0)
        xst_hdf_write_numbers(hdf, name, "scale", XST_ARRAY_F64, 1, &layer->scale);
    if (layer->mask) {
        xst_object_name(name, layer->name, "mask");
        xst_hdf_write(hdf, name, XST_ARRAY_U8, 1, bytes, layer->mask);
    }
}

void xst_hdf_write_tensor(xst_hdf *hdf, const char *name, int rank, const int64_t *dim, const float *values)
{
    uint64_t size[4] = {0};
    for (int i = 0; i < rank; i++)
        size[i] = (uint64_t)dim[i];
    xst_hdf_write(hdf, name, XST_ARRAY_F32, rank, size, values);
}

void xst_hdf_write_task_attributes(xst_hdf *hdf, const xst_task_record *record)
{
    xst_hdf_write_text(hdf, "/", "method", record->method);
    xst_hdf_write_number(hdf, "/", "task", (uint32_t)record->position);
    xst_hdf_write_text(hdf, "/", "name", record->name);
    xst_hdf_write_numbers(hdf, "/", "mean", XST_ARRAY_F64, 3, record->mean);
    xst_hdf_write_numbers(hdf, "/", "std", XST_ARRAY_F64, 3, record->std);
    xst_hdf_write_text(hdf, "/", "data_sha256", record->data_sha256);
}

static void write_record(xst_hdf *hdf, const xst_task_record *record)
{
    const uint64_t dim[2] = {record->images, record->classes};
    xst_hdf_write_number(hdf, "/", "format", XST_TASK_FORMAT);
    xst_hdf_write_number(hdf, "/", "whole", record->whole);
    xst_hdf_write_task_attributes(hdf, record);
    for (int i = 0; i < record->layer_count; i++)
        write_layer(hdf, &record->layers[i]);
    for (int i = 0; i < record->tensor_count; i++)
        xst_hdf_write_tensor(hdf, record->tensors[i].name, record->tensors[i].rank, record->tensors[i].dim,
                             record->tensors[i].values);
    xst_hdf_write(hdf, "logits", XST_ARRAY_F32, 2, dim, record->logits);
}

xst_status xst_run_write_task(xst_run *run, const xst_task_record *record, char xxh3[17], xst_error *err)
{
    char name[32];
    char *bytes = NULL;
    size_t size = 0;
    xst_run_task_file(record->position, name);
    xst_hdf hdf = xst_hdf_create(name, err);
    write_record(&hdf, record);
    xst_status status = xst_hdf_image(&hdf, 0, &bytes, &size);
    xst_hdf_close(&hdf);
    if (status == XST_OK) {
        xst_hash64_text(bytes, size, xxh3);
        status = xst_run_flush_metrics(run, err);
    }
    if (status == XST_OK)
        status = xst_run_write_file(run, name, bytes, size, err);
    xst_free(bytes);
    return status;
}
