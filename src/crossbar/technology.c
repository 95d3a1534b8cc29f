#include "crossbar/technology.h"

#include <math.h>

/* Share of P in the width of a gate whose P is k times as wide as the ratio asks for one N (k: NOR inputs / NAND
 * inputs). */
static double share_p(const xst_device *d, double p_stack, double n_stack)
{
    const double p = p_stack * d->transistor.pn_ratio;
    return p / (p + n_stack);
}

static double gate_capacitance(const xst_device *d)
{
    const xst_device_transistor *const t = &d->transistor;
    return t->gate_capacitance * (1 + t->overlap_share) + t->fringe_capacitance;
}

/* regions: drains of this width; sides: how many of their ends stand free; channels: gates they touch. */
static double drain(const xst_device *d, double width, double regions, double sides, double channels)
{
    const xst_device_transistor *const t = &d->transistor;
    const double gap = d->layout.gate_gap * t->feature;
    return regions * gap * width * t->junction + (regions * 2 * gap + sides * width) * t->sidewall +
           channels * width * t->drain_to_channel;
}

double xst_drain_capacitance(const xst_device *device, double width, double room)
{
    if (room <= 0 || width <= room)
        return drain(device, width, 1, 1, 1);
    /* n fingers share drains: n/2 inside and, if n is even, the two outer ones; each finger as tall as there is room.
     */
    const double fingers = ceil(width / room - 1e-9);
    const int even = fmod(fingers, 2) == 0;
    return drain(device, room, floor(fingers / 2) + 1, even ? 2 : 1, fingers);
}

double xst_adder_energy(const xst_technology *t, double bits)
{
    return t->adder_first + t->adder_next * (bits - 1);
}

double xst_tree_bits(double units, double bits)
{
    double sum = 0;
    const int stages = units > 1 ? (int)ceil(log2(units)) : 0;
    for (int stage = 0; stage < stages; stage++) {
        units = floor(units / 2);
        sum += units * (bits + stage);
    }
    return sum;
}

double xst_tree_energy(const xst_technology *t, double units, double bits)
{
    double sum = 0;
    const int stages = units > 1 ? (int)ceil(log2(units)) : 0;
    for (int stage = 0; stage < stages; stage++) {
        units = floor(units / 2);
        sum += units * xst_adder_energy(t, bits + stage);
    }
    return sum;
}

/* Output of an enlarged gate of n inputs: one kind in parallel, sharing drains, the other in series, each of which
 * counts (the worst case). share_series: of the room. */
static double stack_output(const xst_device *d, double room, double inputs, double share_series)
{
    const double parallel = (1 - share_series) * room, series = share_series * room;
    const double regions = floor(inputs / 2) + fmod(inputs, 2), sides = fmod(inputs, 2);
    return drain(d, parallel, regions, sides, 1) + drain(d, series, inputs, 1, 1);
}

static double inverter_output(const xst_device *d, double n, double p, double room)
{
    const double share = share_p(d, 1, 1);
    return xst_drain_capacitance(d, n, room * (1 - share)) + xst_drain_capacitance(d, p, room * share);
}

/* ---- Wires ---- */

/* Elmore delay per metre of a wire with repeaters of `size` every `distance`. */
static double delay_per_metre(const xst_technology *t, const xst_device_wire *w, double r_drive, double size,
                              double distance)
{
    const double r_wire = w->resistivity / (w->width * w->width * w->aspect);
    const double load = size * (t->inverter_in + t->inverter_out) + w->capacitance * distance;
    const double wire = r_wire * distance * (w->capacitance * distance / 2 + size * t->inverter_in);
    return (r_drive / size * load + wire) / distance;
}

static xst_line line_of(const xst_device *d, const xst_technology *t, double size, double distance)
{
    const double n = size * t->width_n, p = size * t->width_p;
    const double fingers = fmax(1, ceil((n + p) / t->room - 1e-9));
    const double load = gate_capacitance(d) * (n + p) + inverter_output(d, n, p, t->room);
    xst_line line = {.size = size, .distance = distance};
    line.energy = (load + d->wire.capacitance * distance) * t->v2 / distance / 2;
    line.leakage = (n + p) / 2 * d->transistor.off_current * d->transistor.vdd / distance;
    line.pitch_height = d->layout.cell_height * t->feature;
    line.pitch_width = (fingers + 1) * d->layout.gate_pitch * t->feature;
    return line;
}

/* Repeaters for least delay, then smaller and sparser ones until delay_tolerance is used up. */
static void make_lines(const xst_device *d, xst_technology *t)
{
    const xst_device_wire *const w = &d->wire;
    const xst_device_transistor *const m = &d->transistor;
    const double r_n = m->resistance_factor * m->vdd / (m->on_current_n * t->width_n);
    const double r_p = m->resistance_factor * m->vdd / (m->on_current_p * t->width_p);
    const double r = (r_n + r_p) / 2, r_wire = w->resistivity / (w->width * w->width * w->aspect);
    double size = fmax(1, floor(sqrt(r * w->capacitance / (t->inverter_in * r_wire))));
    double distance = sqrt(2 * r * (t->inverter_in + t->inverter_out) / (r_wire * w->capacitance));
    t->fast = line_of(d, t, size, distance);
    const double least = delay_per_metre(t, w, r, size, distance);
    while (size > 1 && delay_per_metre(t, w, r, size, distance) < (1 + d->interconnect.delay_tolerance) * least) {
        size = fmax(1, floor(size / 2));
        distance *= 0.9;
    }
    t->relaxed = line_of(d, t, size, distance);
    t->bare = (xst_line){.energy = w->capacitance * t->v2 / 2};
}

/* ---- Gates ---- */

static void make_gates(const xst_device *d, xst_technology *t)
{
    const xst_device_layout *const l = &d->layout;
    const double f = t->feature, row = l->cell_height * f;
    t->room = (l->cell_height - l->pn_gap - 2 * l->end_gap) * f;
    t->width_n = l->min_width * f;
    t->width_p = t->width_n * d->transistor.pn_ratio;
    t->inverter_in = gate_capacitance(d) * (t->width_n + t->width_p);
    t->inverter_out = inverter_output(d, t->width_n, t->width_p, t->room);
    t->enlarged_in = gate_capacitance(d) * t->room;
    t->nand_out = stack_output(d, t->room, 2, 1 - share_p(d, 1, 2));
    t->inverter_area = row * 2 * l->gate_pitch * f;
    t->nand_area = row * 3 * l->gate_pitch * f;
}

static double nand_leakage(const xst_device *d, const xst_technology *t)
{
    const double p = share_p(d, 1, 2) * t->room;
    return d->transistor.leak_nand2 * 2 * p * d->transistor.off_current * d->transistor.vdd;
}

static void make_registers(const xst_device *d, xst_technology *t)
{
    const xst_device_transistor *const m = &d->transistor;
    t->dff_energy = t->v2 * (8 * t->inverter_in + 10 * t->inverter_out);
    t->dff_area = 12 * t->inverter_area;
    t->dff_height = d->layout.cell_height * t->feature;
    t->dff_width = t->dff_area / t->dff_height;
    t->dff_leakage = 8 * (t->width_n + t->width_p) / 2 * m->off_current * m->vdd;
    t->adder_area = 9 * t->nand_area;
    t->adder_leakage = 9 * nand_leakage(d, t);
    t->adder_first = d->calibration.adder * t->v2 * (14 * t->enlarged_in + 7 * t->nand_out);
    t->adder_next = d->calibration.adder * t->v2 * (13 * t->enlarged_in + 7 * t->nand_out);
}

void xst_technology_make(const xst_device *device, xst_technology *out)
{
    *out =
        (xst_technology){.feature = device->transistor.feature, .v2 = device->transistor.vdd * device->transistor.vdd};
    make_gates(device, out);
    make_registers(device, out);
    make_lines(device, out);
}

/* ---- Decoders and register files ---- */

static double nor_leakage(const xst_device *d, const xst_technology *t, double inputs)
{
    const double n = (1 - share_p(d, inputs, 1)) * t->room;
    const double factor = inputs < 3 ? d->transistor.leak_nor2 : d->transistor.leak_nor3;
    return factor * inputs * n * d->transistor.off_current * d->transistor.vdd;
}

static double decoder_leakage(const xst_device *d, const xst_technology *t, int bits, int selects_mux)
{
    const double unit = d->transistor.off_current * d->transistor.vdd / 2; /* of an inverter, per width */
    const int pairs = bits / 2, nor_inputs = pairs + bits % 2;
    const double lines = ldexp(1, bits);
    const double smallest = (t->width_n + t->width_p) * unit, enlarged = t->room * unit;
    double per_line = selects_mux ? nand_leakage(d, t) + 2 * enlarged : smallest + 3 * smallest;
    if (nor_inputs > 1)
        per_line += nor_leakage(d, t, nor_inputs);
    return bits * enlarged + 4 * pairs * nand_leakage(d, t) + lines * per_line;
}

xst_decoder xst_decoder_make(const xst_device *device, const xst_technology *t, int address_bits, int selects_mux)
{
    const int pairs = address_bits / 2, odd = address_bits % 2, nor_inputs = pairs + odd, wires = 4 * pairs + 2 * odd;
    const double x = t->enlarged_in, lines = ldexp(1, address_bits);
    if (address_bits == 0)
        return (xst_decoder){0};
    /* One inverter pair and four NANDs per two bits; each NAND line drives a quarter of the NORs, an odd bit a half. */
    double charge = pairs * (2 * (x + 2 * x) + t->nand_out + x * lines / 4) + odd * (x + x * lines / 2);
    if (nor_inputs > 1)
        charge += stack_output(device, t->room, nor_inputs, share_p(device, nor_inputs, 1));
    const double driver_n = 3 * t->width_n, driver_p = 3 * t->width_p;
    charge += x + t->inverter_in + t->inverter_out + 3 * t->inverter_in +
              inverter_output(device, driver_n, driver_p, t->room);
    double width = 3 * 2 + 1; /* gate pitches: two inverters and a NAND */
    if (selects_mux) {
        charge += t->nand_out;
        width += 3 + 2;
    }
    if (nor_inputs > 1)
        width += nor_inputs + 1;
    const double metal_pitch = device->layout.gate_gap; /* of the predecoded wires */
    xst_decoder out = {.energy = charge * t->v2};
    out.area = lines * device->layout.cell_height * (width * device->layout.gate_pitch + wires * metal_pitch) *
               t->feature * t->feature;
    out.leakage = decoder_leakage(device, t, address_bits, selects_mux);
    return out;
}

xst_register_file xst_register_file_make(const xst_device *device, const xst_technology *t, double words,
                                         double word_bits)
{
    const xst_decoder decoder = xst_decoder_make(device, t, (int)ceil(log2(words)), 0);
    const double bit = device->calibration.dff * t->dff_energy;
    xst_register_file out = {.read = bit + decoder.energy * device->calibration.control / word_bits,
                             .write = bit + decoder.energy / word_bits};
    out.area = words * word_bits * t->dff_area + decoder.area;
    out.leakage = words * word_bits * t->dff_leakage + decoder.leakage;
    return out;
}
