/* The run folder: who may open it, the lock, and what a killed writer left. */
#include "support/sample_record.h"
#include "support/temp_folder.h"

#include "base/file.h"
#include "store/run.h"

#include <math.h>
#include <sys/wait.h>

static temp_folder folder;

static int setup(void **state)
{
    (void)state;
    folder = temp_folder_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_folder_remove(&folder);
    return 0;
}

static temp_path in_folder(const char *name)
{
    return temp_path_of(&folder, name);
}

static bool there(const char *name)
{
    return xst_path_exists(in_folder(name).text);
}

static xst_run *open_run(xst_run_mode mode)
{
    xst_run *run = NULL;
    xst_error err = {0};
    if (xst_run_open(in_folder("run").text, mode, &run, &err) != XST_OK)
        fail_msg("%s", err.message);
    return run;
}

static void assert_refused(const char *name, xst_run_mode mode, const char *part)
{
    xst_run *run = NULL;
    xst_error err = {0};
    assert_int_equal(xst_run_open(in_folder(name).text, mode, &run, &err), XST_ERROR_RUN);
    assert_null(run);
    assert_contains(err.message, part);
}

static bool is_fresh(void)
{
    bool fresh = false;
    assert_int_equal(xst_run_is_fresh(in_folder("run").text, &fresh, NULL), XST_OK);
    return fresh;
}

/* A manifest of two tasks, of which `done` are finished. */
static void write_manifest(xst_run *run, int done)
{
    xst_run_task tasks[2];
    const xst_manifest manifest = {.method = "xst", .task_count = 2, .tasks = tasks};
    for (int i = 0; i < 2; i++) {
        tasks[i] = (xst_run_task){.position = i + 1, .name = "fish", .classes = {1, 32}, .class_count = 2};
        snprintf(tasks[i].status, sizeof tasks[i].status, "%s", i < done ? "done" : "waiting");
        snprintf(tasks[i].file, sizeof tasks[i].file, "tasks/%02d.h5", i + 1);
        snprintf(tasks[i].xxh3, sizeof tasks[i].xxh3, "0123456789abcdef");
    }
    assert_int_equal(xst_run_write_manifest(run, &manifest, NULL), XST_OK);
}

static void test_create(void **state)
{
    (void)state;
    assert_true(is_fresh());
    xst_run *const run = open_run(XST_RUN_CREATE);
    assert_string_equal(xst_run_path(run), in_folder("run").text);
    assert_true(there("run/tasks"));
    assert_int_equal(xst_run_write_config(run, "seed: 1\n", 8, NULL), XST_OK);
    assert_true(there("run/config.yaml"));
    assert_true(is_fresh());
    xst_run_close(run);
    assert_refused("run", XST_RUN_CREATE, "exists and is not empty");
    assert_refused("run", XST_RUN_READ, "no manifest.json");
    assert_refused("none", XST_RUN_READ, "no such folder");
    assert_false(there("none"));
}

static void test_small_files(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t size = 0;
    xst_run *run = open_run(XST_RUN_CREATE);
    assert_int_equal(xst_run_write_file(run, "report/deep/a.svg", "<svg/>", 6, NULL), XST_OK);
    assert_int_equal(xst_file_read(in_folder("run/report/deep/a.svg").text, &bytes, &size, NULL), XST_OK);
    assert_string_equal(bytes, "<svg/>");
    xst_free(bytes);
    write_manifest(run, 0);
    xst_run_close(run);
    run = open_run(XST_RUN_READ);
    assert_int_equal(xst_run_write_file(run, "x", "", 0, NULL), XST_ERROR_INTERNAL);
    assert_int_equal(xst_run_remove_resume(run, NULL), XST_ERROR_INTERNAL);
    assert_int_equal(xst_run_keep_metrics(run, 1, 1, NULL), XST_ERROR_INTERNAL);
    xst_run_close(run);
}

/* Another process holds the lock: refused, for as long as it lives. */
static void test_lock(void **state)
{
    (void)state;
    int ready[2], leave[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        xst_run *run = NULL;
        const xst_status status = xst_run_open(in_folder("run").text, XST_RUN_CREATE, &run, NULL);
        _exit(status == XST_OK && write(ready[1], "r", 1) == 1 && read(leave[0], &byte, 1) == 1 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_refused("run", XST_RUN_CREATE, "another process is writing it");
    assert_refused("run", XST_RUN_RESUME, "another process is writing it");
    assert_int_equal(write(leave[1], "l", 1), 1);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    xst_run_close(open_run(XST_RUN_RESUME));
    xst_run_close(open_run(XST_RUN_RESUME));
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(leave[i]);
    }
}

static void test_strays_removed(void **state)
{
    (void)state;
    xst_run_close(open_run(XST_RUN_CREATE));
    temp_file_write(&folder, "run/config.yaml.tmp", "x", 1);
    temp_file_write(&folder, "run/tasks/01.h5.tmp", "x", 1);
    assert_true(is_fresh());
    xst_run_close(open_run(XST_RUN_RESUME));
    assert_false(there("run/config.yaml.tmp"));
    assert_false(there("run/tasks/01.h5.tmp"));
}

/* A folder of somebody's own is left alone, temporary files and all. */
static void test_foreign(void **state)
{
    bool fresh = true;
    xst_error err = {0};
    (void)state;
    assert_int_equal(xst_folder_make(in_folder("mine/tasks").text, NULL), XST_OK);
    temp_file_write(&folder, "mine/thesis.tex.tmp", "x", 1);
    temp_file_write(&folder, "mine/thesis.tex", "x", 1);
    assert_refused("mine", XST_RUN_RESUME, "it holds 'thesis.tex', but no manifest.json");
    assert_refused("mine", XST_RUN_CREATE, "not empty");
    assert_int_equal(xst_run_is_fresh(in_folder("mine").text, &fresh, &err), XST_ERROR_RUN);
    assert_false(fresh);
    temp_file_write(&folder, "mine/manifest.json", "{\"name\": \"web app\"}", 19);
    assert_refused("mine", XST_RUN_RESUME, "manifest.json");
    assert_true(there("mine/thesis.tex.tmp"));
    assert_refused("mine/thesis.tex", XST_RUN_RESUME, "that is a file");
    assert_refused("mine/thesis.tex", XST_RUN_CREATE, "that is a file");
}

static void test_unwritable(void **state)
{
    (void)state;
    temp_file_write(&folder, "file", "x", 1);
    assert_refused("file/run", XST_RUN_CREATE, "cannot make folder");
}

/* Task files and accuracy rows beyond the manifest's last finished task go; what it counts stays. */
static void test_cut(void **state)
{
    static const double matrix[4] = {50, 0, 51, 60};
    double *found = NULL;
    int rows = 0, n = 0;
    char xxh3[17];
    (void)state;
    xst_run *run = open_run(XST_RUN_CREATE);
    for (int position = 1; position <= 2; position++) {
        xst_task_record record = sample_record(position);
        assert_int_equal(xst_run_write_task(run, &record, xxh3, NULL), XST_OK);
        xst_task_record_free(&record);
    }
    assert_int_equal(xst_run_write_accuracy(run, matrix, 2, 2, NULL), XST_OK);
    write_manifest(run, 1);
    xst_run_close(run);
    run = open_run(XST_RUN_RESUME);
    assert_true(there("run/tasks/01.h5"));
    assert_false(there("run/tasks/02.h5"));
    assert_int_equal(xst_run_read_accuracy(run, &found, &rows, &n, NULL), XST_OK);
    assert_int_equal(rows, 1);
    assert_int_equal(n, 2);
    xst_free(found);
    write_manifest(run, 0);
    xst_run_close(run);
    xst_run_close(open_run(XST_RUN_RESUME));
    assert_false(there("run/tasks/01.h5"));
    assert_false(there("run/accuracy.csv"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strays_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unwritable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
