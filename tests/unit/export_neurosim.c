/* xst export --neurosim against what the energy of the run takes: a small net is trained on images all of whose test
 * images of a task are the same, so that one image's bits are the whole test set's, up to their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "crossbar/run_plan.h"
#include "data/dataset.h"
#include "quant/levels.h"
#include "support/temp_folder.h"
#include "xst/eval.h"
#include "xst/export.h"
#include "xst/train.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

enum { RECORD = 3074, CLASSES = 5, TEST = 500, TASK = 2, BITS = 8 };

static temp_folder folder;

/* ---- a run ----------------------------------------------------------------------------------------------------------
 */

static const int fine[2][CLASSES] = {{4, 30, 55, 72, 95}, {1, 32, 67, 73, 91}};

/* Noise around a colour that hangs on the class; all test images of a task are one. */
static void fill_image(uint8_t *pixels, int task, int k, uint32_t image, bool test)
{
    for (uint32_t i = 0; i < XST_IMAGE_BYTES; i += 4) {
        uint32_t word[4];
        xst_random_block(word, (xst_random_key){test ? 1u : 2u, (uint32_t)task}, i / 4, test ? 0 : image, 0, 0);
        for (uint32_t j = 0; j < 4; j++)
            pixels[i + j] = (uint8_t)((word[j] >> 25) + (test ? 60u : 24u * (uint32_t)k));
    }
}

static void write_split(const char *name, int per_class, bool test)
{
    const size_t size = (size_t)(2 * CLASSES * per_class) * RECORD;
    uint8_t *const bytes = malloc(size);
    assert_non_null(bytes);
    uint8_t *at = bytes;
    for (int task = 0; task < 2; task++)
        for (int i = 0; i < CLASSES * per_class; i++, at += RECORD) {
            at[0] = (uint8_t)task;
            at[1] = (uint8_t)fine[task][i % CLASSES];
            fill_image(at + 2, task, i % CLASSES, (uint32_t)i, test);
        }
    temp_file_write(&folder, name, bytes, size);
    free(bytes);
}

static int setup(void **state)
{
    (void)state;
    folder = temp_folder_make();
    write_split("train.bin", 500, false);
    write_split("test.bin", 100, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_folder_remove(&folder);
    return 0;
}

static void ok(xst_status status, const xst_error *err)
{
    if (status != XST_OK)
        fail_msg("%s", err->message);
}

static void train(const char *method, const char *run)
{
    const char *const options[][2] = {
        {"method", method},      {"data", folder.path},  {"out", run},     {"net", "[8, 10, M, 12, M, M]"},
        {"fc", "[24]"},          {"expand", "1"},        {"group", "5"},   {"tasks", "2"},
        {"capacity_tasks", "3"}, {"epochs", "2"},        {"batch", "250"}, {"mask_init", "0.2"},
        {"mask_lr", "0.3"},      {"backend", "cpu"},     {"threads", "1"}, {"update_every", "4"},
        {"s1", "0.5"},           {"round_channels", "1"}};
    xst_config *config = NULL;
    xst_error err = {0};
    ok(xst_config_create(&config, &err), &err);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        ok(xst_config_set(config, options[i][0], options[i][1], &err), &err);
    ok(xst_train(config, false, NULL, &err), &err);
    xst_config_destroy(config);
    xst_evaluation evaluation;
    ok(xst_evaluate(run, NULL, &evaluation, &err), &err);
    xst_evaluation_free(&evaluation);
}

/* ---- matrices -------------------------------------------------------------------------------------------------------
 */

typedef struct table {
    int rows, columns;
    double *values;
} table;

static table read_table(const char *path)
{
    char *bytes = NULL;
    size_t size = 0, capacity = 0, count = 0;
    xst_error err = {0};
    table t = {0};
    ok(xst_file_read(path, &bytes, &size, &err), &err);
    assert_true(size > 0 && bytes[size - 1] == '\n');
    for (char *at = bytes; *at; at++) {
        if (count == capacity) {
            capacity = 2 * capacity + 1024;
            t.values = realloc(t.values, capacity * sizeof *t.values);
            assert_non_null(t.values);
        }
        t.values[count++] = strtod(at, &at);
        assert_true(*at == ',' || *at == '\n');
        if (*at != '\n')
            continue;
        t.rows++;
        if (t.rows == 1)
            t.columns = (int)count;
        assert_int_equal(count, (size_t)t.rows * (size_t)t.columns);
    }
    xst_free(bytes);
    return t;
}

static table read_file(const char *out, const char *kind, const char *weight_name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%.*s.csv", out, kind, (int)(strlen(weight_name) - strlen(".weight")),
             weight_name);
    return read_table(path);
}

/* ---- what the energy of the run takes -------------------------------------------------------------------------------
 */

typedef struct expected {
    xst_run *run;
    xst_manifest manifest;
    xst_task_record record; /* of task 1 */
    xst_activity activity;
    xst_run_net net; /* at task TASK */
    xst_run_plan plan;
    xst_device device;
} expected;

static void open_expected(expected *e, const char *run, const char *quant_name)
{
    xst_error err = {0};
    xst_quant quant;
    *e = (expected){0};
    ok(xst_device_read("hfo2-32nm", &e->device, &err), &err);
    ok(xst_quant_parse(quant_name, &quant, &err), &err);
    ok(xst_run_open(run, XST_RUN_READ, &e->run, &err), &err);
    ok(xst_run_read_manifest(e->run, &e->manifest, &err), &err);
    for (int t = 1; t <= TASK; t++) {
        xst_task_record record = {0};
        ok(xst_run_read_task(e->run, t, e->manifest.tasks[t - 1].xxh3, &record, &err), &err);
        if (t == 1)
            ok(xst_run_net_make(&e->device, &quant, e->manifest.method, &record, 5, 0, &e->net, &err), &err);
        ok(xst_run_net_step(&e->net, &record, &err), &err);
        if (t == 1)
            e->record = record;
        else
            xst_task_record_free(&record);
    }
    ok(xst_activity_read(e->run, &e->record, TASK, &e->activity, &err), &err);
    const xst_run_plan_options options = {XST_MAPPING_DENSE, BITS, NULL};
    ok(xst_run_plan_make(&e->device, e->run, &e->net, &e->record, &e->activity, &options, &e->plan, &err), &err);
}

static void close_expected(expected *e)
{
    xst_run_plan_free(&e->plan);
    xst_run_net_free(&e->net);
    xst_activity_free(&e->activity);
    xst_task_record_free(&e->record);
    xst_manifest_free(&e->manifest);
    xst_run_close(e->run);
}

/* Every weight: q/8 in NeuroSim's order of rows; 0 where the column is off. */
static void check_weights(const expected *e, int l, const char *out)
{
    const xst_run_layer *const layer = &e->net.layers[l];
    const xst_geometry *const g = &layer->stored;
    const table t = read_file(out, "weight", layer->name);
    int non_zero = 0, off = 0;
    assert_int_equal(t.rows, g->in * g->kh * g->kw);
    assert_int_equal(t.columns, g->out);
    for (int r = 0; r < t.rows; r++)
        for (int o = 0; o < t.columns; o++) {
            const int code = layer->effective[(size_t)o * (size_t)t.rows + (size_t)r] - e->net.codes.zero;
            const double value = t.values[r * t.columns + o];
            assert_true(value == code / 8.0);
            non_zero += value != 0;
        }
    for (uint32_t c = 0; c < g->columns; c++) {
        off += layer->owner[c] != 0 && !layer->on[c];
        for (int i = 0; !layer->on[c] && i < xst_column_length(g, c); i++) {
            const int64_t at = xst_column_start(g, c) + i; /* o * rows + r */
            assert_true(t.values[at % t.rows * t.columns + at / t.rows] == 0);
        }
    }
    assert_true(non_zero > 0 && off > 0);
    free(t.values);
}

/* One-bits of each plane: those of activity.csv for each of the equal images. */
static void check_inputs(const expected *e, int l, const char *out)
{
    const xst_activity_entry *entry = NULL;
    xst_error err = {0};
    const xst_shape *const shape = &e->plan.shapes[l];
    const table t = read_file(out, "input", e->net.layers[l].name);
    double ones[BITS] = {0};
    ok(xst_activity_find(&e->activity, e->run, TASK, l, BITS, &entry, &err), &err);
    assert_int_equal(t.rows, (int)shape->rows);
    assert_int_equal(t.columns, (int)shape->vectors * BITS);
    for (int i = 0; i < t.rows * t.columns; i++) {
        assert_true(t.values[i] == 0 || t.values[i] == 1);
        ones[i % t.columns % BITS] += t.values[i];
    }
    assert_true(entry->bits == (double)TEST * t.rows * t.columns / BITS);
    for (int z = 0; z < BITS; z++) {
        assert_true(ones[z] * TEST == rint(entry->share[z] * entry->bits));
        assert_true(ones[z] / (t.rows * (double)t.columns / BITS) == entry->share[z]);
    }
    free(t.values);
}

/* im2col of the image itself. */
static void check_pixels(const char *out)
{
    static uint8_t pixels[XST_IMAGE_BYTES];
    const table t = read_file(out, "input", "features.0.weight");
    fill_image(pixels, TASK - 1, 0, 0, true);
    for (int c = 0, r = 0; c < 3; c++)
        for (int ky = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++, r++)
                for (int y = 0; y < 32; y++)
                    for (int x = 0; x < 32; x++) {
                        const int v = y + ky - 1, u = x + kx - 1;
                        const int pixel = v < 0 || v > 31 || u < 0 || u > 31 ? 0 : pixels[(c * 32 + v) * 32 + u];
                        int code = 0;
                        for (int z = 0; z < BITS; z++)
                            code = 2 * code + (int)t.values[r * t.columns + (y * 32 + x) * BITS + z];
                        assert_int_equal(code, pixel);
                    }
    free(t.values);
}

static void check_network(const expected *e, const char *out)
{
    char path[1024];
    xst_shape *shapes = NULL;
    int count = 0;
    xst_error err = {0};
    snprintf(path, sizeof path, "%s/NetWork.csv", out);
    ok(xst_network_read(path, 2, &shapes, &count, &err), &err);
    assert_int_equal(count, e->plan.layers);
    for (int l = 0; l < count; l++) {
        const xst_shape *const a = &shapes[l], *const b = &e->plan.shapes[l];
        assert_true(a->rows == b->rows && a->outputs == b->outputs && a->columns == b->columns);
        assert_true(a->vectors == b->vectors && a->pooled == b->pooled);
    }
    xst_free(shapes);
}

/* The command names the network and both files of every layer, in order. */
static void check_command(const expected *e, const char *out)
{
    char path[1024], *bytes = NULL;
    size_t size = 0;
    xst_error err = {0};
    snprintf(path, sizeof path, "%s/trace_command.sh", out);
    ok(xst_file_read(path, &bytes, &size, &err), &err);
    const char *at = strstr(bytes, "NetWork.csv 4 8 128 128 ");
    for (int l = 0; l < e->net.layer_count; l++) {
        char pair[320], name[128];
        snprintf(name, sizeof name, "%s", e->net.layers[l].name);
        *strstr(name, ".weight") = '\0';
        snprintf(pair, sizeof pair, "weight%s.csv input%s.csv", name, name);
        assert_non_null(at);
        at = strstr(at, pair);
    }
    assert_non_null(at);
    xst_free(bytes);
}

static void files_are_what_energy_takes(void **state)
{
    (void)state;
    static const char *const methods[] = {"xst", "xst-element"};
    static expected e;
    for (int i = 0; i < 2; i++) {
        const temp_path run = temp_path_of(&folder, methods[i]), out = temp_path_of(&folder, i ? "b/element/" : "a");
        xst_error err = {0};
        train(methods[i], run.text);
        ok(xst_export_neurosim(run.text, TASK, out.text, NULL, &err), &err);
        open_expected(&e, run.text, "apot4");
        for (int l = 0; l < e.net.layer_count; l++) {
            check_weights(&e, l, out.text);
            check_inputs(&e, l, out.text);
        }
        check_pixels(out.text);
        check_network(&e, out.text);
        check_command(&e, out.text);
        close_expected(&e);
    }
}

/* Codes of another quantiser, another task. */
static void options_are_followed(void **state)
{
    (void)state;
    static expected e;
    const temp_path run = temp_path_of(&folder, "xst"), out = temp_path_of(&folder, "uniform");
    const xst_neurosim_options options = {.quant = "uniform4", .image = TEST};
    xst_error err = {0};
    ok(xst_export_neurosim(run.text, TASK, out.text, &options, &err), &err);
    open_expected(&e, run.text, "uniform4");
    for (int l = 0; l < e.net.layer_count; l++)
        check_weights(&e, l, out.text);
    check_pixels(out.text);
    close_expected(&e);
}

static int entries_of(const char *path)
{
    int count = 0;
    DIR *const dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void refuse(int task, const char *out, const xst_neurosim_options *options, const char *message)
{
    const temp_path run = temp_path_of(&folder, "xst");
    xst_error err = {0};
    const int before = entries_of(folder.path);
    const xst_status status = xst_export_neurosim(run.text, task, out, options, &err);
    assert_int_equal(xst_status_exit_code(status), 2);
    assert_contains(err.message, message);
    assert_int_equal(entries_of(folder.path), before);
}

static void what_is_refused_leaves_nothing(void **state)
{
    (void)state;
    const temp_path run = temp_path_of(&folder, "xst"), out = temp_path_of(&folder, "new/folder");
    const temp_path there = temp_path_of(&folder, "a"), file = temp_path_of(&folder, "train.bin");
    refuse(1, there.text, NULL, "not empty");
    refuse(1, file.text, NULL, "no folder");
    refuse(3, out.text, NULL, "task 3");
    refuse(0, out.text, NULL, "task 0");
    refuse(1, out.text, &(xst_neurosim_options){.image = TEST + 1}, "image 501");
    refuse(1, out.text, &(xst_neurosim_options){.quant = "apot9"}, "apot9");
    refuse(1, out.text, &(xst_neurosim_options){.run = {.data = "synthetic"}}, "--data");
    refuse(1, out.text, &(xst_neurosim_options){.run = {.data = "nowhere"}}, "nowhere");
    /* an empty folder is taken */
    xst_error err = {0};
    ok(xst_folder_make(out.text, &err), &err);
    ok(xst_export_neurosim(run.text, 1, out.text, NULL, &err), &err);
    assert_int_equal(entries_of(out.text), 2 + 2 * 4 + 3); /* . and .., two files of each layer, three others */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_what_energy_takes),
        cmocka_unit_test(options_are_followed),
        cmocka_unit_test(what_is_refused_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
