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

static const xst_geometry *geometry_of(const xst_course *course, int masked)
{
    return &xst_net_masked(course->model->net, masked)->geometry;
}

void xst_plan_begin(const xst_course *course, xst_task_plan *plan)
{
    const xst_config *const config = course->config;
    plan->epochs = config->epochs;
    plan->lr = xst_plan_lr(config, config->lr);
    plan->preserved = course->position > 1 && !xst_method_of(config->method)->whole;
    plan->mask_start = 1.0f;
    plan->inherit = config->bn_start == XST_BN_INHERIT;
}

void xst_plan_mask(const xst_config *config, xst_mask mask, xst_task_plan *plan)
{
    plan->learns_mask = plan->preserved && (mask == XST_MASK_GUMBEL || mask == XST_MASK_THRESHOLD);
    plan->identity_gate = mask == XST_MASK_THRESHOLD;
    plan->mask_lr = xst_plan_mask_lr(config);
    switch (mask) {
    case XST_MASK_GUMBEL:
        plan->mask_start = (float)config->mask_init;
        break;
    case XST_MASK_THRESHOLD: /* init 0.01, on above 0.005: m_r is what is above it */
        plan->mask_start = 0.01f - 0.005f;
        plan->mask_lr = (xst_rate){.base = 1e-4, .gamma = 0.1, .at = {1, {0.5}}, .unit = config->epochs};
        break;
    case XST_MASK_ALL:
        plan->mask_start = 1.0f;
        break;
    case XST_MASK_NONE:
        plan->mask_start = -1.0f;
        break;
    }
}

xst_status xst_plan_draw(const xst_course *course, int masked, uint32_t count, xst_task_plan *plan, xst_error *err)
{
    const xst_geometry *const g = geometry_of(course, masked);
    xst_layer_plan *const layer = &plan->layer[masked];
    const xst_random_key key = xst_random_key_of(course->config->seed, course->position, XST_RANDOM_ACTIVE);
    const bool whole = xst_method_of(course->config->method)->whole;
    void *candidate = NULL;
    xst_status status = make_room(g, count, layer, err);
    if (status == XST_OK)
        status = xst_alloc(&candidate, g->columns, 1, "free columns", err);
    if (status != XST_OK)
        return status;
    for (uint32_t c = 0; c < g->columns; c++)
        ((uint8_t *)candidate)[c] = whole || course->model->layer[masked].owner[c] == 0;
    status = xst_select_random(candidate, g->columns, count, key, (uint32_t)masked, layer->active, err);
    xst_free(candidate);
    return status;
}

xst_status xst_plan_all(const xst_course *course, int masked, xst_task_plan *plan, xst_error *err)
{
    const xst_geometry *const g = geometry_of(course, masked);
    const xst_status status = make_room(g, g->columns, &plan->layer[masked], err);
    for (uint32_t c = 0; c < g->columns && status == XST_OK; c++)
        plan->layer[masked].active[c] = c;
    return status;
}

xst_status xst_plan_free_columns(const xst_course *course, int masked, xst_task_plan *plan, xst_error *err)
{
    const xst_geometry *const g = geometry_of(course, masked);
    xst_layer_plan *const layer = &plan->layer[masked];
    const xst_status status = make_room(g, xst_model_free_columns(course->model, masked), layer, err);
    for (uint32_t c = 0, i = 0; c < g->columns && status == XST_OK; c++)
        if (course->model->layer[masked].owner[c] == 0)
            layer->active[i++] = c;
    return status;
}

xst_status xst_plan_none(int masked, xst_task_plan *plan, xst_error *err)
{
    return make_room(&(xst_geometry){.longest = 1}, 0, &plan->layer[masked], err);
}

xst_status xst_plan_net(const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    xst_status status = XST_OK;
    plan->net = net;
    for (int m = 0; m < plan->layers && status == XST_OK; m++) {
        const xst_layer_record *const from = &net->layers[m];
        xst_layer_plan *const layer = &plan->layer[m];
        status = make_room(&from->geometry, from->count, layer, err);
        if (status == XST_OK && from->count > 0) {
            memcpy(layer->active, from->columns, from->count * sizeof *layer->active);
            memcpy(layer->value, from->values, (size_t)from->count * (size_t)from->geometry.longest * sizeof(float));
        }
    }
    return status;
}

xst_status xst_plan_whole(const xst_course *course, xst_task_plan *plan, xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < plan->layers && status == XST_OK; m++) {
        status = xst_plan_all(course, m, plan, err);
        if (status == XST_OK)
            status = xst_plan_random(course, m, plan, err);
    }
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

xst_status xst_plan_random(const xst_course *course, int masked, xst_task_plan *plan, xst_error *err)
{
    const xst_config *const config = course->config;
    const xst_layer *const l = xst_net_masked(course->model->net, masked);
    const xst_geometry *const g = &l->geometry;
    const xst_random_key key = xst_random_key_of(config->seed, course->position, XST_RANDOM_WEIGHTS);
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
