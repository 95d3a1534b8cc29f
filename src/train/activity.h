/* The share of one-bits in each masked layer's input, which the crossbar's energy depends on (method notes, section
 * 10).
 *
 * A float net is first quantised after training: 4-bit APoT weights with one scale per layer and owner, inputs of 4 or
 * 8 bits, uniform, one scale per layer found on the first 512 training images, layer by layer from the input, earlier
 * layers quantised (section 8). The image enters at 8 bits, as its pixels. Bits are counted over im2col of the test
 * images, padding (zero) included. */
#ifndef XST_TRAIN_ACTIVITY_H
#define XST_TRAIN_ACTIVITY_H

#include "base/text.h"
#include "train/measure.h"

/* Appends the rows of one task (model owns the columns of tasks 1..position, unquantised) to the text of activity.csv.
 */
typedef struct xst_activity_meter xst_activity_meter;

xst_status xst_activity_meter_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net,
                                     xst_activity_meter **out, xst_error *err);
void xst_activity_meter_destroy(xst_activity_meter *meter);

/* Takes over a task's columns, quantised (whole: in place of all others). Tasks come in order, from the first. */
xst_status xst_activity_meter_own(xst_activity_meter *meter, const xst_task_record *record, xst_error *err);
/* Measures the task of `record`, which is owned already, and appends its rows. */
xst_status xst_activity_meter_measure(xst_activity_meter *meter, const xst_task_record *record,
                                      const xst_task_data *data, xst_text *csv, xst_error *err);
/* The first line of activity.csv. */
void xst_activity_header(xst_text *csv);

#endif
