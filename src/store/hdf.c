#include "store/hdf_types.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum { CORE_INCREMENT = 4 << 20 };

size_t xst_array_type_size(xst_array_type type)
{
    static const size_t size[] = {[XST_ARRAY_F32] = 4, [XST_ARRAY_F64] = 8, [XST_ARRAY_U32] = 4, [XST_ARRAY_U8] = 1};
    return size[type];
}

hid_t xst_hdf_file_type(xst_array_type type)
{
    switch (type) {
    case XST_ARRAY_F32:
        return H5T_IEEE_F32LE;
    case XST_ARRAY_F64:
        return H5T_IEEE_F64LE;
    case XST_ARRAY_U32:
        return H5T_STD_U32LE;
    default:
        return H5T_STD_U8LE;
    }
}

hid_t xst_hdf_memory_type(xst_array_type type)
{
    switch (type) {
    case XST_ARRAY_F32:
        return H5T_NATIVE_FLOAT;
    case XST_ARRAY_F64:
        return H5T_NATIVE_DOUBLE;
    case XST_ARRAY_U32:
        return H5T_NATIVE_UINT32;
    default:
        return H5T_NATIVE_UINT8;
    }
}

void xst_hdf_refuse(xst_hdf *hdf, const char *format, ...)
{
    char what[512];
    va_list args;
    if (hdf->status != XST_OK)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    hdf->status = xst_fail(hdf->err, XST_ERROR_RUN, "'%s': %s: the file is damaged or not a run's", hdf->path, what);
}

/* A file in memory: the core driver without a file behind it. The earliest version of the format: from version 2 on the
 * superblock has a checksum, which H5Fget_file_image spoils. */
hid_t xst_hdf_access(void)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && H5Pset_fapl_core(access, CORE_INCREMENT, false) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) >= 0)
        return access;
    if (access >= 0)
        H5Pclose(access);
    return H5I_INVALID_HID;
}

xst_status xst_hdf_close(xst_hdf *hdf)
{
    if (hdf->file >= 0)
        H5Fclose(hdf->file);
    hdf->file = H5I_INVALID_HID;
    return hdf->status;
}
