/* One array with its periphery: energy per read, area, leakage (NeuroSim; method notes, section 10).
 *
 * A read is one input bit of one vector: all columns are converted, adc_share of them one after the other by each ADC.
 * Word lines, their switches, the multiplexer and the decoder are driven anew at each of those steps. */
#ifndef XST_CROSSBAR_ARRAY_H
#define XST_CROSSBAR_ARRAY_H

#include "crossbar/technology.h"

enum { XST_CELL_LEVELS_MAX = 16 };

typedef struct xst_array_model {
    int rows, columns, adcs, steps; /* steps = adc_share */
    int cells;                      /* columns of one weight */
    int input_bits;
    int sum_bits;  /* of the array's result: adc + cells + 1 + input bits */
    double units;  /* shift-adds: one per ADC, or per weight where an ADC serves fewer columns */
    double shifts; /* weights that a shift-add combines per read */
    /* energies, J */
    double wordline_row;  /* one active row, one step */
    double switch_row;    /* the same, its switch */
    double switch_step;   /* all rows' flip-flops, one step */
    double mux_adc;       /* one ADC's switches, one step */
    double mux_decoder;   /* one step */
    double shift_weight;  /* one unit, one weight: put its cells together */
    double shift_input;   /* one unit, one weight: add it to the bits before */
    double convert, idle; /* a conversion without the current term; of a column without current */
    double current;       /* J per (S of column conductance)^exponent and conversion */
    double exponent, voltage_ratio;
    /* times, s */
    double conversion_time, select_time, clock;
    /* areas, m2, and the outline, m */
    double width, height;
    double area_cells, area_adc, area_shift, area_wordline, area_mux, area_column;
    double leakage;               /* W */
    double wire_column, wire_row; /* ohm per step along a row, along a column */
} xst_array_model;

void xst_array_make(const xst_device *device, const xst_technology *t, int input_bits, int weight_bits,
                    xst_array_model *out);

/* Conductance of a cell whose device stands at `share` of the range (0: off, 1: on), in series with its transistor and
 * the mean wire of a block of rows x columns, S. */
double xst_cell_conductance(const xst_device *device, const xst_array_model *a, double share, double rows,
                            double columns);

/* What the input does to the conversions of a column: energy, J = power * (first + second * ratio) + constant, where
 * power = G^exponent and ratio = sum of squares / G^2 of its cells' conductances, G their sum. The rows' bits are
 * independent and on with probability share; in `vectors` conversions a row at least is on, in `idle_vectors` none. The
 * current term is concave, almost linear: its mean over the vectors is taken to second order. Factors of several bit
 * planes add. */
typedef struct xst_factors {
    double first, second, constant;
} xst_factors;
xst_factors xst_conversion_factors(const xst_array_model *a, double share, double vectors, double idle_vectors);
/* The same for `count` planes with shares of their own, `vectors` conversions of `rows` rows each; adds the mean number
 * of idle ones to *idle. */
xst_factors xst_plane_factors(const xst_array_model *a, const double *share, int count, double rows, double vectors,
                              double *idle);
/* G^exponent, and that times ratio. */
void xst_column_power(const xst_array_model *a, double sum, double squares, double *power, double *scaled);

#endif
