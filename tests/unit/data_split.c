/* Which classes make which task: the built-in splits and split files. */
#include "support/temp_folder.h"

#include "data/labels.h"
#include "data/split.h"

static xst_status read_text(const char *text, xst_split *split, xst_error *err)
{
    const temp_folder folder = temp_folder_make();
    const temp_path path = temp_path_of(&folder, "split.txt");
    xst_labels labels;
    xst_labels_cifar100(&labels);
    temp_file_write(&folder, "split.txt", text, strlen(text));
    const xst_status status = xst_split_read(path.text, &labels, split, err);
    temp_folder_remove(&folder);
    return status;
}

static void test_superclass(void **state)
{
    static xst_split split;
    xst_labels labels;
    (void)state;
    xst_labels_cifar100(&labels);
    assert_int_equal(xst_split_read("superclass", &labels, &split, NULL), XST_OK);
    assert_int_equal(split.tasks, 20);
    for (int k = 0; k < 20; k++)
        assert_int_equal(split.task[k].classes, 5);
    static const int aquatic_mammals[5] = {4, 30, 55, 72, 95}; /* beaver dolphin otter seal whale */
    assert_memory_equal(split.task[0].fine, aquatic_mammals, sizeof aquatic_mammals);
    assert_string_equal(split.task[0].name, "aquatic_mammals");
    xst_labels_synthetic(&labels);
    assert_int_equal(xst_split_read("superclass", &labels, &split, NULL), XST_OK);
    assert_string_equal(split.task[3].name, "synthetic_03");
    assert_int_equal(split.task[3].fine[4], 19);
    assert_string_equal(labels.fine[19], "s03_c4");
}

static void test_class_order(void **state)
{
    static xst_split split;
    xst_labels labels;
    (void)state;
    xst_labels_cifar100(&labels);
    assert_int_equal(xst_split_read("class-order", &labels, &split, NULL), XST_OK);
    assert_int_equal(split.tasks, 20);
    assert_string_equal(split.task[19].name, "classes 95-99");
    assert_int_equal(split.task[19].fine[0], 95);
}

static void test_file(void **state)
{
    static xst_split split;
    xst_error err = {0};
    (void)state;
    const char *const text = "# two tasks\n\nworm, 3  apple\r\n  12,bed # and a comment\n"
                             "motorcycle mountain mushroom lawn_mower sweet_pepper pickup_truck aquarium_fish";
    if (read_text(text, &split, &err) != XST_OK)
        fail_msg("%s", err.message);
    assert_int_equal(split.tasks, 3);
    static const int first[3] = {0, 3, 99};
    assert_memory_equal(split.task[0].fine, first, sizeof first);
    assert_string_equal(split.task[0].name, "apple+bear+worm");
    assert_int_equal(split.task[1].classes, 2);
    assert_string_equal(split.task[1].name, "bed+bridge");
    assert_string_equal(split.task[2].name, "aquarium_fish+lawn_mower+motorcycle+mountain+mushroom+2 more");
}

/* Every class in one task: as many as there can be. */
static void test_one_task(void **state)
{
    static xst_split split;
    char text[1024] = "";
    (void)state;
    for (int i = 99; i >= 0; i--)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", i);
    assert_int_equal(read_text(text, &split, NULL), XST_OK);
    assert_int_equal(split.tasks, 1);
    assert_int_equal(split.task[0].classes, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(split.task[0].fine[i], i);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "no task in it"},
        {"# nothing\n \n", "split.txt:2: no task in it"},
        {"1 2\n3 2\n", "split.txt:2: class 2 (baby) is already in line 1"},
        {"1 2 1\n", "split.txt:1: class 1 (aquarium_fish) is already in line 1"},
        {"bear\nbever\n", "split.txt:2: no class is called 'bever'; did you mean 'beaver'?"},
        {"qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq\n", "no class is called 'qqqq"},
        {"0\n\n100\n", "split.txt:3: fine label 100 is not in 0..99"},
        {"99999999999999999999\n", "is not in 0..99"},
        {"-1\n", "no class is called '-1'"},
    };
    static xst_split split;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        xst_error err = {0};
        assert_int_equal(read_text(rows[i].text, &split, &err), XST_ERROR_DATA);
        assert_contains(err.message, rows[i].message);
    }
}

static void test_no_file(void **state)
{
    static xst_split split;
    xst_labels labels;
    xst_error err = {0};
    (void)state;
    xst_labels_cifar100(&labels);
    assert_int_equal(xst_split_read("superklass", &labels, &split, &err), XST_ERROR_DATA);
    assert_contains(err.message, "task_split 'superklass' is neither superclass nor class-order nor a readable file");
    const temp_folder folder = temp_folder_make();
    const temp_path path = temp_path_of(&folder, "binary");
    temp_file_write(&folder, "binary", "1 2\n\0\0\n", 7);
    assert_int_equal(xst_split_read(path.text, &labels, &split, &err), XST_ERROR_DATA);
    assert_contains(err.message, "binary:2: not a line of text");
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_superclass), cmocka_unit_test(test_class_order), cmocka_unit_test(test_file),
        cmocka_unit_test(test_one_task),   cmocka_unit_test(test_refused),     cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
