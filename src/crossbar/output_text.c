#include "crossbar/output.h"

#include "crossbar/table.h"

#include <stdarg.h>
#include <stdio.h>

void xst_heading(xst_text *text, xst_energy_format format, const char *title, ...)
{
    char line[512];
    va_list args;
    va_start(args, title);
    vsnprintf(line, sizeof line, title, args);
    va_end(args);
    const char *const mark = format == XST_ENERGY_MARKDOWN ? "## " : format == XST_ENERGY_CSV ? "# " : "";
    xst_text_add(text, "\n%s%s\n%s", mark, line, format == XST_ENERGY_MARKDOWN ? "\n" : "");
}

void xst_device_heading(const xst_device *device, xst_energy_format format, xst_text *text)
{
    xst_text_add(text, "%sdevice %s: %s; constants %s\n", format == XST_ENERGY_CSV ? "# " : "", device->name,
                 device->description, device->hash);
}

static void energy_row(const xst_energy_figures *f, xst_table *table)
{
    xst_table_add(table, "%s", f->name);
    xst_table_number(table, xst_figures_energy(f), 1e-9);
    for (int c = 0; c < XST_COMPONENTS; c++)
        xst_table_number(table, xst_figures_component(f, (xst_component)c), 1e-9);
    xst_table_number(table, f->leakage_energy, 1e-9);
    xst_table_number(table, xst_figures_latency(f), 1e-6);
}

static void count_row(const xst_energy_figures *f, xst_table *table)
{
    xst_table_add(table, "%s", f->name);
    xst_table_add(table, "%.0f", f->arrays_mapped);
    xst_table_add(table, "%.0f", f->arrays_on_chip);
    xst_table_add(table, "%.0f", f->array_reads);
    xst_table_add(table, "%.0f", f->adc_conversions);
    xst_table_add(table, "%.0f", f->cells_used);
    xst_table_add(table, "%.4f", f->utilisation);
    xst_table_number(table, xst_figures_area(f), 1e-6);
    xst_table_number(table, f->leakage_power, 1e-6);
}

static void area_table(const xst_energy_report *r, xst_energy_format format, xst_text *text)
{
    xst_table table;
    xst_table_start(&table, "component|area mm2|latency us|energy nJ|share %");
    for (int c = 0; c < XST_COMPONENTS; c++) {
        const double energy = xst_figures_component(&r->total, (xst_component)c), all = xst_figures_energy(&r->total);
        xst_table_add(&table, "%s", xst_component_name((xst_component)c));
        xst_table_number(&table, r->total.area[c], 1e-6);
        xst_table_number(&table, r->total.latency[c], 1e-6);
        xst_table_number(&table, energy, 1e-9);
        xst_table_add(&table, "%.2f", all != 0 ? 100 * energy / all : 0);
    }
    xst_table_add(&table, "blank");
    xst_table_number(&table, r->total.blank_area, 1e-6);
    for (int i = 0; i < 3; i++)
        xst_table_add(&table, "-");
    xst_table_write(&table, format, text);
}

void xst_report_tables(const xst_energy_report *r, xst_energy_format format, xst_text *text)
{
    xst_table table;
    xst_heading(text, format, "Energy per inference, nJ (leakage beside it), and latency");
    xst_table_start(&table, "layer|energy nJ|array|adc|wordline|mux|accumulation|buffer|interconnect|other|leakage "
                            "nJ|latency us");
    for (int l = 0; l < r->layer_count; l++)
        energy_row(&r->layers[l], &table);
    energy_row(&r->total, &table);
    xst_table_write(&table, format, text);
    xst_heading(text, format, "Arrays (a layer's area is that of its tiles)");
    xst_table_start(&table, "layer|arrays|on chip|reads|conversions|cells used|utilisation|area mm2|leakage uW");
    for (int l = 0; l < r->layer_count; l++)
        count_row(&r->layers[l], &table);
    count_row(&r->total, &table);
    xst_table_write(&table, format, text);
    xst_heading(text, format, "Chip: %g x %g tiles of %g x %g cells, PEs of %g x %g, clock %.5g ns", r->grid_rows,
                r->grid_columns, r->tile_cells, r->tile_cells, r->pe_cells, r->pe_cells, r->clock * 1e9);
    area_table(r, format, text);
}
