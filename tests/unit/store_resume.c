/* resume.h5: named arrays, whole or refused. */
#include "support/open_run.h"

#include "base/file.h"
#include "base/memory.h"

#include <hdf5.h>

static float weights[] = {1, -2.5f, 3e-30f};
static double losses[] = {0.1, 1.0 / 3};
static uint32_t steps[] = {0xffffffffu, 7};
static uint8_t bits[] = {1, 255, 0, 3, 9};

static xst_array_record sample[] = {
    {"features.0.weight/values", XST_ARRAY_F32, 3, weights},
    {"loss", XST_ARRAY_F64, 2, losses},
    {"features.0.weight/momentum", XST_ARRAY_F32, 3, weights},
    {"trainer/clock/steps", XST_ARRAY_U32, 2, steps},
    {"mask", XST_ARRAY_U8, 5, bits},
    {"empty", XST_ARRAY_F32, 0, weights},
};

enum { ARRAYS = sizeof sample / sizeof sample[0] };

static void write_sample(fixture *f)
{
    xst_error err = {0};
    const xst_array_list list = {.at = sample, .count = ARRAYS};
    if (xst_run_write_resume(f->run, &list, &err) != XST_OK)
        fail_msg("%s", err.message);
}

static void test_round_trip(void **state)
{
    static const size_t size[] = {[XST_ARRAY_F32] = 4, [XST_ARRAY_F64] = 8, [XST_ARRAY_U32] = 4, [XST_ARRAY_U8] = 1};
    fixture *const f = *state;
    xst_array_list arrays;
    xst_error err = {0};
    assert_int_equal(xst_run_read_resume(f->run, &arrays, &err), XST_OK);
    assert_int_equal(arrays.count, 0);
    assert_null(arrays.at);
    write_sample(f);
    if (xst_run_read_resume(f->run, &arrays, &err) != XST_OK)
        fail_msg("%s", err.message);
    assert_int_equal(arrays.count, ARRAYS);
    for (int i = 0; i < ARRAYS; i++) {
        const xst_array_record *const found = xst_arrays_find(&arrays, sample[i].name);
        assert_non_null(found);
        assert_int_equal(found->type, sample[i].type);
        assert_int_equal(found->count, sample[i].count);
        assert_memory_equal(found->data, sample[i].data, sample[i].count * size[sample[i].type]);
    }
    xst_arrays_free(&arrays);
    assert_int_equal(xst_run_remove_resume(f->run, &err), XST_OK);
    assert_int_equal(xst_run_remove_resume(f->run, &err), XST_OK);
    assert_int_equal(xst_run_read_resume(f->run, &arrays, &err), XST_OK);
    assert_int_equal(arrays.count, 0);
}

static void assert_refused(fixture *f, const char *part)
{
    xst_array_list arrays;
    xst_error err = {0};
    assert_int_equal(xst_run_read_resume(f->run, &arrays, &err), XST_ERROR_RUN);
    assert_null(arrays.at);
    assert_int_equal(arrays.count, 0);
    assert_contains(err.message, "resume.h5");
    assert_contains(err.message, part);
}

static void test_damage(void **state)
{
    fixture *const f = *state;
    const temp_path path = temp_path_of(&f->folder, "run/resume.h5");
    char *bytes = NULL;
    size_t size = 0;
    write_sample(f);
    assert_int_equal(xst_file_read(path.text, &bytes, &size, NULL), XST_OK);
    for (size_t at = 0; at < size; at += 97) {
        bytes[at] ^= 0x10;
        temp_file_write(&f->folder, "run/resume.h5", bytes, size);
        assert_refused(f, "delete it");
        bytes[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < size; cut += 251) {
        temp_file_write(&f->folder, "run/resume.h5", bytes, cut);
        assert_refused(f, "delete it");
    }
    xst_free(bytes);
}

/* The 512 bytes in front are HDF5's user block: other readers open the file as it is. */
static void test_is_hdf5(void **state)
{
    fixture *const f = *state;
    float found[3] = {0};
    write_sample(f);
    const hid_t file = H5Fopen(temp_path_of(&f->folder, "run/resume.h5").text, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    const hid_t set = H5Dopen2(file, "features.0.weight/momentum", H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, found) >= 0);
    assert_memory_equal(found, weights, sizeof weights);
    H5Dclose(set);
    H5Fclose(file);
}

static void test_equal_bytes(void **state)
{
    fixture *const f = *state;
    const temp_path path = temp_path_of(&f->folder, "run/resume.h5");
    char *bytes[2] = {NULL};
    size_t size[2] = {0};
    for (int i = 0; i < 2; i++) {
        write_sample(f);
        assert_int_equal(xst_file_read(path.text, &bytes[i], &size[i], NULL), XST_OK);
        struct timespec second_and_a_bit = {1 - i, 100000000 * (1 - i)};
        nanosleep(&second_and_a_bit, NULL);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    xst_free(bytes[0]);
    xst_free(bytes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_hdf5, setup, teardown),
        cmocka_unit_test_setup_teardown(test_equal_bytes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
