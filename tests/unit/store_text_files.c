/* manifest.json, metrics.csv and accuracy.csv: round trips, cutting, and what is refused. */
#include "support/open_run.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static void assert_file(const fixture *f, const char *name, const char *text)
{
    char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(xst_file_read(temp_path_of(&f->folder, name).text, &bytes, &size, NULL), XST_OK);
    assert_string_equal(bytes, text);
    xst_free(bytes);
}

static void write_text(const fixture *f, const char *name, const char *text)
{
    temp_file_write(&f->folder, name, text, strlen(text));
}

static xst_manifest sample_manifest(xst_run_task tasks[3])
{
    tasks[0] = (xst_run_task){.position = 1,
                              .name = "flowers \"and\" \xc3\xa4pfel",
                              .classes = {54, 62, 70},
                              .class_count = 3,
                              .status = "done",
                              .accuracy = 76.4,
                              .seconds = 1.0 / 3,
                              .mask_density = (double)NAN,
                              .kept = "prune 0.4",
                              .file = "tasks/01.h5",
                              .xxh3 = "00ff00ff00ff00ff"};
    tasks[1] = (xst_run_task){.position = 2,
                              .name = "fish",
                              .classes = {1},
                              .class_count = 1,
                              .status = "training",
                              .accuracy = (double)NAN,
                              .mask_density = 0.1};
    tasks[2] = (xst_run_task){.position = 3, .name = "trees", .class_count = 1, .status = "waiting"};
    return (xst_manifest){.version = "0.1.0",
                          .method = "xst",
                          .backend = "cpu",
                          .seed = 4294967295u,
                          .threads = 2,
                          .task_count = 3,
                          .tasks = tasks};
}

static void test_manifest(void **state)
{
    fixture *const f = *state;
    xst_run_task tasks[3];
    xst_manifest out;
    xst_error err = {0};
    const xst_manifest in = sample_manifest(tasks);
    assert_int_equal(xst_manifest_done(&in), 1);
    assert_int_equal(xst_run_write_manifest(f->run, &in, &err), XST_OK);
    if (xst_run_read_manifest(f->run, &out, &err) != XST_OK)
        fail_msg("%s", err.message);
    assert_string_equal(out.version, "0.1.0");
    assert_string_equal(out.git_commit, "");
    assert_string_equal(out.ended, "");
    assert_int_equal(out.seed, 4294967295u);
    assert_int_equal(out.threads, 2);
    assert_int_equal(out.task_count, 3);
    assert_string_equal(out.tasks[0].name, in.tasks[0].name);
    assert_int_equal(out.tasks[0].class_count, 3);
    assert_memory_equal(out.tasks[0].classes, in.tasks[0].classes, 3 * sizeof(int));
    assert_true(out.tasks[0].accuracy == 76.4);
    assert_true(out.tasks[0].seconds == 1.0 / 3);
    assert_true(isnan(out.tasks[0].mask_density));
    assert_string_equal(out.tasks[0].kept, "prune 0.4");
    assert_string_equal(out.tasks[1].kept, "");
    assert_string_equal(out.tasks[0].file, "tasks/01.h5");
    assert_string_equal(out.tasks[0].xxh3, "00ff00ff00ff00ff");
    assert_true(isnan(out.tasks[1].accuracy));
    assert_true(out.tasks[1].mask_density == 0.1);
    assert_string_equal(out.tasks[2].file, "");
    assert_int_equal(xst_manifest_done(&out), 1);
    xst_manifest_free(&out);
}

static void replace(char *text, size_t size, const char *from, const char *to)
{
    char copy[4096];
    char *const at = strstr(text, from);
    assert_non_null(at);
    snprintf(copy, sizeof copy, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    snprintf(text, size, "%s", copy);
}

static void test_manifest_refused(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
        {"\"done\"", "\"finished\"", "\"status\" is none of done, training, waiting"},
        {"\"accuracy\": 76", "\"accuracy\": \"76\", \"x\": 76", "\"accuracy\" is missing or not a number"},
        {"\"position\": 2", "\"position\": 3", "\"position\""},
        {"\"threads\": 2", "\"threads\": 2.5", "\"threads\""},
        {"\"seed\": 4294967295", "\"seed\": 4294967296", "\"seed\""},
        {"\"seed\"", "\"tasks\"", "duplicate"},
        {"00ff00ff00ff00ff", "00ff00ff00ff00fg", "\"xxh3\" of a finished task"},
        {"tasks/01.h5", "tasks/02.h5", "\"file\" of a finished task"},
        {"        54,", "        100,", "\"classes\""},
        {"\"xst\"", "7", "\"method\" is missing or not a text"},
        {"\"cpu\"", "\"0123456789012345678901234567890123456789\"", "\"backend\" is too long"},
        {"\"tasks\": [", "\"tasks\": 3, \"rest\": [", "\"tasks\" is missing or not a list"},
        {"\"version\"", "\"Version\"", "\"version\" is missing"},
        {"{", "[", "line"},
    };
    fixture *const f = *state;
    xst_run_task tasks[3];
    char *bytes = NULL;
    size_t size = 0;
    const xst_manifest in = sample_manifest(tasks);
    assert_int_equal(xst_run_write_manifest(f->run, &in, NULL), XST_OK);
    assert_int_equal(xst_file_read(temp_path_of(&f->folder, "run/manifest.json").text, &bytes, &size, NULL), XST_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[4096];
        xst_manifest out;
        xst_error err = {0};
        snprintf(text, sizeof text, "%s", bytes);
        replace(text, sizeof text, rows[i].from, rows[i].to);
        write_text(f, "run/manifest.json", text);
        assert_int_equal(xst_run_read_manifest(f->run, &out, &err), XST_ERROR_RUN);
        assert_contains(err.message, "manifest.json");
        assert_contains(err.message, rows[i].message);
    }
    for (size_t cut = 0; cut < size - 1; cut += 31) {
        xst_manifest out;
        temp_file_write(&f->folder, "run/manifest.json", bytes, cut);
        assert_int_equal(xst_run_read_manifest(f->run, &out, NULL), XST_ERROR_RUN);
    }
    xst_free(bytes);
}

#define HEADER                                                                                                         \
    "task,epoch,step,train_loss,train_accuracy,test_accuracy,images_per_s,seconds,active_columns,mask_density\n"
#define ROW_1_1 "1,1,79,1.5,20.04,,100.0,25.000,1000,\n"
#define ROW_1_2 "1,2,158,0.333333333,40.00,38.20,101.5,49.250,1000,\n"
#define ROW_2_1 "2,1,79,1.25,20.00,,100.0,74.000,37,0.987654\n"

static void append_all(fixture *f)
{
    static const xst_metrics_row rows[] = {
        {1, 1, 79, 1.5, 20.04, (double)NAN, 100, 25, 1000, (double)NAN, ""},
        {1, 2, 158, 0.333333333, 40, 38.2, 101.46, 49.25, 1000, (double)NAN, ""},
        {2, 1, 79, 1.25, 20, (double)NAN, 100, 74, 37, 0.9876543, ""},
    };
    for (int i = 0; i < 3; i++)
        assert_int_equal(xst_run_append_metrics(f->run, &rows[i], NULL), XST_OK);
}

static void test_metrics(void **state)
{
    fixture *const f = *state;
    xst_metrics_row *rows = NULL;
    size_t count = 0;
    append_all(f);
    assert_file(f, "run/metrics.csv", HEADER ROW_1_1 ROW_1_2 ROW_2_1);
    assert_int_equal(xst_run_read_metrics(f->run, &rows, &count, NULL), XST_OK);
    assert_int_equal(count, 3);
    assert_int_equal(rows[1].step, 158);
    assert_true(rows[1].test_accuracy == 38.2);
    assert_true(isnan(rows[0].test_accuracy) && isnan(rows[0].mask_density));
    assert_int_equal(rows[2].active_columns, 37);
    assert_true(rows[2].mask_density == 0.987654);
    xst_free(rows);
}

/* Methods that train in phases have one more column. */
static void test_metrics_with_phases(void **state)
{
    fixture *const f = *state;
    static const xst_metrics_row row = {1, 2, 158, 0.5, 40, (double)NAN, 100, 25, 1000, (double)NAN, "prune 0.1"};
    xst_metrics_row *rows = NULL;
    size_t count = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(xst_run_append_metrics(f->run, &row, NULL), XST_OK);
    assert_int_equal(xst_run_read_metrics(f->run, &rows, &count, NULL), XST_OK);
    assert_int_equal(count, 2);
    assert_string_equal(rows[1].phase, "prune 0.1");
    assert_true(isnan(rows[1].mask_density));
    xst_free(rows);
    assert_int_equal(xst_run_keep_metrics(f->run, 1, 1, NULL), XST_OK);
    assert_int_equal(xst_run_read_metrics(f->run, &rows, &count, NULL), XST_OK);
    assert_int_equal(count, 0);
    xst_free(rows);
}

static void test_keep_metrics(void **state)
{
    static const struct {
        int task, epoch;
        const char *left;
    } rows[] = {
        {3, 0, HEADER ROW_1_1 ROW_1_2 ROW_2_1},
        {2, 1, HEADER ROW_1_1 ROW_1_2 ROW_2_1},
        {2, 0, HEADER ROW_1_1 ROW_1_2},
        {1, 1, HEADER ROW_1_1},
        {1, 0, HEADER},
    };
    fixture *const f = *state;
    assert_int_equal(xst_run_keep_metrics(f->run, 1, 1, NULL), XST_OK);
    append_all(f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(xst_run_keep_metrics(f->run, rows[i].task, rows[i].epoch, NULL), XST_OK);
        assert_file(f, "run/metrics.csv", rows[i].left);
    }
    /* half a row, as a kill can leave it */
    write_text(f, "run/metrics.csv", HEADER ROW_1_1 "1,2,158,0.33");
    assert_int_equal(xst_run_keep_metrics(f->run, 9, 9, NULL), XST_OK);
    assert_file(f, "run/metrics.csv", HEADER ROW_1_1);
}

static void test_metrics_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "task,epoch\n1,1\n",
        HEADER "1,1,79\n",
        HEADER ROW_1_1 "1,2,158,x,40.00,38.20,101.5,49.250,1000,\n",
        HEADER "1,1,79,,20.04,,100.0,25.000,1000,\n",
        HEADER "0,1,79,1.5,20.04,,100.0,25.000,1000,\n",
        HEADER "1,1,-79,1.5,20.04,,100.0,25.000,1000,\n",
        HEADER "1,1,79,1.5,20.04,,100.0,25.000,1000,,\n",
        HEADER "1,1,79,nan,20.04,,100.0,25.000,1000,\n",
    };
    fixture *const f = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        xst_metrics_row *rows = NULL;
        size_t count = 0;
        xst_error err = {0};
        write_text(f, "run/metrics.csv", texts[i]);
        assert_int_equal(xst_run_read_metrics(f->run, &rows, &count, &err), XST_ERROR_RUN);
        assert_contains(err.message, "metrics.csv");
        assert_null(rows);
    }
}

/* A disk that fills up in the middle of a row: the row is taken back. */
static void test_metrics_full_disk(void **state)
{
    fixture *const f = *state;
    struct rlimit limit, small;
    xst_error err = {0};
    const xst_metrics_row row = {3, 1, 79, 1.5, 20.04, (double)NAN, 100, 25, 1000, (double)NAN, ""};
    append_all(f);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = strlen(HEADER ROW_1_1 ROW_1_2 ROW_2_1) + 5;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const xst_status status = xst_run_append_metrics(f->run, &row, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, XST_ERROR_IO);
    assert_contains(err.message, "no room for a whole row");
    assert_file(f, "run/metrics.csv", HEADER ROW_1_1 ROW_1_2 ROW_2_1);
}

static void test_accuracy(void **state)
{
    fixture *const f = *state;
    const double matrix[9] = {76.4, (double)NAN, (double)NAN, 76.4, 81.2345, 9, (double)NAN, (double)NAN, (double)NAN};
    double *found = NULL;
    int rows = 0, n = 0;
    assert_int_equal(xst_run_write_accuracy(f->run, matrix, 2, 3, NULL), XST_OK);
    assert_file(f, "run/accuracy.csv", "task_1,task_2,task_3\n76.40,,\n76.40,81.23,\n");
    assert_int_equal(xst_run_read_accuracy(f->run, &found, &rows, &n, NULL), XST_OK);
    assert_int_equal(rows, 2);
    assert_int_equal(n, 3);
    assert_true(found[0] == 76.4 && found[4] == 81.23);
    for (int i = 0; i < 9; i++)
        assert_int_equal(isnan(found[i]) != 0, i != 0 && i != 3 && i != 4);
    xst_free(found);
}

static void test_accuracy_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "task_1,task_3\n1,2\n",
        "task_1\nx\n",
        "task_1\n101\n",
        "task_1\n-1\n",
        "task_1,task_2\n1\n",
        "task_1\n1,2\n",
        "task_1\n1\n2\n",
    };
    fixture *const f = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double *found = NULL;
        int rows = 0, n = 0;
        xst_error err = {0};
        write_text(f, "run/accuracy.csv", texts[i]);
        assert_int_equal(xst_run_read_accuracy(f->run, &found, &rows, &n, &err), XST_ERROR_RUN);
        assert_contains(err.message, "accuracy.csv");
        assert_null(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_manifest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_with_phases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keep_metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accuracy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accuracy_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
