/* Reports: layers and their total on a chip. */
#ifndef XST_CROSSBAR_REPORT_H
#define XST_CROSSBAR_REPORT_H

#include "crossbar/traffic.h"

/* A report with names and areas of the layers. */
xst_status xst_report_start(const xst_chip *chip, const xst_shape *shapes, int layers, xst_energy_report *out,
                            xst_error *err);
/* Leakage of the layers from that of one of their tiles, W: while a layer works, the tiles of the others leak.
 * Latencies come first. */
void xst_report_leakage(const xst_chip *chip, const double *tile_leakage, xst_energy_report *report);
/* Sums the layers. */
void xst_report_total(const xst_chip *chip, xst_energy_report *report);

#endif
