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

xst_status xst_run_write_resume(xst_run *run, const xst_array_record *arrays, int count, xst_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    xst_hdf hdf = xst_hdf_create(file_name, err);
    for (int i = 0; i < count; i++) {
        const uint64_t dim[1] = {arrays[i].count};
        xst_hdf_write(&hdf, arrays[i].name, arrays[i].type, 1, dim, arrays[i].data);
    }
    xst_status status = xst_hdf_image(&hdf, USER_BLOCK, &bytes, &size);
    xst_hdf_close(&hdf);
    if (status == XST_OK) {
        make_block(bytes, bytes + USER_BLOCK, size - USER_BLOCK);
        status = xst_run_write_file(run, file_name, bytes, size, err);
    }
    xst_free(bytes);
    return status;
}

/* Arrays read so far. */
typedef struct list {
    xst_array_record *at;
    size_t count, capacity;
} list;

static void read_array(xst_hdf *hdf, const char *name, list *arrays)
{
    int rank = 0;
    uint64_t dim[4];
    xst_array_record array = {0};
    void *memory = arrays->at;
    xst_hdf_shape(hdf, name, &array.type, &rank, dim);
    array.data = xst_hdf_read(hdf, name, array.type, 1, &array.count);
    if (hdf->status != XST_OK)
        return;
    hdf->status = xst_grow(&memory, &arrays->capacity, arrays->count + 1, sizeof array, "arrays", hdf->err);
    if (hdf->status != XST_OK) {
        xst_free(array.data);
        return;
    }
    arrays->at = memory;
    memcpy(array.name, name, strlen(name) + 1);
    arrays->at[arrays->count++] = array;
}

/* All arrays of a group and the groups in it; prefix is "" or "group/". */
static void read_group(xst_hdf *hdf, const char *prefix, int depth, list *arrays) // NOLINT(misc-no-recursion)
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

static xst_status parse(const char *path, const char *bytes, size_t size, list *arrays, xst_error *err)
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

xst_status xst_run_read_resume(const xst_run *run, xst_array_record **arrays, int *count, xst_error *err)
{
    char path[XST_PATH_MAX];
    char *bytes = NULL;
    size_t size = 0;
    list found = {0};
    *arrays = NULL;
    *count = 0;
    xst_status status = xst_run_file(run, file_name, path, err);
    if (status != XST_OK || !xst_path_exists(path))
        return status;
    status = xst_file_read(path, &bytes, &size, err);
    if (status == XST_OK)
        status = parse(path, bytes, size, &found, err);
    xst_free(bytes);
    if (status != XST_OK) {
        xst_arrays_free(found.at, (int)found.count);
        return status;
    }
    *arrays = found.at;
    *count = (int)found.count;
    return XST_OK;
}

xst_status xst_run_remove_resume(xst_run *run, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_run_check_writable(run, err);
    if (status == XST_OK)
        status = xst_run_file(run, file_name, path, err);
    return status == XST_OK ? xst_file_remove(path, err) : status;
}

void xst_arrays_free(xst_array_record *arrays, int count)
{
    for (int i = 0; i < count; i++)
        xst_free(arrays[i].data);
    xst_free(arrays);
}
