/* Reports as text and JSON. */
#ifndef XST_CROSSBAR_OUTPUT_H
#define XST_CROSSBAR_OUTPUT_H

#include "base/text.h"
#include "crossbar/chip.h"

#include <jansson.h>

/* NULL where memory ran out. */
json_t *xst_device_json(const xst_device *device);
json_t *xst_report_json(const xst_energy_report *report);
/* Lines of text as a JSON list. */
json_t *xst_lines_json(const xst_text *text);
/* The document as text, released. */
xst_status xst_json_text(json_t *document, char **out, xst_error *err);

/* Name, hash, description: the first line of every page. format is not JSON. */
void xst_device_heading(const xst_device *device, xst_energy_format format, xst_text *text);
/* A title between tables. */
__attribute__((format(printf, 3, 4))) void xst_heading(xst_text *text, xst_energy_format format, const char *title,
                                                       ...);
/* Layers, total, components; areas, latency, counts. */
void xst_report_tables(const xst_energy_report *report, xst_energy_format format, xst_text *text);

/* Constants of the device with sources, circuit values with formulas, and the parts of each layer. */
void xst_explain_device(const xst_device *device, xst_text *text);
void xst_explain_chip(const xst_chip *chip, xst_text *text);
void xst_explain_report(const xst_energy_report *report, xst_text *text);

#endif
