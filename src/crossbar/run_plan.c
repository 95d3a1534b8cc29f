#include "crossbar/run_plan.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

int xst_run_plan_bits(const xst_run_plan *plan, int layer)
{
    return layer == 0 ? 8 : plan->input_bits;
}

const xst_chip *xst_run_plan_chip(const xst_run_plan *plan, int layer)
{
    return layer == 0 ? &plan->first_chip : &plan->chip;
}

int xst_run_plan_head(const xst_run_plan *plan, int task)
{
    return plan->layers + task - 1;
}

/* Inputs of what follows the last conv: a masked FC layer, else the head. */
static double inputs_after(const xst_run_net *net, const xst_task_record *first, int layer)
{
    if (layer + 1 < net->layer_count)
        return net->layers[layer + 1].stored.in;
    const xst_tensor_record *const head = xst_task_record_head(first);
    return head ? (double)head->dim[1] : 0;
}

static bool is_conv(const xst_run_layer *layer)
{
    return layer->stored.kh * layer->stored.kw > 1;
}

static xst_status make_shape(const xst_run_plan *plan, const xst_run *run, const xst_run_net *net,
                             const xst_task_record *first, const xst_activity *activity, int l, xst_error *err)
{
    const xst_geometry *const g = &net->layers[l].stored;
    const xst_activity_entry *entry = NULL;
    const xst_status status = xst_activity_find(activity, run, 1, l, xst_run_plan_bits(plan, l), &entry, err);
    if (status != XST_OK)
        return status;
    xst_shape *const s = &plan->shapes[l];
    s->rows = (double)g->in * g->kh * g->kw;
    s->outputs = g->out;
    s->columns = (double)g->out * net->codes.cells;
    s->vectors = entry->bits / (first->images * s->rows);
    if (!(s->vectors >= 1) || s->vectors != floor(s->vectors))
        return xst_fail(err, XST_ERROR_RUN,
                        "%s/activity.csv: %.0f bits of layer %s are no whole number of positions of %u images",
                        xst_run_path(run), entry->bits, net->layers[l].name, first->images);
    s->feature_map = g->in * s->vectors;
    s->output_share = 1;
    memcpy(s->name, net->layers[l].name, sizeof s->name);
    return XST_OK;
}

/* Heads differ in their number of classes alone. */
static xst_status make_heads(xst_run_plan *plan, const xst_run_net *net, const xst_task_record *first,
                             const xst_manifest *manifest, int filters, xst_error *err)
{
    const xst_tensor_record *const head = xst_task_record_head(first);
    if (!head)
        return xst_fail(err, XST_ERROR_RUN, "task 1 has no head (classifier.N.weight) to put on arrays");
    for (int t = 0; t < plan->heads; t++) {
        const int outputs = manifest->tasks[t].class_count, h = xst_run_plan_head(plan, t + 1);
        const xst_geometry g = xst_geometry_make(outputs, (int32_t)head->dim[1], 1, 1, (int32_t)head->dim[1]);
        plan->shapes[h] = (xst_shape){.rows = g.in,
                                      .outputs = outputs,
                                      .columns = (double)outputs * net->codes.cells,
                                      .vectors = 1,
                                      .feature_map = g.in,
                                      .output_share = 1};
        memcpy(plan->shapes[h].name, head->name, sizeof plan->shapes[h].name);
        xst_layout_make(XST_MAPPING_DENSE, &g, plan->device->array.rows, filters, &plan->dense[h]);
        plan->column[h] = plan->dense[h]; /* a head is mapped dense in any case */
    }
    return XST_OK;
}

/* A 2x2 maximum follows where the next layer has fewer positions, or fewer inputs than this one has outputs. */
static void set_pooling(const xst_run_plan *plan, const xst_run_net *net, const xst_task_record *first)
{
    for (int l = 0; l < plan->layers; l++) {
        xst_shape *const s = &plan->shapes[l];
        if (!is_conv(&net->layers[l]) && s->vectors == 1)
            continue;
        const bool last = l + 1 == plan->layers || !is_conv(&net->layers[l + 1]);
        s->pooled =
            last ? inputs_after(net, first, l) < s->outputs * s->vectors : plan->shapes[l + 1].vectors < s->vectors;
    }
}

/* The floorplan of the mapping: under `column` a layer's matrix is as tall as its arrays. */
static xst_status make_built(xst_run_plan *plan, const xst_quant *quant, xst_error *err)
{
    void *memory = NULL;
    const int all = plan->layers + plan->heads;
    xst_status status = xst_alloc(&memory, (size_t)all, sizeof(xst_shape), "shapes", err);
    if (status != XST_OK)
        return status;
    xst_shape *const shapes = memory;
    for (int l = 0; l < all; l++) {
        shapes[l] = plan->shapes[l];
        if (plan->mapping == XST_MAPPING_COLUMN)
            shapes[l].rows = (double)plan->column[l].block_rows * plan->column[l].array_rows;
    }
    const int widest = plan->input_bits > 8 ? plan->input_bits : 8;
    status = xst_chip_make(plan->device, shapes, all, widest, quant->bits, &plan->built, err);
    xst_free(shapes);
    return status;
}

static xst_status make_arrays(xst_run_plan *plan, xst_error *err)
{
    const size_t n = (size_t)plan->layers + (size_t)plan->heads;
    void *shapes = NULL, *dense = NULL, *column = NULL;
    xst_status status = xst_alloc(&shapes, n, sizeof(xst_shape), "shapes", err);
    plan->shapes = shapes;
    if (status == XST_OK)
        status = xst_alloc(&dense, n, sizeof(xst_layout), "layouts", err);
    plan->dense = dense;
    if (status == XST_OK)
        status = xst_alloc(&column, n, sizeof(xst_layout), "layouts", err);
    plan->column = column;
    return status;
}

xst_status xst_run_plan_make(const xst_device *device, const xst_run *run, const xst_run_net *net,
                             const xst_task_record *first, const xst_activity *activity,
                             const xst_run_plan_options *options, xst_run_plan *out, xst_error *err)
{
    *out = (xst_run_plan){.device = device,
                          .mapping = options->mapping,
                          .input_bits = options->input_bits,
                          .layers = net->layer_count,
                          .heads = options->heads ? activity->tasks : 0};
    const int filters = device->array.columns / net->codes.cells;
    xst_status status = make_arrays(out, err);
    for (int l = 0; l < out->layers && status == XST_OK; l++) {
        status = make_shape(out, run, net, first, activity, l, err);
        xst_layout_make(XST_MAPPING_DENSE, &net->layers[l].mapping, device->array.rows, filters, &out->dense[l]);
        xst_layout_make(XST_MAPPING_COLUMN, &net->layers[l].mapping, device->array.rows, filters, &out->column[l]);
    }
    if (status == XST_OK && options->heads)
        status = make_heads(out, net, first, options->heads, filters, err);
    const int all = out->layers + out->heads;
    if (status == XST_OK) {
        set_pooling(out, net, first);
        status = xst_chip_make(device, out->shapes, all, out->input_bits, net->quant.bits, &out->chip, err);
    }
    if (status == XST_OK)
        status = xst_chip_make(device, out->shapes, all, 8, net->quant.bits, &out->first_chip, err);
    if (status == XST_OK)
        status = make_built(out, &net->quant, err);
    if (status != XST_OK)
        xst_run_plan_free(out);
    return status;
}

void xst_run_plan_free(xst_run_plan *plan)
{
    xst_chip_free(&plan->chip);
    xst_chip_free(&plan->first_chip);
    xst_chip_free(&plan->built);
    xst_free(plan->shapes);
    xst_free(plan->dense);
    xst_free(plan->column);
    *plan = (xst_run_plan){0};
}
