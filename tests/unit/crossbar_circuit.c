/* Circuit values derived from the ready device against figures of NeuroSim V1.4 (inference, commit ac828e6; 32 nm
 * LSTP). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crossbar/array.h"
#include "crossbar/chip.h"

#include <math.h>
#include <string.h>

static xst_device device;
static xst_technology technology;

static int setup(void **state)
{
    (void)state;
    xst_error err = {0};
    if (xst_device_read("hfo2-32nm", &device, &err) != XST_OK)
        return -1;
    xst_technology_make(&device, &technology);
    return 0;
}

static void assert_near(double value, double expected, double relative)
{
    if (fabs(value - expected) > relative * fabs(expected))
        fail_msg("%.9g instead of %.9g", value, expected);
}

static void gates_follow_from_transistors(void **state)
{
    (void)state;
    const xst_technology *const t = &technology;
    assert_near(t->inverter_in, 0.270566e-15, 1e-5);
    assert_near(t->inverter_out, 0.119613e-15, 1e-5);
    assert_near(t->enlarged_in, 1.13074e-15, 1e-5);
    assert_near(t->nand_out, 0.276103e-15, 1e-5);
    assert_near(t->dff_energy, 2.72213e-15, 1e-5);
    assert_near(t->dff_area, 2.61489e-12, 1e-5);
    assert_near(t->dff_leakage, 5.76691e-11, 1e-5);
    assert_near(xst_adder_energy(t, 5), (2.15822 + 4 * 2.02083) * 1e-15, 1e-5);
    assert_near(t->adder_area, 2.94175e-12, 1e-5);
    assert_near(t->adder_leakage, 2.23148e-10, 1e-5);
}

static void decoders_follow_for_any_width(void **state)
{
    (void)state;
    static const double energy[] = {21.0789e-15, 44.0978e-15, 0, 167.096e-15};
    static const double area[] = {27.709e-12, 64.04e-12, 0, 311.1e-12};
    for (int bits = 4; bits <= 7; bits++) {
        if (bits == 6)
            continue;
        const xst_decoder d = xst_decoder_make(&device, &technology, bits, 0);
        assert_near(d.energy, energy[bits - 4], 1e-5);
        assert_near(d.area, area[bits - 4], 5e-4);
    }
    const xst_decoder mux = xst_decoder_make(&device, &technology, 3, 1);
    assert_near(mux.energy, 14.6676e-15, 1e-5);
    assert_near(mux.area, 16.928e-12, 1e-4);
    assert_near(mux.leakage, 1.09883e-9, 1e-5);
    assert_near(xst_decoder_make(&device, &technology, 4, 0).leakage, 1.23801e-9, 1e-5);
}

static void wires_have_repeaters(void **state)
{
    (void)state;
    assert_near(technology.fast.size, 81, 0);
    assert_near(technology.fast.distance, 186.358e-6, 1e-5);
    assert_near(technology.fast.energy, 1.33080e-10, 1e-5);
    assert_near(technology.fast.leakage, 3.13322e-6, 1e-5);
    assert_near(technology.relaxed.size, 40, 0);
    assert_near(technology.relaxed.distance, 167.722e-6, 1e-5);
    assert_near(technology.relaxed.energy, 1.10065e-10, 1e-5);
    assert_near(technology.relaxed.pitch_width, 1.3376e-6, 1e-5);
    assert_near(technology.bare.energy, 8.1e-11, 1e-9);
}

static void an_array_costs_what_neurosim_says(void **state)
{
    (void)state;
    xst_array_model a;
    xst_array_make(&device, &technology, 8, 4, &a);
    assert_near(8 * a.wordline_row, 93.4767e-15, 1e-5);
    assert_near(8 * a.switch_row, 47.3798e-15, 1e-5);
    assert_near(8 * a.switch_step, 2.78746e-12, 1e-5);
    assert_near(8 * 16 * a.mux_adc, 0.389809e-12, 1e-5);
    assert_near(8 * a.mux_decoder, 5.86705e-15, 1e-5);
    assert_near(a.units * a.shifts * a.shift_weight, 1.26522e-12, 1e-5);
    assert_near(a.units * a.shifts * a.shift_input, 2.22075e-12, 1e-5);
    assert_near(a.convert, 87.2808e-15, 1e-5);
    assert_near(a.current, 0.476694e-9, 1e-5);
    assert_near(a.idle, 6e-15, 1e-9);
    assert_near(a.width, 430.441e-6, 1e-5);
    assert_near(a.height, 207.491e-6, 1e-5);
    assert_near(a.area_adc, 4204.74e-12, 1e-5);
    assert_near(a.area_shift, 1621.78e-12, 1e-5);
    assert_near(a.leakage, 7.90060e-8, 1e-5);
    assert_near(a.clock, 11.5143e-9, 1e-5);
    assert_near(a.wire_column, 1.04365, 1e-5);
    assert_near(a.wire_row, 3.13095, 1e-5);
    assert_near(xst_cell_conductance(&device, &a, 2 / 3., -1, -1), 5.95745e-6, 1e-5); /* no wires */
}

/* The mean over vectors by the second-order formula, against an exact sum over all vectors of a small column. */
static void a_conversion_takes_the_mean_over_vectors(void **state)
{
    (void)state;
    enum { ROWS = 10 };
    xst_array_model a;
    xst_array_make(&device, &technology, 8, 4, &a);
    double g[ROWS], sum = 0, squares = 0, exact = 0;
    const double p = 0.3;
    for (int r = 0; r < ROWS; r++) {
        g[r] = (1 + r % 4 * 3) * 1e-6;
        sum += g[r];
        squares += g[r] * g[r];
    }
    for (unsigned v = 1; v < 1u << ROWS; v++) {
        double conductance = 0, chance = 1;
        for (int r = 0; r < ROWS; r++) {
            conductance += v >> r & 1 ? g[r] : 0;
            chance *= v >> r & 1 ? p : 1 - p;
        }
        exact += chance * a.current * pow(conductance, a.exponent);
    }
    double idle = 0, power = 0, scaled = 0;
    const xst_factors f = xst_plane_factors(&a, &p, 1, ROWS, 1, &idle);
    xst_column_power(&a, sum, squares, &power, &scaled);
    assert_near(idle, pow(1 - p, ROWS), 1e-12);
    assert_near(power * f.first + scaled * f.second, exact, 2e-4);
    assert_near(f.constant, (1 - idle) * a.convert + idle * a.idle, 1e-12);
    const double none = 0, both[2] = {p, 0};
    double idle_both = 0;
    const xst_factors dark = xst_plane_factors(&a, &none, 1, ROWS, 3, &idle_both);
    assert_true(dark.first == 0 && dark.second == 0);
    assert_near(dark.constant, 3 * a.idle, 1e-12);
    idle_both = 0;
    const xst_factors two = xst_plane_factors(&a, both, 2, ROWS, 1, &idle_both);
    assert_near(two.first, f.first, 1e-12);
    assert_near(two.constant, f.constant + a.idle, 1e-12);
    assert_near(idle_both, idle + 1, 1e-12);
}

/* What a device file changes, the model computes. */
static void constants_act_by_law(void **state)
{
    (void)state;
    xst_array_model before, after;
    xst_array_make(&device, &technology, 8, 4, &before);
    xst_device other = device;
    other.adc.bits = 6;
    xst_array_make(&other, &technology, 8, 4, &after);
    assert_near(after.convert, 7e-9 * (1.1294e-6 * 6 + 8.8998e-6), 1e-9);
    assert_near(after.current, before.current * 7 / 6, 1e-9);
    assert_int_equal(after.sum_bits, before.sum_bits + 1);
    assert_near(after.area_adc, 16 * (478 + 182 * 5) * technology.inverter_area, 1e-9);

    other = device;
    other.array.rows = 256;
    xst_array_make(&other, &technology, 8, 4, &after);
    assert_near(after.area_cells, 2 * before.area_cells, 1e-9);
    assert_near(after.switch_step, 2 * before.switch_step, 1e-9);
    assert_near(after.wordline_row, before.wordline_row, 1e-9);

    other = device;
    other.array.columns = 256;
    xst_array_make(&other, &technology, 8, 4, &after);
    assert_near(after.wordline_row, 2 * before.wordline_row, 1e-9);
    assert_int_equal(after.adcs, 2 * before.adcs);

    other = device;
    other.cell.bits = 1;
    xst_array_make(&other, &technology, 8, 4, &after);
    assert_int_equal(after.cells, 4);

    other = device;
    other.wire.capacitance *= 2;
    xst_technology wires;
    xst_technology_make(&other, &wires);
    assert_near(wires.bare.energy, 2 * technology.bare.energy, 1e-9);
    assert_true(wires.relaxed.energy > 1.5 * technology.relaxed.energy);

    other = device;
    other.array.adc_share = 1; /* one ADC per column: no multiplexer, one step */
    xst_array_make(&other, &technology, 8, 4, &after);
    assert_int_equal(after.adcs, 128);
    assert_true(after.mux_adc == 0 && after.area_mux == 0);
    assert_near(after.clock, 1.4 * 6e-9, 1e-9);
    assert_near(after.units, 64, 0);
}

static void level_shifters_go_with_the_write_voltage(void **state)
{
    (void)state;
    xst_array_model before, after;
    xst_array_make(&device, &technology, 8, 4, &before);
    xst_device other = device;
    other.cell.set_voltage = other.cell.reset_voltage = 1.5;
    xst_array_make(&other, &technology, 8, 4, &after);
    assert_near(before.width - after.width, 346.268e-6, 1e-5);
    assert_near(before.height - after.height, 57.7114e-6, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_follow_from_transistors),
        cmocka_unit_test(decoders_follow_for_any_width),
        cmocka_unit_test(wires_have_repeaters),
        cmocka_unit_test(an_array_costs_what_neurosim_says),
        cmocka_unit_test(a_conversion_takes_the_mean_over_vectors),
        cmocka_unit_test(constants_act_by_law),
        cmocka_unit_test(level_shifters_go_with_the_write_voltage),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
