/* Inside of store: names in tasks/NN.h5 that writer and reader share (FORMAT.md). */
#ifndef XST_STORE_TASK_FILE_H
#define XST_STORE_TASK_FILE_H

#include "store/hdf.h"

#include <stdio.h>

enum { XST_TASK_FORMAT = 1, XST_OBJECT_NAME = XST_RECORD_NAME + 16 };

/* "features.0.weight/columns" */
static inline void xst_object_name(char name[XST_OBJECT_NAME], const char *layer, const char *part)
{
    snprintf(name, XST_OBJECT_NAME, "%.*s/%s", XST_RECORD_NAME - 1, layer, part);
}

static inline uint32_t xst_mask_bytes(uint32_t columns)
{
    return columns / 8 + (columns % 8 != 0);
}

/* What exported networks (hdf5_export.h) have in common with task files. */
void xst_hdf_write_task_attributes(xst_hdf *hdf, const xst_task_record *record);
void xst_hdf_write_tensor(xst_hdf *hdf, const char *name, int rank, const int64_t *dim, const float *values);

#endif
