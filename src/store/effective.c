#include "store/effective.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

static xst_status make_room(xst_effective *e, xst_error *err)
{
    const size_t n = (size_t)e->record.layer_count;
    void *weights = NULL, *owner = NULL;
    xst_status status = xst_alloc(&weights, n, sizeof *e->weights, "effective weights", err);
    e->weights = weights;
    if (status == XST_OK)
        status = xst_alloc(&owner, n, sizeof *e->owner, "owners", err);
    e->owner = owner;
    for (size_t l = 0; l < n && status == XST_OK; l++) {
        const xst_geometry *const g = &e->record.layers[l].geometry;
        void *w = NULL, *o = NULL;
        status = xst_alloc(&w, (size_t)xst_geometry_weights(g), sizeof(float), "effective weights", err);
        e->weights[l] = w;
        if (status == XST_OK)
            status = xst_alloc(&o, g->columns, sizeof(uint16_t), "owners", err);
        e->owner[l] = o;
    }
    return status;
}

static bool is_on(const xst_layer_record *layer, uint32_t c)
{
    return layer->mask && (layer->mask[c / 8] >> c % 8 & 1) != 0;
}

/* Adds the columns of `from` to the network of e; those of earlier tasks only where the mask has them on. */
static void add_columns(xst_effective *e, const xst_task_record *from)
{
    for (int l = 0; l < from->layer_count; l++) {
        const xst_layer_record *const layer = &from->layers[l];
        const xst_geometry *const g = &layer->geometry;
        for (uint32_t i = 0; i < layer->count; i++) {
            const uint32_t c = layer->columns[i];
            e->owner[l][c] = (uint16_t)from->position;
            if (from == &e->record || is_on(&e->record.layers[l], c))
                memcpy(e->weights[l] + xst_column_start(g, c), layer->values + (size_t)i * (size_t)g->longest,
                       (size_t)xst_column_length(g, c) * sizeof(float));
        }
    }
}

static xst_status add_earlier(xst_effective *e, const xst_run *run, const xst_manifest *manifest, int position,
                              xst_error *err)
{
    xst_task_record record = {0};
    xst_status status = xst_run_read_task(run, position, manifest->tasks[position - 1].xxh3, &record, err);
    if (status == XST_OK && record.layer_count != e->record.layer_count)
        status = xst_fail(err, XST_ERROR_RUN, "tasks %d and %d have different networks", position, e->record.position);
    for (int l = 0; l < record.layer_count && status == XST_OK; l++)
        if (memcmp(&record.layers[l].geometry, &e->record.layers[l].geometry, sizeof(xst_geometry)) != 0)
            status = xst_fail(err, XST_ERROR_RUN, "tasks %d and %d have different shapes in layer '%s'", position,
                              e->record.position, record.layers[l].name);
    if (status == XST_OK)
        add_columns(e, &record);
    xst_task_record_free(&record);
    return status;
}

xst_status xst_effective_read(const xst_run *run, const xst_manifest *manifest, int position, xst_effective *out,
                              xst_error *err)
{
    *out = (xst_effective){0};
    if (position < 1 || position > xst_manifest_done(manifest))
        return xst_fail(err, XST_ERROR_RUN, "%s: task %d is not there: %d tasks are finished", xst_run_path(run),
                        position, xst_manifest_done(manifest));
    xst_status status = xst_run_read_task(run, position, manifest->tasks[position - 1].xxh3, &out->record, err);
    if (status == XST_OK)
        status = make_room(out, err);
    for (int i = 1; i < position && status == XST_OK && !out->record.whole; i++)
        status = add_earlier(out, run, manifest, i, err);
    if (status == XST_OK)
        add_columns(out, &out->record);
    return status;
}

void xst_effective_free(xst_effective *e)
{
    for (int l = 0; l < e->record.layer_count; l++) {
        if (e->weights)
            xst_free(e->weights[l]);
        if (e->owner)
            xst_free(e->owner[l]);
    }
    xst_free(e->weights);
    xst_free(e->owner);
    xst_task_record_free(&e->record);
    *e = (xst_effective){0};
}
