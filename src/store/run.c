#include "store/run.h"

#include "base/error.h"
#include "base/memory.h"
#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

xst_status xst_run_check_writable(const xst_run *run, xst_error *err)
{
    return run->lock >= 0 ? XST_OK
                          : xst_fail(err, XST_ERROR_INTERNAL, "run '%s': opened for reading, cannot write", run->path);
}

xst_status xst_run_file(const xst_run *run, const char *name, char path[XST_PATH_MAX], xst_error *err)
{
    return xst_path(path, err, "%s/%s", run->path, name);
}

void xst_run_task_file(int position, char name[32])
{
    snprintf(name, 32, "tasks/%02d.h5", position);
}

xst_status xst_run_read_file(const xst_run *run, const char *name, char path[XST_PATH_MAX], char **bytes, size_t *size,
                             xst_error *err)
{
    xst_status status = xst_run_file(run, name, path, err);
    if (status == XST_OK)
        status = xst_file_read(path, bytes, size, err);
    return status == XST_ERROR_DATA ? xst_fail_context(err, XST_ERROR_RUN, "run folder '%.300s'", run->path) : status;
}

/* The lock is on the folder itself, so that it leaves nothing behind and goes with the process. Where the file system
 * has no locks, the run goes on without. */
static xst_status make_and_lock(xst_run *run, xst_error *err)
{
    const xst_status status = xst_folder_make(run->path, err);
    if (status != XST_OK)
        return xst_fail_context(err, XST_ERROR_RUN, "run folder '%.300s'", run->path);
    run->lock = open(run->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->lock < 0)
        return xst_fail(err, XST_ERROR_RUN, "run folder '%s': %s", run->path, strerror(errno));
    if (flock(run->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return xst_fail(err, XST_ERROR_RUN,
                        "run folder '%s': another process is writing it: wait for it, or choose another folder",
                        run->path);
    return XST_OK;
}

static bool ends_in(const char *name, const char *tail)
{
    const size_t n = strlen(name), m = strlen(tail);
    return n >= m && strcmp(name + n - m, tail) == 0;
}

/* Names the first entry of a folder that is neither a temporary file nor in `known` (NULL-terminated); "" if none. */
static xst_status find_stranger(const char *path, const char *const *known, char name[NAME_MAX + 1], xst_error *err)
{
    DIR *const dir = opendir(path);
    *name = 0;
    if (!dir && errno == ENOENT)
        return XST_OK;
    if (!dir)
        return xst_fail(err, XST_ERROR_RUN, "run folder '%s': %s", path, strerror(errno));
    for (struct dirent *entry; !*name && (entry = readdir(dir));) {
        bool stranger = !ends_in(entry->d_name, ".tmp");
        for (int i = 0; stranger && known[i]; i++)
            stranger = strcmp(entry->d_name, known[i]) != 0;
        if (stranger)
            snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
    }
    closedir(dir);
    return XST_OK;
}

xst_status xst_run_is_fresh(const char *path, bool *fresh, xst_error *err)
{
    static const char *const early[] = {".", "..", "config.yaml", "tasks", NULL}, *const nothing[] = {".", "..", NULL};
    char manifest[XST_PATH_MAX], tasks[XST_PATH_MAX], stranger[NAME_MAX + 1];
    *fresh = false;
    xst_status status = xst_path(manifest, err, "%s/manifest.json", path);
    if (status == XST_OK)
        status = xst_path(tasks, err, "%s/tasks", path);
    if (status != XST_OK || xst_path_exists(manifest))
        return status;
    status = find_stranger(path, early, stranger, err);
    if (status == XST_OK && !*stranger)
        status = find_stranger(tasks, nothing, stranger, err);
    if (status == XST_OK && *stranger)
        return xst_fail(err, XST_ERROR_RUN, "'%s' is not a run folder: it holds '%s', but no manifest.json", path,
                        stranger);
    *fresh = status == XST_OK;
    return status;
}

/* Makes tasks/ where it is missing, and removes what a killed writer left half written. */
static xst_status prepare(const xst_run *run, xst_error *err)
{
    char tasks[XST_PATH_MAX];
    xst_status status = xst_run_file(run, "tasks", tasks, err);
    if (status == XST_OK)
        status = xst_folder_make(tasks, err);
    if (status == XST_OK)
        status = xst_folder_clean(run->path, err);
    return status == XST_OK ? xst_folder_clean(tasks, err) : status;
}

static xst_status cut_accuracy(xst_run *run, int done, xst_error *err)
{
    char path[XST_PATH_MAX];
    double *matrix = NULL;
    int rows = 0, n = 0;
    xst_status status = xst_run_file(run, "accuracy.csv", path, err);
    if (status != XST_OK || !xst_path_exists(path))
        return status;
    status = xst_run_read_accuracy(run, &matrix, &rows, &n, err);
    if (status == XST_OK && rows > done)
        status = done > 0 ? xst_run_write_accuracy(run, matrix, done, n, err) : xst_file_remove(path, err);
    xst_free(matrix);
    return status;
}

/* Takes away what was written after the last task that the manifest counts as done. metrics.csv is cut by the trainer,
 * which knows the epoch (xst_run_keep_metrics). */
static xst_status cut_uncommitted(xst_run *run, const xst_manifest *manifest, xst_error *err)
{
    char path[XST_PATH_MAX], name[32];
    xst_status status = XST_OK;
    const int done = xst_manifest_done(manifest);
    for (int i = done; status == XST_OK && i < manifest->task_count; i++) {
        xst_run_task_file(i + 1, name);
        status = xst_run_file(run, name, path, err);
        if (status == XST_OK)
            status = xst_file_remove(path, err);
    }
    return status == XST_OK ? cut_accuracy(run, done, err) : status;
}

static xst_status open_new(xst_run *run, xst_error *err)
{
    bool empty = true;
    xst_status status = make_and_lock(run, err);
    if (status == XST_OK)
        status = xst_folder_is_empty(run->path, &empty, err);
    if (status == XST_OK && !empty)
        status = xst_fail(err, XST_ERROR_RUN,
                          "run folder '%s' exists and is not empty: choose another, or go on with it with --resume",
                          run->path);
    return status == XST_OK ? prepare(run, err) : status;
}

/* Nothing is touched before the manifest shows that the folder is a run's. */
static xst_status open_existing(xst_run *run, xst_error *err)
{
    xst_manifest manifest = {0};
    bool fresh = false;
    xst_status status = make_and_lock(run, err);
    if (status == XST_OK)
        status = xst_run_is_fresh(run->path, &fresh, err);
    if (status == XST_OK && !fresh)
        status = xst_run_read_manifest(run, &manifest, err);
    if (status == XST_OK)
        status = prepare(run, err);
    if (status == XST_OK)
        status = cut_uncommitted(run, &manifest, err);
    xst_manifest_free(&manifest);
    return status;
}

static xst_status open_for_reading(const xst_run *run, xst_error *err)
{
    char path[XST_PATH_MAX];
    const xst_status status = xst_run_file(run, "manifest.json", path, err);
    if (status == XST_OK && !xst_path_exists(path))
        return xst_fail(err, XST_ERROR_RUN, "'%s' is not a run folder, or nothing was saved in it: no manifest.json",
                        run->path);
    return status;
}

xst_status xst_run_open(const char *path, xst_run_mode mode, xst_run **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_run), "run", err);
    if (status != XST_OK)
        return status;
    xst_run *const run = memory;
    run->lock = -1;
    status = xst_path(run->path, err, "%s", path);
    if (status == XST_OK && xst_path_exists(path) && !xst_path_is_folder(path))
        status = xst_fail(err, XST_ERROR_RUN, "run folder '%s': that is a file", path);
    else if (status == XST_OK && mode == XST_RUN_READ && !xst_path_exists(path))
        status = xst_fail(err, XST_ERROR_RUN, "run folder '%s': no such folder", path);
    if (status == XST_OK)
        status = mode == XST_RUN_CREATE   ? open_new(run, err)
                 : mode == XST_RUN_RESUME ? open_existing(run, err)
                                          : open_for_reading(run, err);
    if (status != XST_OK) {
        xst_run_close(run);
        return status;
    }
    *out = run;
    return XST_OK;
}

void xst_run_close(xst_run *run)
{
    if (!run)
        return;
    if (run->lock >= 0)
        close(run->lock);
    xst_free(run);
}

const char *xst_run_path(const xst_run *run)
{
    return run->path;
}

xst_status xst_run_config_path(const xst_run *run, char *path, xst_error *err)
{
    return xst_run_file(run, "config.yaml", path, err);
}

xst_status xst_run_write_config(xst_run *run, const char *yaml, size_t size, xst_error *err)
{
    return xst_run_write_file(run, "config.yaml", yaml, size, err);
}

xst_status xst_run_write_file(xst_run *run, const char *name, const void *bytes, size_t size, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_run_check_writable(run, err);
    if (status == XST_OK)
        status = xst_run_file(run, name, path, err);
    if (status != XST_OK)
        return status;
    char *const slash = strrchr(path, '/');
    *slash = 0;
    status = xst_folder_make(path, err);
    *slash = '/';
    return status == XST_OK ? xst_file_write(path, bytes, size, err) : status;
}
