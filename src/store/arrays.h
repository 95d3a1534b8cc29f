/* Named arrays: what resume.h5 holds. */
#ifndef XST_STORE_ARRAYS_H
#define XST_STORE_ARRAYS_H

#include "xst/status.h"

#include <stddef.h>
#include <stdint.h>

enum { XST_ARRAY_NAME = 160 };

typedef enum xst_array_type { XST_ARRAY_F32, XST_ARRAY_F64, XST_ARRAY_U32, XST_ARRAY_U8 } xst_array_type;

/* A named array of the state inside a task. Slashes in the name make groups. */
typedef struct xst_array_record {
    char name[XST_ARRAY_NAME];
    xst_array_type type;
    uint64_t count;
    void *data;
} xst_array_record;

typedef struct xst_array_list {
    xst_array_record *at;
    size_t count, capacity;
} xst_array_list;

/* Appends an array of `count` elements with room for them, zeroed. */
xst_status xst_arrays_add(xst_array_list *list, const char *name, xst_array_type type, uint64_t count, void **data,
                          xst_error *err);
/* The same with a copy of what is at `from`. */
xst_status xst_arrays_copy(xst_array_list *list, const char *name, xst_array_type type, uint64_t count,
                           const void *from, xst_error *err);
/* The array of this name, or NULL. */
const xst_array_record *xst_arrays_find(const xst_array_list *list, const char *name);
/* The data of the array of this name if it has this type and number of elements. XST_ERROR_RUN. */
xst_status xst_arrays_take(const xst_array_list *list, const char *name, xst_array_type type, uint64_t count,
                           const void **data, xst_error *err);
void xst_arrays_free(xst_array_list *list);

#endif
