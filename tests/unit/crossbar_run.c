/* Energies of run folders: laws that hold whatever the weights, counts by hand, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crossbar_small.h"

/* Conversions, reads and the current of one layer and task, column by column from their definitions. */
static void columns_by_hand(void **state)
{
    (void)state;
    const fixture f = small("xst", 8);
    const int l = 1, task = 2;
    const xst_geometry g = fixture_geometry(&f, l);
    static int8_t code[70 * 24 * 9];
    static uint8_t owner[70 * 24 * 9];
    xst_quant q;
    xst_codes codes;
    static xst_device d;
    xst_energy_run r;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    xst_levels_make(XST_QUANT_APOT, 3, &q);
    assert_int_equal(xst_device_read("hfo2-32nm", &d, NULL), XST_OK);
    xst_codes_make(&d, &q, &codes);
    codes_of(&f, l, &q, code, owner);

    double on = 0, current = 0, reads = 0;
    for (int k = 0; k < 2; k++)
        for (int group = 0; group < g.groups; group++) {
            int any = 0;
            for (int o = 64 * k; o < 70 && o < 64 * (k + 1); o++) {
                const uint32_t c = (uint32_t)(o * g.groups + group);
                const int own = f.owner(l, c);
                if (own != task && !(own > 0 && own < task && f.on(task, l, c)))
                    continue;
                any = 1;
                on++;
                for (int cell = 0; cell < 2; cell++)
                    for (int z = 0; z < PLANES; z++) {
                        double sum = 0;
                        for (int i = 0; i < 72; i++)
                            sum += 1 / (1 / (1e-6 + 9e-6 * codes.share[code[xst_column_start(&g, c) + i] + 7][cell]) +
                                        25e3 + 64.5 * 1.04365 + 36.5 * 3.13095);
                        const double all = 10. * 64 * 216;
                        const double p = floor(all * fixture_share(task, l, 8, z)) / all;
                        current += 64 * 0.476694e-9 * pow(p * sum, 0.997575);
                    }
            }
            reads += any;
        }
    const xst_energy_figures *const out = &r.tasks[task - 1].inference.layers[l];
    assert_true(out->adc_conversions == on * 2 * 64 * PLANES);
    assert_true(out->array_reads == reads * 64 * PLANES);
    assert_near(out->energy[XST_PART_CELLS], current, 1e-3, "current");
    assert_near(out->energy[XST_PART_CONVERT],
                (out->adc_conversions - out->idle_conversions) * 87.2808e-15 + out->idle_conversions * 6e-15, 1e-4,
                "conversions");
    xst_energy_run_free(&r);
}

static void nothing_on_reads_nothing(void **state)
{
    (void)state;
    fixture f = small("xst", 8);
    f.owner = first_owns_all;
    f.on = only_under_task_3;
    xst_energy_run r;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    const xst_energy_figures *const t = &r.tasks[1].inference.total;
    assert_true(r.tasks[1].columns_on == 0);
    for (int p = XST_PART_CELLS; p <= XST_PART_CHIP_TREE; p++)
        assert_true(t->energy[p] == 0);
    assert_true(t->adc_conversions == 0 && t->array_reads == 0);
    assert_true(t->energy[XST_PART_GLOBAL_READ] > 0);
    /* All on again under task 3: what task 1 needed, but for its own inputs; and the reference agrees. */
    assert_true(r.tasks[2].columns_on == r.tasks[2].columns);
    assert_true(r.tasks[2].inference.total.adc_conversions == r.tasks[0].inference.total.adc_conversions);
    assert_near(xst_figures_energy(&r.tasks[2].inference.total), r.tasks[2].all_on_energy, 1e-9, "all on");
    assert_true(xst_figures_energy(t) < 0.5 * r.tasks[1].all_on_energy);
    xst_energy_run_free(&r);
}

/* The same weights with every column on cost what a method costs that switches none. */
static void all_on_is_the_fine_tuning_figure(void **state)
{
    (void)state;
    fixture f = small("xst", 8);
    f.owner = first_owns_all;
    f.on = always;
    f.tasks = 1;
    xst_energy_run xst, finetune;
    fixture_write(&f, folder);
    f.method = "finetune";
    f.whole = 1;
    fixture_write(&f, other_folder);
    run(folder, XST_MAPPING_COLUMN, 8, &xst);
    run(other_folder, XST_MAPPING_COLUMN, 8, &finetune);
    assert_true(xst.column_wise && !finetune.column_wise);
    assert_same(&xst.tasks[0].inference.total, &finetune.tasks[0].inference.total, 1e-9);
    assert_near(xst.tasks[0].all_on_energy, xst_figures_energy(&finetune.tasks[0].inference.total), 1e-9, "all on");
    xst_energy_run_free(&xst);
    xst_energy_run_free(&finetune);
}

/* Whole filters as columns, all on: the arrays do what they do under the dense mapping. */
static void whole_filters_are_dense(void **state)
{
    (void)state;
    fixture f = small("xst", 4096);
    f.owner = first_owns_all;
    f.on = always;
    xst_energy_run column, dense;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 4, &column);
    run(folder, XST_MAPPING_DENSE, 4, &dense);
    for (int t = 0; t < TASKS; t++) {
        for (int p = 0; p < XST_PARTS; p++) {
            /* Multiplexers and shift-adds that serve no filter stand still under `column` alone. */
            const double a = column.tasks[t].inference.total.energy[p], b = dense.tasks[t].inference.total.energy[p];
            if (p == XST_PART_MUX || p == XST_PART_SHIFT_WEIGHT || p == XST_PART_SHIFT_INPUT)
                assert_true(a > 0 && a < b);
            else
                assert_near(a, b, 1e-5, xst_part_name((xst_energy_part)p));
        }
        assert_true(column.tasks[t].inference.total.adc_conversions == dense.tasks[t].inference.total.adc_conversions);
        assert_near(xst_figures_latency(&column.tasks[t].inference.total),
                    xst_figures_latency(&dense.tasks[t].inference.total), 1e-9, "latency");
    }
    xst_energy_run_free(&column);
    xst_energy_run_free(&dense);
}

static void sums_hold(void **state)
{
    (void)state;
    const fixture f = small("xst", 8);
    xst_energy_run r;
    fixture_write(&f, folder);
    for (int mapping = 0; mapping < 2; mapping++) {
        run(folder, (xst_mapping)mapping, 8, &r);
        for (int t = 0; t < TASKS; t++) {
            const xst_energy_report *const report = &r.tasks[t].inference;
            double layers = 0, components = 0;
            for (int l = 0; l < report->layer_count; l++)
                layers += xst_figures_energy(&report->layers[l]);
            for (int c = 0; c < XST_COMPONENTS; c++)
                components += xst_figures_component(&report->total, (xst_component)c);
            assert_near(layers, xst_figures_energy(&report->total), 1e-12, "layers");
            assert_near(components, xst_figures_energy(&report->total), 1e-12, "components");
            assert_near(r.tasks[t].dense_energy, mapping == XST_MAPPING_DENSE ? layers : r.tasks[t].dense_energy, 1e-12,
                        "dense");
        }
        xst_energy_run_free(&r);
    }
}

/* What an off column saves: fewer columns on is never more of anything. */
static void off_columns_save(void **state)
{
    (void)state;
    fixture f = small("xst", 8);
    f.owner = first_owns_all;
    f.tasks = 2;
    xst_energy_run some, all;
    fixture_write(&f, folder);
    f.on = always;
    fixture_write(&f, other_folder);
    run(folder, XST_MAPPING_COLUMN, 8, &some);
    run(other_folder, XST_MAPPING_COLUMN, 8, &all);
    const xst_energy_figures *const a = &some.tasks[1].inference.total, *const b = &all.tasks[1].inference.total;
    for (int p = 0; p < XST_PARTS; p++)
        assert_true(p == XST_PART_GLOBAL_BUS || a->energy[p] <= b->energy[p] * (1 + 1e-12));
    assert_true(a->energy[XST_PART_CONVERT] < 0.75 * b->energy[XST_PART_CONVERT]);
    assert_near(b->energy[XST_PART_PE_IN], a->energy[XST_PART_PE_IN], 1e-12, "input buffers");
    assert_near(a->energy[XST_PART_TILE_OUT] / b->energy[XST_PART_TILE_OUT],
                some.tasks[1].columns_on / some.tasks[1].columns, 0.05, "output buffers");
    xst_energy_run_free(&some);
    xst_energy_run_free(&all);
}

/* The image enters at 8 bits whatever the rest takes. */
static void the_first_layer_takes_8_bits(void **state)
{
    (void)state;
    const fixture f = small("xst", 8);
    xst_energy_run four, eight;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_DENSE, 4, &four);
    run(folder, XST_MAPPING_DENSE, 8, &eight);
    assert_true(four.tasks[0].inference.layers[0].adc_conversions ==
                eight.tasks[0].inference.layers[0].adc_conversions);
    assert_true(2 * four.tasks[0].inference.layers[1].adc_conversions ==
                eight.tasks[0].inference.layers[1].adc_conversions);
    /* 3x3 convs of 24 and 70 filters at 64 positions, then a pool, then 1120 inputs. */
    assert_true(eight.tasks[0].inference.layers[1].adc_conversions == 2. * 70 * 2 * 64 * 8);
    assert_true(eight.tasks[0].inference.layers[2].adc_conversions == 9. * 40 * 2 * 8);
    assert_true(eight.tasks[0].inference.layers[0].energy[XST_PART_POOL] == 0);
    assert_true(eight.tasks[0].inference.layers[1].energy[XST_PART_POOL] > 0);
    xst_energy_run_free(&four);
    xst_energy_run_free(&eight);
}

static void refuse(xst_status expected, const char *path, const char *quant, const char *message)
{
    const xst_energy_run_options options = {.mapping = XST_MAPPING_COLUMN, .input_bits = 8, .quant = quant};
    xst_energy_run r;
    xst_error err = {0};
    assert_int_equal(xst_energy_of_run(device, path, &options, &r, &err), expected);
    if (!strstr(err.message, message))
        fail_msg("'%s' does not say '%s'", err.message, message);
}

static void replace_file(const char *name, const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(xst_file_write(path, content, strlen(content), NULL), XST_OK);
}

static void bad_runs_are_refused(void **state)
{
    (void)state;
    fixture f = small("xst", 8);
    f.quiet_activity = 1;
    refuse(XST_ERROR_RUN, "no-such-run", NULL, "no-such-run");
    fixture_write(&f, folder);
    refuse(XST_ERROR_RUN, folder, NULL, "xst eval");
    refuse(XST_ERROR_CONFIG, folder, "apot9", "apot9");
    replace_file("activity.csv", "a,b\n");
    refuse(XST_ERROR_RUN, folder, NULL, "activity.csv");
    replace_file("activity.csv", "task,layer,input_bits,plane,ones,bits\n1,features.9.weight,8,0,1,2\n");
    refuse(XST_ERROR_RUN, folder, NULL, "layer");
    replace_file("activity.csv", "task,layer,input_bits,plane,ones,bits\n1,features.0.weight,8,0,3,2\n");
    refuse(XST_ERROR_RUN, folder, NULL, "out of range");
    replace_file("activity.csv", "task,layer,input_bits,plane,ones,bits\n1,features.0.weight,8,0,1,2\n");
    refuse(XST_ERROR_RUN, folder, NULL, "bit planes");
    fixture_write(&f, folder);
    replace_file("manifest.json", "{}");
    refuse(XST_ERROR_RUN, folder, NULL, "manifest.json");
    fixture_write(&f, folder);
    replace_file("tasks/02.h5", "not HDF5");
    replace_file("activity.csv", "");
    refuse(XST_ERROR_RUN, folder, NULL, folder);
}

static void results_are_written(void **state)
{
    (void)state;
    const fixture f = small("xst", 8);
    xst_energy_run r;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    static const char *const parts[] = {"task", "| task |", "task,columns on %", "\"runs\""};
    static const xst_energy_format formats[] = {XST_ENERGY_TEXT, XST_ENERGY_MARKDOWN, XST_ENERGY_CSV, XST_ENERGY_JSON};
    for (int i = 0; i < 4; i++) {
        char *text = NULL;
        assert_int_equal(xst_energy_write_runs(device, &r, 1, formats[i], 1, &text, NULL), XST_OK);
        assert_non_null(strstr(text, parts[i]));
        assert_non_null(strstr(text, xst_device_hash(device)));
        assert_non_null(strstr(text, "adc.bit_power = 1.1294e-06 W"));
        xst_energy_text_free(text);
    }
    int plotted = 0;
    char path[128];
    assert_int_equal(xst_energy_plot_runs(&r, 1, other_folder, &plotted, NULL), XST_OK);
    snprintf(path, sizeof path, "%s/run-01.csv", other_folder);
    assert_true(xst_path_exists(path));
    snprintf(path, sizeof path, "%s/occupancy-01-03.dat", other_folder);
    assert_true(xst_path_exists(path));
    snprintf(path, sizeof path, "%s/inference.svg", other_folder);
    assert_true(xst_path_exists(path) == (plotted != 0));
    xst_energy_run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_by_hand),
        cmocka_unit_test(nothing_on_reads_nothing),
        cmocka_unit_test(all_on_is_the_fine_tuning_figure),
        cmocka_unit_test(whole_filters_are_dense),
        cmocka_unit_test(sums_hold),
        cmocka_unit_test(off_columns_save),
        cmocka_unit_test(the_first_layer_takes_8_bits),
        cmocka_unit_test(bad_runs_are_refused),
        cmocka_unit_test(results_are_written),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
