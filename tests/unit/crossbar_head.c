/* map_head: each task's head on arrays of its own, mapped dense whatever the mapping of the layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crossbar_small.h"

enum { HEAD = 3, FEATURES = 40, WEIGHTS = FIXTURE_CLASSES * FEATURES };

static void run_with_head(const char *path, xst_mapping mapping, int bits, xst_energy_run *out)
{
    const xst_energy_run_options options = {.mapping = mapping, .input_bits = bits, .map_head = 1};
    xst_error err = {0};
    if (xst_energy_of_run(device, path, &options, out, &err) != XST_OK)
        fail_msg("%s", err.message);
}

/* Indices of the codes of a task's head, and what they are in cells. */
static void head_codes(int task, xst_codes *codes, int index[WEIGHTS])
{
    static xst_device d;
    float values[WEIGHTS];
    xst_quant q;
    double scale = 0;
    assert_int_equal(xst_device_read("hfo2-32nm", &d, NULL), XST_OK);
    assert_int_equal(xst_quant_parse("apot4", &q, NULL), XST_OK);
    for (int i = 0; i < WEIGHTS; i++)
        values[i] = fixture_weight(task, FIXTURE_HEAD, i);
    assert_int_equal(xst_quant_scale(&q, values, WEIGHTS, &scale, NULL), XST_OK);
    xst_codes_make(&d, &q, codes);
    for (int i = 0; i < WEIGHTS; i++)
        index[i] = xst_quant_code(&q, scale, (double)values[i]) + codes->zero;
}

/* One array of 40 rows and 10 columns, read once per bit plane. */
static void inference_by_hand(void **state)
{
    (void)state;
    const fixture f = small("xst", 8);
    xst_energy_run r;
    fixture_write(&f, folder);
    for (int bits = 4; bits <= 8; bits += 4) {
        run_with_head(folder, XST_MAPPING_COLUMN, bits, &r);
        for (int t = 1; t <= TASKS; t++) {
            const xst_energy_report *const report = &r.tasks[t - 1].inference;
            assert_int_equal(report->layer_count, HEAD + 1);
            const xst_energy_figures *const h = &report->layers[HEAD];
            xst_codes codes;
            int index[WEIGHTS];
            double current = 0, active = 0;
            head_codes(t, &codes, index);
            for (int z = 0; z < bits; z++) {
                const double all = FIXTURE_IMAGES * FEATURES;
                const double p = floor(all * fixture_share(t, HEAD, bits, z)) / all;
                active += FEATURES * p;
                for (int o = 0; o < FIXTURE_CLASSES; o++)
                    for (int cell = 0; cell < 2; cell++) {
                        double sum = 0;
                        for (int i = 0; i < FEATURES; i++)
                            sum += 1 / (1 / (1e-6 + 9e-6 * codes.share[index[o * FEATURES + i]][cell]) + 25e3 +
                                        5.5 * 1.04365 + 20.5 * 3.13095);
                        current += 0.476694e-9 * pow(p * sum, 0.997575);
                    }
            }
            assert_string_equal(h->name, "classifier.6.weight");
            assert_true(h->adc_conversions == 2. * FIXTURE_CLASSES * bits);
            assert_true(h->array_reads == bits);
            assert_true(h->arrays_mapped == TASKS); /* the heads of all tasks */
            assert_near(h->energy[XST_PART_CELLS], current, 3e-3, "current");
            assert_near(h->energy[XST_PART_WORDLINE], 93.4767e-15 * active, 1e-4, "word lines");
        }
        xst_energy_run_free(&r);
    }
}

static void only_the_head_is_added(void **state)
{
    (void)state;
    fixture f = small("xst", 8);
    fixture_write(&f, folder);
    f.map_head = 1; /* by config.yaml */
    fixture_write(&f, other_folder);
    for (int mapping = 0; mapping < 2; mapping++) {
        xst_energy_run without, with, configured;
        run(folder, (xst_mapping)mapping, 8, &without);
        run_with_head(folder, (xst_mapping)mapping, 8, &with);
        run(other_folder, (xst_mapping)mapping, 8, &configured);
        assert_true(!without.map_head && with.map_head && configured.map_head);
        for (int t = 0; t < TASKS; t++) {
            const xst_energy_figures *const a = &without.tasks[t].inference.total;
            const xst_energy_figures *const b = &with.tasks[t].inference.total;
            const xst_energy_figures *const h = &with.tasks[t].inference.layers[HEAD];
            /* Tile sizes may change with the network, and with them what stands above the arrays. */
            for (int p = XST_PART_CELLS; p <= XST_PART_SHIFT_INPUT; p++)
                assert_near(b->energy[p], a->energy[p] + h->energy[p], 1e-9, xst_part_name((xst_energy_part)p));
            assert_true(b->adc_conversions == a->adc_conversions + h->adc_conversions);
            assert_true(b->arrays_mapped == a->arrays_mapped + TASKS);
            assert_true(xst_figures_area(b) > xst_figures_area(a));
            assert_true(with.tasks[t].dense_conversions == without.tasks[t].dense_conversions + h->adc_conversions);
            assert_true(with.tasks[t].all_on_conversions == without.tasks[t].all_on_conversions + h->adc_conversions);
            assert_near(xst_figures_energy(b), xst_figures_energy(&configured.tasks[t].inference.total), 1e-12,
                        "map_head of config.yaml");
            if (mapping == XST_MAPPING_DENSE)
                assert_near(with.tasks[t].dense_energy, xst_figures_energy(b), 1e-12, "dense");
        }
        xst_energy_run_free(&without);
        xst_energy_run_free(&with);
        xst_energy_run_free(&configured);
    }
}

/* Each head is written once, from erased cells, whatever the method. */
static void programming_by_hand(void **state)
{
    (void)state;
    static const char *const methods[] = {"xst", "finetune"};
    for (int m = 0; m < 2; m++) {
        fixture f = small(methods[m], 8);
        f.whole = m;
        xst_energy_run without, with;
        fixture_write(&f, folder);
        run(folder, XST_MAPPING_COLUMN, 8, &without);
        run_with_head(folder, XST_MAPPING_COLUMN, 8, &with);
        for (int t = 1; t <= TASKS; t++) {
            const xst_programming *const a = &without.tasks[t - 1].programming, *const b =
                                                                                    &with.tasks[t - 1].programming;
            xst_codes codes;
            int index[WEIGHTS];
            double set = 0;
            head_codes(t, &codes, index);
            for (int i = 0; i < WEIGHTS; i++)
                set += (codes.share[index[i]][0] > 0) + (codes.share[index[i]][1] > 0);
            assert_true(set > 0 && b->cells_set == a->cells_set + set && b->cells_reset == a->cells_reset);
            assert_true(b->energy > a->energy && b->pulses > a->pulses && b->seconds >= a->seconds);
        }
        xst_energy_run_free(&without);
        xst_energy_run_free(&with);
    }
}

/* A run measured before heads were: the bit planes of its head are missing. */
static void old_activity_is_refused(void **state)
{
    (void)state;
    const fixture f = small("xst", 8);
    char path[128], *bytes = NULL;
    size_t size = 0;
    fixture_write(&f, folder);
    snprintf(path, sizeof path, "%s/activity.csv", folder);
    assert_int_equal(xst_file_read(path, &bytes, &size, NULL), XST_OK);
    xst_text text = {0};
    for (char *line = strtok(bytes, "\n"); line; line = strtok(NULL, "\n"))
        if (!strstr(line, "classifier.6"))
            xst_text_add(&text, "%s\n", line);
    assert_int_equal(xst_file_write(path, text.bytes, text.size, NULL), XST_OK);
    xst_text_free(&text);
    xst_free(bytes);
    xst_energy_run r;
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    xst_energy_run_free(&r);
    const xst_energy_run_options options = {.mapping = XST_MAPPING_COLUMN, .input_bits = 8, .map_head = 1};
    xst_error err = {0};
    assert_int_equal(xst_energy_of_run(device, folder, &options, &r, &err), XST_ERROR_RUN);
    assert_non_null(strstr(err.message, "xst eval"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inference_by_hand),
        cmocka_unit_test(only_the_head_is_added),
        cmocka_unit_test(programming_by_hand),
        cmocka_unit_test(old_activity_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
