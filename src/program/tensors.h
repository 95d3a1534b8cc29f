/* The named tensors of one task phase: what its programs compute on.
 *
 * Shapes and values are logical: row-major, conv weights O,I,H,W, activations N,C,H,W. A backend may store any tensor
 * in any layout and precision inside; upload and download convert. */
#ifndef XST_PROGRAM_TENSORS_H
#define XST_PROGRAM_TENSORS_H

#include "xst/status.h"

#include <stddef.h>
#include <stdint.h>

typedef enum xst_dtype { XST_F32, XST_F64, XST_U32, XST_U8 } xst_dtype;

/* STATE lives as long as the session, is zero at its start, and can be uploaded and downloaded; TEMP holds a value from
 * the operation that writes it to the last that reads it inside one replay, so temps share memory. */
typedef enum xst_tensor_kind { XST_STATE, XST_TEMP } xst_tensor_kind;

enum { XST_NAME_MAX = 64, XST_RANK_MAX = 4 };

typedef int32_t xst_tensor; /* index into xst_tensors; -1: none */

typedef struct xst_tensor_info {
    char name[XST_NAME_MAX]; /* unique in its table */
    xst_dtype dtype;
    xst_tensor_kind kind;
    int32_t rank;
    int64_t dim[XST_RANK_MAX]; /* dims past the rank are 1; a dim may be 0 (an empty selection) */
} xst_tensor_info;

typedef struct xst_tensors {
    xst_tensor_info *info;
    int32_t count;
    size_t capacity;
} xst_tensors;

/* Adds a tensor and gives its index; a second one of the same name is XST_ERROR_INTERNAL. */
xst_status xst_tensors_add(xst_tensors *tensors, const char *name, xst_dtype dtype, xst_tensor_kind kind, int32_t rank,
                           const int64_t *dim, xst_tensor *out, xst_error *err);
/* Index of the tensor called name, or -1. */
xst_tensor xst_tensors_find(const xst_tensors *tensors, const char *name);
void xst_tensors_free(xst_tensors *tensors);

size_t xst_dtype_size(xst_dtype dtype);
const char *xst_dtype_name(xst_dtype dtype);
int64_t xst_tensor_elements(const xst_tensor_info *info);
size_t xst_tensor_bytes(const xst_tensor_info *info);

#endif
