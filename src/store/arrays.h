/* Named arrays: what resume.h5 holds. */
#ifndef XST_STORE_ARRAYS_H
#define XST_STORE_ARRAYS_H

#include "net/record.h"

typedef enum xst_array_type { XST_ARRAY_F32, XST_ARRAY_F64, XST_ARRAY_U32, XST_ARRAY_U8 } xst_array_type;

/* A named array of the state inside a task. Slashes in the name make groups. */
typedef struct xst_array_record {
    char name[2 * XST_RECORD_NAME];
    xst_array_type type;
    uint64_t count;
    void *data;
} xst_array_record;

#endif
