/* The chip that carries a run: shapes and places of its layers under both mappings. */
#ifndef XST_CROSSBAR_RUN_PLAN_H
#define XST_CROSSBAR_RUN_PLAN_H

#include "crossbar/activity.h"
#include "crossbar/layout.h"
#include "crossbar/run_net.h"
#include "crossbar/traffic.h"

typedef struct xst_run_plan {
    const xst_device *device;
    xst_mapping mapping;
    int input_bits;             /* of all layers but the first, which takes the image at 8 */
    int layers, heads;          /* heads: 0, or those of all tasks, which stand behind the layers */
    xst_shape *shapes;          /* [layers + heads], dense */
    xst_layout *dense, *column; /* [layers + heads] */
    xst_chip chip, first_chip;  /* dense floorplan at input_bits and at 8: energy and latency of the layers */
    xst_chip built;             /* floorplan of the mapping, at the wider of the two: area, leakage, arrays on chip */
} xst_run_plan;

/* What a chip is to carry, and how. heads: with the heads of its tasks, each on arrays of its own (map_head); NULL:
 * without. */
typedef struct xst_run_plan_options {
    xst_mapping mapping;
    int input_bits;
    const xst_manifest *heads;
} xst_run_plan_options;

/* Positions follow from the bits of activity.csv and the number of test images, pooling from them. */
xst_status xst_run_plan_make(const xst_device *device, const xst_run *run, const xst_run_net *net,
                             const xst_task_record *first, const xst_activity *activity,
                             const xst_run_plan_options *options, xst_run_plan *out, xst_error *err);
void xst_run_plan_free(xst_run_plan *plan);

/* Index of a task's head (from 1) among shapes, layouts and places. */
int xst_run_plan_head(const xst_run_plan *plan, int task);
/* Input bits and chip of a layer or head. */
int xst_run_plan_bits(const xst_run_plan *plan, int layer);
const xst_chip *xst_run_plan_chip(const xst_run_plan *plan, int layer);

#endif
