#include "store/hdf_types.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* Members are kept in the order of their creation, in the object header: no B-trees and heaps, whose readers are the
 * library's most intricate. */
enum { MEMBERS_IN_HEADER = 4096, ATTRIBUTES_IN_HEADER = 64 };

static void fail_to_write(xst_hdf *hdf, const char *name)
{
    if (hdf->status == XST_OK)
        hdf->status = xst_fail(hdf->err, XST_ERROR_INTERNAL, "'%s': HDF5 cannot write '%s'", hdf->path, name);
}

/* Creation properties of a group or file: no times, members in order. */
static hid_t group_properties(hid_t class)
{
    const hid_t properties = H5Pcreate(class);
    if (properties >= 0 && H5Pset_obj_track_times(properties, false) >= 0 &&
        H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0 &&
        H5Pset_link_phase_change(properties, MEMBERS_IN_HEADER, 0) >= 0 &&
        H5Pset_attr_phase_change(properties, ATTRIBUTES_IN_HEADER, 0) >= 0)
        return properties;
    if (properties >= 0)
        H5Pclose(properties);
    return H5I_INVALID_HID;
}

xst_hdf xst_hdf_create(const char *path, xst_error *err)
{
    xst_hdf hdf = {.file = H5I_INVALID_HID, .path = path, .status = XST_OK, .err = err};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const hid_t access = xst_hdf_access(), create = group_properties(H5P_FILE_CREATE);
    if (access >= 0 && create >= 0)
        hdf.file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    if (hdf.file < 0)
        fail_to_write(&hdf, "/");
    if (access >= 0)
        H5Pclose(access);
    if (create >= 0)
        H5Pclose(create);
    return hdf;
}

static void make_group(xst_hdf *hdf, const char *name)
{
    if (hdf->status != XST_OK || H5Lexists(hdf->file, name, H5P_DEFAULT) > 0)
        return;
    const hid_t create = group_properties(H5P_GROUP_CREATE);
    const hid_t group = create >= 0 ? H5Gcreate2(hdf->file, name, H5P_DEFAULT, create, H5P_DEFAULT) : H5I_INVALID_HID;
    if (group < 0)
        fail_to_write(hdf, name);
    else
        H5Gclose(group);
    if (create >= 0)
        H5Pclose(create);
}

/* The groups above an object, and, where `whole`, the object as a group itself. */
static void make_groups(xst_hdf *hdf, const char *name, bool whole)
{
    char part[4 * XST_RECORD_NAME];
    if (strlen(name) >= sizeof part) {
        fail_to_write(hdf, name);
        return;
    }
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        memcpy(part, name, (size_t)(slash - name));
        part[slash - name] = 0;
        make_group(hdf, part);
    }
    if (whole)
        make_group(hdf, name);
}

void xst_hdf_group(xst_hdf *hdf, const char *name)
{
    make_groups(hdf, name, true);
}

static hid_t dataset_properties(void)
{
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (properties >= 0 && H5Pset_obj_track_times(properties, false) >= 0 &&
        H5Pset_layout(properties, H5D_CONTIGUOUS) >= 0 && H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER) >= 0)
        return properties;
    if (properties >= 0)
        H5Pclose(properties);
    return H5I_INVALID_HID;
}

void xst_hdf_write(xst_hdf *hdf, const char *name, xst_array_type type, int rank, const uint64_t *dim, const void *data)
{
    hsize_t size[4] = {0};
    uint64_t elements = 1;
    make_groups(hdf, name, false);
    if (hdf->status != XST_OK)
        return;
    for (int i = 0; i < rank; i++) {
        size[i] = dim[i];
        elements *= dim[i];
    }
    const hid_t space = H5Screate_simple(rank, size, NULL), create = dataset_properties();
    const hid_t set = space >= 0 && create >= 0 ? H5Dcreate2(hdf->file, name, xst_hdf_file_type(type), space,
                                                             H5P_DEFAULT, create, H5P_DEFAULT)
                                                : H5I_INVALID_HID;
    if (set < 0 || (elements > 0 && H5Dwrite(set, xst_hdf_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0))
        fail_to_write(hdf, name);
    if (set >= 0 && H5Dclose(set) < 0)
        fail_to_write(hdf, name);
    if (create >= 0)
        H5Pclose(create);
    if (space >= 0)
        H5Sclose(space);
}

/* Takes over space. */
static void write_attribute(xst_hdf *hdf, const char *object, const char *name, hid_t space, hid_t file_type,
                            hid_t memory_type, const void *data)
{
    const hid_t attribute =
        space >= 0 ? H5Acreate_by_name(hdf->file, object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)
                   : H5I_INVALID_HID;
    if (attribute < 0 || H5Awrite(attribute, memory_type, data) < 0)
        fail_to_write(hdf, name);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
}

void xst_hdf_write_numbers(xst_hdf *hdf, const char *object, const char *name, xst_array_type type, uint64_t count,
                           const void *data)
{
    const hsize_t dim[1] = {count};
    if (hdf->status == XST_OK)
        write_attribute(hdf, object, name, count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, dim, NULL),
                        xst_hdf_file_type(type), xst_hdf_memory_type(type), data);
}

void xst_hdf_write_number(xst_hdf *hdf, const char *object, const char *name, uint32_t value)
{
    xst_hdf_write_numbers(hdf, object, name, XST_ARRAY_U32, 1, &value);
}

/* Of variable length, UTF-8: what h5py gives as str. */
void xst_hdf_write_text(xst_hdf *hdf, const char *object, const char *name, const char *text)
{
    if (hdf->status != XST_OK)
        return;
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)
        fail_to_write(hdf, name);
    else
        write_attribute(hdf, object, name, H5Screate(H5S_SCALAR), type, type, &text);
    if (type >= 0)
        H5Tclose(type);
}

xst_status xst_hdf_image(xst_hdf *hdf, size_t before, char **bytes, size_t *size)
{
    void *memory = NULL;
    *bytes = NULL;
    if (hdf->status != XST_OK)
        return hdf->status;
    const ssize_t n = H5Fflush(hdf->file, H5F_SCOPE_GLOBAL) < 0 ? -1 : H5Fget_file_image(hdf->file, NULL, 0);
    if (n < 0)
        fail_to_write(hdf, "its image");
    else
        hdf->status = xst_alloc(&memory, before + (size_t)n, 1, hdf->path, hdf->err);
    if (hdf->status == XST_OK && H5Fget_file_image(hdf->file, (char *)memory + before, (size_t)n) != n)
        fail_to_write(hdf, "its image");
    if (hdf->status != XST_OK) {
        xst_free(memory);
        return hdf->status;
    }
    *bytes = memory;
    *size = before + (size_t)n;
    return XST_OK;
}
