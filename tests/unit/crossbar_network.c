/* xst_energy_of_network against NeuroSim V1.4's figures for three networks (inference, commit ac828e6, RRAM 1T1R 2 bit,
 * 5-bit SAR, 32 nm LSTP), and laws that need no reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crossbar/floorplan.h"
#include "crossbar/reads.h"
#include "xst/energy.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VGG8 "tests/data/networks/vgg8.csv"
#define FC "tests/data/networks/fc128x64.csv"
#define CONV "tests/data/networks/conv16x32.csv"

static xst_device *device;

static int setup(void **state)
{
    (void)state;
    return xst_device_open("hfo2-32nm", &device, NULL) == XST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    xst_device_close(device);
    return 0;
}

static void assert_near(double value, double expected, double relative, const char *what)
{
    if (fabs(value - expected) > relative * fabs(expected))
        fail_msg("%s: %.9g instead of %.9g", what, value, expected);
}

static void run(const char *path, double density, double input_density, int bits, int compat, xst_energy_report *out)
{
    const xst_energy_network n = {path, density, input_density, bits, 1, compat};
    xst_error err = {0};
    if (xst_energy_of_network(device, &n, out, &err) != XST_OK)
        fail_msg("%s", err.message);
}

/* Total and the eight components. The reference's weights are drawn too: 1 % in the current of a single array. */
typedef struct reference {
    const char *path;
    double density, input_density;
    int bits;
    double total, component[XST_COMPONENTS];
} reference;

static void energies_are_neurosims(void **state)
{
    (void)state;
    static const reference cases[] = {
        /* fc128x64: pJ, mean of three seeds, measured input density */
        {FC,
         1,
         0.24154,
         8,
         398.01e-12,
         {76.93e-12, 89.376e-12, 57.138e-12, 3.1654e-12, 27.888e-12, 11.978e-12, 130.14e-12, 1.3937e-12}},
        {FC,
         0.5,
         0.49349,
         8,
         490.76e-12,
         {133.34e-12, 89.376e-12, 93.479e-12, 3.1654e-12, 27.888e-12, 11.978e-12, 130.14e-12, 1.3937e-12}},
        {FC,
         0,
         0.48177,
         4,
         257.17e-12,
         {53.143e-12, 44.688e-12, 45.894e-12, 1.5827e-12, 12.55e-12, 7.2333e-12, 91.379e-12, 0.69687e-12}},
        {CONV,
         1,
         0.2511,
         8,
         14504e-12,
         {1618.5e-12, 3200.2e-12, 3072.4e-12, 227.91e-12, 2307.2e-12, 367.45e-12, 3685.6e-12, 25.087e-12}},
        {CONV,
         0.3,
         0.2525,
         4,
         7553.2e-12,
         {641.53e-12, 1598.4e-12, 1540.3e-12, 113.95e-12, 1128.4e-12, 208.1e-12, 2310.1e-12, 12.544e-12}},
        {VGG8,
         1,
         0.25,
         8,
         22.126e-6,
         {4.4546e-6, 5.1366e-6, 3.3039e-6, 0.18195e-6, 1.7576e-6, 0.18853e-6, 7.0941e-6, 0.0084312e-6}},
        {VGG8,
         0.3,
         0.25,
         8,
         21.175e-6,
         {3.5037e-6, 5.1366e-6, 3.3039e-6, 0.18195e-6, 1.7576e-6, 0.18853e-6, 7.0941e-6, 0.0084312e-6}},
        {VGG8,
         0.3,
         0.25,
         4,
         11.412e-6,
         {1.7516e-6, 2.5683e-6, 1.6511e-6, 0.090974e-6, 0.84033e-6, 0.11574e-6, 4.3891e-6, 0.0042331e-6}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const reference *const c = &cases[i];
        xst_energy_report r;
        run(c->path, c->density, c->input_density, c->bits, 1, &r);
        assert_near(xst_figures_energy(&r.total), c->total, 2e-3, c->path);
        for (int k = 0; k < XST_COMPONENTS; k++)
            assert_near(xst_figures_component(&r.total, (xst_component)k), c->component[k],
                        k == XST_COMPONENT_ARRAY ? 1e-2 : 4e-3, xst_component_name((xst_component)k));
        xst_energy_report_free(&r);
    }
}

static void static_figures_are_neurosims(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int bits;
        double area, array, adc, accumulation, other, interconnect, blank, latency, leakage_power, leakage_energy;
        double reads, conversions;
    } cases[] = {
        {FC, 8, 1.9242e-6, 0.012885e-6, 0.067276e-6, 0.035362e-6, 0.23445e-6, 0.40862e-6, 1.1656e-6, 0.83335e-6,
         3.547e-6, 0, 8, 1024},
        {FC, 4, 1.8799e-6, 0.012885e-6, 0.067276e-6, 0.030284e-6, 0.22193e-6, 0.40375e-6, 1.1437e-6, 0.71245e-6,
         3.3305e-6, 0, 4, 512},
        {CONV, 8, 1.9242e-6, 0.012885e-6, 0.067276e-6, 0.035362e-6, 0.23445e-6, 0.40862e-6, 1.1656e-6, 24.946e-6,
         4.004e-6, 0, 576, 36864},
        {VGG8, 8, 205.63e-6, 1.7008e-6, 8.8804e-6, 4.9431e-6, 24.626e-6, 11.619e-6, 153.86e-6, 5732.5e-6, 536.1e-6,
         2.5599e-6, 446016, 57083136},
        {VGG8, 4, 200.07e-6, 1.7008e-6, 8.8804e-6, 4.2125e-6, 22.809e-6, 11.498e-6, 150.97e-6, 5103.9e-6, 500.46e-6,
         2.1773e-6, 223008, 28541568},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        xst_energy_report r;
        run(cases[i].path, 1, 0.25, cases[i].bits, 1, &r);
        const xst_energy_figures *const t = &r.total;
        const double other = t->area[XST_COMPONENT_WORDLINE] + t->area[XST_COMPONENT_MUX] +
                             t->area[XST_COMPONENT_BUFFER] + t->area[XST_COMPONENT_OTHER];
        assert_near(xst_figures_area(t), cases[i].area, 1e-4, "area");
        assert_near(t->area[XST_COMPONENT_ARRAY], cases[i].array, 1e-4, "area of cells");
        assert_near(t->area[XST_COMPONENT_ADC], cases[i].adc, 1e-4, "area of ADCs");
        assert_near(t->area[XST_COMPONENT_ACCUMULATION], cases[i].accumulation, 1e-4, "area of accumulation");
        assert_near(other, cases[i].other, 1e-4, "area of the rest");
        assert_near(t->area[XST_COMPONENT_INTERCONNECT], cases[i].interconnect, 1e-4, "area of interconnect");
        assert_near(t->blank_area, cases[i].blank, 1e-4, "blank area");
        assert_near(xst_figures_latency(t), cases[i].latency, 1e-4, "latency");
        assert_near(t->leakage_power, cases[i].leakage_power, 1e-4, "leakage power");
        assert_near(t->leakage_energy, cases[i].leakage_energy, 1e-4, "leakage energy");
        assert_true(t->array_reads == cases[i].reads);
        assert_true(t->adc_conversions == cases[i].conversions);
        xst_energy_report_free(&r);
    }
}

static void layers_of_vgg8_are_neurosims(void **state)
{
    (void)state;
    static const struct {
        double total, accumulation, buffer, interconnect, arrays, latency, leakage;
    } layers[] = {
        {1010.7, 50.198, 12.614, 694.76, 2, 857.03, 389.79},   {7133.9, 520.73, 75.226, 2804.3, 18, 2722.4, 1199.5},
        {2759.4, 212.76, 22.308, 899.82, 36, 823.3, 362.75},   {5151.9, 425.21, 38.846, 1435.6, 72, 841.73, 381.99},
        {1959.6, 172.11, 13.44, 448.06, 144, 237.77, 107.9},   {3776.2, 345.5, 23.957, 748.67, 288, 240.57, 114.59},
        {330.92, 30.803, 2.084, 60.938, 1024, 7.3404, 2.1229}, {2.9413, 0.29478, 0.051615, 1.8864, 8, 2.3764, 1.2937},
    };
    xst_energy_report r;
    run(VGG8, 1, 0.25, 8, 1, &r);
    assert_int_equal(r.layer_count, 8);
    for (int l = 0; l < 8; l++) {
        const xst_energy_figures *const f = &r.layers[l];
        assert_near(xst_figures_energy(f), layers[l].total * 1e-9, 5e-3, f->name);
        assert_near(xst_figures_component(f, XST_COMPONENT_ACCUMULATION), layers[l].accumulation * 1e-9, 1e-4, f->name);
        assert_near(xst_figures_component(f, XST_COMPONENT_BUFFER), layers[l].buffer * 1e-9, 1e-4, f->name);
        assert_near(xst_figures_component(f, XST_COMPONENT_INTERCONNECT), layers[l].interconnect * 1e-9, 1e-4, f->name);
        assert_true(f->arrays_mapped == layers[l].arrays);
        assert_near(xst_figures_latency(f), layers[l].latency * 1e-6, 1e-4, f->name);
        assert_near(f->leakage_energy, layers[l].leakage * 1e-9, 1e-4, f->name);
    }
    assert_true(r.tile_cells == 1024 && r.pe_cells == 512 && r.tiles == 33 && r.grid_rows == 6);
    assert_true(r.bus_bits == 1152 && r.buffer_cores == 64);
    xst_energy_report_free(&r);
}

/* The physical model leaves stale PEs out: 8.6 % of layers 5 and 6, 2.2 % of the network, and nothing else changes. */
static void stale_pes_are_an_option(void **state)
{
    (void)state;
    xst_energy_report with, without;
    run(VGG8, 1, 0.25, 8, 1, &with);
    run(VGG8, 1, 0.25, 8, 0, &without);
    assert_near(with.total.stale_energy, 0.022 * 22.126e-6, 0.02, "stale energy");
    assert_true(without.total.stale_energy == 0);
    for (int l = 0; l < 8; l++) {
        assert_near(xst_figures_energy(&with.layers[l]) - with.layers[l].stale_energy,
                    xst_figures_energy(&without.layers[l]), 1e-12, "energy without stale PEs");
        assert_true((with.layers[l].stale_energy > 0) == (l == 4 || l == 5));
    }
    assert_true(with.total.array_reads == without.total.array_reads);
    assert_true(with.total.adc_conversions == without.total.adc_conversions);
    xst_energy_report_free(&with);
    xst_energy_report_free(&without);
}

static void parts_and_layers_add_up(void **state)
{
    (void)state;
    xst_energy_report r;
    run(VGG8, 0.3, 0.25, 4, 0, &r);
    double layers = 0, components = 0;
    for (int l = 0; l < r.layer_count; l++)
        layers += xst_figures_energy(&r.layers[l]);
    for (int c = 0; c < XST_COMPONENTS; c++)
        components += xst_figures_component(&r.total, (xst_component)c);
    assert_near(layers, xst_figures_energy(&r.total), 1e-12, "sum of layers");
    assert_near(components, xst_figures_energy(&r.total), 1e-12, "sum of components");
    xst_energy_report_free(&r);
}

/* Activity acts on cells and word lines only; no input bits leave idle columns. */
static void inputs_act_where_they_should(void **state)
{
    (void)state;
    xst_energy_report none, some, all;
    run(CONV, 1, 0, 8, 0, &none);
    run(CONV, 1, 0.5, 8, 0, &some);
    run(CONV, 1, 1, 8, 0, &all);
    assert_true(none.total.energy[XST_PART_CELLS] == 0 && none.total.energy[XST_PART_WORDLINE] == 0);
    assert_true(none.total.idle_conversions == none.total.adc_conversions);
    assert_near(none.total.energy[XST_PART_CONVERT], none.total.adc_conversions * 6e-15, 1e-9, "idle conversions");
    assert_near(all.total.energy[XST_PART_WORDLINE], 2 * some.total.energy[XST_PART_WORDLINE], 1e-9, "word lines");
    assert_near(all.total.energy[XST_PART_CELLS], 2 * some.total.energy[XST_PART_CELLS], 0.01, "cells");
    for (int c = XST_COMPONENT_MUX; c < XST_COMPONENTS; c++)
        assert_near(xst_figures_component(&all.total, (xst_component)c),
                    xst_figures_component(&none.total, (xst_component)c), 1e-12, "other components");
    xst_energy_report_free(&none);
    xst_energy_report_free(&some);
    xst_energy_report_free(&all);
}

static void seeds_move_places_not_shares(void **state)
{
    (void)state;
    double energy[2][2];
    for (uint32_t seed = 0; seed < 2; seed++)
        for (int again = 0; again < 2; again++) {
            const xst_energy_network n = {FC, 0.5, 0.25, 8, seed, 0};
            xst_energy_report r;
            assert_int_equal(xst_energy_of_network(device, &n, &r, NULL), XST_OK);
            energy[seed][again] = xst_figures_energy(&r.total);
            /* Exactly a quarter of the bits is on. */
            assert_near(r.total.energy[XST_PART_WORDLINE], 93.4767e-15 * 256, 1e-5, "word lines");
            xst_energy_report_free(&r);
        }
    assert_true(energy[0][0] == energy[0][1] && energy[1][0] == energy[1][1]);
    assert_true(energy[0][0] != energy[1][0]);
    assert_near(energy[0][0], energy[1][0], 2e-3, "another seed");
}

static void refuse(const char *content, const char *message)
{
    char path[64];
    snprintf(path, sizeof path, "crossbar_network_%d.csv", (int)getpid());
    assert_int_equal(xst_file_write(path, content, strlen(content), NULL), XST_OK);
    xst_shape *shapes = NULL;
    int count = 0;
    xst_error err = {0};
    const xst_status status = xst_network_read(path, 2, &shapes, &count, &err);
    xst_file_remove(path, NULL);
    assert_int_equal(status, XST_ERROR_DATA);
    if (!strstr(err.message, message))
        fail_msg("'%s' does not say '%s'", err.message, message);
}

static void bad_network_files_are_refused(void **state)
{
    (void)state;
    refuse("", "no layers");
    refuse("8,8,16,3,3,32,0\n", "7 fields");
    refuse("8,8,16,3,3,32,0,1,1\n", ":1: more than 8 fields");
    refuse("8,8,16,3,3,32,0,1\n8,8,x,3,3,32,0,1\n", ":2: IFM channels");
    refuse("8,8,16,3,3,0,0,1\n", "outputs must be at least 1");
    refuse("8,8,16,9,3,32,0,1\n", "kernel is larger");
    refuse("8,8,16,3,3,32,2,1\n", "pooling must be 0 or 1");
    refuse("8,8,16,3,3,32,0,-1\n", "stride");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(energies_are_neurosims),       cmocka_unit_test(static_figures_are_neurosims),
        cmocka_unit_test(layers_of_vgg8_are_neurosims), cmocka_unit_test(stale_pes_are_an_option),
        cmocka_unit_test(parts_and_layers_add_up),      cmocka_unit_test(inputs_act_where_they_should),
        cmocka_unit_test(seeds_move_places_not_shares), cmocka_unit_test(bad_network_files_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
