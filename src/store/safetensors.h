/* Writing .safetensors: 8-byte length, JSON header, raw data. The header is padded so that the data begins at a
 * multiple of 8; metadata values are strings. */
#ifndef XST_STORE_SAFETENSORS_H
#define XST_STORE_SAFETENSORS_H

#include "xst/status.h"

#include <stdint.h>

/* A float32 tensor to be exported. */
typedef struct xst_export_tensor {
    char name[64];
    int rank;
    int64_t dim[4];
    const float *values;
} xst_export_tensor;

/* metadata: pairs of strings (key, value), `pairs` of them. Atomic. */
xst_status xst_safetensors_write(const char *path, const xst_export_tensor *tensors, int count,
                                 const char *const *metadata, int pairs, xst_error *err);

#endif
