#include "crossbar/run_net.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"

#include <string.h>

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static xst_status make_layer(const xst_layer_record *from, const xst_codes *codes, int group, int group_fc,
                             xst_run_layer *out, xst_error *err)
{
    const xst_geometry *const g = &from->geometry;
    const bool conv = g->kh * g->kw > 1;
    memcpy(out->name, from->name, sizeof out->name);
    out->stored = *g;
    out->mapping =
        g->group > 0 ? *g : xst_geometry_make(g->out, g->in, g->kh, g->kw, conv || !group_fc ? group : group_fc);
    const size_t weights = (size_t)xst_geometry_weights(g), columns = g->columns;
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, 4 * weights + 3 * columns, 1, "codes of a layer", err);
    if (status != XST_OK)
        return status;
    out->owner = memory; /* first, for its alignment */
    out->on = (uint8_t *)memory + 2 * columns;
    out->code = out->on + columns;
    out->effective = out->code + weights;
    out->before = out->effective + weights;
    out->writes = out->before + weights;
    memset(out->code, codes->zero, weights);
    memset(out->effective, codes->count, weights);
    return XST_OK;
}

xst_status xst_run_net_make(const xst_device *device, const xst_quant *quant, const char *method,
                            const xst_task_record *first, int group, int group_fc, xst_run_net *out, xst_error *err)
{
    static const char *const switching[] = {"xst", "xbm", "rigl", NULL}, *const lasting[] = {"xst", "xbm", NULL};
    *out = (xst_run_net){.quant = *quant, .keep_before = true};
    xst_codes_make(device, quant, &out->codes);
    bool columns = true;
    for (int l = 0; l < first->layer_count; l++)
        columns = columns && first->layers[l].geometry.group > 0;
    out->column_wise = columns && is_one_of(method, switching);
    out->written_once = columns && is_one_of(method, lasting);
    void *layers = NULL;
    xst_status status = xst_alloc(&layers, (size_t)first->layer_count, sizeof(xst_run_layer), "layers", err);
    out->layers = layers;
    for (int l = 0; l < first->layer_count && status == XST_OK; l++) {
        status = make_layer(&first->layers[l], &out->codes, group, group_fc, &out->layers[l], err);
        out->layer_count++;
    }
    if (status != XST_OK)
        xst_run_net_free(out);
    return status;
}

void xst_run_net_free(xst_run_net *net)
{
    for (int l = 0; l < net->layer_count; l++)
        xst_free(net->layers[l].owner);
    xst_free(net->layers);
    xst_free(net->head);
    *net = (xst_run_net){0};
}

/* A later task may not own what an earlier one does: its values would replace frozen ones. */
static xst_status write_columns(const xst_run_net *net, const xst_layer_record *from, int task, xst_run_layer *to,
                                xst_error *err)
{
    const xst_geometry *const g = &to->stored;
    double scale = from->scale;
    if (!(scale > 0)) {
        const size_t count = (size_t)from->count * (size_t)g->longest;
        const xst_status status = xst_quant_scale(&net->quant, from->values, count, &scale, err);
        if (status != XST_OK)
            return xst_fail_context(err, status, "task %d, layer %s", task, from->name);
    }
    for (uint32_t i = 0; i < from->count; i++) {
        const uint32_t c = from->columns[i];
        if (to->owner[c] != 0)
            return xst_fail(err, XST_ERROR_RUN, "task %d, layer %s: column %u is owned by task %d already", task,
                            from->name, c, to->owner[c]);
        to->owner[c] = (uint16_t)task;
        const float *const values = from->values + (size_t)i * (size_t)g->longest;
        uint8_t *const restrict codes = to->code + xst_column_start(g, c);
        for (int32_t k = 0, n = xst_column_length(g, c), zero = net->codes.zero; k < n; k++)
            codes[k] = (uint8_t)(xst_quant_code(&net->quant, scale, (double)values[k]) + zero);
    }
    return XST_OK;
}

typedef int16_t eight __attribute__((vector_size(16)));
typedef uint8_t eight_bytes __attribute__((vector_size(8)));

/* Weights c .. c + count - 1 <= c + 7 of a layer whose every weight is a column, without branches, which masks of
 * single weights would mislead. Inlined for a count of 8. */
static inline __attribute__((always_inline)) void set_eight(const xst_run_net *net, int mask, uint32_t c,
                                                            uint32_t count, xst_run_layer *layer)
{
    static const eight bit = {1, 2, 4, 8, 16, 32, 64, 128};
    const eight_bytes zero = (eight_bytes){0} + (uint8_t)net->codes.zero;
    eight owner = {0};
    eight_bytes code = {0};
    memcpy(&owner, layer->owner + c, count * sizeof *layer->owner);
    memcpy(&code, layer->code + c, count);
    const eight on = (owner == (int16_t)net->task) | ((owner != 0) & ((bit & (int16_t)mask) != 0));
    const eight_bytes on_bytes = __builtin_convertvector(on, eight_bytes), one = on_bytes & 1;
    const eight_bytes effective = zero ^ ((zero ^ code) & on_bytes);
    memcpy(layer->on + c, &one, count);
    memcpy(layer->effective + c, &effective, count);
}

static void set_elements(const xst_run_net *net, const xst_layer_record *from, xst_run_layer *layer)
{
    const uint32_t n = layer->stored.columns, whole = n / 8 * 8;
    for (uint32_t c = 0; c < whole; c += 8)
        set_eight(net, from->mask ? from->mask[c / 8] : 0, c, 8, layer);
    if (whole < n)
        set_eight(net, from->mask ? from->mask[whole / 8] : 0, whole, n - whole, layer);
}

/* Only columns that change are copied: most stay as they were. */
static void set_effective(const xst_run_net *net, const xst_layer_record *from, bool all, xst_run_layer *layer)
{
    const xst_geometry *const g = &layer->stored;
    const uint16_t *const owners = layer->owner;
    const uint8_t *const mask = from->mask;
    uint8_t *const restrict is_on = layer->on;
    for (uint32_t c = 0, n = g->columns, task = (uint32_t)net->task; c < n; c++) {
        const bool own = owners[c] == task;
        const bool masked = mask && (mask[c / 8] >> c % 8 & 1) != 0;
        const bool on = own || (masked && owners[c] != 0);
        if (!all && !own && on == (is_on[c] != 0))
            continue;
        is_on[c] = on;
        const int64_t start = xst_column_start(g, c);
        const size_t length = (size_t)xst_column_length(g, c);
        if (on)
            memcpy(layer->effective + start, layer->code + start, length);
        else
            memset(layer->effective + start, net->codes.zero, length);
    }
}

/* A step of one layer, for xst_parallel. */
typedef struct stepping {
    const xst_run_net *net;
    const xst_task_record *record;
} stepping;

static xst_status step_layer(void *user, int l, xst_error *err)
{
    const stepping *const s = user;
    const xst_task_record *const record = s->record;
    const xst_layer_record *const from = &record->layers[l];
    xst_run_layer *const layer = &s->net->layers[l];
    const size_t weights = (size_t)xst_geometry_weights(&layer->stored);
    if (memcmp(&from->geometry, &layer->stored, sizeof layer->stored) != 0 || strcmp(from->name, layer->name) != 0)
        return xst_fail(err, XST_ERROR_RUN, "task %d: layer %s differs from task 1's %s", record->position, from->name,
                        layer->name);
    if (record->whole) {
        memset(layer->code, s->net->codes.zero, weights);
        memset(layer->owner, 0, layer->stored.columns * sizeof *layer->owner);
    }
    const xst_status status = write_columns(s->net, from, s->net->task, layer, err);
    if (status != XST_OK)
        return status;
    if (s->net->keep_before)
        memcpy(layer->before, layer->effective, weights);
    if (layer->stored.group == 0)
        set_elements(s->net, from, layer);
    else
        set_effective(s->net, from, record->whole || s->net->task == 1, layer);
    return XST_OK;
}

xst_status xst_run_net_step(xst_run_net *net, const xst_task_record *record, xst_error *err)
{
    if (record->layer_count != net->layer_count)
        return xst_fail(err, XST_ERROR_RUN, "task %d has %d masked layers, task 1 has %d", record->position,
                        record->layer_count, net->layer_count);
    net->task++;
    stepping s = {net, record};
    return xst_parallel(net->layer_count, step_layer, &s, err);
}

xst_status xst_run_net_take_head(xst_run_net *net, const xst_task_record *record, xst_error *err)
{
    const xst_tensor_record *const head = xst_task_record_head(record);
    if (!head)
        return xst_fail(err, XST_ERROR_RUN, "task %d has no head (classifier.N.weight)", record->position);
    const size_t n = xst_tensor_record_elements(head);
    double scale = 0;
    void *codes = NULL;
    xst_status status = xst_quant_scale(&net->quant, head->values, n, &scale, err);
    if (status != XST_OK)
        return xst_fail_context(err, status, "task %d, %s", record->position, head->name);
    if ((status = xst_alloc(&codes, n, 1, "codes of a head", err)) != XST_OK)
        return status;
    xst_free(net->head);
    net->head = codes;
    net->head_weights = n;
    for (size_t i = 0; i < n; i++)
        net->head[i] = (uint8_t)(xst_quant_code(&net->quant, scale, (double)head->values[i]) + net->codes.zero);
    return XST_OK;
}

void xst_run_net_count(const xst_run_net *net, double *on, double *all)
{
    *on = *all = 0;
    for (int l = 0; l < net->layer_count; l++) {
        const xst_run_layer *const layer = &net->layers[l];
        *all += layer->mapping.columns;
        if (!net->column_wise) {
            *on += layer->mapping.columns;
            continue;
        }
        for (uint32_t c = 0; c < layer->stored.columns; c++)
            *on += layer->on[c];
    }
}
