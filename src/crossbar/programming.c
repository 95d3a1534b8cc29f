#include "crossbar/programming.h"

#include "base/memory.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

/* A cell from conductance a to b, S. */
static void write_cell(const xst_device *d, double a, double b, xst_write *to)
{
    if (a == b)
        return;
    const xst_device_cell *const c = &d->cell;
    const double step = (c->on_conductance - c->off_conductance) / c->pulses;
    const double pulses = ceil(fabs(b - a) / step - 1e-9); /* rounding of a whole number of steps is no further pulse */
    const double volts = b > a ? c->set_voltage : c->reset_voltage, time = b > a ? c->set_pulse : c->reset_pulse;
    to->pulses += pulses;
    to->energy += volts * volts * time * pulses / ((1 / a + 1 / b) / 2);
    if (b > a) {
        to->set++;
        to->longest_set = fmaxf(to->longest_set, (float)(pulses * time));
    } else {
        to->reset++;
        to->longest_reset = fmaxf(to->longest_reset, (float)(pulses * time));
    }
}

static double conductance(const xst_device *d, double share)
{
    return d->cell.off_conductance + share * (d->cell.on_conductance - d->cell.off_conductance);
}

xst_status xst_writes_make(const xst_device *device, const xst_codes *codes, xst_writes *out, xst_error *err)
{
    void *memory = NULL;
    const int n = codes->count + 1;
    const xst_status status = xst_alloc(&memory, (size_t)n * (size_t)n, sizeof(xst_write), "cell writes", err);
    if (status != XST_OK)
        return status;
    *out = (xst_writes){n, memory};
    for (int from = 0; from < n; from++)
        for (int to = 0; to < codes->count; to++)
            for (int c = 0; c < codes->cells; c++) /* an erased cell stands at share 0 */
                write_cell(device, conductance(device, from < codes->count ? codes->share[from][c] : 0),
                           conductance(device, codes->share[to][c]), &out->pair[from * n + to]);
    return XST_OK;
}

void xst_writes_free(xst_writes *writes)
{
    xst_free(writes->pair);
    *writes = (xst_writes){0};
}

/* Longest set and reset of each row of each array of a layer. */
typedef struct rows {
    float *set, *reset; /* [block column][row] */
    int32_t count;      /* rows of all block rows */
} rows;

/* What the writes of `count` weights of each pair of codes come to. */
static void add_writes(const xst_writes *writes, const uint64_t *count, xst_programming *out)
{
    for (int i = 0; i < writes->count * writes->count; i++) {
        const xst_write *const w = &writes->pair[i];
        const double n = (double)count[i];
        out->cells_set += n * w->set;
        out->cells_reset += n * w->reset;
        out->pulses += n * w->pulses;
        out->energy += n * w->energy;
    }
}

/* Weights of a logical column, from `from` (NULL: erased) to `to`. They stand in one stretch of rows. */
static void write_column(const xst_layout *layout, const xst_writes *writes, const uint8_t *from, const uint8_t *to,
                         uint32_t column, uint8_t *times, rows *r, uint64_t *count)
{
    const xst_geometry *const g = &layout->geometry;
    const int64_t start = xst_column_start(g, column);
    const int32_t length = xst_column_length(g, column), filter = (int32_t)column / g->groups;
    if (from && memcmp(from + start, to + start, (size_t)length) == 0)
        return;
    const size_t first =
        (size_t)(filter / layout->filters) * (size_t)r->count + (size_t)xst_layout_row(layout, (int)column % g->groups);
    float *const restrict set = r->set + first, *const restrict reset = r->reset + first;
    uint8_t *const restrict written = times + start;
    const xst_write *const pair = writes->pair;
    const int codes = writes->count;
    for (int32_t i = 0; i < length; i++) {
        const int a = from ? from[start + i] : codes - 1, at = a * codes + to[start + i];
        if (a == to[start + i])
            continue;
        count[at]++;
        /* the row takes as long as its slowest weight */
        set[i] = pair[at].longest_set > set[i] ? pair[at].longest_set : set[i];
        reset[i] = pair[at].longest_reset > reset[i] ? pair[at].longest_reset : reset[i];
        written[i] = (uint8_t)(written[i] + (written[i] < UINT8_MAX));
    }
}

/* The array that takes longest: its rows one after the other. */
static double slowest(const xst_layout *layout, const rows *r)
{
    double most = 0;
    for (int32_t k = 0; k < layout->block_columns; k++)
        for (int32_t j = 0; j < layout->block_rows; j++) {
            double time = 0;
            for (int32_t i = j * layout->array_rows; i < (j + 1) * layout->array_rows; i++)
                time += (double)r->set[(size_t)k * (size_t)r->count + (size_t)i] +
                        (double)r->reset[(size_t)k * (size_t)r->count + (size_t)i];
            most = fmax(most, time);
        }
    return most;
}

static xst_status make_rows(const xst_layout *layout, rows *out, xst_error *err)
{
    *out = (rows){.count = layout->block_rows * layout->array_rows};
    const size_t entries = (size_t)out->count * (size_t)layout->block_columns;
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, 2 * entries, sizeof(float), "row times", err);
    out->set = memory;
    out->reset = status == XST_OK ? out->set + entries : NULL;
    return status;
}

static xst_status make_counts(const xst_writes *writes, void **out, xst_error *err)
{
    return xst_alloc(out, (size_t)writes->count * (size_t)writes->count, sizeof(uint64_t), "counts of writes", err);
}

/* Programming of the layers, for xst_parallel. */
typedef struct job {
    const xst_run_plan *plan;
    const xst_run_net *net;
    const xst_writes *writes;
    xst_programming *layers; /* [layers], then what the head adds */
} job;

static xst_status program_layer(void *user, int l, xst_error *err)
{
    const job *const j = user;
    const bool dense = j->plan->mapping == XST_MAPPING_DENSE, once = !dense && j->net->written_once;
    const xst_layout *const layout = dense ? &j->plan->dense[l] : &j->plan->column[l];
    xst_run_layer *const layer = &j->net->layers[l];
    xst_programming *const out = &j->layers[l];
    rows r;
    void *count = NULL;
    xst_status status = make_rows(layout, &r, err);
    if (status == XST_OK)
        status = make_counts(j->writes, &count, err);
    for (uint32_t c = 0; c < layout->geometry.columns && status == XST_OK; c++) {
        if (!once)
            write_column(layout, j->writes, layer->before, layer->effective, c, layer->writes, &r, count);
        else if (layer->owner[c] == j->net->task)
            write_column(layout, j->writes, NULL, layer->code, c, layer->writes, &r, count);
    }
    if (status == XST_OK) {
        add_writes(j->writes, count, out);
        out->seconds = slowest(layout, &r);
    }
    xst_free(count);
    xst_free(r.set);
    return status;
}

/* All cells of the head, from erased. */
static xst_status program_head(const xst_run_plan *plan, const xst_run_net *net, const xst_writes *writes,
                               xst_programming *out, xst_error *err)
{
    const xst_layout *const layout = &plan->dense[xst_run_plan_head(plan, net->task)];
    rows r;
    void *times = NULL, *count = NULL;
    xst_status status = make_rows(layout, &r, err);
    if (status == XST_OK)
        status = xst_alloc(&times, net->head_weights, 1, "writes of a head", err);
    if (status == XST_OK)
        status = make_counts(writes, &count, err);
    for (uint32_t c = 0; c < layout->geometry.columns && status == XST_OK; c++)
        write_column(layout, writes, NULL, net->head, c, times, &r, count);
    if (status == XST_OK) {
        add_writes(writes, count, out);
        out->seconds = slowest(layout, &r);
    }
    xst_free(count);
    xst_free(times);
    xst_free(r.set);
    return status;
}

static void add(const xst_programming *from, xst_programming *to)
{
    to->cells_set += from->cells_set;
    to->cells_reset += from->cells_reset;
    to->pulses += from->pulses;
    to->energy += from->energy;
    to->seconds = fmax(to->seconds, from->seconds);
}

xst_status xst_program(const xst_run_plan *plan, xst_run_net *net, const xst_writes *writes, xst_programming *out,
                       xst_error *err)
{
    void *memory = NULL;
    *out = (xst_programming){0};
    xst_status status = xst_alloc(&memory, (size_t)net->layer_count + 1, sizeof *out, "programming of layers", err);
    job j = {plan, net, writes, memory};
    if (status == XST_OK)
        status = xst_parallel(net->layer_count, program_layer, &j, err);
    if (status == XST_OK && plan->heads)
        status = program_head(plan, net, writes, &j.layers[net->layer_count], err);
    for (int l = 0; l <= net->layer_count && status == XST_OK; l++)
        add(&j.layers[l], out);
    xst_free(memory);
    return status;
}
