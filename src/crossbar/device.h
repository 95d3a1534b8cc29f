/* A device file: cells, arrays, converters, wires and transistors of one technology, each constant with unit and
 * source.
 *
 * One table (device_table.c) names every constant: section, key, unit, range, meaning. Values are SI here. A file holds
 * all constants, or names another with `based_on` and holds what differs; the resolved values have a hash, which every
 * output carries. Method notes, section 10; circuit meaning of each constant: technology.h, array.h. */
#ifndef XST_CROSSBAR_DEVICE_H
#define XST_CROSSBAR_DEVICE_H

#include "base/text.h"
#include "xst/energy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XST_DEVICE_NAME = 64, XST_DEVICE_SOURCE = 256, XST_DEVICE_FIELDS = 96 };

typedef struct xst_device_cell {
    int32_t bits;                   /* 2^bits conductance levels */
    double on_conductance;          /* S */
    double off_conductance;         /* S */
    double access_resistance;       /* ohm, transistor in series */
    double row_pitch, column_pitch; /* F */
    double read_voltage;            /* V */
    double access_voltage;          /* V, gate of the access transistor */
    double set_voltage, set_pulse;  /* V, s */
    double reset_voltage, reset_pulse;
    int32_t pulses;   /* over the full conductance range */
    double endurance; /* write cycles */
} xst_device_cell;

typedef struct xst_device_array {
    int32_t rows, columns;
    int32_t adc_share;   /* columns per ADC, through a multiplexer */
    int32_t weight_bits; /* of --network; runs bring their own */
} xst_device_array;

/* SAR ADC: power while converting = bit_power*bits + fixed_power +
 * current_power*(G*read_voltage/reference_voltage)^exponent, for (bits + 1) steps; a column without current takes
 * idle_power instead. */
typedef struct xst_device_adc {
    int32_t bits;
    double bit_power, fixed_power; /* W */
    double current_power;          /* W per S^exponent */
    double exponent;
    double step_time;                /* s */
    double idle_power;               /* W */
    double reference_voltage;        /* V, read voltage of the fit */
    int32_t fixed_cells, step_cells; /* inverter cells: fixed, and per bit after the first */
} xst_device_adc;

typedef struct xst_device_wire {
    double width;       /* m */
    double aspect;      /* thickness / width */
    double resistivity; /* ohm m */
    double capacitance; /* F/m */
} xst_device_wire;

typedef struct xst_device_transistor {
    double feature;                                 /* m */
    double vdd;                                     /* V */
    double gate_capacitance, fringe_capacitance;    /* F/m of width */
    double overlap_share;                           /* of gate_capacitance */
    double on_current_n, on_current_p, off_current; /* A/m */
    double pn_ratio;                                /* width of P for N */
    double resistance_factor, linear_ratio;
    double junction;                   /* F/m2 */
    double sidewall, drain_to_channel; /* F/m */
    double leak_nand2, leak_nor2, leak_nor3;
} xst_device_transistor;

/* In F. */
typedef struct xst_device_layout {
    double min_width, cell_height, gate_pitch, gate_gap, pn_gap, end_gap;
} xst_device_layout;

typedef struct xst_device_calibration {
    double level_shifter_area, clock, dff, adder, control;
} xst_device_calibration;

typedef struct xst_device_circuit {
    double input_toggle, output_toggle;
    double wordline_switch_size;                         /* times the minimum transistor */
    double column_switch_height;                         /* F, a row of column switches */
    double mux_delay;                                    /* s per address bit */
    double shifter_pitches;                              /* gate pitches of one level shifter */
    double shifter_threshold;                            /* V: no level shifter up to this write voltage */
    double pool_bit_capacitance, pool_fixed_capacitance; /* F switched by one 2x2 maximum */
    double pool_bit_pitches, pool_fixed_pitches;
} xst_device_circuit;

typedef struct xst_device_interconnect {
    double delay_tolerance;
    double chip_fold, tile_fold;
    int32_t bus_limit;                   /* bits */
    int32_t global_rows, global_columns; /* bits of a global buffer core */
    int32_t tile_rows, tile_columns;     /* bits of a tile buffer core */
} xst_device_interconnect;

struct xst_device {
    char name[XST_DEVICE_NAME];
    char description[XST_DEVICE_SOURCE];
    char hash[65]; /* SHA-256 of the resolved values */
    xst_device_cell cell;
    xst_device_array array;
    xst_device_adc adc;
    xst_device_wire wire;
    xst_device_transistor transistor;
    xst_device_layout layout;
    xst_device_calibration calibration;
    xst_device_circuit circuit;
    xst_device_interconnect interconnect;
    char source[XST_DEVICE_FIELDS][XST_DEVICE_SOURCE]; /* by index in the table */
    char from[XST_DEVICE_FIELDS][XST_DEVICE_NAME];     /* the device file that gave the value */
};

typedef struct xst_device_field {
    const char *section, *key;
    const char *unit; /* SI */
    size_t offset;    /* in xst_device */
    int whole;        /* an int32_t; else a double */
    double least, most;
    const char *meaning;
} xst_device_field;

int xst_device_field_count(void);
const xst_device_field *xst_device_field_at(int index);
double xst_device_value(const xst_device *device, int index);
void xst_device_set(xst_device *device, int index, double value);

/* `value` of the unit called name in `base` (SI): (10, "uS", "S") gives 1e-5. False where name does not measure base.
 */
bool xst_device_unit(const char *name, const char *base, double value, double *out);

/* name_or_path: a file (contains '/' or ends in .yaml), or the name of a ready device (experiments/devices, built in).
 * XST_ERROR_CONFIG with file, line and column for unknown keys, missing or wrong units, missing sources, values out of
 * range. */
xst_status xst_device_read(const char *name_or_path, xst_device *out, xst_error *err);
xst_status xst_device_parse(const char *name, const char *bytes, size_t size, xst_device *out, xst_error *err);
/* Checks what one constant alone cannot tell, and fills the hash. */
xst_status xst_device_finish(xst_device *device, xst_error *err);

/* The ready devices, built in: text of the file called name, or NULL. */
const char *xst_device_ready(const char *name, size_t *size);
const char *xst_device_ready_name(int index); /* NULL after the last */

#endif
