/* Circuits of one technology: what a gate, a flip-flop, an adder, a decoder and a repeated wire cost.
 *
 * All follow from the constants of the device file. Capacitances in F, energies in J per use, areas in m2, leakage in
 * W. "Enlarged" gates fill the height of a row: their widths keep the proportion that balances the gate. Circuit
 * structure: NeuroSim (P.-Y. Chen et al., IEEE TCAD 37(12), 2018). */
#ifndef XST_CROSSBAR_TECHNOLOGY_H
#define XST_CROSSBAR_TECHNOLOGY_H

#include "crossbar/device.h"

/* A long wire with repeaters, or bare. */
typedef struct xst_line {
    double energy;                    /* J per bit and metre, one transition */
    double leakage;                   /* W per line and metre */
    double pitch_height, pitch_width; /* m that a line takes, as its repeaters are tall and wide */
    double size, distance;            /* repeater over the smallest inverter; m between repeaters */
} xst_line;

typedef struct xst_technology {
    double feature, v2;                       /* m; vdd squared */
    double room;                              /* m of width that P and N share in a row of gates */
    double width_n, width_p;                  /* m, the smallest inverter */
    double inverter_in, inverter_out;         /* F, the smallest inverter */
    double enlarged_in;                       /* F, an input of any enlarged gate */
    double nand_out;                          /* F, enlarged 2-input NAND */
    double inverter_area, nand_area;          /* m2 of a cell */
    double dff_energy, dff_area, dff_leakage; /* a flip-flop: 12 inverters; energy per clock */
    double dff_width, dff_height;             /* m */
    double adder_area, adder_leakage;         /* per bit: 9 enlarged NANDs */
    double adder_first, adder_next;           /* J of the first and of each further bit, activity included */
    xst_line fast, relaxed, bare;             /* repeaters at least delay; delay_tolerance given up; none */
} xst_technology;

void xst_technology_make(const xst_device *device, xst_technology *out);

/* Drain capacitance of one transistor; room = height it may take, wider ones fold (0: it may be as wide as it is). */
double xst_drain_capacitance(const xst_device *device, double width, double room);

/* n-bit ripple adder, J per addition. */
double xst_adder_energy(const xst_technology *t, double bits);

/* Trees of `units` inputs of `bits` bits, in adder bits: sum over stages of floor(j/2)*(bits + stage). An odd input of
 * a stage is dropped, as NeuroSim does. */
double xst_tree_bits(double units, double bits);
/* The same in J for one use of one tree. */
double xst_tree_energy(const xst_technology *t, double units, double bits);

/* A decoder of n address bits: 2-bit NAND predecoders, NORs of ceil(n/2) inputs, two inverters per line. selects_mux:
 * it drives a multiplexer, through a NAND that enables it. */
typedef struct xst_decoder {
    double energy, area, leakage;
} xst_decoder;
xst_decoder xst_decoder_make(const xst_device *device, const xst_technology *t, int address_bits, int selects_mux);

/* A register file of words x word_bits: J per bit read and written; area and leakage of the whole. */
typedef struct xst_register_file {
    double read, write, area, leakage;
} xst_register_file;
xst_register_file xst_register_file_make(const xst_device *device, const xst_technology *t, double words,
                                         double word_bits);

#endif
