#include "crossbar/array.h"

#include <math.h>

static double gate_per_width(const xst_device_transistor *m)
{
    return m->gate_capacitance * (1 + m->overlap_share) + m->fringe_capacitance;
}

/* Word lines and their switches: every step drives the row's wire and access gates, and passes two voltages. */
static void make_wordlines(const xst_device *d, const xst_technology *t, xst_array_model *a)
{
    const xst_device_transistor *const m = &d->transistor;
    const double f = t->feature, row = d->layout.cell_height * f;
    const double access =
        m->resistance_factor * m->linear_ratio * m->vdd / (m->on_current_n * d->cell.access_resistance);
    const double wire = a->columns * d->cell.column_pitch * f * d->wire.capacitance;
    a->wordline_row = (wire + a->columns * access * gate_per_width(m)) * t->v2;

    const double height = a->rows * d->cell.row_pitch * f, width = a->columns * d->cell.column_pitch * f;
    const double stacks = ceil(a->rows / fmax(1, floor(height / row + 1e-9))); /* columns of gates beside the array */
    const double tall = height / ceil(a->rows / stacks);                       /* what a switch may take in height */
    const double n = d->circuit.wordline_switch_size * t->width_n, p = n * m->pn_ratio;
    const double room = tall - (d->layout.pn_gap + 2 * d->layout.end_gap) * f, share = p / (n + p);
    const double drains = xst_drain_capacitance(d, n, room * (1 - share)) + xst_drain_capacitance(d, p, room * share);
    const double read2 = d->cell.read_voltage * d->cell.read_voltage;
    const double access2 = d->cell.access_voltage * d->cell.access_voltage;
    a->switch_row = 2 * drains * access2 + 3 * drains * read2 + 3 * gate_per_width(m) * (n + p) * t->v2;
    a->switch_step = a->rows * t->dff_energy;

    /* Four transmission gates and a flip-flop per row; a flip-flop per column. Level shifters where writing needs them.
     */
    const double fingers = fmax(1, ceil((n + p) / room - 1e-9));
    const double gates = 4 * (fingers + 1) * d->layout.gate_pitch * f;
    const double switches = stacks * (gates + t->dff_width);
    const double volts = fmax(d->cell.set_voltage, d->cell.reset_voltage);
    const double shifter = volts > d->circuit.shifter_threshold ? d->circuit.shifter_pitches * d->layout.gate_pitch *
                                                                      f * row * d->calibration.level_shifter_area
                                                                : 0;
    const double dff_rows = ceil(a->columns / fmax(1, floor(width / t->dff_width + 1e-9)));
    const double gate_rows = ceil(a->columns * 4 * d->layout.gate_pitch * f / width - 1e-9);
    const double column = dff_rows * t->dff_height + gate_rows * d->circuit.column_switch_height * f;
    a->width = width + 2 * shifter * a->rows / height + switches;
    a->height = height + shifter * a->columns / width + column;
    a->area_cells = width * height;
    a->area_wordline = switches * height + 2 * shifter * a->rows;
    a->area_column = column * width + shifter * a->columns;
    a->leakage = 2 * a->rows * t->dff_leakage;
}

/* A transmission gate as wide as a column of half on, half off cells asks. */
static void make_mux(const xst_device *d, const xst_technology *t, xst_array_model *a)
{
    if (a->steps == 1)
        return;
    const xst_device_transistor *const m = &d->transistor;
    const double on = 1 / (1 / d->cell.on_conductance + d->cell.access_resistance);
    const double off = 1 / (1 / d->cell.off_conductance + d->cell.access_resistance);
    const double column = 1 / (a->rows / 2.0 * (on + off));
    const double n = m->vdd / (m->on_current_n * 2 * 0.25 * column), p = n * m->pn_ratio;
    const double drains = xst_drain_capacitance(d, n, 0) + xst_drain_capacitance(d, p, 0);
    const double read2 = d->cell.read_voltage * d->cell.read_voltage;
    a->mux_adc = gate_per_width(m) * n * t->v2 + 2 * drains * read2;

    const int bits = (int)ceil(log2(a->steps));
    const xst_decoder decoder = xst_decoder_make(d, t, bits, 1);
    a->mux_decoder = d->calibration.control * decoder.energy;
    a->select_time = bits * d->circuit.mux_delay;
    /* One row of gates per input, as long as they fit. */
    const double width = a->columns * d->cell.column_pitch * t->feature;
    const double gate = (ceil((n + p) / t->room - 1e-9) + 1) * d->layout.gate_pitch * t->feature;
    const double rows = a->steps * fmax(1, ceil(a->adcs * gate / width - 1e-9));
    const double height = rows * d->layout.cell_height * t->feature;
    a->height += height;
    a->area_mux = height * width + decoder.area;
    a->leakage += decoder.leakage;
}

static void make_adc(const xst_device *d, const xst_technology *t, xst_array_model *a)
{
    const xst_device_adc *const c = &d->adc;
    a->conversion_time = (c->bits + 1) * c->step_time;
    a->convert = a->conversion_time * (c->bit_power * c->bits + c->fixed_power);
    a->idle = a->conversion_time * c->idle_power;
    a->current = a->conversion_time * c->current_power;
    a->exponent = c->exponent;
    a->voltage_ratio = d->cell.read_voltage / c->reference_voltage;
    a->area_adc = a->adcs * (c->fixed_cells + c->step_cells * (c->bits - 1)) * t->inverter_area;
    a->height += a->area_adc / (a->columns * d->cell.column_pitch * t->feature);
    a->clock = d->calibration.clock * (a->conversion_time + a->select_time);
}

/* A ripple adder and a register per unit; registers shift, so that they hold the sum of all their inputs. */
static double make_shift_add(const xst_device *d, const xst_technology *t, xst_array_model *a, int bits, int inputs)
{
    const double width = a->columns * d->cell.column_pitch * t->feature;
    const double registers = (bits + 1 + inputs - 1) * a->units, adders = bits * a->units;
    const double per_row = fmax(1, floor(width / t->dff_width + 1e-9));
    const double height = adders * t->adder_area / width + t->dff_height + t->dff_height * ceil(registers / per_row);
    a->height += height;
    a->area_shift += height * width;
    a->leakage += registers * t->dff_leakage + adders * t->adder_leakage;
    return xst_adder_energy(t, bits) + d->calibration.dff * registers / a->units * t->dff_energy;
}

void xst_array_make(const xst_device *device, const xst_technology *t, int input_bits, int weight_bits,
                    xst_array_model *out)
{
    const xst_device_array *const s = &device->array;
    xst_array_model *const a = out;
    *a = (xst_array_model){.rows = s->rows, .columns = s->columns, .steps = s->adc_share, .input_bits = input_bits};
    a->adcs = a->columns / a->steps;
    a->cells = (weight_bits + device->cell.bits - 1) / device->cell.bits;
    const int served = a->steps > a->cells ? a->steps : a->cells;
    a->units = floor(a->columns / (double)served);
    a->shifts = served / (double)a->cells;
    a->sum_bits = device->adc.bits + a->cells + 1 + input_bits;
    make_wordlines(device, t, a);
    make_mux(device, t, a);
    a->shift_weight = make_shift_add(device, t, a, device->adc.bits, a->cells);
    a->shift_input = make_shift_add(device, t, a, device->adc.bits + a->cells, input_bits);
    make_adc(device, t, a);
    /* NeuroSim counts the wires between cells in wire widths, and a step along a row with the row pitch. */
    const double sheet = device->wire.resistivity / (device->wire.width * device->wire.width * device->wire.aspect);
    a->wire_column = device->cell.row_pitch * device->wire.width * sheet;
    a->wire_row = device->cell.column_pitch * device->wire.width * sheet;
}

double xst_cell_conductance(const xst_device *device, const xst_array_model *a, double share, double rows,
                            double columns)
{
    const double cell =
        device->cell.off_conductance + share * (device->cell.on_conductance - device->cell.off_conductance);
    const double wires = (columns + 1) / 2 * a->wire_column + (rows + 1) / 2 * a->wire_row;
    return 1 / (1 / cell + device->cell.access_resistance + wires);
}

xst_factors xst_conversion_factors(const xst_array_model *a, double share, double vectors, double idle_vectors)
{
    xst_factors out = {.constant = vectors * a->convert + idle_vectors * a->idle};
    if (!(vectors > 0) || !(share > 0))
        return out;
    /* Mean over the vectors with current: m = share G all/vectors; square / m^2 = vectors/all ((1-share)/share ratio +
     * 1). */
    const double e = a->exponent, bend = e * (e - 1) / 2, all = vectors + idle_vectors, kept = vectors / all;
    const double scale = vectors * a->current * pow(a->voltage_ratio * share / kept, e);
    out.first = scale * (1 + bend * (kept - 1));
    out.second = scale * bend * kept * (1 - share) / share;
    return out;
}

xst_factors xst_plane_factors(const xst_array_model *a, const double *share, int count, double rows, double vectors,
                              double *idle)
{
    xst_factors out = {0};
    for (int z = 0; z < count; z++) {
        const double none = vectors * pow(1 - share[z], rows);
        const xst_factors f = xst_conversion_factors(a, share[z], vectors - none, none);
        out.first += f.first;
        out.second += f.second;
        out.constant += f.constant;
        *idle += none;
    }
    return out;
}

void xst_column_power(const xst_array_model *a, double sum, double squares, double *power, double *scaled)
{
    *power = sum > 0 ? pow(sum, a->exponent) : 0;
    *scaled = sum > 0 ? *power * squares / (sum * sum) : 0;
}
