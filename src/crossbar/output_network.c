/* xst_energy_write_network */
#include "crossbar/output.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Formulas and numbers; the chip is made again for the circuit values. */
static xst_status explain_network(const xst_device *device, const xst_energy_network *network,
                                  const xst_energy_report *report, xst_text *text, xst_error *err)
{
    xst_shape *shapes = NULL;
    int layers = 0;
    const int bits = device->array.weight_bits;
    xst_status status =
        xst_network_read(network->path, (bits + device->cell.bits - 1) / device->cell.bits, &shapes, &layers, err);
    xst_chip chip = {0};
    if (status == XST_OK)
        status = xst_chip_make(device, shapes, layers, network->input_bits, bits, &chip, err);
    if (status == XST_OK) {
        xst_explain_device(device, text);
        xst_explain_chip(&chip, text);
        xst_explain_report(report, text);
    }
    xst_chip_free(&chip);
    xst_free(shapes);
    return status;
}

static json_t *document(const xst_device *device, const xst_energy_network *network, const xst_energy_report *report,
                        const xst_text *explained)
{
    json_t *const out = json_pack("{s:o, s:s, s:o}", "device", xst_device_json(device), "mapping", "dense", "network",
                                  xst_report_json(report));
    json_object_set_new(out, "inputs",
                        json_pack("{s:s, s:f, s:f, s:i, s:I, s:b}", "network", network->path, "density",
                                  network->density, "input_density", network->input_density, "input_bits",
                                  network->input_bits, "seed", (json_int_t)network->seed, "neurosim_compat",
                                  network->neurosim_compat));
    if (explained->size)
        json_object_set_new(out, "explain", xst_lines_json(explained));
    return out;
}

static xst_status take_text(xst_text *text, char **out, xst_error *err)
{
    const xst_status status = xst_text_check(text, err);
    if (status != XST_OK)
        return status;
    *out = strdup(xst_text_string(text));
    return *out ? XST_OK : xst_fail(err, XST_ERROR_MEMORY, "no memory for the report");
}

xst_status xst_energy_write_network(const xst_device *device, const xst_energy_network *network,
                                    const xst_energy_report *report, xst_energy_format format, int explain, char **out,
                                    xst_error *err)
{
    xst_text explained = {0}, text = {0};
    xst_status status = explain ? explain_network(device, network, report, &explained, err) : XST_OK;
    if (status == XST_OK && format == XST_ENERGY_JSON) {
        status = xst_text_check(&explained, err);
        if (status == XST_OK)
            status = xst_json_text(document(device, network, report, &explained), out, err);
    } else if (status == XST_OK) {
        xst_device_heading(device, format, &text);
        xst_text_add(&text, "%s%s, mapping dense: density %g, input density %g, %d input bits, seed %u%s\n",
                     format == XST_ENERGY_CSV ? "# " : "", network->path, network->density, network->input_density,
                     network->input_bits, network->seed, network->neurosim_compat ? ", NeuroSim's stale PEs" : "");
        xst_report_tables(report, format, &text);
        xst_text_add_bytes(&text, xst_text_string(&explained), explained.size);
        status = take_text(&text, out, err);
    }
    xst_text_free(&text);
    xst_text_free(&explained);
    return status;
}
