/* xst_compare on run folders whose every figure is known: what is related to what, what is left out and says so. */
#include "support/fake_run.h"
#include "support/temp_folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "report/report.h"

#include <jansson.h>
#include <math.h>

#define near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

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

/* A run of method xst; tests change what they are about. */
static fake_run xst_run_of(uint32_t seed)
{
    return (fake_run){.method = "xst", .seed = seed, .done = 2, .right = {300, 350}, .epochs = 3, .epoch_seconds = 7.9};
}

static void add(const char *name, fake_run fake)
{
    fake_run_write(temp_path_of(&folder, name).text, &fake);
}

static xst_status try_compare(const char *const *names, int count, const char *data, xst_comparison **out,
                              xst_error *err)
{
    temp_path path[8];
    const char *paths[8];
    const xst_compare_options options = {.data = data};
    for (int i = 0; i < count; i++) {
        path[i] = temp_path_of(&folder, names[i]);
        paths[i] = path[i].text;
    }
    return xst_compare(paths, count, &options, out, err);
}

static xst_comparison *compare(const char *const *names, int count)
{
    xst_comparison *c = NULL;
    xst_error err = {0};
    if (try_compare(names, count, NULL, &c, &err) != XST_OK)
        fail_msg("%s", err.message);
    return c;
}

#define COMPARE(...) compare((const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static const char *text_of(xst_comparison *c)
{
    const char *text = NULL;
    assert_int_equal(xst_comparison_text(c, 100, &text, NULL), XST_OK);
    return text;
}

static void figures_of_a_run(void **state)
{
    (void)state;
    fake_run fake = xst_run_of(3);
    fake.first_at_end = 45.0;
    add("run", fake);
    xst_comparison *const c = COMPARE("run");
    const xst_compared_run *const r = xst_comparison_run(c, 0);
    assert_int_equal(xst_comparison_runs(c), 1);
    assert_null(xst_comparison_run(c, 1));
    assert_string_equal(r->label, "run");
    assert_string_equal(r->excluded, "");
    assert_int_equal(r->seed, 3);
    near(r->accuracy[0], 60.0);
    assert_true(isnan(r->accuracy[1]));
    near(r->final_average, (45.0 + 70.0) / 2);
    near(r->incremental, (60.0 + 57.5) / 2);
    near(r->diagonal, 65.0);
    near(r->bwt, -15.0);
    near(r->forgetting, 15.0);
    near(r->forgetting_clipped, 15.0);
    assert_true(isnan(r->gain));
    near(r->seconds, 2 * 3 * 7.9);
    near(r->time_ratio, 1.0);
    assert_null(strstr(text_of(c), "standard deviation")); /* one seed has none */
    assert_non_null(strstr(text_of(c), "n/a (task-specific heads)"));
    xst_comparison_free(c);
}

/* The sizes follow from the two layers of fake_run.h. */
static void bytes_and_densities(void **state)
{
    (void)state;
    add("run", xst_run_of(0));
    fake_run whole = xst_run_of(0);
    whole.method = "scratch";
    whole.whole = true;
    add("scratch", whole);
    xst_comparison *const c = COMPARE("run", "scratch");
    const xst_report_task *const one = &c->runs[0].tasks[0], *const two = &c->runs[0].tasks[1],
                                 *const all = &c->runs[1].tasks[1];
    assert_int_equal(one->bytes.weights, 4 * (2 * 36 + 4 * 4));
    assert_int_equal(one->bytes.columns, 4 * 6);
    assert_int_equal(one->bytes.mask, 0);
    assert_int_equal(one->bytes.bn, 4 * 4 * 4);
    assert_int_equal(one->bytes.biases, 4 * 4);
    assert_int_equal(one->bytes.head, 4 * (5 * 4 + 5));
    assert_int_equal(one->bytes.logits, 4 * 500 * 5);
    assert_true(isnan(one->mask_density));
    assert_int_equal(one->weights_on, 88);
    assert_int_equal(one->weights_all, 288 + 64);
    assert_int_equal(two->bytes.mask, 1 + 2);
    assert_int_equal(two->bytes.mask_preserved, 1 + 1);
    /* 1 of 2 on: 2 bits; 3 of 4: 4 H(3/4) */
    assert_true(fabs(two->bytes.mask_entropy - (2 + 4 * 0.8112781245) / 8) < 1e-9);
    near(two->mask_density, 4.0 / 6);
    assert_int_equal(two->weights_on, 36 + 4 + 36 + 3 * 4);
    const xst_task_bytes *const b = &two->bytes;
    assert_int_equal(b->file, b->weights + b->columns + b->mask + b->bn + b->biases + b->head + b->logits + b->other);
    assert_true(b->other > 0);
    assert_int_equal(all->weights_on, 288 + 64);
    assert_true(isnan(all->mask_density));
    xst_comparison_free(c);
}

static void gain_and_time(void **state)
{
    (void)state;
    fake_run slow = xst_run_of(1), scratch = xst_run_of(1), other = xst_run_of(0);
    slow.method = "xst-element";
    slow.epochs = 6;
    slow.epoch_seconds = 15.8;
    scratch.method = other.method = "scratch";
    scratch.whole = other.whole = true;
    scratch.right[0] = 250;
    add("xst.0", xst_run_of(0));
    add("xst.1", xst_run_of(1));
    add("element", slow);
    add("scratch.0", other);
    add("scratch.1", scratch);
    xst_comparison *const c = COMPARE("xst.0", "xst.1", "element", "scratch.0", "scratch.1");
    near(xst_comparison_run(c, 0)->gain, 0.0);
    near(xst_comparison_run(c, 1)->gain, ((60.0 - 50.0) + 0.0) / 2); /* over the scratch run of its own seed */
    assert_true(isnan(xst_comparison_run(c, 4)->gain));
    const xst_report_run *const run = &c->runs[2];
    assert_int_equal(run->time_base, 1);
    near(run->public.time_ratio, 4.0);
    assert_int_equal(run->epochs, 12);
    near(run->ms_per_step, 200.0);
    near(run->public.seconds, run->epochs * run->ms_per_step / 1000 * run->rest);
    near(run->rest, 79.0);
    xst_comparison_free(c);
}

static void times_of_other_machines(void **state)
{
    (void)state;
    add("xst", xst_run_of(0));
    fake_run fake = xst_run_of(0);
    fake.method = "xst-element";
    add("element", fake);
    char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(xst_file_read(temp_path_of(&folder, "element/manifest.json").text, &bytes, &size, NULL), XST_OK);
    char *const cpu = strstr(bytes, "a processor");
    assert_non_null(cpu);
    *cpu = 'b';
    temp_file_write(&folder, "element/manifest.json", bytes, size);
    xst_free(bytes);
    xst_comparison *const c = COMPARE("xst", "element");
    assert_true(isnan(xst_comparison_run(c, 1)->time_ratio));
    assert_non_null(strstr(text_of(c), "element has no ratio"));
    xst_comparison_free(c);
}

static void seeds(void **state)
{
    (void)state;
    fake_run two = xst_run_of(2), three = xst_run_of(7), ablation = xst_run_of(0);
    two.right[0] = 310;
    three.right[0] = 350;
    three.options[0] = "log_every"; /* says nothing about the result */
    three.options[1] = "5";
    ablation.options[0] = "mask";
    ablation.options[1] = "all";
    add("seed2", two);
    add("seed7", three);
    add("seed0", xst_run_of(0));
    add("again", xst_run_of(0));
    add("ablation", ablation);
    xst_comparison *const c = COMPARE("seed2", "seed7", "seed0", "again", "ablation");
    assert_int_equal(c->group_count, 2);
    assert_string_equal(c->groups[0].name, "xst mask=gumbel");
    assert_string_equal(c->groups[1].name, "xst mask=all");
    assert_int_equal(c->groups[0].count, 3); /* the same seed twice is not two results */
    assert_int_equal(c->groups[0].run[0], 2);
    assert_int_equal(c->groups[0].run[1], 0);
    assert_int_equal(c->groups[0].run[2], 1);
    assert_int_equal(c->groups[1].count, 1);
    assert_string_equal(xst_comparison_run(c, 3)->excluded, "repeats seed0: same method, options and seed");
    const char *const text = text_of(c);
    assert_non_null(strstr(text, "65.00 66.00 70.00"));
    assert_non_null(strstr(text, "[1] again: repeats seed0"));
    xst_comparison_free(c);
}

/* A has images 0..299 and 0..349 right, B 20..309 and 20..359. */
static void paired_tests(void **state)
{
    (void)state;
    fake_run b = xst_run_of(0);
    b.method = "xst-element";
    b.from = 20;
    b.right[0] = 290;
    b.right[1] = 340;
    add("a", xst_run_of(0));
    add("b", b);
    xst_comparison *c = COMPARE("a", "b");
    assert_int_equal(c->test_count, 1);
    assert_string_equal(c->untested, "");
    const xst_report_test *const t = &c->tests[0];
    assert_int_equal(t->images, 1000);
    assert_int_equal(t->mcnemar.only_a, 20 + 20); /* 0..19 in both tasks */
    assert_int_equal(t->mcnemar.only_b, 10 + 10); /* 300..309 and 350..359 */
    near(t->difference, 2.0);
    near(t->p, xst_mcnemar_test(40, 20).mid);
    xst_comparison_free(c);
    /* without the data set the rest still stands */
    assert_int_equal(try_compare((const char *const[]){"a", "b"}, 2, "no-such-folder", &c, NULL), XST_OK);
    assert_int_equal(c->test_count, 0);
    assert_non_null(strstr(c->untested, "labels"));
    assert_non_null(strstr(text_of(c), "n/a: the labels"));
    xst_comparison_free(c);
}

/* Logits and accuracy.csv must tell the same story. */
static void damaged_accuracy(void **state)
{
    static const char csv[] = "task_1,task_2\n61.00,\n60.00,70.00\n";
    xst_comparison *c = NULL;
    xst_error err = {0};
    (void)state;
    fake_run b = xst_run_of(0);
    b.method = "xst-element";
    add("a", xst_run_of(0));
    add("b", b);
    temp_file_write(&folder, "b/accuracy.csv", csv, sizeof csv - 1);
    assert_int_equal(try_compare((const char *const[]){"a", "b"}, 2, NULL, &c, &err), XST_ERROR_RUN);
    assert_null(c);
    assert_contains(err.message, "give 60.00 %, accuracy.csv says 61.00");
}

static void what_cannot_be_compared(void **state)
{
    (void)state;
    fake_run unfinished = xst_run_of(1), wide = xst_run_of(2), capacity = xst_run_of(3), scratch = xst_run_of(4);
    unfinished.done = 1;
    wide.options[0] = "width";
    wide.options[1] = "0.5";
    capacity.options[0] = scratch.options[0] = "capacity_tasks";
    capacity.options[1] = scratch.options[1] = "2";
    scratch.method = "scratch";
    scratch.whole = true;
    add("unfinished", unfinished);
    add("good", xst_run_of(0));
    add("wide", wide);
    add("capacity", capacity);
    add("scratch", scratch);
    xst_comparison *const c = COMPARE("unfinished", "good", "wide", "capacity", "scratch");
    assert_int_equal(c->reference, 1);
    assert_string_equal(xst_comparison_run(c, 0)->excluded, "unfinished: 1 of 2 tasks learnt");
    assert_string_equal(xst_comparison_run(c, 1)->excluded, "");
    assert_string_equal(xst_comparison_run(c, 2)->excluded, "other net: width 0.5, not 1");
    assert_string_equal(xst_comparison_run(c, 3)->excluded, "other capacity: capacity_tasks 2, not 20");
    assert_string_equal(xst_comparison_run(c, 4)->excluded, ""); /* shares no net, so capacity is nothing to it */
    assert_int_equal(c->runs[0].group, -1);
    assert_int_equal(c->group_count, 2);
    assert_int_equal(c->groups[0].count, 1);
    assert_true(isnan(xst_comparison_run(c, 0)->time_ratio));
    const char *const text = text_of(c);
    assert_non_null(strstr(text, "unfinished [1]"));
    assert_non_null(strstr(text, "[2] wide: other net"));
    xst_comparison_free(c);
}

static void other_tasks(void **state)
{
    (void)state;
    add("good", xst_run_of(0));
    add("odd", xst_run_of(1));
    char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(xst_file_read(temp_path_of(&folder, "odd/manifest.json").text, &bytes, &size, NULL), XST_OK);
    char *const name = strstr(bytes, "synthetic_01");
    assert_non_null(name);
    name[11] = '9';
    temp_file_write(&folder, "odd/manifest.json", bytes, size);
    xst_free(bytes);
    xst_comparison *const c = COMPARE("good", "odd");
    assert_string_equal(xst_comparison_run(c, 1)->excluded, "other tasks: task 2 is synthetic_09, not synthetic_01");
    assert_int_equal(c->group_count, 1);
    xst_comparison_free(c);
}

static void refused(void **state)
{
    xst_comparison *c = NULL;
    xst_error err = {0};
    (void)state;
    add("run", xst_run_of(0));
    assert_int_equal(try_compare((const char *const[]){"run", "nothing"}, 2, NULL, &c, &err), XST_ERROR_RUN);
    assert_contains(err.message, "nothing");
    assert_int_equal(xst_folder_make(temp_path_of(&folder, "foreign").text, NULL), XST_OK);
    temp_file_write(&folder, "foreign/letter.txt", "x", 1);
    assert_int_equal(try_compare((const char *const[]){"run", "foreign"}, 2, NULL, &c, &err), XST_ERROR_RUN);
    assert_contains(err.message, "foreign");
    assert_int_equal(try_compare((const char *const[]){"run", "run/"}, 2, NULL, &c, &err), XST_ERROR_USAGE);
    assert_contains(err.message, "same folder");
    temp_file_write(&folder, "run/tasks/02.h5", "damage", 6);
    assert_int_equal(try_compare((const char *const[]){"run"}, 1, NULL, &c, &err), XST_ERROR_RUN);
    assert_contains(err.message, "02.h5");
    assert_int_equal(try_compare((const char *const[]){"run"}, 0, NULL, &c, &err), XST_ERROR_USAGE);
}

static void labels(void **state)
{
    (void)state;
    assert_int_equal(xst_folder_make(temp_path_of(&folder, "a/x").text, NULL), XST_OK);
    assert_int_equal(xst_folder_make(temp_path_of(&folder, "b/x").text, NULL), XST_OK);
    add("a/x/run", xst_run_of(0));
    add("b/x/run", xst_run_of(1));
    add("c", xst_run_of(2));
    xst_comparison *const c = COMPARE("a/x/run", "b/x/run", "c");
    assert_string_equal(xst_comparison_run(c, 0)->label, "a/x/run");
    assert_string_equal(xst_comparison_run(c, 1)->label, "b/x/run");
    assert_string_equal(xst_comparison_run(c, 2)->label, "c");
    xst_comparison_free(c);
}

static void documents(void **state)
{
    static const char *const files[] = {"compare.md",      "compare.json",    "accuracy.csv",        "runs.csv",
                                        "paired.csv",      "time_tasks.csv",  "bytes_tasks.csv",     "masks.csv",
                                        "plots/curves.gp", "plots/matrix.gp", "plots/forgetting.gp", "seeds.csv",
                                        "plots/matrix.dat"};
    const char *said = NULL, *json = NULL;
    xst_error err = {0};
    (void)state;
    fake_run b = xst_run_of(0);
    b.method = "finetune";
    b.whole = true;
    b.first_at_end = 30.0;
    add("a", xst_run_of(0));
    add("a2", xst_run_of(1));
    add("b", b);
    xst_comparison *const c = COMPARE("a", "a2", "b");
    assert_int_equal(xst_comparison_write(c, temp_path_of(&folder, "b").text, &said, &err), XST_ERROR_USAGE);
    assert_contains(err.message, "is a run folder");
    if (xst_comparison_write(c, temp_path_of(&folder, "new/out").text, &said, &err) != XST_OK)
        fail_msg("%s", err.message);
    assert_contains(said, "plots/");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "new/out/%s", files[i]);
        if (!xst_path_exists(temp_path_of(&folder, name).text))
            fail_msg("%s is missing", name);
    }
    assert_int_equal(strstr(said, "plots/*.svg") != NULL,
                     xst_path_exists(temp_path_of(&folder, "new/out/plots/forgetting.svg").text));
    assert_int_equal(xst_comparison_json(c, &json, &err), XST_OK);
    json_t *const root = json_loads(json, 0, NULL);
    assert_non_null(root);
    const json_t *const run = json_array_get(json_object_get(root, "runs"), 2);
    near(json_real_value(json_object_get(json_object_get(run, "figures"), "forgetting")), 30.0);
    assert_true(json_is_null(json_object_get(json_object_get(run, "figures"), "fwt")));
    assert_int_equal(json_array_size(json_object_get(run, "tasks")), 2);
    assert_int_equal(json_array_size(json_object_get(root, "groups")), 2);
    assert_int_equal(json_array_size(json_object_get(root, "paired_tests")), 1);
    assert_int_equal(json_array_size(json_object_get(root, "published")), 3);
    json_decref(root);
    xst_comparison_free(c);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(figures_of_a_run),
        TEST(bytes_and_densities),
        TEST(gain_and_time),
        TEST(times_of_other_machines),
        TEST(seeds),
        TEST(paired_tests),
        TEST(damaged_accuracy),
        TEST(other_tasks),
        TEST(what_cannot_be_compared),
        TEST(refused),
        TEST(labels),
        TEST(documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
