#include "store/arrays.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const size_t element_size[] = {[XST_ARRAY_F32] = sizeof(float),
                                      [XST_ARRAY_F64] = sizeof(double),
                                      [XST_ARRAY_U32] = sizeof(uint32_t),
                                      [XST_ARRAY_U8] = 1};

xst_status xst_arrays_add(xst_array_list *list, const char *name, xst_array_type type, uint64_t count, void **data,
                          xst_error *err)
{
    void *memory = list->at, *room = NULL;
    xst_status status = xst_grow(&memory, &list->capacity, list->count + 1, sizeof *list->at, "arrays", err);
    if (status != XST_OK)
        return status;
    list->at = memory;
    status = xst_alloc(&room, (size_t)count, element_size[type], "saved state", err);
    if (status != XST_OK)
        return status;
    xst_array_record *const array = &list->at[list->count++];
    *array = (xst_array_record){.type = type, .count = count, .data = room};
    snprintf(array->name, sizeof array->name, "%s", name);
    *data = room;
    return XST_OK;
}

xst_status xst_arrays_copy(xst_array_list *list, const char *name, xst_array_type type, uint64_t count,
                           const void *from, xst_error *err)
{
    void *data = NULL;
    const xst_status status = xst_arrays_add(list, name, type, count, &data, err);
    if (status == XST_OK && count > 0)
        memcpy(data, from, (size_t)count * element_size[type]);
    return status;
}

const xst_array_record *xst_arrays_find(const xst_array_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].name, name) == 0)
            return &list->at[i];
    return NULL;
}

xst_status xst_arrays_take(const xst_array_list *list, const char *name, xst_array_type type, uint64_t count,
                           const void **data, xst_error *err)
{
    const xst_array_record *const a = xst_arrays_find(list, name);
    if (!a || a->type != type || a->count != count)
        return xst_fail(err, XST_ERROR_RUN,
                        "resume.h5: array '%s' is missing or of another size: remove the file to train this task again "
                        "from its start",
                        name);
    *data = a->data;
    return XST_OK;
}

void xst_arrays_free(xst_array_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        xst_free(list->at[i].data);
    xst_free(list->at);
    *list = (xst_array_list){0};
}
