/* tasks/NN.h5: what is written is read, equal records give equal bytes, and no damage gets through. */
#include "support/open_run.h"
#include "support/sample_record.h"

#include "base/file.h"
#include "base/hash.h"

#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static void write_sample(fixture *f, int position, char xxh3[17])
{
    xst_error err = {0};
    xst_task_record record = sample_record(position);
    if (xst_run_write_task(f->run, &record, xxh3, &err) != XST_OK)
        fail_msg("%s", err.message);
    xst_task_record_free(&record);
}

static void read_bytes(const fixture *f, const char *name, char **bytes, size_t *size)
{
    assert_int_equal(xst_file_read(temp_path_of(&f->folder, name).text, bytes, size, NULL), XST_OK);
}

static void assert_layers_equal(const xst_layer_record *a, const xst_layer_record *b)
{
    assert_string_equal(a->name, b->name);
    assert_memory_equal(&a->geometry, &b->geometry, sizeof a->geometry);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->columns, b->columns, a->count * sizeof *a->columns);
    assert_memory_equal(a->values, b->values, a->count * (size_t)a->geometry.longest * sizeof *a->values);
    assert_true(a->scale == b->scale);
    assert_int_equal(!a->mask, !b->mask);
    if (a->mask)
        assert_memory_equal(a->mask, b->mask, (a->geometry.columns + 7) / 8);
}

static void test_round_trip(void **state)
{
    fixture *const f = *state;
    for (int position = 1; position <= 2; position++) {
        char xxh3[17], found[17];
        char *bytes = NULL;
        size_t size = 0;
        xst_error err = {0};
        xst_task_record in = sample_record(position), out;
        assert_int_equal(xst_run_write_task(f->run, &in, xxh3, &err), XST_OK);
        read_bytes(f, position == 1 ? "run/tasks/01.h5" : "run/tasks/02.h5", &bytes, &size);
        xst_hash64_text(bytes, size, found);
        assert_string_equal(found, xxh3);
        xst_free(bytes);
        if (xst_run_read_task(f->run, position, xxh3, &out, &err) != XST_OK)
            fail_msg("%s", err.message);
        assert_string_equal(in.method, out.method);
        assert_string_equal(in.name, out.name);
        assert_string_equal(in.data_sha256, out.data_sha256);
        assert_int_equal(in.position, out.position);
        assert_int_equal(in.whole, out.whole);
        assert_memory_equal(in.mean, out.mean, sizeof in.mean);
        assert_memory_equal(in.std, out.std, sizeof in.std);
        assert_int_equal(in.images, out.images);
        assert_int_equal(in.classes, out.classes);
        assert_memory_equal(in.logits, out.logits, 24 * sizeof *in.logits);
        assert_int_equal(in.layer_count, out.layer_count);
        for (int i = 0; i < in.layer_count; i++)
            assert_layers_equal(&in.layers[i], &out.layers[i]);
        assert_int_equal(in.tensor_count, out.tensor_count);
        for (int i = 0; i < in.tensor_count; i++) {
            assert_string_equal(in.tensors[i].name, out.tensors[i].name);
            assert_int_equal(in.tensors[i].rank, out.tensors[i].rank);
            assert_memory_equal(in.tensors[i].dim, out.tensors[i].dim, sizeof in.tensors[i].dim);
        }
        assert_memory_equal(in.tensors[2].values, out.tensors[2].values, 24 * sizeof(float));
        assert_ptr_equal(xst_task_record_find(&out, "features.3.bias"), &out.tensors[1]);
        assert_null(xst_task_record_find(&out, "features.3"));
        xst_task_record_free(&in);
        xst_task_record_free(&out);
    }
}

static void test_equal_bytes(void **state)
{
    fixture *const f = *state;
    char first[17], second[17];
    write_sample(f, 2, first);
    /* Memory that is used again with other content in it must not show. */
    void *dirt[64];
    for (int i = 0; i < 64; i++) {
        dirt[i] = malloc((size_t)1 << (8 + i % 16));
        assert_non_null(dirt[i]);
        memset(dirt[i], i + 1, (size_t)1 << (8 + i % 16));
    }
    for (int i = 0; i < 64; i++)
        free(dirt[i]);
    struct timespec second_and_a_bit = {1, 100000000}; /* times are kept in seconds */
    nanosleep(&second_and_a_bit, NULL);
    write_sample(f, 2, second);
    assert_string_equal(first, second);
}

static void assert_refused(fixture *f, const char *xxh3, const char *part)
{
    xst_task_record out;
    xst_error err = {0};
    assert_int_equal(xst_run_read_task(f->run, 2, xxh3, &out, &err), XST_ERROR_RUN);
    assert_contains(err.message, "tasks/02.h5");
    if (part)
        assert_contains(err.message, part);
}

static void test_damage_found_by_hash(void **state)
{
    fixture *const f = *state;
    char xxh3[17];
    char *bytes = NULL;
    size_t size = 0;
    write_sample(f, 2, xxh3);
    read_bytes(f, "run/tasks/02.h5", &bytes, &size);
    for (size_t at = 0; at < size; at += 97) {
        bytes[at] ^= 0x40;
        temp_file_write(&f->folder, "run/tasks/02.h5", bytes, size);
        assert_refused(f, xxh3, "damaged");
        bytes[at] ^= 0x40;
    }
    for (size_t cut = 0; cut < size; cut += 509) {
        temp_file_write(&f->folder, "run/tasks/02.h5", bytes, cut);
        assert_refused(f, xxh3, "damaged");
    }
    xst_free(bytes);
    assert_int_equal(unlink(temp_path_of(&f->folder, "run/tasks/02.h5").text), 0);
    assert_refused(f, xxh3, "cannot open");
}

/* A change to the record, and what the reader says. */
typedef void (*spoil)(xst_task_record *record);

static void unsort(xst_task_record *r)
{
    r->layers[0].columns[1] = r->layers[0].columns[0];
}

static void beyond(xst_task_record *r)
{
    r->layers[0].columns[4] = 15;
}

static void tail_bits(xst_task_record *r)
{
    r->layers[0].mask[1] = 0x80;
}

static void not_finite(xst_task_record *r)
{
    r->layers[0].values[7] = (float)NAN;
}

static void bad_logit(xst_task_record *r)
{
    r->logits[23] = (float)INFINITY;
}

static void bad_tensor(xst_task_record *r)
{
    r->tensors[2].values[0] = (float)NAN;
}

static void bad_std(xst_task_record *r)
{
    r->std[1] = 0;
}

static void bad_sha(xst_task_record *r)
{
    r->data_sha256[63] = 'g';
}

static void bad_group(xst_task_record *r)
{
    r->layers[0].geometry.group = 8;
}

static void other_group(xst_task_record *r)
{
    r->layers[0].geometry.group = 4; /* then a column has 36 weights, and there are 10 */
}

static void bad_shape(xst_task_record *r)
{
    r->layers[0].geometry.out = 1 << 20;
    r->layers[0].geometry.in = 1 << 20;
}

static void bad_scale(xst_task_record *r)
{
    r->layers[1].scale = INFINITY;
}

static void test_ranges(void **state)
{
    static const struct {
        spoil change;
        const char *message;
    } rows[] = {
        {unsort, "'features.10.weight/columns': element 1 is out of range or not ascending"},
        {beyond, "'features.10.weight/columns': element 4"},
        {tail_bits, "'features.10.weight/mask' has bits beyond"},
        {not_finite, "'features.10.weight/values': element 7 is not a finite number"},
        {bad_logit, "'logits': element 23"},
        {bad_tensor, "'classifier.6.weight': element 0"},
        {bad_std, "'mean' or 'std'"},
        {bad_sha, "'data_sha256'"},
        {bad_group, "'features.10.weight': 'group' is out of range"},
        {other_group, "'features.10.weight/columns'"},
        {bad_shape, "'features.10.weight': 'shape' is out of range"},
        {bad_scale, "'classifier.0.weight/values': 'scale'"},
    };
    fixture *const f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char xxh3[17];
        xst_task_record record = sample_record(2);
        rows[i].change(&record);
        assert_int_equal(xst_run_write_task(f->run, &record, xxh3, NULL), XST_OK);
        assert_refused(f, xxh3, rows[i].message);
        xst_task_record_free(&record);
    }
}

static void test_wrong_task(void **state)
{
    fixture *const f = *state;
    char xxh3[17];
    write_sample(f, 1, xxh3);
    assert_int_equal(
        rename(temp_path_of(&f->folder, "run/tasks/01.h5").text, temp_path_of(&f->folder, "run/tasks/02.h5").text), 0);
    assert_refused(f, xxh3, "it belongs to task 1");
}

/* HDF5 files of others, and files that are none. */
static void test_foreign(void **state)
{
    fixture *const f = *state;
    const temp_path path = temp_path_of(&f->folder, "run/tasks/02.h5");
    char xxh3[17];
    char *bytes = NULL;
    size_t size = 0;
    const hid_t file = H5Fcreate(path.text, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    H5Fclose(file);
    read_bytes(f, "run/tasks/02.h5", &bytes, &size);
    xst_hash64_text(bytes, size, xxh3);
    xst_free(bytes);
    assert_refused(f, xxh3, "no attribute 'format'");
    temp_file_write(&f->folder, "run/tasks/02.h5", "hello", 5);
    xst_hash64_text("hello", 5, xxh3);
    assert_refused(f, xxh3, "not an HDF5 file");
    temp_file_write(&f->folder, "run/tasks/02.h5", "", 0);
    xst_hash64_text("", 0, xxh3);
    assert_refused(f, xxh3, "not an HDF5 file");
}

/* A disk that is full (files may not grow beyond 1000 bytes): an error, the old file whole, no temporary left. */
static void test_full_disk(void **state)
{
    fixture *const f = *state;
    char before[17], after[17];
    char *bytes = NULL;
    size_t size = 0;
    xst_error err = {0};
    struct rlimit limit, small;
    write_sample(f, 2, before);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    xst_task_record record = sample_record(2);
    record.logits[0] = 99;
    const xst_status status = xst_run_write_task(f->run, &record, after, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_DFL);
    xst_task_record_free(&record);
    assert_int_equal(status, XST_ERROR_IO);
    assert_contains(err.message, "tasks/02.h5");
    assert_false(xst_path_exists(temp_path_of(&f->folder, "run/tasks/02.h5.tmp").text));
    read_bytes(f, "run/tasks/02.h5", &bytes, &size);
    xst_hash64_text(bytes, size, after);
    xst_free(bytes);
    assert_string_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_equal_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_found_by_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_task, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
