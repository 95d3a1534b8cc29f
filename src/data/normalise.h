/* Normalisation constants of a task (method.md section 3). */
#ifndef XST_DATA_NORMALISE_H
#define XST_DATA_NORMALISE_H

#include "data/source.h"

/* Mean and population standard deviation of x/255 over all pixels of each channel. Sums are of integers, so that the
 * order of the records does not matter. count > 0. */
void xst_channel_statistics(const xst_records *records, double mean[XST_CHANNELS], double std[XST_CHANNELS]);

#endif
