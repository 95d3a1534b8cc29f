#include "net/model.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

#include <string.h>

static xst_status create_layers(xst_model *model, xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < model->net->masked_count && status == XST_OK; m++) {
        const xst_geometry *const g = &xst_net_masked(model->net, m)->geometry;
        void *frozen = NULL, *owner = NULL;
        status = xst_alloc(&frozen, (size_t)xst_geometry_weights(g), sizeof(float), "frozen weights", err);
        model->layer[m].frozen = frozen;
        if (status == XST_OK)
            status = xst_alloc(&owner, g->columns, sizeof(uint16_t), "owners of columns", err);
        model->layer[m].owner = owner;
    }
    return status;
}

static size_t param_size(const xst_param *param)
{
    return (size_t)(param->dim[0] * param->dim[1]);
}

static bool is_head(xst_param_kind kind)
{
    return kind == XST_PARAM_HEAD_WEIGHT || kind == XST_PARAM_HEAD_BIAS;
}

static xst_status create_params(xst_model *model, xst_error *err)
{
    xst_status status = XST_OK;
    model->param_count = xst_net_params(model->net, 1, model->param);
    for (int i = 0; i < model->param_count && status == XST_OK; i++) {
        void *value = NULL;
        if (is_head(model->param[i].kind))
            continue;
        status = xst_alloc(&value, param_size(&model->param[i]), sizeof(float), "per-task tensor", err);
        model->param_value[i] = value;
        if (status == XST_OK)
            xst_param_fresh(&model->param[i], 0, 0, 0, value);
    }
    return status;
}

xst_status xst_model_create(const xst_net *net, xst_model **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_model), "model", err);
    if (status != XST_OK)
        return status;
    xst_model *const model = memory;
    model->net = net;
    status = create_layers(model, err);
    if (status == XST_OK)
        status = create_params(model, err);
    if (status != XST_OK)
        xst_model_destroy(model);
    else
        *out = model;
    return status;
}

void xst_model_destroy(xst_model *model)
{
    if (!model)
        return;
    for (int m = 0; m < model->net->masked_count; m++) {
        xst_free(model->layer[m].frozen);
        xst_free(model->layer[m].owner);
    }
    for (int i = 0; i < model->param_count; i++)
        xst_free(model->param_value[i]);
    xst_free(model);
}

xst_status xst_model_own(xst_model *model, int masked, int position, const uint32_t *columns, const float *values,
                         uint32_t count, bool replace, xst_error *err)
{
    const xst_layer *const layer = xst_net_masked(model->net, masked);
    const xst_geometry *const g = &layer->geometry;
    xst_layer_state *const state = &model->layer[masked];
    if (replace) {
        memset(state->owner, 0, g->columns * sizeof *state->owner);
        memset(state->frozen, 0, (size_t)xst_geometry_weights(g) * sizeof *state->frozen);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t c = columns[i];
        if (c >= g->columns || state->owner[c] != 0)
            return xst_fail(err, XST_ERROR_RUN, "task %d, layer %s: column %u is owned by task %d already", position,
                            layer->name, c, c < g->columns ? state->owner[c] : 0);
        state->owner[c] = (uint16_t)position;
        memcpy(state->frozen + xst_column_start(g, c), values + (size_t)i * (size_t)g->longest,
               (size_t)xst_column_length(g, c) * sizeof(float));
    }
    return XST_OK;
}

static bool counts_in(const uint16_t *owner, uint32_t c, int position, const uint8_t *mask)
{
    return owner[c] == position || (owner[c] > 0 && owner[c] < position && mask && (mask[c / 8] >> c % 8 & 1) != 0);
}

void xst_model_columns_of(const xst_model *model, int masked, int position, const uint8_t *mask, uint8_t *counts)
{
    const uint32_t n = xst_net_masked(model->net, masked)->geometry.columns;
    for (uint32_t c = 0; c < n; c++)
        counts[c] = counts_in(model->layer[masked].owner, c, position, mask);
}

void xst_model_compose(const xst_model *model, int masked, int position, const uint8_t *mask, float *w)
{
    const xst_geometry *const g = &xst_net_masked(model->net, masked)->geometry;
    const xst_layer_state *const state = &model->layer[masked];
    for (uint32_t c = 0; c < g->columns; c++) {
        const int64_t start = xst_column_start(g, c);
        const size_t bytes = (size_t)xst_column_length(g, c) * sizeof(float);
        if (counts_in(state->owner, c, position, mask))
            memcpy(w + start, state->frozen + start, bytes);
        else
            memset(w + start, 0, bytes);
    }
}

uint32_t xst_model_free_columns(const xst_model *model, int masked)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < xst_net_masked(model->net, masked)->geometry.columns; c++)
        n += model->layer[masked].owner[c] == 0;
    return n;
}

static int find_param(const xst_model *model, const char *name)
{
    for (int i = 0; i < model->param_count; i++)
        if (strcmp(model->param[i].name, name) == 0)
            return i;
    return -1;
}

const float *xst_model_param(const xst_model *model, const char *name)
{
    const int i = find_param(model, name);
    return i >= 0 ? model->param_value[i] : NULL;
}

xst_status xst_model_set_param(xst_model *model, const char *name, const float *values, size_t n, xst_error *err)
{
    const int i = find_param(model, name);
    if (i >= 0 && is_head(model->param[i].kind))
        return XST_OK;
    if (i < 0 || n != param_size(&model->param[i]))
        return xst_fail(err, XST_ERROR_RUN, "tensor '%s' of %zu elements does not fit the run's network", name, n);
    memcpy(model->param_value[i], values, n * sizeof *values);
    return XST_OK;
}

void xst_param_fresh(const xst_param *param, uint32_t seed, int position, uint32_t head_layer, float *value)
{
    const size_t n = param_size(param);
    if (param->kind == XST_PARAM_HEAD_WEIGHT) {
        xst_random_normal(value, 0, (uint32_t)n, 0.01f, xst_random_key_of(seed, position, XST_RANDOM_WEIGHTS),
                          head_layer, 0, 0);
        return;
    }
    const bool one = param->kind == XST_PARAM_BN_WEIGHT || param->kind == XST_PARAM_BN_VARIANCE;
    for (size_t i = 0; i < n; i++)
        value[i] = one ? 1.0f : 0.0f;
}
