/* The synthetic set: shape, repeatability, and that it asks for more than the average picture of a class. */
#include "support/temp_folder.h"

#include "base/memory.h"
#include "data/dataset.h"
#include "data/normalise.h"
#include "data/synthetic.h"

#include <math.h>

static void load(int task, xst_task_data *data)
{
    xst_dataset *dataset = NULL;
    xst_error err = {0};
    assert_int_equal(xst_dataset_open("synthetic", "superclass", &dataset, &err), XST_OK);
    if (xst_dataset_load(dataset, task, 0, data, &err) != XST_OK)
        fail_msg("%s", err.message);
    xst_dataset_close(dataset);
}

static void test_shape(void **state)
{
    xst_task_data data;
    uint32_t count[5] = {0};
    (void)state;
    load(7, &data);
    assert_string_equal(data.name, "synthetic_07");
    assert_int_equal(data.classes, 5);
    assert_int_equal(data.fine[0], 35);
    assert_string_equal(data.class_name[4], "s07_c4");
    assert_int_equal(data.train.count, 2500);
    assert_int_equal(data.test.count, 500);
    for (uint32_t i = 0; i < data.test.count; i++)
        count[data.test.labels[i]]++;
    for (int c = 0; c < 5; c++)
        assert_int_equal(count[c], 100);
    for (int c = 0; c < 3; c++) {
        assert_true(data.mean[c] > 0.1 && data.mean[c] < 0.9);
        assert_true(data.std[c] > 0.05 && data.std[c] < 0.4);
    }
    xst_task_data_free(&data);
}

/* These bytes are part of the program: results on the synthetic set can be compared between machines and versions. */
static void test_same_everywhere(void **state)
{
    xst_task_data data;
    (void)state;
    load(0, &data);
    assert_string_equal(data.test_sha256, "2f2c149caea005eeddd4c3b8c6afa5bfdeba215ac59f211e4a12494067f09f10");
    xst_task_data_free(&data);
}

static void test_images_differ(void **state)
{
    uint8_t a[XST_RECORD_BYTES], b[XST_RECORD_BYTES];
    (void)state;
    xst_synthetic_record(XST_TRAIN, 3, 8, a);
    assert_int_equal(a[0], 0);
    assert_int_equal(a[1], 3);
    xst_synthetic_record(XST_TRAIN, 3, 8, b);
    assert_memory_equal(a, b, sizeof a);
    xst_synthetic_record(XST_TEST, 3, 8, b);
    assert_memory_not_equal(a + 2, b + 2, XST_IMAGE_BYTES);
    xst_synthetic_record(XST_TRAIN, 3, 9, b);
    assert_memory_not_equal(a + 2, b + 2, XST_IMAGE_BYTES);
}

/* Nearest class mean, a linear classifier: near chance (20 %), as the object's place and the stripes' phase are random.
 */
static void test_not_linear(void **state)
{
    xst_task_data data;
    static double mean[5][XST_IMAGE_BYTES];
    uint32_t right = 0;
    (void)state;
    memset(mean, 0, sizeof mean);
    load(1, &data);
    for (uint32_t i = 0; i < data.train.count; i++)
        for (int p = 0; p < XST_IMAGE_BYTES; p++)
            mean[data.train.labels[i]][p] += data.train.pixels[(size_t)i * XST_IMAGE_BYTES + (size_t)p] / 500.0;
    for (uint32_t i = 0; i < data.test.count; i++) {
        uint32_t best = 0;
        double nearest = INFINITY;
        for (uint32_t c = 0; c < 5; c++) {
            double distance = 0;
            for (int p = 0; p < XST_IMAGE_BYTES; p++) {
                const double d = data.test.pixels[(size_t)i * XST_IMAGE_BYTES + (size_t)p] - mean[c][p];
                distance += d * d;
            }
            if (distance < nearest) {
                nearest = distance;
                best = c;
            }
        }
        right += best == data.test.labels[i];
    }
    assert_true(right < 200); /* of 500 */
    xst_task_data_free(&data);
}

/* Two records, by hand: one channel half 0 and half 255, one constant, one with values 0 and 51. */
static void test_statistics(void **state)
{
    static uint8_t bytes[2 * XST_RECORD_BYTES];
    double mean[3], std[3];
    (void)state;
    for (int p = 0; p < 1024; p++) {
        bytes[2 + p] = 255;
        bytes[2 + 1024 + p] = bytes[XST_RECORD_BYTES + 2 + 1024 + p] = 102;
        bytes[2 + 2048 + p] = (uint8_t)(p % 4 == 0 ? 51 : 0);
        bytes[XST_RECORD_BYTES + 2 + 2048 + p] = 0;
    }
    const xst_records records = {2, bytes};
    xst_channel_statistics(&records, mean, std);
    assert_true(fabs(mean[0] - 0.5) < 1e-15 && fabs(std[0] - 0.5) < 1e-15);
    assert_true(fabs(mean[1] - 0.4) < 1e-15 && std[1] == 0);
    assert_true(fabs(mean[2] - 0.2 / 8) < 1e-15 && fabs(std[2] - 0.2 * sqrt(7.0) / 8) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),      cmocka_unit_test(test_same_everywhere), cmocka_unit_test(test_images_differ),
        cmocka_unit_test(test_not_linear), cmocka_unit_test(test_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
