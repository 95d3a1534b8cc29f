/* The public names of include/xst/energy.h: parts, components, sums, devices. */
#include "xst/energy.h"

#include "base/memory.h"
#include "crossbar/device.h"

static const char *const component_names[XST_COMPONENTS] = {"array",        "adc",    "wordline",     "mux",
                                                            "accumulation", "buffer", "interconnect", "other"};

static const struct {
    const char *name;
    xst_component component;
} parts[XST_PARTS] = {
    [XST_PART_CELLS] = {"sub.cells", XST_COMPONENT_ARRAY},
    [XST_PART_CONVERT] = {"sub.convert", XST_COMPONENT_ADC},
    [XST_PART_WORDLINE] = {"sub.array_wordline_cap", XST_COMPONENT_WORDLINE},
    [XST_PART_SWITCH] = {"sub.wl_switchmatrix", XST_COMPONENT_WORDLINE},
    [XST_PART_MUX] = {"sub.mux", XST_COMPONENT_MUX},
    [XST_PART_MUX_DECODER] = {"sub.mux_decoder", XST_COMPONENT_MUX},
    [XST_PART_SHIFT_WEIGHT] = {"sub.shiftadd_weight", XST_COMPONENT_ACCUMULATION},
    [XST_PART_SHIFT_INPUT] = {"sub.shiftadd_input", XST_COMPONENT_ACCUMULATION},
    [XST_PART_PE_TREE] = {"sub.pe_addertree", XST_COMPONENT_ACCUMULATION},
    [XST_PART_TILE_TREE] = {"sub.tile_accumulation", XST_COMPONENT_ACCUMULATION},
    [XST_PART_CHIP_TREE] = {"sub.chip_accumulation", XST_COMPONENT_ACCUMULATION},
    [XST_PART_PE_IN] = {"sub.pe_buffer_in", XST_COMPONENT_BUFFER},
    [XST_PART_PE_OUT] = {"sub.pe_buffer_out", XST_COMPONENT_BUFFER},
    [XST_PART_TILE_IN] = {"sub.tile_buffer_in", XST_COMPONENT_BUFFER},
    [XST_PART_TILE_OUT] = {"sub.tile_buffer_out", XST_COMPONENT_BUFFER},
    [XST_PART_GLOBAL_READ] = {"sub.global_buffer_read", XST_COMPONENT_BUFFER},
    [XST_PART_GLOBAL_WRITE] = {"sub.global_buffer_write", XST_COMPONENT_BUFFER},
    [XST_PART_PE_BUS_IN] = {"sub.pe_bus_in", XST_COMPONENT_INTERCONNECT},
    [XST_PART_PE_BUS_OUT] = {"sub.pe_bus_out", XST_COMPONENT_INTERCONNECT},
    [XST_PART_TILE_TREE_WIRE] = {"sub.tile_htree", XST_COMPONENT_INTERCONNECT},
    [XST_PART_GLOBAL_BUS] = {"sub.global_bus", XST_COMPONENT_INTERCONNECT},
    [XST_PART_RELU] = {"sub.relu", XST_COMPONENT_OTHER},
    [XST_PART_POOL] = {"sub.maxpool", XST_COMPONENT_OTHER},
};

const char *xst_component_name(xst_component component)
{
    return component_names[component];
}

const char *xst_part_name(xst_energy_part part)
{
    return parts[part].name;
}

xst_component xst_part_component(xst_energy_part part)
{
    return parts[part].component;
}

double xst_figures_energy(const xst_energy_figures *figures)
{
    double sum = 0;
    for (int p = 0; p < XST_PARTS; p++)
        sum += figures->energy[p];
    return sum;
}

double xst_figures_component(const xst_energy_figures *figures, xst_component component)
{
    double sum = 0;
    for (int p = 0; p < XST_PARTS; p++)
        if (parts[p].component == component)
            sum += figures->energy[p];
    return sum;
}

double xst_figures_latency(const xst_energy_figures *figures)
{
    double sum = 0;
    for (int c = 0; c < XST_COMPONENTS; c++)
        sum += figures->latency[c];
    return sum;
}

double xst_figures_area(const xst_energy_figures *figures)
{
    double sum = figures->blank_area;
    for (int c = 0; c < XST_COMPONENTS; c++)
        sum += figures->area[c];
    return sum;
}

void xst_energy_report_free(xst_energy_report *report)
{
    xst_free(report->layers);
    *report = (xst_energy_report){0};
}

xst_status xst_device_open(const char *name_or_path, xst_device **out, xst_error *err)
{
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_device), "device", err);
    if (status != XST_OK)
        return status;
    status = xst_device_read(name_or_path, memory, err);
    if (status == XST_OK)
        *out = memory;
    else
        xst_free(memory);
    return status;
}

void xst_device_close(xst_device *device)
{
    xst_free(device);
}

const char *xst_device_name(const xst_device *device)
{
    return device->name;
}

const char *xst_device_hash(const xst_device *device)
{
    return device->hash;
}
