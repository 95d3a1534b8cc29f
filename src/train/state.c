#include "train/state.h"

#include "base/error.h"
#include "base/memory.h"
#include "store/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- start ----------------------------------------------------------------------------------------------------------
 */

static xst_status start_data(xst_task_programs *p, const xst_task_data *data, xst_error *err)
{
    float norm[2][XST_CHANNELS];
    const uint32_t zero = 0;
    for (int c = 0; c < XST_CHANNELS; c++) {
        norm[0][c] = (float)data->mean[c];
        norm[1][c] = (float)data->std[c];
    }
    xst_status status = xst_task_upload(p, "norm", NULL, norm, err);
    if (status == XST_OK)
        status = xst_task_upload(p, "images", NULL, data->train.pixels, err);
    if (status == XST_OK)
        status = xst_task_upload(p, "labels", NULL, data->train.labels, err);
    if (status == XST_OK)
        status = xst_task_upload(p, "test_images", NULL, data->test.pixels, err);
    if (status == XST_OK)
        status = xst_task_upload(p, "test_labels", NULL, data->test.labels, err);
    if (status == XST_OK && p->valid_count > 0)
        status = xst_task_upload(p, "valid_images", NULL, data->valid.pixels, err);
    if (status == XST_OK && p->valid_count > 0)
        status = xst_task_upload(p, "valid_labels", NULL, data->valid.labels, err);
    return status == XST_OK ? xst_task_upload(p, "t", NULL, &zero, err) : status;
}

static bool inherits(const xst_task_plan *plan, xst_param_kind kind)
{
    const bool bn = kind == XST_PARAM_BN_WEIGHT || kind == XST_PARAM_BN_BIAS || kind == XST_PARAM_BN_MEAN ||
                    kind == XST_PARAM_BN_VARIANCE;
    return plan->inherit || (plan->bn_frozen && bn);
}

static xst_status start_params(xst_task_programs *p, const xst_model *model, xst_error *err)
{
    xst_param param[XST_PARAMS_MAX];
    const int n = xst_net_params(p->net, p->classes, param);
    xst_status status = XST_OK;
    for (int i = 0; i < n && status == XST_OK; i++) {
        const xst_tensor_record *const given = p->plan->net ? xst_task_record_find(p->plan->net, param[i].name) : NULL;
        const float *const newest = given                              ? given->values
                                    : inherits(p->plan, param[i].kind) ? xst_model_param(model, param[i].name)
                                                                       : NULL;
        void *fresh = NULL;
        status = xst_alloc(&fresh, (size_t)(param[i].dim[0] * param[i].dim[1]), sizeof(float), "per-task tensor", err);
        if (status != XST_OK)
            return status;
        xst_param_fresh(&param[i], p->config->seed, p->plan->position, (uint32_t)p->net->masked_count, fresh);
        status = xst_task_upload(p, param[i].name, NULL, newest ? newest : fresh, err);
        xst_free(fresh);
    }
    return status;
}

/* preserved u8[n] and m_r f32[n] of a layer. A phase that learns no mask goes on under that of the net it starts from.
 */
static xst_status start_masks(xst_task_programs *p, const xst_model *model, int masked, const char *name,
                              xst_error *err)
{
    const uint32_t n = xst_net_masked(p->net, masked)->geometry.columns;
    const uint8_t *const bits = p->plan->net && !p->plan->learns_mask ? p->plan->net->layers[masked].mask : NULL;
    void *preserved = NULL, *real = NULL;
    xst_status status = xst_alloc(&preserved, n, 1, "preserved columns", err);
    if (status == XST_OK)
        status = xst_alloc(&real, n, sizeof(float), "masks", err);
    for (uint32_t c = 0; c < n && status == XST_OK; c++) {
        const bool owned = p->plan->preserved && model->layer[masked].owner[c] != 0;
        ((uint8_t *)preserved)[c] = owned;
        const float start = !bits ? p->plan->mask_start : bits[c / 8] >> c % 8 & 1 ? 1.0f : -1.0f;
        ((float *)real)[c] = owned ? start : 0.0f;
    }
    if (status == XST_OK)
        status = xst_task_upload(p, name, "preserved", preserved, err);
    if (status == XST_OK && p->plan->preserved)
        status = xst_task_upload(p, name, "m_r", real, err);
    xst_free(preserved);
    xst_free(real);
    return status;
}

static uint32_t quota_of(const xst_task_programs *p, const xst_layer_plan *layer, uint32_t event)
{
    const xst_task_plan *const plan = p->plan;
    return plan->drop_and_grow
               ? xst_schedule_quota(p->config, p->steps, event, layer->count)
               : xst_prune_quota(plan->prune.from, plan->prune.to, p->ramp, event, layer->pool, layer->count);
}

static xst_status start_quota(xst_task_programs *p, int masked, const char *name, xst_error *err)
{
    void *quota = NULL;
    xst_status status = xst_alloc(&quota, p->exchange_events, sizeof(uint32_t), "quotas of columns", err);
    for (uint32_t e = 0; e < p->exchange_events && status == XST_OK; e++)
        ((uint32_t *)quota)[e] = quota_of(p, &p->plan->layer[masked], e);
    if (status == XST_OK)
        status = xst_task_upload(p, name, "quota", quota, err);
    xst_free(quota);
    return status;
}

static xst_status start_layer(xst_task_programs *p, const xst_model *model, int masked, xst_error *err)
{
    const xst_layer_plan *const layer = &p->plan->layer[masked];
    const char *const name = xst_net_masked(p->net, masked)->weight;
    xst_status status = xst_task_upload(p, name, "active", layer->active, err);
    if (status == XST_OK)
        status = xst_task_upload(p, name, "value", layer->value, err);
    if (status == XST_OK && p->plan->preserved)
        status = xst_task_upload(p, name, "frozen", model->layer[masked].frozen, err);
    if (status == XST_OK && (p->plan->preserved || p->plan->drop_and_grow))
        status = start_masks(p, model, masked, name, err);
    return status == XST_OK && p->exchange_events > 0 ? start_quota(p, masked, name, err) : status;
}

xst_status xst_state_start(xst_task_programs *p, const xst_model *model, const xst_task_data *data, xst_error *err)
{
    xst_status status = start_data(p, data, err);
    if (status == XST_OK)
        status = start_params(p, model, err);
    for (int m = 0; m < p->net->masked_count && status == XST_OK; m++)
        status = start_layer(p, model, m, err);
    return status;
}

/* ---- save and restore -----------------------------------------------------------------------------------------------
 */

/* What training changes: counters, metrics, A, masks, per-task tensors. All else follows from options, files and t. */
static bool is_carried(const xst_tensor_info *info)
{
    static const char *const others[] = {"cursor",       "rates",         "norm",         "images",
                                         "labels",       "order",         "test_images",  "test_labels",
                                         "test_logits",  "test_metrics",  "valid_images", "valid_labels",
                                         "valid_logits", "valid_metrics", "mask_counts"};
    static const char *const parts[] = {"frozen", "preserved", "quota"};
    if (info->kind != XST_STATE)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(info->name, others[i]) == 0)
            return false;
    const char *const slash = strrchr(info->name, '/');
    for (size_t i = 0; slash && i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(slash + 1, parts[i]) == 0)
            return false;
    return true;
}

static xst_array_type array_type(xst_dtype dtype)
{
    static const xst_array_type type[] = {
        [XST_F32] = XST_ARRAY_F32, [XST_F64] = XST_ARRAY_F64, [XST_U32] = XST_ARRAY_U32, [XST_U8] = XST_ARRAY_U8};
    return type[dtype];
}

/* The array's name in resume.h5, where "a" and "a/b" cannot both be arrays: "a" becomes "a/value". */
static void array_name(const xst_tensor_info *info, char name[XST_ARRAY_NAME])
{
    snprintf(name, XST_ARRAY_NAME, "%s%s", info->name, strchr(info->name, '/') ? "" : "/value");
}

/* A ReLU can hide a NaN from the loss: nothing is saved or exported from a net that holds one. */
static xst_status check_finite(const xst_task_programs *p, const char *name, const float *values, size_t n,
                               xst_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return xst_fail(err, XST_ERROR_NUMERIC,
                            "'%s' is not finite in task %d: lower lr (now %g); the run keeps its last checkpoint", name,
                            p->plan->position, p->plan->lr.base);
    return XST_OK;
}

static xst_status save_tensor(xst_task_programs *p, xst_tensor t, xst_array_list *arrays, xst_error *err)
{
    const xst_tensor_info *const info = &p->tensors.info[t];
    char name[XST_ARRAY_NAME];
    void *data = NULL;
    array_name(info, name);
    const uint64_t n = (uint64_t)xst_tensor_elements(info);
    xst_status status = xst_arrays_add(arrays, name, array_type(info->dtype), n, &data, err);
    if (status == XST_OK)
        status = p->api->download(p->session, t, data, xst_tensor_bytes(info), err);
    if (status == XST_OK && info->dtype == XST_F32)
        status = check_finite(p, info->name, data, (size_t)n, err);
    return status;
}

xst_status xst_state_save(xst_task_programs *p, xst_array_list *arrays, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t t = 0; t < p->tensors.count && status == XST_OK; t++)
        if (is_carried(&p->tensors.info[t]))
            status = save_tensor(p, t, arrays, err);
    return status;
}

xst_status xst_state_restore(xst_task_programs *p, const xst_array_list *arrays, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t t = 0; t < p->tensors.count && status == XST_OK; t++) {
        const xst_tensor_info *const info = &p->tensors.info[t];
        const void *data = NULL;
        char name[XST_ARRAY_NAME];
        if (!is_carried(info))
            continue;
        array_name(info, name);
        status =
            xst_arrays_take(arrays, name, array_type(info->dtype), (uint64_t)xst_tensor_elements(info), &data, err);
        if (status == XST_OK)
            status = p->api->upload(p->session, t, data, xst_tensor_bytes(info), err);
    }
    return status;
}

/* ---- what a task leaves behind --------------------------------------------------------------------------------------
 */

static xst_status download_masks(xst_task_programs *p, int masked, float **real, xst_error *err)
{
    const char *const name = xst_net_masked(p->net, masked)->weight;
    void *memory = NULL;
    xst_status status =
        xst_alloc(&memory, xst_net_masked(p->net, masked)->geometry.columns, sizeof(float), "masks", err);
    if (status == XST_OK)
        status = xst_task_download(p, name, "m_r", memory, err);
    *real = memory;
    return status;
}

xst_status xst_state_active(xst_task_programs *p, uint64_t *active, xst_error *err)
{
    xst_status status = XST_OK;
    *active = 0;
    for (int m = 0; m < p->plan->layers && status == XST_OK; m++) {
        const xst_layer *const l = xst_net_masked(p->net, m);
        const uint32_t n = p->plan->layer[m].count;
        void *columns = NULL;
        *active += p->ramp > 0 ? 0 : n;
        if (p->ramp == 0)
            continue;
        status = xst_alloc(&columns, n, sizeof(uint32_t), "active columns", err);
        if (status == XST_OK)
            status = xst_task_download(p, l->weight, "active", columns, err);
        for (uint32_t i = 0; i < n && status == XST_OK; i++)
            *active += ((const uint32_t *)columns)[i] != l->geometry.columns;
        xst_free(columns);
    }
    return status;
}

xst_status xst_state_mask_density(xst_task_programs *p, double *density, xst_error *err)
{
    uint32_t counts[2] = {0, 0};
    *density = NAN;
    if (!p->executable[XST_PROGRAM_MASK])
        return XST_OK;
    xst_status status = xst_task_upload(p, "mask_counts", NULL, counts, err);
    if (status == XST_OK)
        status = p->api->run(p->executable[XST_PROGRAM_MASK], err);
    if (status == XST_OK)
        status = xst_task_download(p, "mask_counts", NULL, counts, err);
    if (status == XST_OK && counts[1] > 0)
        *density = (double)counts[0] / (double)counts[1];
    return status;
}

static xst_status record_mask(xst_task_programs *p, const xst_model *model, int masked, xst_layer_record *layer,
                              xst_error *err)
{
    const uint32_t n = layer->geometry.columns;
    float *real = NULL;
    void *bits = NULL;
    xst_status status = xst_alloc(&bits, (n + 7) / 8, 1, "mask bits", err);
    layer->mask = bits;
    if (status == XST_OK)
        status = download_masks(p, masked, &real, err);
    for (uint32_t c = 0; c < n && status == XST_OK; c++)
        if (model->layer[masked].owner[c] != 0 && real[c] > 0.0f)
            layer->mask[c / 8] = (uint8_t)(layer->mask[c / 8] | 1u << c % 8);
    xst_free(real);
    return status;
}

static xst_status record_layer(xst_task_programs *p, const xst_model *model, int masked, xst_layer_record *layer,
                               xst_error *err)
{
    const uint32_t n = p->plan->layer[masked].count;
    void *columns = NULL, *values = NULL;
    layer->geometry = xst_net_masked(p->net, masked)->geometry;
    layer->count = n;
    snprintf(layer->name, sizeof layer->name, "%s", xst_net_masked(p->net, masked)->weight);
    xst_status status = xst_alloc(&columns, n, sizeof(uint32_t), "own columns", err);
    layer->columns = columns;
    if (status == XST_OK)
        status = xst_alloc(&values, (size_t)n * (size_t)layer->geometry.longest, sizeof(float), "own weights", err);
    layer->values = values;
    if (status == XST_OK)
        status = xst_task_download(p, layer->name, "active", columns, err);
    if (status == XST_OK)
        status = xst_task_download(p, layer->name, "value", values, err);
    while (status == XST_OK && layer->count > 0 && layer->columns[layer->count - 1] == layer->geometry.columns)
        layer->count--; /* pruned away */
    if (status == XST_OK)
        status = check_finite(p, layer->name, values, (size_t)n * (size_t)layer->geometry.longest, err);
    return status == XST_OK && p->plan->preserved ? record_mask(p, model, masked, layer, err) : status;
}

static xst_status record_params(xst_task_programs *p, xst_task_record *record, xst_error *err)
{
    xst_param param[XST_PARAMS_MAX];
    const int n = xst_net_params(p->net, p->classes, param);
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, (size_t)n, sizeof(xst_tensor_record), "per-task tensors", err);
    record->tensors = memory;
    for (int i = 0; i < n && status == XST_OK; i++) {
        xst_tensor_record *const t = &record->tensors[record->tensor_count++];
        void *values = NULL;
        snprintf(t->name, sizeof t->name, "%.63s", param[i].name);
        t->rank = param[i].rank;
        t->dim[0] = param[i].dim[0];
        t->dim[1] = param[i].dim[1];
        status = xst_alloc(&values, xst_tensor_record_elements(t), sizeof(float), "per-task tensor", err);
        t->values = values;
        if (status == XST_OK)
            status = xst_task_download(p, t->name, NULL, t->values, err);
        if (status == XST_OK)
            status = check_finite(p, t->name, t->values, xst_tensor_record_elements(t), err);
    }
    return status;
}

xst_status xst_state_record(xst_task_programs *p, const xst_model *model, xst_task_record *record, xst_error *err)
{
    void *memory = NULL;
    record->position = p->plan->position;
    xst_status status =
        xst_alloc(&memory, (size_t)p->net->masked_count, sizeof(xst_layer_record), "layers of a task", err);
    record->layers = memory;
    for (int m = 0; m < p->net->masked_count && status == XST_OK; m++) {
        record->layer_count = m + 1;
        status = record_layer(p, model, m, &record->layers[m], err);
    }
    return status == XST_OK ? record_params(p, record, err) : status;
}
