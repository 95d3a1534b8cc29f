/* For tests: a folder of one's own that goes away with its content, and files in it. Failures fail the test. */
#ifndef XST_TESTS_TEMP_FOLDER_H
#define XST_TESTS_TEMP_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEMP_PATH = 512 };

typedef struct temp_folder {
    char path[TEMP_PATH];
} temp_folder;

static inline temp_folder temp_folder_make(void)
{
    temp_folder folder;
    const char *const base = getenv("TMPDIR");
    snprintf(folder.path, sizeof folder.path, "%.400s/xst-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static inline int temp_folder_remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void temp_folder_remove(const temp_folder *folder)
{
    assert_int_equal(nftw(folder->path, temp_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

typedef struct temp_path {
    char text[TEMP_PATH + 128];
} temp_path;

static inline temp_path temp_path_of(const temp_folder *folder, const char *name)
{
    temp_path path;
    snprintf(path.text, sizeof path.text, "%s/%s", folder->path, name);
    return path;
}

static inline void temp_file_write(const temp_folder *folder, const char *name, const void *bytes, size_t size)
{
    const temp_path path = temp_path_of(folder, name);
    FILE *const f = fopen(path.text, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

#endif
