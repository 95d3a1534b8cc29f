/* Inside of store: HDF5 files in memory. Written as an image that base/file.h puts on disk whole, read from bytes whose
 * hash was checked before. Numbers are little-endian, datasets contiguous, nothing is compressed, and no times are
 * stored: equal content gives equal bytes.
 *
 * A failure is remembered and makes all later calls do nothing, so that a page of them needs one check at the end.
 * Objects are named by their path from the root ("features.0.weight/columns"), attributes by object ("/" is the root)
 * and name. */
#ifndef XST_STORE_HDF_H
#define XST_STORE_HDF_H

#include "net/record.h"
#include "store/arrays.h"

#include <hdf5.h>

typedef struct xst_hdf {
    hid_t file;
    const char *path; /* for messages */
    size_t size;      /* of the bytes being read */
    xst_status status;
    xst_error *err;
} xst_hdf;

size_t xst_array_type_size(xst_array_type type);

/* Writing. */
xst_hdf xst_hdf_create(const char *path, xst_error *err);
/* A group and the groups above it, where missing. */
void xst_hdf_group(xst_hdf *hdf, const char *name);
/* dim[rank]; a dim may be 0. */
void xst_hdf_write(xst_hdf *hdf, const char *name, xst_array_type type, int rank, const uint64_t *dim,
                   const void *data);
/* An attribute; a scalar where count is 1. */
void xst_hdf_write_numbers(xst_hdf *hdf, const char *object, const char *name, xst_array_type type, uint64_t count,
                           const void *data);
void xst_hdf_write_number(xst_hdf *hdf, const char *object, const char *name, uint32_t value);
void xst_hdf_write_text(xst_hdf *hdf, const char *object, const char *name, const char *text);
/* The file as bytes, after `before` zero bytes; freed with xst_free. */
xst_status xst_hdf_image(xst_hdf *hdf, size_t before, char **bytes, size_t *size);

/* Reading. bytes may be freed after open. */
xst_hdf xst_hdf_open(const char *path, const void *bytes, size_t size, xst_error *err);
/* Number of members of a group, and the name of one, in the order of their creation. */
int xst_hdf_members(xst_hdf *hdf, const char *group);
void xst_hdf_member(xst_hdf *hdf, const char *group, int index, char *name, size_t size);
bool xst_hdf_is_group(xst_hdf *hdf, const char *name);
bool xst_hdf_has(xst_hdf *hdf, const char *name);
bool xst_hdf_has_attribute(xst_hdf *hdf, const char *object, const char *name);
/* Rank (0..4) and dims of a dataset, and its type. */
void xst_hdf_shape(xst_hdf *hdf, const char *name, xst_array_type *type, int *rank, uint64_t dim[4]);
/* The content of a dataset of this type and rank; dim[rank] is filled. NULL after a failure; freed with xst_free. */
void *xst_hdf_read(xst_hdf *hdf, const char *name, xst_array_type type, int rank, uint64_t *dim);
void xst_hdf_read_numbers(xst_hdf *hdf, const char *object, const char *name, xst_array_type type, uint64_t count,
                          void *data);
uint32_t xst_hdf_read_number(xst_hdf *hdf, const char *object, const char *name);
void xst_hdf_read_text(xst_hdf *hdf, const char *object, const char *name, char *text, size_t size);
/* Remembers XST_ERROR_RUN: "'path': what". */
__attribute__((format(printf, 2, 3))) void xst_hdf_refuse(xst_hdf *hdf, const char *format, ...);

/* Closes either; gives the first failure. */
xst_status xst_hdf_close(xst_hdf *hdf);

#endif
