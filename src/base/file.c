#include "base/file.h"

#include "base/error.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

xst_status xst_path(char path[XST_PATH_MAX], xst_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(path, XST_PATH_MAX, format, args);
    va_end(args);
    if (n < 0 || n >= XST_PATH_MAX)
        return xst_fail(err, XST_ERROR_IO, "path too long: %.60s...: give a shorter one", path);
    return XST_OK;
}

bool xst_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool xst_path_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static xst_status make_one(const char *path, xst_error *err)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && xst_path_is_folder(path)))
        return XST_OK;
    return xst_fail(err, XST_ERROR_IO, "cannot make folder '%s': %s", path, strerror(errno));
}

xst_status xst_folder_make(const char *path, xst_error *err)
{
    char part[XST_PATH_MAX];
    xst_status status = xst_path(part, err, "%s", path);
    for (char *p = part + 1; status == XST_OK && *part && *p; p++)
        if (*p == '/') {
            *p = 0;
            status = make_one(part, err);
            *p = '/';
        }
    return status == XST_OK ? make_one(path, err) : status;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

xst_status xst_folder_is_empty(const char *path, bool *empty, xst_error *err)
{
    DIR *const dir = opendir(path);
    if (!dir)
        return xst_fail(err, XST_ERROR_IO, "cannot read folder '%s': %s", path, strerror(errno));
    *empty = true;
    for (struct dirent *entry; *empty && (entry = readdir(dir));)
        *empty = is_dot(entry->d_name);
    closedir(dir);
    return XST_OK;
}

xst_status xst_folder_clean(const char *path, xst_error *err)
{
    DIR *const dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? XST_OK
                               : xst_fail(err, XST_ERROR_IO, "cannot read folder '%s': %s", path, strerror(errno));
    xst_status status = XST_OK;
    for (struct dirent *entry; status == XST_OK && (entry = readdir(dir));) {
        const size_t n = strlen(entry->d_name);
        char file[XST_PATH_MAX];
        if (n > 4 && strcmp(entry->d_name + n - 4, ".tmp") == 0) {
            status = xst_path(file, err, "%s/%s", path, entry->d_name);
            if (status == XST_OK)
                status = xst_file_remove(file, err);
        }
    }
    closedir(dir);
    return status;
}

static xst_status read_all(FILE *f, const char *path, size_t size, char *bytes, xst_error *err)
{
    if (fread(bytes, 1, size, f) != size)
        return xst_fail(err, XST_ERROR_IO, "cannot read '%s': %s", path,
                        ferror(f) ? strerror(errno) : "it became shorter while being read");
    return XST_OK;
}

xst_status xst_file_read(const char *path, char **bytes, size_t *size, xst_error *err)
{
    void *memory = NULL;
    struct stat st;
    *bytes = NULL;
    FILE *const f = fopen(path, "rb");
    if (!f)
        return xst_fail(err, errno == ENOENT ? XST_ERROR_DATA : XST_ERROR_IO, "cannot open '%s': %s", path,
                        strerror(errno));
    xst_status status = XST_OK;
    if (fstat(fileno(f), &st) != 0)
        status = xst_fail(err, XST_ERROR_IO, "cannot read '%s': %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = xst_fail(err, XST_ERROR_DATA, "cannot read '%s': it is not a file", path);
    if (status == XST_OK)
        status = xst_alloc(&memory, (size_t)st.st_size + 1, 1, path, err);
    if (status == XST_OK)
        status = read_all(f, path, (size_t)st.st_size, memory, err);
    fclose(f);
    if (status != XST_OK) {
        xst_free(memory);
        return status;
    }
    *bytes = memory;
    *size = (size_t)st.st_size;
    return XST_OK;
}

/* fsync of the folder makes the rename itself survive a power cut. Some file systems refuse it (EINVAL): not an error.
 */
static xst_status sync_folder_of(const char *path, xst_error *err)
{
    char folder[XST_PATH_MAX];
    const char *const slash = strrchr(path, '/');
    const int n = slash ? (int)(slash - path) : 0;
    xst_status status = slash ? xst_path(folder, err, "%.*s", n > 0 ? n : 1, path) : xst_path(folder, err, ".");
    if (status != XST_OK)
        return status;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return xst_fail(err, XST_ERROR_IO, "cannot open folder '%s': %s", folder, strerror(errno));
    if (fsync(fd) != 0 && errno != EINVAL)
        status = xst_fail(err, XST_ERROR_IO, "cannot flush folder '%s': %s", folder, strerror(errno));
    close(fd);
    return status;
}

static xst_status write_whole(int fd, const char *path, const char *bytes, size_t size, xst_error *err)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = write(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return xst_fail(err, XST_ERROR_IO, "cannot write '%s': %s; what was there before is kept", path,
                            n < 0 ? strerror(errno) : "nothing was taken");
        done += (size_t)n;
    }
    if (fsync(fd) != 0)
        return xst_fail(err, XST_ERROR_IO, "cannot flush '%s': %s; what was there before is kept", path,
                        strerror(errno));
    return XST_OK;
}

xst_status xst_file_write(const char *path, const void *bytes, size_t size, xst_error *err)
{
    char temporary[XST_PATH_MAX];
    xst_status status = xst_path(temporary, err, "%s.tmp", path);
    if (status != XST_OK)
        return status;
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return xst_fail(err, XST_ERROR_IO, "cannot write '%s': %s", path, strerror(errno));
    status = write_whole(fd, path, bytes, size, err);
    if (close(fd) != 0 && status == XST_OK)
        status = xst_fail(err, XST_ERROR_IO, "cannot close '%s': %s", temporary, strerror(errno));
    if (status == XST_OK && rename(temporary, path) != 0)
        status = xst_fail(err, XST_ERROR_IO, "cannot rename '%s' to '%s': %s", temporary, path, strerror(errno));
    if (status != XST_OK) {
        unlink(temporary);
        return status;
    }
    return sync_folder_of(path, err);
}

xst_status xst_file_remove(const char *path, xst_error *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return xst_fail(err, XST_ERROR_IO, "cannot remove '%s': %s", path, strerror(errno));
    return XST_OK;
}

xst_status xst_folder_free(const char *path, xst_error *err)
{
    bool empty = true;
    struct stat st;
    if (*path == '\0')
        return xst_fail(err, XST_ERROR_USAGE, "the name of a folder is empty");
    if (lstat(path, &st) != 0)
        return XST_OK;
    if (!S_ISDIR(st.st_mode))
        return xst_fail(err, XST_ERROR_USAGE, "'%s' is there and is no folder: give another name", path);
    const xst_status status = xst_folder_is_empty(path, &empty, err);
    if (status == XST_OK && !empty)
        return xst_fail(err, XST_ERROR_USAGE, "folder '%s' is not empty: give another, or empty it", path);
    return status;
}

/* path without slashes at its end. */
static int length_of(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return (int)n;
}

xst_status xst_folder_begin(const char *path, char temporary[XST_PATH_MAX], xst_error *err)
{
    char parent[XST_PATH_MAX];
    temporary[0] = '\0';
    xst_status status = xst_folder_free(path, err);
    if (status == XST_OK)
        status = xst_path(parent, err, "%.*s", length_of(path), path);
    if (status != XST_OK)
        return status;
    char *const slash = strrchr(parent, '/');
    if (slash && slash != parent) {
        *slash = '\0';
        status = xst_folder_make(parent, err);
    }
    char name[XST_PATH_MAX];
    if (status == XST_OK)
        status = xst_path(name, err, "%.*s.%ld.tmp", length_of(path), path, (long)getpid());
    if (status == XST_OK && mkdir(name, 0777) != 0)
        status = xst_fail(err, XST_ERROR_IO, "cannot make folder '%s': %s", name, strerror(errno));
    if (status == XST_OK)
        memcpy(temporary, name, sizeof name);
    return status;
}

xst_status xst_folder_commit(const char *temporary, const char *path, xst_error *err)
{
    char name[XST_PATH_MAX];
    xst_status status = xst_path(name, err, "%.*s", length_of(path), path);
    if (status == XST_OK && rename(temporary, name) != 0)
        status = xst_fail(err, XST_ERROR_IO, "cannot rename '%s' to '%s': %s", temporary, name, strerror(errno));
    return status == XST_OK ? sync_folder_of(name, err) : status;
}

void xst_folder_discard(const char *temporary)
{
    DIR *const dir = *temporary ? opendir(temporary) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char file[XST_PATH_MAX];
        if (!is_dot(entry->d_name) && xst_path(file, NULL, "%s/%s", temporary, entry->d_name) == XST_OK)
            unlink(file);
    }
    closedir(dir);
    rmdir(temporary);
}
