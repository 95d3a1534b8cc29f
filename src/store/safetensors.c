#include "store/safetensors.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t tensor_bytes(const xst_export_tensor *t)
{
    size_t n = sizeof(float);
    for (int i = 0; i < t->rank; i++)
        n *= (size_t)t->dim[i];
    return n;
}

static json_t *describe(const xst_export_tensor *t, size_t from)
{
    json_t *const shape = json_array();
    for (int i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer(t->dim[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets", (json_int_t)from,
                     (json_int_t)(from + tensor_bytes(t)));
}

static json_t *make_header(const xst_export_tensor *tensors, int count, const char *const *metadata, int pairs)
{
    json_t *const header = json_object(), *const meta = json_object();
    size_t at = 0;
    for (int i = 0; i < pairs; i++)
        json_object_set_new(meta, metadata[2 * i], json_string(metadata[2 * i + 1]));
    json_object_set_new(header, "__metadata__", meta);
    for (int i = 0; i < count; i++) {
        json_object_set_new(header, tensors[i].name, describe(&tensors[i], at));
        at += tensor_bytes(&tensors[i]);
    }
    return header;
}

xst_status xst_safetensors_write(const char *path, const xst_export_tensor *tensors, int count,
                                 const char *const *metadata, int pairs, xst_error *err)
{
    xst_text file = {0};
    json_t *const header = make_header(tensors, count, metadata, pairs);
    char *const text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!text)
        return xst_fail(err, XST_ERROR_MEMORY, "%s: no memory for the header", path);
    const size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    uint8_t size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (uint8_t)((uint64_t)padded >> 8 * i); /* little-endian */
    xst_text_add_bytes(&file, size, sizeof size);
    xst_text_add_bytes(&file, text, length);
    xst_text_add_bytes(&file, "       ", padded - length);
    free(text);
    for (int i = 0; i < count; i++)
        xst_text_add_bytes(&file, tensors[i].values, tensor_bytes(&tensors[i]));
    xst_status status = xst_text_check(&file, err);
    if (status == XST_OK)
        status = xst_file_write(path, file.bytes, file.size, err);
    xst_text_free(&file);
    return status;
}
