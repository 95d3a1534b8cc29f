#include "crossbar/output.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *number(double x)
{
    if (!isfinite(x))
        return json_null();
    return x == floor(x) && fabs(x) < 9e15 ? json_integer((json_int_t)x) : json_real(x);
}

json_t *xst_device_json(const xst_device *device)
{
    json_t *const constants = json_object();
    for (int i = 0; i < xst_device_field_count(); i++) {
        const xst_device_field *const f = xst_device_field_at(i);
        json_t *section = json_object_get(constants, f->section);
        if (!section) {
            section = json_object();
            json_object_set_new(constants, f->section, section);
        }
        json_object_set_new(section, f->key,
                            json_pack("{s:o, s:s, s:s, s:s}", "value", json_real(xst_device_value(device, i)), "unit",
                                      f->unit, "source", device->source[i], "from", device->from[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "name", device->name, "hash", device->hash, "description",
                     device->description, "constants", constants);
}

static json_t *components_json(const xst_energy_figures *f)
{
    json_t *const out = json_object();
    for (int c = 0; c < XST_COMPONENTS; c++)
        json_object_set_new(out, xst_component_name((xst_component)c),
                            json_pack("{s:f, s:f, s:f}", "energy_J", xst_figures_component(f, (xst_component)c),
                                      "area_m2", f->area[c], "latency_s", f->latency[c]));
    return out;
}

static json_t *figures_json(const xst_energy_figures *f)
{
    json_t *const parts = json_object();
    for (int p = 0; p < XST_PARTS; p++)
        json_object_set_new(parts, xst_part_name((xst_energy_part)p), json_real(f->energy[p]));
    json_t *const out = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "energy_J", xst_figures_energy(f), "latency_s",
                                  xst_figures_latency(f), "leakage_J", f->leakage_energy, "leakage_W", f->leakage_power,
                                  "area_m2", xst_figures_area(f), "blank_area_m2", f->blank_area);
    json_object_set_new(out, "arrays_on_chip", number(f->arrays_on_chip));
    json_object_set_new(out, "arrays_mapped", number(f->arrays_mapped));
    json_object_set_new(out, "array_reads", number(f->array_reads));
    json_object_set_new(out, "adc_conversions", number(f->adc_conversions));
    json_object_set_new(out, "idle_conversions", number(f->idle_conversions));
    json_object_set_new(out, "cells_used", number(f->cells_used));
    json_object_set_new(out, "utilisation", json_real(f->utilisation));
    json_object_set_new(out, "stale_J", json_real(f->stale_energy));
    json_object_set_new(out, "components", components_json(f));
    json_object_set_new(out, "parts", parts);
    return out;
}

json_t *xst_report_json(const xst_energy_report *r)
{
    json_t *const out = figures_json(&r->total), *const layers = json_array();
    for (int l = 0; l < r->layer_count; l++) {
        json_t *const layer = figures_json(&r->layers[l]);
        json_object_set_new(layer, "name", json_string(r->layers[l].name));
        json_array_append_new(layers, layer);
    }
    json_object_set_new(out, "layers", layers);
    json_object_set_new(out, "clock_s", json_real(r->clock));
    json_object_set_new(out, "floorplan",
                        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "tile_side_cells", number(r->tile_cells),
                                  "pe_side_cells", number(r->pe_cells), "tiles", number(r->tiles), "grid_rows",
                                  number(r->grid_rows), "grid_columns", number(r->grid_columns), "global_bus_bits",
                                  number(r->bus_bits), "global_buffer_cores", number(r->buffer_cores)));
    return out;
}

json_t *xst_lines_json(const xst_text *text)
{
    json_t *const out = json_array();
    for (const char *at = xst_text_string(text); *at;) {
        const size_t length = strcspn(at, "\n");
        json_array_append_new(out, json_stringn(at, length));
        at += length + (at[length] == '\n');
    }
    return out;
}

xst_status xst_json_text(json_t *document, char **out, xst_error *err)
{
    *out = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    json_decref(document);
    return *out ? XST_OK : xst_fail(err, XST_ERROR_MEMORY, "no memory for the JSON document");
}

void xst_energy_text_free(char *text)
{
    free(text);
}
