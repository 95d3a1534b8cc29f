/* Errors, files, random numbers, exact steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/exact.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void make_folder(char path[64])
{
    strcpy(path, "/tmp/xst_base_XXXXXX");
    assert_non_null(mkdtemp(path));
}

/* Known answers of Philox4x32-10 (Random123's kat_vectors). */
static void philox_gives_the_known_words(void **state)
{
    uint32_t w[4];
    (void)state;
    xst_random_block(w, (xst_random_key){0, 0}, 0, 0, 0, 0);
    assert_int_equal(w[0], 0x6627e8d5);
    assert_int_equal(w[1], 0xe169c58d);
    assert_int_equal(w[2], 0xbc57ac4c);
    assert_int_equal(w[3], 0x9b00dbd8);
    xst_random_block(w, (xst_random_key){0xa4093822, 0x299f31d0}, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
    assert_int_equal(w[0], 0xd16cfe09);
    assert_int_equal(w[3], 0x24126ea1);
}

static void words_do_not_depend_on_where_one_starts(void **state)
{
    uint32_t all[64], part[20];
    const xst_random_key key = xst_random_key_of(9, 3, XST_RANDOM_GATES);
    (void)state;
    assert_int_equal(key.task_purpose, 3 * 256 + 4);
    xst_random_words(all, 0, 64, key, 1, 2, 0);
    xst_random_words(part, 40, 19, key, 1, 2, 0);
    assert_memory_equal(part, all + 40, 19 * sizeof *part);
}

static void exact_functions_are_close_to_libm(void **state)
{
    double worst_log = 0, worst_turn = 0;
    (void)state;
    for (uint32_t i = 0; i < 200000; i++) {
        const uint32_t word = i * 2654435761u;
        const float u = xst_exact_uniform(word);
        float c, s;
        assert_true(u > 0.0f && u < 1.0f);
        xst_exact_turn(u, &c, &s);
        worst_log = fmax(worst_log, fabs((double)xst_exact_log(u) / log(u) - 1.0));
        worst_turn = fmax(worst_turn, fabs((double)c - cos(2.0 * M_PI * (double)u)));
        worst_turn = fmax(worst_turn, fabs((double)s - sin(2.0 * M_PI * (double)u)));
    }
    assert_true(worst_log < 1e-6);
    assert_true(worst_turn < 4e-7);
}

static void normals_have_mean_0_and_variance_1(void **state)
{
    enum { N = 200000 };
    static float x[N];
    double sum = 0, squares = 0, cubes = 0;
    (void)state;
    xst_random_normal(x, 0, N, 1.0f, xst_random_key_of(1, 1, XST_RANDOM_WEIGHTS), 0, 0, 0);
    for (int i = 0; i < N; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
        cubes += (double)x[i] * (double)x[i] * (double)x[i];
    }
    assert_true(fabs(sum / N) < 0.01);
    assert_true(fabs(squares / N - 1.0) < 0.015);
    assert_true(fabs(cubes / N) < 0.03);
}

static void a_written_file_reads_back(void **state)
{
    char folder[64], path[128], *bytes;
    size_t size;
    (void)state;
    make_folder(folder);
    snprintf(path, sizeof path, "%s/a", folder);
    assert_int_equal(xst_file_write(path, "first", 5, NULL), XST_OK);
    assert_int_equal(xst_file_write(path, "second", 6, NULL), XST_OK);
    assert_int_equal(xst_file_read(path, &bytes, &size, NULL), XST_OK);
    assert_int_equal(size, 6);
    assert_string_equal(bytes, "second");
    xst_free(bytes);
    assert_int_equal(xst_file_remove(path, NULL), XST_OK);
    assert_int_equal(xst_file_remove(path, NULL), XST_OK);
    assert_int_equal(rmdir(folder), 0); /* no temporary is left */
}

/* A full disk, played by a limit on the size of files: the old file stays, no temporary is left, the error says why. */
static void a_failed_write_loses_nothing(void **state)
{
    char folder[64], path[128], *bytes;
    size_t size;
    static char large[1 << 20];
    xst_error err = {0};
    struct rlimit before, limit;
    (void)state;
    make_folder(folder);
    snprintf(path, sizeof path, "%s/a", folder);
    assert_int_equal(xst_file_write(path, "old", 3, NULL), XST_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = (struct rlimit){65536, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    const xst_status status = xst_file_write(path, large, sizeof large, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, XST_ERROR_IO);
    assert_non_null(strstr(err.message, "File too large"));
    assert_int_equal(xst_file_read(path, &bytes, &size, NULL), XST_OK);
    assert_string_equal(bytes, "old");
    xst_free(bytes);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

static void missing_files_are_named(void **state)
{
    char *bytes;
    size_t size;
    xst_error err = {0};
    (void)state;
    assert_int_equal(xst_file_read("/nonexistent/xst", &bytes, &size, &err), XST_ERROR_DATA);
    assert_non_null(strstr(err.message, "/nonexistent/xst"));
    assert_int_equal(xst_file_write("/nonexistent/xst", "", 0, &err), XST_ERROR_IO);
}

static void impossible_sizes_are_refused(void **state)
{
    void *p;
    xst_error err = {0};
    (void)state;
    assert_int_equal(xst_alloc(&p, SIZE_MAX / 2, 8, "thing", &err), XST_ERROR_MEMORY);
    assert_null(p);
    assert_non_null(strstr(err.message, "thing"));
}

static void errors_gain_context(void **state)
{
    xst_error err = {0};
    (void)state;
    xst_fail(&err, XST_ERROR_DATA, "record %d", 7);
    assert_int_equal(xst_fail_context(&err, err.status, "%s", "train.bin"), XST_ERROR_DATA);
    assert_string_equal(err.message, "train.bin: record 7");
    assert_int_equal(xst_status_exit_code(XST_ERROR_DATA), 2);
    assert_int_equal(xst_status_exit_code(XST_TERMINATED), 143);
}

static void the_nearest_word_is_found(void **state)
{
    static const char *const words[] = {"mask_lr", "mask_init", "epochs"};
    (void)state;
    assert_int_equal(xst_text_nearest("mask_rl", words, 3), 0);
    assert_int_equal(xst_text_nearest("epoch", words, 3), 2);
    assert_int_equal(xst_text_nearest("zzzzzzzzzzzz", words, 3), -1);
}

static void hashes_are_the_published_ones(void **state)
{
    char sha[65], xxh[17];
    (void)state;
    assert_int_equal(xst_sha256("abc", 3, sha, NULL), XST_OK);
    assert_string_equal(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    xst_hash64_text("", 0, xxh);
    assert_string_equal(xxh, "2d06800538d394c2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_words),
        cmocka_unit_test(words_do_not_depend_on_where_one_starts),
        cmocka_unit_test(exact_functions_are_close_to_libm),
        cmocka_unit_test(normals_have_mean_0_and_variance_1),
        cmocka_unit_test(a_written_file_reads_back),
        cmocka_unit_test(a_failed_write_loses_nothing),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(errors_gain_context),
        cmocka_unit_test(the_nearest_word_is_found),
        cmocka_unit_test(hashes_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
