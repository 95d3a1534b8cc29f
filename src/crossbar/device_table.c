/* Every constant of a device file. Order is the order of output and of the hash. */
#include "crossbar/device.h"

#include <string.h>

#define REAL(section, key, unit, least, most, meaning)                                                                 \
    {                                                                                                                  \
#section, #key, unit, offsetof(xst_device, section.key) /* NOLINT(bugprone-macro-parentheses) */, 0, least,    \
            most, meaning                                                                                              \
    }
#define WHOLE(section, key, unit, least, most, meaning)                                                                \
    {                                                                                                                  \
#section, #key, unit, offsetof(xst_device, section.key) /* NOLINT(bugprone-macro-parentheses) */, 1, least,    \
            most, meaning                                                                                              \
    }

static const xst_device_field fields[] = {
    WHOLE(cell, bits, "bit", 1, 4, "bits of a cell: 2^bits conductance levels, equally spaced"),
    REAL(cell, on_conductance, "S", 1e-9, 1, "conductance of the highest level"),
    REAL(cell, off_conductance, "S", 1e-12, 1, "conductance of the lowest level"),
    REAL(cell, access_resistance, "ohm", 1, 1e9, "resistance of the access transistor, in series"),
    REAL(cell, row_pitch, "feature", 1, 1000, "cell pitch from row to row"),
    REAL(cell, column_pitch, "feature", 1, 1000, "cell pitch from column to column"),
    REAL(cell, read_voltage, "V", 0.01, 10, "read voltage"),
    REAL(cell, access_voltage, "V", 0.01, 10, "gate voltage of the access transistor"),
    REAL(cell, set_voltage, "V", 0.01, 20, "write voltage that raises conductance"),
    REAL(cell, set_pulse, "s", 1e-12, 1, "length of a set pulse"),
    REAL(cell, reset_voltage, "V", 0.01, 20, "write voltage that lowers conductance"),
    REAL(cell, reset_pulse, "s", 1e-12, 1, "length of a reset pulse"),
    WHOLE(cell, pulses, "count", 1, 1e6, "pulses over the full conductance range"),
    REAL(cell, endurance, "count", 1, 1e18, "write cycles a cell bears"),
    WHOLE(array, rows, "count", 4, 4096, "rows of an array, all read in parallel"),
    WHOLE(array, columns, "count", 4, 4096, "columns of an array"),
    WHOLE(array, adc_share, "count", 1, 4096, "columns per ADC, through a multiplexer"),
    WHOLE(array, weight_bits, "bit", 2, 8, "bits of a weight of --network"),
    WHOLE(adc, bits, "bit", 1, 16, "bits of the ADC"),
    REAL(adc, bit_power, "W", 0, 1, "power per bit while converting"),
    REAL(adc, fixed_power, "W", 0, 1, "power while converting, besides bits"),
    REAL(adc, current_power, "W/S^e", 0, 1e6, "power for a column conductance of 1 S, to the power of exponent"),
    REAL(adc, exponent, "1", 0.1, 2, "exponent of the column conductance"),
    REAL(adc, step_time, "s", 1e-12, 1e-3, "time per step; a conversion takes bits + 1 steps"),
    REAL(adc, idle_power, "W", 0, 1, "power for a column that carries no current"),
    REAL(adc, reference_voltage, "V", 0.01, 10, "read voltage that the power fit holds for"),
    WHOLE(adc, fixed_cells, "count", 0, 1e6, "size in inverter cells, fixed part"),
    WHOLE(adc, step_cells, "count", 0, 1e6, "size in inverter cells, per bit after the first"),
    REAL(wire, width, "m", 1e-9, 1e-5, "width of a wire"),
    REAL(wire, aspect, "1", 0.1, 10, "thickness over width"),
    REAL(wire, resistivity, "ohm m", 1e-9, 1e-5, "resistivity"),
    REAL(wire, capacitance, "F/m", 1e-12, 1e-8, "capacitance per length"),
    REAL(transistor, feature, "m", 1e-9, 1e-6, "feature size F"),
    REAL(transistor, vdd, "V", 0.1, 10, "supply voltage"),
    REAL(transistor, gate_capacitance, "F/m", 1e-12, 1e-7, "ideal gate capacitance per width"),
    REAL(transistor, fringe_capacitance, "F/m", 0, 1e-7, "fringe capacitance per width"),
    REAL(transistor, overlap_share, "1", 0, 2, "overlap capacitance over ideal gate capacitance"),
    REAL(transistor, on_current_n, "A/m", 1, 1e5, "saturation current of N per width"),
    REAL(transistor, on_current_p, "A/m", 1, 1e5, "saturation current of P per width"),
    REAL(transistor, off_current, "A/m", 0, 1e3, "off current per width, N and P"),
    REAL(transistor, pn_ratio, "1", 0.1, 10, "width of P over width of N"),
    REAL(transistor, resistance_factor, "1", 0.1, 10, "effective resistance over vdd/on current"),
    REAL(transistor, linear_ratio, "1", 0.01, 1, "resistance in the linear region over effective resistance"),
    REAL(transistor, junction, "F/m2", 0, 1, "drain junction capacitance"),
    REAL(transistor, sidewall, "F/m", 0, 1e-6, "drain sidewall capacitance"),
    REAL(transistor, drain_to_channel, "F/m", 0, 1e-6, "drain to channel capacitance"),
    REAL(transistor, leak_nand2, "1", 0, 1, "mean leakage of a 2-input NAND over that of its P transistors"),
    REAL(transistor, leak_nor2, "1", 0, 1, "mean leakage of a 2-input NOR over that of its N transistors"),
    REAL(transistor, leak_nor3, "1", 0, 1, "the same, three and more inputs"),
    REAL(layout, min_width, "feature", 0.5, 100, "width of the smallest N transistor"),
    REAL(layout, cell_height, "feature", 8, 1000, "height of a row of gates"),
    REAL(layout, gate_pitch, "feature", 1, 100, "pitch of gates"),
    REAL(layout, gate_gap, "feature", 0.5, 100, "gap between gates: length of a drain"),
    REAL(layout, pn_gap, "feature", 0, 100, "gap between P and N"),
    REAL(layout, end_gap, "feature", 0, 100, "gap at either end of a cell"),
    REAL(calibration, level_shifter_area, "1", 0.1, 10, "wiring area of level shifters"),
    REAL(calibration, clock, "1", 0.1, 10, "clock period over sensing time"),
    REAL(calibration, dff, "1", 0, 1, "switching activity of flip-flops in shift-adds and buffers"),
    REAL(calibration, adder, "1", 0, 1, "switching activity of adders"),
    REAL(calibration, control, "1", 0, 1, "switching activity of decoders"),
    REAL(circuit, input_toggle, "1", 0, 1, "toggle rate of wires that carry inputs"),
    REAL(circuit, output_toggle, "1", 0, 1, "toggle rate of wires that carry outputs"),
    REAL(circuit, wordline_switch_size, "1", 0.1, 1000, "width of a word-line switch over the smallest transistor"),
    REAL(circuit, column_switch_height, "feature", 0, 1000, "height of a row of column switches"),
    REAL(circuit, mux_delay, "s", 0, 1e-6, "delay of multiplexer and decoder per address bit"),
    REAL(circuit, shifter_pitches, "count", 0, 1e5, "gate pitches of one level shifter"),
    REAL(circuit, shifter_threshold, "V", 0, 20, "write voltage above which level shifters are needed"),
    REAL(circuit, pool_bit_capacitance, "F", 0, 1e-9, "capacitance switched by a 2x2 maximum, per bit"),
    REAL(circuit, pool_fixed_capacitance, "F", 0, 1e-9, "capacitance switched by a 2x2 maximum, besides bits"),
    REAL(circuit, pool_bit_pitches, "count", 0, 1e6, "gate pitches of a 2x2 maximum, per bit"),
    REAL(circuit, pool_fixed_pitches, "count", 0, 1e6, "gate pitches of a 2x2 maximum, besides bits"),
    REAL(interconnect, delay_tolerance, "1", 0, 10, "delay given up for energy on repeated wires"),
    REAL(interconnect, chip_fold, "1", 1, 1000, "layers over which the chip's bus is folded"),
    REAL(interconnect, tile_fold, "1", 1, 1000, "layers over which a tile's H-tree is folded"),
    WHOLE(interconnect, bus_limit, "bit", 1, 1e6, "widest global bus"),
    WHOLE(interconnect, global_rows, "count", 2, 65536, "words of a global buffer core"),
    WHOLE(interconnect, global_columns, "bit", 2, 65536, "bits of a word of a global buffer core"),
    WHOLE(interconnect, tile_rows, "count", 2, 65536, "words of a tile buffer core"),
    WHOLE(interconnect, tile_columns, "bit", 2, 65536, "bits of a word of a tile buffer core"),
};

_Static_assert(sizeof fields / sizeof fields[0] <= XST_DEVICE_FIELDS, "device fields fit their arrays");

int xst_device_field_count(void)
{
    return (int)(sizeof fields / sizeof fields[0]);
}

const xst_device_field *xst_device_field_at(int index)
{
    return &fields[index];
}

double xst_device_value(const xst_device *device, int index)
{
    const char *const at = (const char *)device + fields[index].offset;
    if (fields[index].whole) {
        int32_t whole;
        memcpy(&whole, at, sizeof whole);
        return whole;
    }
    double real;
    memcpy(&real, at, sizeof real);
    return real;
}

void xst_device_set(xst_device *device, int index, double value)
{
    char *const at = (char *)device + fields[index].offset;
    if (fields[index].whole) {
        const int32_t whole = (int32_t)value;
        memcpy(at, &whole, sizeof whole);
    } else {
        memcpy(at, &value, sizeof value);
    }
}

/* One `name` is 10^power of `base`. */
typedef struct unit {
    const char *name, *base;
    int power;
} unit;

static const unit units[] = {
    {"S", "S", 0},          {"mS", "S", -3},         {"uS", "S", -6},
    {"nS", "S", -9},        {"ohm", "ohm", 0},       {"kohm", "ohm", 3},
    {"Mohm", "ohm", 6},     {"V", "V", 0},           {"mV", "V", -3},
    {"s", "s", 0},          {"ms", "s", -3},         {"us", "s", -6},
    {"ns", "s", -9},        {"ps", "s", -12},        {"m", "m", 0},
    {"um", "m", -6},        {"nm", "m", -9},         {"W", "W", 0},
    {"mW", "W", -3},        {"uW", "W", -6},         {"nW", "W", -9},
    {"W/S^e", "W/S^e", 0},  {"F", "F", 0},           {"fF", "F", -15},
    {"ohm m", "ohm m", 0},  {"ohm um", "ohm m", -6}, {"F/m", "F/m", 0},
    {"fF/um", "F/m", -9},   {"aF/um", "F/m", -12},   {"F/m2", "F/m2", 0},
    {"fF/um2", "F/m2", -3}, {"A/m", "A/m", 0},       {"uA/um", "A/m", 0},
    {"nA/um", "A/m", -3},   {"pA/um", "A/m", -6},    {"1", "1", 0},
    {"count", "count", 0},  {"bit", "bit", 0},       {"feature", "feature", 0},
};

bool xst_device_unit(const char *name, const char *base, double value, double *out)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].name, name) != 0 || strcmp(units[i].base, base) != 0)
            continue;
        double scale = 1;
        for (int k = 0; k < units[i].power || k < -units[i].power; k++)
            scale *= 10;
        *out = units[i].power < 0 ? value / scale : value * scale; /* 10 / 1e6 is 1e-5; 10 * 1e-6 is not */
        return true;
    }
    return false;
}
