/* --explain: every formula with its numbers and source. */
#include "crossbar/output.h"

#include <math.h>

#define NEUROSIM "NeuroSim V1.4"

void xst_explain_device(const xst_device *device, xst_text *text)
{
    xst_text_add(text, "\nConstants of %s (hash %s)\n", device->name, device->hash);
    for (int i = 0; i < xst_device_field_count(); i++) {
        const xst_device_field *const f = xst_device_field_at(i);
        xst_text_add(text, "  %s.%s = %.9g %s: %s [%s: %s]\n", f->section, f->key, xst_device_value(device, i), f->unit,
                     f->meaning, device->from[i], device->source[i]);
    }
}

static void explain_gates(const xst_chip *c, xst_text *text)
{
    const xst_technology *const t = &c->tech;
    const xst_device *const d = c->device;
    const double ci = t->inverter_in * 1e15, co = t->inverter_out * 1e15, x = t->enlarged_in * 1e15;
    const double no = t->nand_out * 1e15;
    xst_text_add(text, "\nCircuits (formulas: " NEUROSIM "; V2 = vdd^2 = %.6g V2)\n", t->v2);
    xst_text_add(text,
                 "  smallest inverter: input %.6g fF, output %.6g fF; enlarged gate: input %.6g fF, NAND output "
                 "%.6g fF\n",
                 ci, co, x, no);
    xst_text_add(text, "  flip-flop and clock: V2 (8 %.6g + 10 %.6g) fF = %.6g fJ; %.6g um2; %.6g pW\n", ci, co,
                 t->dff_energy * 1e15, t->dff_area * 1e12, t->dff_leakage * 1e12);
    xst_text_add(text, "  adder, first bit: %g V2 (14 %.6g + 7 %.6g) fF = %.6g fJ; next bits: (13, 7) = %.6g fJ\n",
                 d->calibration.adder, x, no, t->adder_first * 1e15, t->adder_next * 1e15);
    const xst_line *const lines[] = {&t->fast, &t->relaxed};
    static const char *const names[] = {"in a PE", "above it, delay tolerance used"};
    for (int i = 0; i < 2; i++)
        xst_text_add(text,
                     "  wire %s: repeater %g x smallest each %.6g um: (C_in + C_out + C_wire) V2 / distance / 2 = "
                     "%.6g pJ/m per bit\n",
                     names[i], lines[i]->size, lines[i]->distance * 1e6, lines[i]->energy * 1e12);
    xst_text_add(text,
                 "  buffers, read / write: %g flip-flop + decoder (x %g reading) / word; global %.6g / %.6g, tile "
                 "in %.6g / %.6g, tile out %.6g / %.6g fJ per bit\n",
                 d->calibration.dff, d->calibration.control, c->global.read * 1e15, c->global.write * 1e15,
                 c->tile_in.read * 1e15, c->tile_in.write * 1e15, c->tile_out.read * 1e15, c->tile_out.write * 1e15);
}

static void explain_array(const xst_chip *c, xst_text *text)
{
    const xst_array_model *const a = &c->array;
    const xst_device *const d = c->device;
    const double u = a->units * a->shifts;
    xst_text_add(text, "\nAn array, per read of one input bit, all %d steps (" NEUROSIM "; n1 = active rows, G in S)\n",
                 a->steps);
    xst_text_add(text, "  word lines: steps x C_row x V2 x n1 = %.6g fJ x n1\n", a->steps * a->wordline_row * 1e15);
    xst_text_add(text,
                 "  word-line switches: steps x [n1 (2 C_d %g^2 + 3 C_d %g^2 + 3 C_g V2) + %d flip-flops] = %.6g fJ "
                 "x n1 + %.6g pJ\n",
                 d->cell.access_voltage, d->cell.read_voltage, a->rows, a->steps * a->switch_row * 1e15,
                 a->steps * a->switch_step * 1e12);
    xst_text_add(text,
                 "  multiplexer: steps x %d ADCs x (C_gN V2 + 2 C_d %g^2) = %.6g pJ; decoder: steps x %g x full = "
                 "%.6g fJ\n",
                 a->adcs, d->cell.read_voltage, a->steps * a->adcs * a->mux_adc * 1e12, d->calibration.control,
                 a->steps * a->mux_decoder * 1e15);
    xst_text_add(text,
                 "  ADC, per column: %g ns x [(%g uW x %d + %g uW) + %g W x (G x %g)^%g] = %.6g fJ + %.6g nJ x G^%g; "
                 "without current %.6g fJ\n",
                 a->conversion_time * 1e9, d->adc.bit_power * 1e6, d->adc.bits, d->adc.fixed_power * 1e6,
                 d->adc.current_power, a->voltage_ratio, a->exponent, a->convert * 1e15, a->current * 1e9, a->exponent,
                 a->idle * 1e15);
    xst_text_add(text,
                 "  shift-add of cells: %g x (adder of %d bits + %g x flip-flops) = %.6g pJ; of input bits: %.6g pJ\n",
                 u, d->adc.bits, d->calibration.dff, u * a->shift_weight * 1e12, u * a->shift_input * 1e12);
    xst_text_add(text,
                 "  cell: 1/(1/G + %.6g kohm + wires), wires = %.6g ohm per column and %.6g ohm per row, on average\n",
                 d->cell.access_resistance / 1e3, a->wire_column, a->wire_row);
    xst_text_add(text, "  clock: %g x (%g + %g) ns = %.6g ns; outline %.6g x %.6g um; leakage %.6g nW\n",
                 d->calibration.clock, a->conversion_time * 1e9, a->select_time * 1e9, a->clock * 1e9, a->width * 1e6,
                 a->height * 1e6, a->leakage * 1e9);
}

void xst_explain_chip(const xst_chip *chip, xst_text *text)
{
    explain_gates(chip, text);
    explain_array(chip, text);
    const xst_floorplan *const p = &chip->plan;
    xst_text_add(text, "\nFloorplan: tiles of T = %g cells, PEs of P = %g, nPE = %g, nS = %g arrays a side of a PE\n",
                 p->tile, p->pe, p->pes, p->array_rows);
    xst_text_add(text,
                 "  side of a PE %.6g um, of a tile %.6g um; wires along a PE %.6g um, across %.6g um; H-tree path "
                 "%.6g um\n",
                 chip->side_pe * 1e6, chip->side_tile * 1e6, chip->bus_in * 1e6, chip->bus_out * 1e6,
                 chip->htree_path * 1e6);
    for (int l = 0; l < p->layers; l++)
        xst_text_add(text, "  layer %d: %g x %g tiles, copies %g x %g\n", l + 1, p->places[l].tile_rows,
                     p->places[l].tile_columns, p->places[l].speed_row, p->places[l].speed_column);
}

/* Formula of each part; symbols are those of the lines above: r, c cells of a block, nv input vectors, b input bits. */
static const char *const formulas[XST_PARTS] = {
    [XST_PART_CELLS] = "sum over conversions of the ADC's conductance term",
    [XST_PART_CONVERT] = "conversions x the ADC's constant term; idle columns x their energy",
    [XST_PART_WORDLINE] = "sum over reads of the word-line term",
    [XST_PART_SWITCH] = "sum over reads of the switch term",
    [XST_PART_MUX] = "reads x the multiplexer term",
    [XST_PART_MUX_DECODER] = "reads x the decoder term",
    [XST_PART_SHIFT_WEIGHT] = "reads x the shift-add of cells",
    [XST_PART_SHIFT_INPUT] = "reads x the shift-add of input bits",
    [XST_PART_PE_TREE] = "trees x uses x sum over stages of floor(j/2) adders, over ceil(r/array rows) inputs",
    [XST_PART_TILE_TREE] = "the same over the PEs of a tile",
    [XST_PART_CHIP_TREE] = "the same over the tile rows of the layer",
    [XST_PART_PE_IN] = "int(r nv / array rows) x array rows x b flip-flops",
    [XST_PART_PE_OUT] = "int(results x bits x nv / register) x register flip-flops",
    [XST_PART_TILE_IN] = "(read + write)/2 x r nv b",
    [XST_PART_TILE_OUT] = "(read + write)/2 x results x bits x nv",
    [XST_PART_GLOBAL_READ] = "read x rows of the layer x b x nv",
    [XST_PART_GLOBAL_WRITE] = "write x outputs x b x nv (/4 before pooling)",
    [XST_PART_PE_BUS_IN] = "wire length x energy per metre x input toggle x r nv b",
    [XST_PART_PE_BUS_OUT] = "wire length x energy per metre x output toggle x results x bits x nv",
    [XST_PART_TILE_TREE_WIRE] = "H-tree path x energy per metre x (input toggle x in + output toggle x out)",
    [XST_PART_GLOBAL_BUS] = "bus lengths x energy per metre x toggled bits; the way back is negative for one tile row",
    [XST_PART_RELU] = "outputs x nv x b flip-flops, in whole rows of the unit",
    [XST_PART_POOL] = "outputs x nv / 4 maxima, in whole rows of the unit",
};

void xst_explain_report(const xst_energy_report *r, xst_text *text)
{
    xst_text_add(text, "\nParts, J per inference (formulas: " NEUROSIM "; what an off column saves: method notes, "
                       "section 10)\n");
    for (int p = 0; p < XST_PARTS; p++) {
        xst_text_add(text, "  %s [%s] = %s\n   ", xst_part_name((xst_energy_part)p),
                     xst_component_name(xst_part_component((xst_energy_part)p)), formulas[p]);
        for (int l = 0; l < r->layer_count; l++)
            xst_text_add(text, " %.5g", r->layers[l].energy[p]);
        xst_text_add(text, "; total %.6g\n", r->total.energy[p]);
    }
    xst_text_add(text, "  leakage of a layer = tiles of the other layers x leakage of a tile x its latency = ");
    for (int l = 0; l < r->layer_count; l++)
        xst_text_add(text, " %.5g", r->layers[l].leakage_energy);
    xst_text_add(text, "; total %.6g\n", r->total.leakage_energy);
}
