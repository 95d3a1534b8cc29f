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
#include "quant/levels.h"
#include "train/measure.h"

typedef struct xst_activity_meter xst_activity_meter;

/* weights: how weights are quantised. codes: keep their codes too, for xst_activity_meter_codes. */
xst_status xst_activity_meter_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net,
                                     const xst_quant *weights, bool codes, xst_activity_meter **out, xst_error *err);
void xst_activity_meter_destroy(xst_activity_meter *meter);

/* Takes over a task's columns, quantised (whole: in place of all others). Tasks come in order, from the first. */
xst_status xst_activity_meter_own(xst_activity_meter *meter, const xst_task_record *record, xst_error *err);
/* Scale of the columns taken over last. */
double xst_activity_meter_scale(const xst_activity_meter *meter, int masked);
/* Signed codes [O,I,kh,kw] of the effective weights of the task of `record`; 0 where a column is off. */
void xst_activity_meter_codes(const xst_activity_meter *meter, const xst_task_record *record, int masked, float *codes);

/* Measures the task of `record`, which is owned already (the model owns the columns of tasks 1..position), and appends
 * its rows to the text of activity.csv: the masked layers at 4 and 8 bits, the image at 8, and the head, which stands
 * on arrays with map_head. */
xst_status xst_activity_meter_measure(xst_activity_meter *meter, const xst_task_record *record,
                                      const xst_task_data *data, xst_text *csv, xst_error *err);
/* The first line of activity.csv. */
void xst_activity_header(xst_text *csv);

/* Takes the codes 0..255 [in][side][side] of one test image where it enters each masked layer, from the first. scale:
 * value of code 255; 0 for the image, whose codes are its pixels. */
typedef struct xst_activity_trace {
    uint32_t image; /* of the test images, from 0 */
    xst_status (*input)(void *user, int masked, const uint8_t *codes, double scale, xst_error *err);
    void *user;
} xst_activity_trace;

/* Passes the same images through the same net as measuring does at 8 bits. */
xst_status xst_activity_meter_trace(xst_activity_meter *meter, const xst_task_record *record, const xst_task_data *data,
                                    const xst_activity_trace *trace, xst_error *err);

#endif
