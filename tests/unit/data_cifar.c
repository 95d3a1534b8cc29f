/* Folders in CIFAR-100's layout: whole, partial, damaged; and the real set where XST_DATA names it. */
#include "support/temp_folder.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/labels.h"
#include "data/source.h"

#include <math.h>

enum { FISH = 1 }; /* the superclass in the test folder */

typedef struct folder_state {
    temp_folder folder;
    uint8_t *train, *test; /* whole records of superclass FISH */
} folder_state;

enum { TRAIN = 5 * XST_TRAIN_IMAGES, TEST = 5 * XST_TEST_IMAGES };

/* count records of superclass FISH, its classes in turn, with pixels that tell the image. */
static uint8_t *make_records(uint32_t count)
{
    xst_labels labels;
    int fine[5], classes = 0;
    void *memory = NULL;
    xst_labels_cifar100(&labels);
    for (int f = 0; f < XST_CLASSES_MAX; f++)
        if (labels.coarse_of[f] == FISH)
            fine[classes++] = f;
    assert_int_equal(classes, 5);
    assert_int_equal(xst_alloc(&memory, count, XST_RECORD_BYTES, "records", NULL), XST_OK);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *const record = (uint8_t *)memory + (size_t)i * XST_RECORD_BYTES;
        record[0] = FISH;
        record[1] = (uint8_t)fine[(i + 2) % 5];
        for (int p = 0; p < XST_IMAGE_BYTES; p++)
            record[2 + p] = (uint8_t)(i * 7u + (uint32_t)p);
    }
    return memory;
}

static int setup(void **state)
{
    static folder_state s;
    s.folder = temp_folder_make();
    s.train = make_records(TRAIN);
    s.test = make_records(TEST);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    folder_state *const s = *state;
    temp_folder_remove(&s->folder);
    xst_free(s->train);
    xst_free(s->test);
    return 0;
}

static void write_both(const folder_state *s)
{
    temp_file_write(&s->folder, "train.bin", s->train, (size_t)TRAIN * XST_RECORD_BYTES);
    temp_file_write(&s->folder, "test.bin", s->test, (size_t)TEST * XST_RECORD_BYTES);
}

static void assert_refused(const char *path, const char *part)
{
    xst_dataset *dataset = NULL;
    xst_error err = {0};
    assert_int_equal(xst_dataset_open(path, "superclass", &dataset, &err), XST_ERROR_DATA);
    assert_null(dataset);
    assert_contains(err.message, part);
}

static void test_missing(void **state)
{
    folder_state *const s = *state;
    assert_refused(temp_path_of(&s->folder, "nowhere").text, "no such folder");
    assert_refused(s->folder.path, "train.bin");
    assert_refused(s->folder.path, "scripts/get_cifar100.sh");
    temp_file_write(&s->folder, "train.bin", s->train, XST_RECORD_BYTES);
    assert_refused(s->folder.path, "cannot open test.bin");
    temp_file_write(&s->folder, "test.bin", "", 0);
    assert_refused(s->folder.path, "test.bin is empty");
}

static void test_truncated(void **state)
{
    folder_state *const s = *state;
    write_both(s);
    temp_file_write(&s->folder, "test.bin", s->test, 2 * XST_RECORD_BYTES + 17);
    assert_refused(s->folder.path, "test.bin is truncated");
    assert_refused(s->folder.path, "17 bytes are left over");
}

static void test_bad_labels(void **state)
{
    static const struct {
        int byte, value;
        const char *message;
    } rows[] = {
        {0, 20, "record 2400: coarse label 20 is not in 0..19"},
        {1, 100, "record 2400: fine label 100 is not in 0..99"},
        {1, 255, "record 2400: fine label 255 is not in 0..99"},
        {0, 2, "not to 2"},
        {1, 0, "fine label 0 (apple) belongs to coarse label 4 (fruit_and_vegetables), not to 1"},
    };
    folder_state *const s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *const byte = s->train + (size_t)2400 * XST_RECORD_BYTES + rows[i].byte, kept = *byte;
        *byte = (uint8_t)rows[i].value;
        write_both(s);
        assert_refused(s->folder.path, rows[i].message);
        *byte = kept;
    }
}

static void test_missing_images(void **state)
{
    folder_state *const s = *state;
    xst_dataset *dataset = NULL;
    xst_task_data data;
    xst_error err = {0};
    write_both(s);
    temp_file_write(&s->folder, "train.bin", s->train, (size_t)(TRAIN - 1) * XST_RECORD_BYTES);
    assert_int_equal(xst_dataset_open(s->folder.path, "superclass", &dataset, &err), XST_OK);
    assert_int_equal(xst_dataset_load(dataset, FISH, 0, &data, &err), XST_ERROR_DATA);
    assert_contains(err.message, "has 499 training and 100 test images");
    assert_int_equal(xst_dataset_load(dataset, 0, 0, &data, &err), XST_ERROR_DATA);
    assert_contains(err.message, "(beaver) of task 'aquatic_mammals' has 0 training and 0 test images");
    xst_dataset_close(dataset);
}

/* Flat grey pictures have no contrast to normalise by. */
static void test_flat(void **state)
{
    folder_state *const s = *state;
    xst_dataset *dataset = NULL;
    xst_task_data data;
    xst_error err = {0};
    for (uint32_t i = 0; i < TRAIN; i++)
        memset(s->train + (size_t)i * XST_RECORD_BYTES + 2 + 2048, 9, 1024);
    write_both(s);
    assert_int_equal(xst_dataset_open(s->folder.path, "superclass", &dataset, &err), XST_OK);
    assert_int_equal(xst_dataset_load(dataset, FISH, 0, &data, &err), XST_ERROR_DATA);
    assert_contains(err.message, "channel 2");
    xst_dataset_close(dataset);
}

static void test_load(void **state)
{
    folder_state *const s = *state;
    xst_dataset *dataset = NULL;
    xst_task_data data;
    xst_error err = {0};
    char sha[65];
    write_both(s);
    assert_int_equal(xst_dataset_open(s->folder.path, "superclass", &dataset, &err), XST_OK);
    assert_int_equal(xst_dataset_tasks(dataset), 20);
    assert_string_equal(xst_dataset_task_name(dataset, 9), "large_man-made_outdoor_things");
    assert_int_equal(xst_dataset_load(dataset, FISH, 0, &data, &err), XST_OK);
    assert_string_equal(data.name, "fish");
    assert_int_equal(data.classes, 5);
    assert_string_equal(data.class_name[0], "aquarium_fish");
    assert_string_equal(data.class_name[4], "trout");
    assert_int_equal(data.train.count, TRAIN);
    assert_int_equal(data.valid.count, 0);
    assert_int_equal(data.test.count, TEST);
    for (uint32_t i = 0; i < TRAIN; i++) {
        assert_int_equal(data.train.labels[i], (i + 2) % 5);
        assert_memory_equal(data.train.pixels + (size_t)i * XST_IMAGE_BYTES,
                            s->train + (size_t)i * XST_RECORD_BYTES + 2, XST_IMAGE_BYTES);
    }
    assert_int_equal(xst_sha256(s->test, (size_t)TEST * XST_RECORD_BYTES, sha, NULL), XST_OK);
    assert_string_equal(data.test_sha256, sha);
    xst_task_data_free(&data);
    xst_dataset_close(dataset);
}

static void test_valid_share(void **state)
{
    folder_state *const s = *state;
    xst_dataset *dataset = NULL;
    xst_task_data whole, data;
    xst_error err = {0};
    write_both(s);
    assert_int_equal(xst_dataset_open(s->folder.path, "superclass", &dataset, &err), XST_OK);
    assert_int_equal(xst_dataset_load(dataset, FISH, 0, &whole, &err), XST_OK);
    assert_int_equal(xst_dataset_load(dataset, FISH, 0.1, &data, &err), XST_OK);
    assert_int_equal(data.train.count, 2250);
    assert_int_equal(data.valid.count, 250);
    /* The classes take turns, so the end of each class is the end of the file. */
    assert_memory_equal(data.train.pixels, whole.train.pixels, (size_t)2250 * XST_IMAGE_BYTES);
    assert_memory_equal(data.valid.pixels, whole.train.pixels + (size_t)2250 * XST_IMAGE_BYTES,
                        (size_t)250 * XST_IMAGE_BYTES);
    assert_memory_equal(data.valid.labels, whole.train.labels + 2250, 250 * sizeof(uint32_t));
    assert_memory_equal(data.mean, whole.mean, sizeof data.mean);
    assert_memory_equal(data.std, whole.std, sizeof data.std);
    xst_task_data_free(&data);
    xst_task_data_free(&whole);
    assert_int_equal(xst_dataset_load(dataset, FISH, 0.6, &data, &err), XST_ERROR_USAGE);
    assert_int_equal(xst_dataset_load(dataset, 20, 0, &data, &err), XST_ERROR_DATA);
    xst_dataset_close(dataset);
}

/* A file that changes under the program is noticed. */
static void test_changed(void **state)
{
    folder_state *const s = *state;
    xst_dataset *dataset = NULL;
    xst_task_data data;
    xst_error err = {0};
    write_both(s);
    assert_int_equal(xst_dataset_open(s->folder.path, "superclass", &dataset, &err), XST_OK);
    temp_file_write(&s->folder, "train.bin", s->train, (size_t)(TRAIN - 100) * XST_RECORD_BYTES);
    assert_int_equal(xst_dataset_load(dataset, FISH, 0, &data, &err), XST_ERROR_DATA);
    assert_contains(err.message, "became shorter");
    s->train[1] = s->train[XST_RECORD_BYTES + 1];
    write_both(s);
    assert_int_equal(xst_dataset_load(dataset, FISH, 0, &data, &err), XST_ERROR_DATA);
    assert_contains(err.message, "record 0 changed");
    xst_dataset_close(dataset);
}

static void assert_near(const double *found, double a, double b, double c)
{
    const double expected[3] = {a, b, c};
    for (int i = 0; i < 3; i++)
        if (fabs(found[i] - expected[i]) > 0.5e-4)
            fail_msg("channel %d: %.6f, expected %.4f", i, found[i], expected[i]);
}

/* The constants of CPG's reference code for the first and last task. */
static void test_real_data(void **state)
{
    (void)state;
    const char *const path = getenv("XST_DATA");
    if (!path) {
        print_message("skipped: XST_DATA not set\n");
        skip();
    }
    xst_dataset *dataset = NULL;
    xst_task_data data;
    xst_error err = {0};
    if (xst_dataset_open(path, "superclass", &dataset, &err) != XST_OK)
        fail_msg("%s", err.message);
    assert_int_equal(xst_dataset_load(dataset, 0, 0, &data, &err), XST_OK);
    assert_near(data.mean, 0.4242, 0.4783, 0.4975);
    assert_near(data.std, 0.2495, 0.2327, 0.2515);
    xst_task_data_free(&data);
    assert_int_equal(xst_dataset_load(dataset, 19, 0, &data, &err), XST_OK);
    assert_near(data.mean, 0.5301, 0.5280, 0.5037);
    assert_near(data.std, 0.2730, 0.2693, 0.2874);
    assert_string_equal(data.name, "vehicles_2");
    assert_string_equal(data.class_name[0], "lawn_mower");
    xst_task_data_free(&data);
    xst_dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_images, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load, setup, teardown),
        cmocka_unit_test_setup_teardown(test_valid_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
        cmocka_unit_test(test_real_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
