#include "net/record.h"

#include "base/memory.h"

#include <string.h>

void xst_task_record_free(xst_task_record *record)
{
    for (int i = 0; i < record->layer_count; i++) {
        xst_free(record->layers[i].columns);
        xst_free(record->layers[i].values);
        xst_free(record->layers[i].mask);
    }
    for (int i = 0; i < record->tensor_count; i++)
        xst_free(record->tensors[i].values);
    xst_free(record->layers);
    xst_free(record->tensors);
    xst_free(record->logits);
    memset(record, 0, sizeof *record);
}

static xst_status copy_bytes(const void *from, size_t n, size_t size, void **to, xst_error *err)
{
    *to = NULL;
    if (!from)
        return XST_OK;
    const xst_status status = xst_alloc(to, n, size, "copy of a net", err);
    if (status == XST_OK && n > 0)
        memcpy(*to, from, n * size);
    return status;
}

static xst_status copy_layer(const xst_layer_record *from, xst_layer_record *to, xst_error *err)
{
    void *columns = NULL, *values = NULL, *mask = NULL;
    *to = *from;
    xst_status status = copy_bytes(from->columns, from->count, sizeof *from->columns, &columns, err);
    if (status == XST_OK)
        status = copy_bytes(from->values, (size_t)from->count * (size_t)from->geometry.longest, sizeof *from->values,
                            &values, err);
    if (status == XST_OK)
        status = copy_bytes(from->mask, (from->geometry.columns + 7) / 8, 1, &mask, err);
    to->columns = columns;
    to->values = values;
    to->mask = mask;
    return status;
}

static xst_status copy_tensor(const xst_tensor_record *from, xst_tensor_record *to, xst_error *err)
{
    void *values = NULL;
    *to = *from;
    const xst_status status =
        copy_bytes(from->values, xst_tensor_record_elements(from), sizeof *from->values, &values, err);
    to->values = values;
    return status;
}

xst_status xst_task_record_copy(const xst_task_record *from, xst_task_record *to, xst_error *err)
{
    void *layers = NULL, *tensors = NULL, *logits = NULL;
    *to = *from;
    to->layer_count = to->tensor_count = 0;
    xst_status status = xst_alloc(&layers, (size_t)from->layer_count, sizeof *from->layers, "copy of a net", err);
    to->layers = layers;
    if (status == XST_OK)
        status = xst_alloc(&tensors, (size_t)from->tensor_count, sizeof *from->tensors, "copy of a net", err);
    to->tensors = tensors;
    if (status == XST_OK)
        status = copy_bytes(from->logits, (size_t)from->images * from->classes, sizeof *from->logits, &logits, err);
    to->logits = logits;
    while (status == XST_OK && to->layer_count < from->layer_count) {
        status = copy_layer(&from->layers[to->layer_count], &to->layers[to->layer_count], err);
        to->layer_count++;
    }
    while (status == XST_OK && to->tensor_count < from->tensor_count) {
        status = copy_tensor(&from->tensors[to->tensor_count], &to->tensors[to->tensor_count], err);
        to->tensor_count++;
    }
    if (status != XST_OK)
        xst_task_record_free(to);
    return status;
}

const xst_tensor_record *xst_task_record_find(const xst_task_record *record, const char *name)
{
    for (int i = 0; i < record->tensor_count; i++)
        if (strcmp(record->tensors[i].name, name) == 0)
            return &record->tensors[i];
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

const xst_tensor_record *xst_task_record_head(const xst_task_record *record)
{
    for (int i = 0; i < record->tensor_count; i++) {
        const xst_tensor_record *const t = &record->tensors[i];
        if (t->rank == 2 && strncmp(t->name, "classifier.", 11) == 0 && ends_with(t->name, ".weight"))
            return t;
    }
    return NULL;
}
