#include "store/run.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "store/folder.h"
#include "store/hdf.h"

#include <stdio.h>
#include <string.h>

/* The HDF5 user block: what HDF5 leaves to us at the start of a file; 512 is the smallest it allows. */
enum { USER_BLOCK = 512, DEPTH_MAX = 4, ARRAY_NAME = sizeof((xst_array_record *)0)->name };

static const char file_name[] = "resume.h5";

/* Content of the user block, zero-padded: what the file is, and the hash of all that follows. */
static void make_block(char block[USER_BLOCK], const void *bytes, size_t size)
{
    char hash[17];
    memset(block, 0, USER_BLOCK);
    xst_hash64_text(bytes, size, hash);
    snprintf(block, USER_BLOCK, "xst resume 1\nxxh3 %s of the %zu bytes after the first %d\n", hash, size, USER_BLOCK);
}

xst_status xst_run_write_resume(xst_run *run, const xst_array_list *arrays, xst_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    xst_hdf hdf = xst_hdf_create(file_name, err);
    for (size_t i = 0; i < arrays->count; i++) {
        const xst_array_record *const array = &arrays->at[i];
        xst_hdf_write(&hdf, array->name, array->type, 1, &array->count, array->data);
    }
    xst_status status = xst_hdf_image(&hdf, USER_BLOCK, &bytes, &size);
    xst_hdf_close(&hdf);
    if (status == XST_OK) {
        make_block(bytes, bytes + USER_BLOCK, size - USER_BLOCK);
        status = xst_run_flush_metrics(run, err);
    }
    if (status == XST_OK)
        status = xst_run_write_file(run, file_name, bytes, size, err);
    xst_free(bytes);
    return status;
}

static void read_array(xst_hdf *hdf, const char *name, xst_array_list *arrays)
{
    int rank = 0;
    uint64_t dim[4];
    xst_array_type type;
    uint64_t count = 0;
    void *room = NULL;
    xst_hdf_shape(hdf, name, &type, &rank, dim);
    void *const data = xst_hdf_read(hdf, name, type, 1, &count);
    if (hdf->status != XST_OK)
        return;
    hdf->status = xst_arrays_add(arrays, name, type, 0, &room, hdf->err);
    if (hdf->status != XST_OK) {
        xst_free(data);
        return;
    }
    xst_array_record *const array = &arrays->at[arrays->count - 1];
    xst_free(array->data);
    array->data = data;
    array->count = count;
}

/* All arrays of a group and the groups in it; prefix is "" or "group/". */
static void read_group(xst_hdf *hdf, const char *prefix, int depth, xst_array_list *arrays) // NOLINT(misc-no-recursion)
{
    const int members = xst_hdf_members(hdf, *prefix ? prefix : "/");
    for (int i = 0; hdf->status == XST_OK && i < members; i++) {
        char member[ARRAY_NAME], name[ARRAY_NAME];
        xst_hdf_member(hdf, *prefix ? prefix : "/", i, member, sizeof member);
        if (snprintf(name, sizeof name, "%s%s", prefix, member) >= ARRAY_NAME - 1) /* a slash may follow */
            xst_hdf_refuse(hdf, "'%s': name too long", member);
        const bool group = xst_hdf_is_group(hdf, name);
        if (!group) {
            read_array(hdf, name, arrays);
        } else if (depth >= DEPTH_MAX) {
            xst_hdf_refuse(hdf, "'%s': too many groups in groups", name);
        } else {
            memcpy(name + strlen(name), "/", 2);
            read_group(hdf, name, depth + 1, arrays);
        }
    }
}

static xst_status parse(const char *path, const char *bytes, size_t size, xst_array_list *arrays, xst_error *err)
{
    char block[USER_BLOCK];
    if (size > USER_BLOCK)
        make_block(block, bytes + USER_BLOCK, size - USER_BLOCK);
    if (size <= USER_BLOCK || memcmp(block, bytes, USER_BLOCK) != 0)
        return xst_fail(err, XST_ERROR_RUN,
                        "'%s': damaged or not a run's: delete it to go on from the last finished task", path);
    xst_hdf hdf = xst_hdf_open(path, bytes + USER_BLOCK, size - USER_BLOCK, err);
    read_group(&hdf, "", 0, arrays);
    return xst_hdf_close(&hdf);
}

xst_status xst_run_read_resume(const xst_run *run, xst_array_list *arrays, xst_error *err)
{
    char path[XST_PATH_MAX];
    char *bytes = NULL;
    size_t size = 0;
    *arrays = (xst_array_list){0};
    xst_status status = xst_run_file(run, file_name, path, err);
    if (status != XST_OK || !xst_path_exists(path))
        return status;
    status = xst_file_read(path, &bytes, &size, err);
    if (status == XST_OK)
        status = parse(path, bytes, size, arrays, err);
    xst_free(bytes);
    if (status != XST_OK)
        xst_arrays_free(arrays);
    return status;
}

xst_status xst_run_remove_resume(xst_run *run, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_run_check_writable(run, err);
    if (status == XST_OK)
        status = xst_run_file(run, file_name, path, err);
    return status == XST_OK ? xst_file_remove(path, err) : status;
}
