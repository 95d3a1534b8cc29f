/* Files that appear whole or not at all: write a temporary beside the target, flush, fsync, close, rename, fsync the
 * folder. Folders likewise. */
#ifndef XST_BASE_FILE_H
#define XST_BASE_FILE_H

#include "xst/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { XST_PATH_MAX = 4096 };

/* path = folder/name; refuses what does not fit in XST_PATH_MAX. */
__attribute__((format(printf, 3, 4))) xst_status xst_path(char path[XST_PATH_MAX], xst_error *err, const char *format,
                                                          ...);

bool xst_path_exists(const char *path);
bool xst_path_is_folder(const char *path);
/* Makes a folder and its parents; an existing folder is fine. */
xst_status xst_folder_make(const char *path, xst_error *err);
/* *empty = there is nothing in the folder. */
xst_status xst_folder_is_empty(const char *path, bool *empty, xst_error *err);
/* Removes the temporary files (NAME.tmp) that a killed writer left in a folder. */
xst_status xst_folder_clean(const char *path, xst_error *err);

/* A folder that appears whole or not at all: files go into `temporary`, made beside path (as are path's parents), and
 * commit gives it path's name. discard removes the temporary folder and the files in it. free: XST_ERROR_USAGE where
 * something other than an empty folder stands at path; begin says so too. */
xst_status xst_folder_free(const char *path, xst_error *err);
xst_status xst_folder_begin(const char *path, char temporary[XST_PATH_MAX], xst_error *err);
xst_status xst_folder_commit(const char *temporary, const char *path, xst_error *err);
void xst_folder_discard(const char *temporary);

/* The whole file; *bytes is followed by a NUL that *size does not count; freed with xst_free. missing: XST_ERROR_DATA.
 */
xst_status xst_file_read(const char *path, char **bytes, size_t *size, xst_error *err);
/* Atomic: after a failure the old file is as it was and no temporary is left. */
xst_status xst_file_write(const char *path, const void *bytes, size_t size, xst_error *err);
/* Removes a file; one that is not there is fine. */
xst_status xst_file_remove(const char *path, xst_error *err);

#endif
