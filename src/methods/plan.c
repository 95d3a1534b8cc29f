#include "methods/method.h"

#include "base/memory.h"
#include "columns/select.h"

#include <math.h>
#include <string.h>

void xst_task_plan_free(xst_task_plan *plan)
{
    for (int m = 0; m < plan->layers; m++) {
        xst_free(plan->layer[m].active);
        xst_free(plan->layer[m].value);
    }
    *plan = (xst_task_plan){0};
}

static xst_status make_room(const xst_geometry *g, uint32_t count, xst_layer_plan *layer, xst_error *err)
{
    void *active = NULL, *value = NULL;
    layer->count = count;
    xst_status status = xst_alloc(&active, count, sizeof(uint32_t), "active columns", err);
    layer->active = active;
    if (status == XST_OK)
        status = xst_alloc(&value, (size_t)count * (size_t)g->longest, sizeof(float), "active weights", err);
    layer->value = value;
    return status;
}

xst_status xst_plan_draw(const xst_config *config, const xst_model *model, int masked, uint32_t count,
                         xst_task_plan *plan, xst_error *err)
{
    const xst_geometry *const g = &xst_net_masked(model->net, masked)->geometry;
    xst_layer_plan *const layer = &plan->layer[masked];
    const xst_random_key key = xst_random_key_of(config->seed, plan->position, XST_RANDOM_ACTIVE);
    void *candidate = NULL;
    xst_status status = make_room(g, count, layer, err);
    if (status == XST_OK)
        status = xst_alloc(&candidate, g->columns, 1, "free columns", err);
    if (status != XST_OK)
        return status;
    for (uint32_t c = 0; c < g->columns; c++)
        ((uint8_t *)candidate)[c] = model->layer[masked].owner[c] == 0;
    status = xst_select_random(candidate, g->columns, count, key, (uint32_t)masked, layer->active, err);
    xst_free(candidate);
    return status;
}

xst_status xst_plan_all(const xst_model *model, int masked, xst_task_plan *plan, xst_error *err)
{
    const xst_geometry *const g = &xst_net_masked(model->net, masked)->geometry;
    const xst_status status = make_room(g, g->columns, &plan->layer[masked], err);
    for (uint32_t c = 0; c < g->columns && status == XST_OK; c++)
        plan->layer[masked].active[c] = c;
    return status;
}

/* Element = flat index, so a column starts inside a block of four words: draw from the block's start. */
static void random_column(const xst_geometry *g, uint32_t c, float deviation, xst_random_key key, uint32_t layer,
                          float *buffer, float *value)
{
    const uint32_t start = (uint32_t)xst_column_start(g, c), skip = start % 4,
                   length = (uint32_t)xst_column_length(g, c);
    xst_random_normal(buffer, start - skip, length + skip, deviation, key, layer, 0, 0);
    memcpy(value, buffer + skip, length * sizeof *value);
}

xst_status xst_plan_random(const xst_config *config, const xst_model *model, int masked, xst_task_plan *plan,
                           xst_error *err)
{
    const xst_layer *const l = xst_net_masked(model->net, masked);
    const xst_geometry *const g = &l->geometry;
    const xst_random_key key = xst_random_key_of(config->seed, plan->position, XST_RANDOM_WEIGHTS);
    const float deviation = (float)xst_net_deviation(l, config->fc_init);
    xst_layer_plan *const layer = &plan->layer[masked];
    void *buffer = NULL;
    const xst_status status = xst_alloc(&buffer, (size_t)g->longest + 4, sizeof(float), "initial weights", err);
    for (uint32_t i = 0; i < layer->count && status == XST_OK; i++)
        random_column(g, layer->active[i], deviation, key, (uint32_t)masked, buffer,
                      layer->value + (size_t)i * (size_t)g->longest);
    xst_free(buffer);
    return status;
}

void xst_plan_newest(const xst_model *model, int masked, xst_task_plan *plan)
{
    const xst_geometry *const g = &xst_net_masked(model->net, masked)->geometry;
    const xst_layer_plan *const layer = &plan->layer[masked];
    for (uint32_t i = 0; i < layer->count; i++)
        memcpy(layer->value + (size_t)i * (size_t)g->longest,
               model->layer[masked].frozen + xst_column_start(g, layer->active[i]),
               (size_t)xst_column_length(g, layer->active[i]) * sizeof(float));
}

uint32_t xst_schedule_end(const xst_config *config, uint32_t steps)
{
    return (uint32_t)floor(config->update_until * steps);
}

uint32_t xst_schedule_events(const xst_config *config, uint32_t steps)
{
    return xst_schedule_end(config, steps) / (uint32_t)config->update_every;
}

uint32_t xst_schedule_quota(const xst_config *config, uint32_t steps, uint32_t event, uint32_t active)
{
    const double t = ((double)event + 1.0) * config->update_every, end = xst_schedule_end(config, steps);
    const double alpha = config->drop_fraction / 2.0 * (1.0 + cos(M_PI * t / end));
    return (uint32_t)floor(alpha * active);
}

double xst_schedule_rate(double base, double gamma, const xst_reals *steps, int epoch, int epochs)
{
    double rate = base;
    for (int i = 0; i < steps->count; i++)
        if (epoch >= steps->at[i] * epochs)
            rate *= gamma;
    return rate;
}
