#include "store/hdf_types.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* The library refuses an image by the name of a file that is there; this one never is. */
static const char no_such_file[] = "/dev/null/image";

xst_hdf xst_hdf_open(const char *path, const void *bytes, size_t size, xst_error *err)
{
    xst_hdf hdf = {.file = H5I_INVALID_HID, .path = path, .size = size, .status = XST_OK, .err = err};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const hid_t access = xst_hdf_access();
    /* The library copies the image; its interface only lacks the const. */
    if (access >= 0 && size > 0 && H5Pset_file_image(access, (void *)(uintptr_t)bytes, size) >= 0)
        hdf.file = H5Fopen(no_such_file, H5F_ACC_RDONLY, access);
    if (hdf.file < 0)
        xst_hdf_refuse(&hdf, "not an HDF5 file");
    if (access >= 0)
        H5Pclose(access);
    return hdf;
}

int xst_hdf_members(xst_hdf *hdf, const char *group)
{
    H5G_info_t info = {0};
    if (hdf->status != XST_OK)
        return 0;
    if (H5Gget_info_by_name(hdf->file, group, &info, H5P_DEFAULT) < 0 || info.nlinks > INT32_MAX)
        xst_hdf_refuse(hdf, "group '%s' is missing", group);
    return hdf->status == XST_OK ? (int)info.nlinks : 0;
}

void xst_hdf_member(xst_hdf *hdf, const char *group, int index, char *name, size_t size)
{
    *name = 0;
    if (hdf->status != XST_OK)
        return;
    const ssize_t n =
        H5Lget_name_by_idx(hdf->file, group, H5_INDEX_CRT_ORDER, H5_ITER_INC, (hsize_t)index, name, size, H5P_DEFAULT);
    if (n < 1 || (size_t)n >= size)
        xst_hdf_refuse(hdf, "group '%s' has a member without a good name", group);
}

bool xst_hdf_has(xst_hdf *hdf, const char *name)
{
    return hdf->status == XST_OK && H5Lexists(hdf->file, name, H5P_DEFAULT) > 0;
}

bool xst_hdf_has_attribute(xst_hdf *hdf, const char *object, const char *name)
{
    return hdf->status == XST_OK && H5Aexists_by_name(hdf->file, object, name, H5P_DEFAULT) > 0;
}

bool xst_hdf_is_group(xst_hdf *hdf, const char *name)
{
    H5L_info_t link;
    if (hdf->status != XST_OK)
        return false;
    /* A link elsewhere is never ours, and following it would open other files. */
    if (H5Lget_info(hdf->file, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
        xst_hdf_refuse(hdf, "'%s' is a link", name);
        return false;
    }
    const hid_t object = H5Oopen(hdf->file, name, H5P_DEFAULT);
    if (object < 0) {
        xst_hdf_refuse(hdf, "'%s' cannot be opened", name);
        return false;
    }
    const bool is_group = H5Iget_type(object) == H5I_GROUP;
    H5Oclose(object);
    return is_group;
}

/* Takes over type. */
static bool type_of(hid_t type, xst_array_type *out)
{
    static const xst_array_type known[] = {XST_ARRAY_F32, XST_ARRAY_F64, XST_ARRAY_U32, XST_ARRAY_U8};
    bool found = false;
    for (size_t i = 0; type >= 0 && !found && i < sizeof known / sizeof known[0]; i++) {
        found = H5Tequal(type, xst_hdf_file_type(known[i])) > 0;
        *out = known[i];
    }
    if (type >= 0)
        H5Tclose(type);
    return found;
}

/* Takes over space. Rank, or -1. */
static int shape_of(hid_t space, uint64_t dim[4])
{
    hsize_t size[4] = {0};
    const int rank =
        space >= 0 && H5Sget_simple_extent_ndims(space) <= 4 ? H5Sget_simple_extent_dims(space, size, NULL) : -1;
    for (int i = 0; i < 4; i++)
        dim[i] = i < rank ? size[i] : 1;
    if (space >= 0)
        H5Sclose(space);
    return rank;
}

void xst_hdf_shape(xst_hdf *hdf, const char *name, xst_array_type *type, int *rank, uint64_t dim[4])
{
    *type = XST_ARRAY_U8;
    *rank = 0;
    memset(dim, 0, 4 * sizeof *dim);
    if (hdf->status != XST_OK)
        return;
    const hid_t set = H5Dopen2(hdf->file, name, H5P_DEFAULT);
    if (set < 0) {
        xst_hdf_refuse(hdf, "dataset '%s' is missing", name);
        return;
    }
    *rank = shape_of(H5Dget_space(set), dim);
    if (*rank < 0)
        xst_hdf_refuse(hdf, "dataset '%s' has no shape, or more than four dimensions", name);
    if (!type_of(H5Dget_type(set), type))
        xst_hdf_refuse(hdf, "dataset '%s' is not of float32, float64, uint32 or uint8", name);
    H5Dclose(set);
}

/* Number of elements, where they fill exactly the bytes that the file holds for them. */
static uint64_t stored_elements(xst_hdf *hdf, hid_t set, const char *name, xst_array_type type, const uint64_t dim[4])
{
    uint64_t bytes = xst_array_type_size(type);
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(bytes, dim[i], &bytes))
            bytes = UINT64_MAX;
    if (bytes > hdf->size || (bytes > 0 && H5Dget_storage_size(set) != bytes))
        xst_hdf_refuse(hdf, "dataset '%s' is not stored whole", name);
    return bytes / xst_array_type_size(type);
}

void *xst_hdf_read(xst_hdf *hdf, const char *name, xst_array_type type, int rank, uint64_t *dim)
{
    xst_array_type found = XST_ARRAY_U8;
    int found_rank = 0;
    uint64_t size[4];
    void *data = NULL;
    xst_hdf_shape(hdf, name, &found, &found_rank, size);
    if (found != type || found_rank != rank)
        xst_hdf_refuse(hdf, "dataset '%s' has not the type and rank expected", name);
    if (hdf->status != XST_OK)
        return NULL;
    const hid_t set = H5Dopen2(hdf->file, name, H5P_DEFAULT);
    if (set < 0) {
        xst_hdf_refuse(hdf, "dataset '%s' cannot be opened", name);
        return NULL;
    }
    const uint64_t elements = stored_elements(hdf, set, name, type, size);
    if (hdf->status == XST_OK)
        hdf->status = xst_alloc(&data, elements, xst_array_type_size(type), name, hdf->err);
    if (hdf->status == XST_OK && elements > 0 &&
        H5Dread(set, xst_hdf_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        xst_hdf_refuse(hdf, "dataset '%s' cannot be read", name);
    H5Dclose(set);
    if (hdf->status != XST_OK) {
        xst_free(data);
        return NULL;
    }
    memcpy(dim, size, (size_t)rank * sizeof *dim);
    return data;
}

static hid_t open_attribute(xst_hdf *hdf, const char *object, const char *name)
{
    if (hdf->status != XST_OK)
        return H5I_INVALID_HID;
    const hid_t attribute = H5Aopen_by_name(hdf->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0)
        xst_hdf_refuse(hdf, "'%s' has no attribute '%s'", object, name);
    return attribute;
}

void xst_hdf_read_numbers(xst_hdf *hdf, const char *object, const char *name, xst_array_type type, uint64_t count,
                          void *data)
{
    xst_array_type found = XST_ARRAY_U8;
    uint64_t dim[4];
    const hid_t attribute = open_attribute(hdf, object, name);
    if (attribute < 0)
        return;
    const bool known = type_of(H5Aget_type(attribute), &found);
    if (!known || found != type || shape_of(H5Aget_space(attribute), dim) > 1 || dim[0] != count ||
        H5Aread(attribute, xst_hdf_memory_type(type), data) < 0)
        xst_hdf_refuse(hdf, "attribute '%s' of '%s' has not the type and length expected", name, object);
    H5Aclose(attribute);
}

uint32_t xst_hdf_read_number(xst_hdf *hdf, const char *object, const char *name)
{
    uint32_t value = 0;
    xst_hdf_read_numbers(hdf, object, name, XST_ARRAY_U32, 1, &value);
    return value;
}

void xst_hdf_read_text(xst_hdf *hdf, const char *object, const char *name, char *text, size_t size)
{
    uint64_t dim[4];
    char *found = NULL;
    const hid_t attribute = open_attribute(hdf, object, name);
    *text = 0;
    if (attribute < 0)
        return;
    const hid_t type = H5Aget_type(attribute);
    if (type < 0 || H5Tis_variable_str(type) <= 0 || shape_of(H5Aget_space(attribute), dim) != 0 ||
        H5Aread(attribute, type, &found) < 0 || !found)
        xst_hdf_refuse(hdf, "attribute '%s' of '%s' is not a text", name, object);
    else if (strlen(found) >= size)
        xst_hdf_refuse(hdf, "attribute '%s' of '%s' is too long", name, object);
    else
        memcpy(text, found, strlen(found) + 1);
    if (found)
        H5free_memory(found);
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(attribute);
}
