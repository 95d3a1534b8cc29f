#include "train/course.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { PLACES = 3, NUMBERS = XST_COURSE_NUMBERS };

static const char kept[] = "kept/";

static void name_of(char name[XST_ARRAY_NAME], const char *prefix, const char *tensor, const char *part)
{
    snprintf(name, XST_ARRAY_NAME, "%s%.80s/%s", prefix, tensor, part);
}

static xst_status save_layer(const xst_layer_record *layer, xst_array_list *arrays, xst_error *err)
{
    char name[XST_ARRAY_NAME];
    name_of(name, kept, layer->name, "active");
    xst_status status = xst_arrays_copy(arrays, name, XST_ARRAY_U32, layer->count, layer->columns, err);
    name_of(name, kept, layer->name, "value");
    if (status == XST_OK)
        status = xst_arrays_copy(arrays, name, XST_ARRAY_F32,
                                 (uint64_t)layer->count * (uint64_t)layer->geometry.longest, layer->values, err);
    name_of(name, kept, layer->name, "mask");
    if (status == XST_OK && layer->mask)
        status = xst_arrays_copy(arrays, name, XST_ARRAY_U8, (layer->geometry.columns + 7) / 8, layer->mask, err);
    return status;
}

static xst_status save_kept(const xst_task_record *net, xst_array_list *arrays, xst_error *err)
{
    xst_status status = XST_OK;
    for (int m = 0; m < net->layer_count && status == XST_OK; m++)
        status = save_layer(&net->layers[m], arrays, err);
    for (int i = 0; i < net->tensor_count && status == XST_OK; i++) {
        char name[XST_ARRAY_NAME];
        name_of(name, kept, net->tensors[i].name, "value");
        status = xst_arrays_copy(arrays, name, XST_ARRAY_F32, xst_tensor_record_elements(&net->tensors[i]),
                                 net->tensors[i].values, err);
    }
    return status;
}

xst_status xst_course_save(const xst_course *course, xst_array_list *arrays, xst_error *err)
{
    const uint32_t position = (uint32_t)course->position;
    const uint32_t place[PLACES] = {(uint32_t)course->phase, course->epochs, course->steps};
    xst_status status = xst_arrays_copy(arrays, "task", XST_ARRAY_U32, 1, &position, err);
    if (status == XST_OK)
        status = xst_arrays_copy(arrays, "course/place", XST_ARRAY_U32, PLACES, place, err);
    if (status == XST_OK)
        status = xst_arrays_copy(arrays, "course/numbers", XST_ARRAY_F64, NUMBERS, course->number, err);
    return status == XST_OK ? save_kept(&course->kept, arrays, err) : status;
}

bool xst_course_is_of(const xst_array_list *arrays, int position)
{
    const xst_array_record *const a = xst_arrays_find(arrays, "task");
    return a && a->type == XST_ARRAY_U32 && a->count == 1 && *(const uint32_t *)a->data == (uint32_t)position;
}

static xst_status read_mask(const xst_array_list *arrays, const char *prefix, xst_layer_record *layer, xst_error *err)
{
    const uint32_t n = layer->geometry.columns;
    char bits[XST_ARRAY_NAME], real[XST_ARRAY_NAME];
    const void *data = NULL;
    void *mask = NULL;
    name_of(bits, prefix, layer->name, "mask");
    name_of(real, prefix, layer->name, "m_r");
    const bool is_real = xst_arrays_find(arrays, real) != NULL;
    if (!is_real && !xst_arrays_find(arrays, bits))
        return XST_OK;
    xst_status status = is_real ? xst_arrays_take(arrays, real, XST_ARRAY_F32, n, &data, err)
                                : xst_arrays_take(arrays, bits, XST_ARRAY_U8, (n + 7) / 8, &data, err);
    if (status == XST_OK)
        status = xst_alloc(&mask, (n + 7) / 8, 1, "mask bits", err);
    if (status != XST_OK)
        return status;
    layer->mask = mask;
    if (!is_real)
        memcpy(mask, data, (n + 7) / 8);
    for (uint32_t c = 0; c < n && is_real; c++)
        if (((const float *)data)[c] > 0.0f)
            layer->mask[c / 8] = (uint8_t)(layer->mask[c / 8] | 1u << c % 8);
    return XST_OK;
}

static xst_status read_layer(const xst_array_list *arrays, const char *prefix, const xst_layer *from,
                             xst_layer_record *layer, xst_error *err)
{
    char name[XST_ARRAY_NAME];
    const void *columns = NULL, *values = NULL;
    void *own_columns = NULL, *own_values = NULL;
    layer->geometry = from->geometry;
    snprintf(layer->name, sizeof layer->name, "%s", from->weight);
    name_of(name, prefix, layer->name, "active");
    const xst_array_record *const active = xst_arrays_find(arrays, name);
    const uint64_t n = active && active->count <= from->geometry.columns ? active->count : 0;
    const uint64_t floats = n * (uint64_t)from->geometry.longest;
    xst_status status = xst_arrays_take(arrays, name, XST_ARRAY_U32, n, &columns, err);
    name_of(name, prefix, layer->name, "value");
    if (status == XST_OK)
        status = xst_arrays_take(arrays, name, XST_ARRAY_F32, floats, &values, err);
    if (status == XST_OK)
        status = xst_alloc(&own_columns, (size_t)n, sizeof(uint32_t), "own columns", err);
    layer->columns = own_columns;
    if (status == XST_OK)
        status = xst_alloc(&own_values, (size_t)floats, sizeof(float), "own weights", err);
    layer->values = own_values;
    if (status != XST_OK)
        return status;
    layer->count = (uint32_t)n;
    if (n > 0) {
        memcpy(layer->columns, columns, (size_t)n * sizeof(uint32_t));
        memcpy(layer->values, values, (size_t)floats * sizeof(float));
    }
    return read_mask(arrays, prefix, layer, err);
}

static xst_status read_tensor(const xst_array_list *arrays, const char *prefix, const xst_param *param,
                              xst_tensor_record *t, xst_error *err)
{
    char name[XST_ARRAY_NAME];
    const void *data = NULL;
    void *values = NULL;
    snprintf(t->name, sizeof t->name, "%.63s", param->name);
    t->rank = param->rank;
    t->dim[0] = param->dim[0];
    t->dim[1] = param->dim[1];
    name_of(name, prefix, t->name, "value");
    const size_t n = xst_tensor_record_elements(t);
    xst_status status = xst_arrays_take(arrays, name, XST_ARRAY_F32, n, &data, err);
    if (status == XST_OK)
        status = xst_alloc(&values, n, sizeof(float), "per-task tensor", err);
    t->values = values;
    if (status == XST_OK)
        memcpy(values, data, n * sizeof(float));
    return status;
}

static xst_status read_net(const xst_course *course, int classes, const xst_array_list *arrays, const char *prefix,
                           xst_task_record *net, xst_error *err)
{
    const xst_net *const from = course->model->net;
    xst_param param[XST_PARAMS_MAX];
    const int n = xst_net_params(from, classes, param);
    void *layers = NULL, *tensors = NULL;
    *net = (xst_task_record){.position = course->position};
    xst_status status = xst_alloc(&layers, (size_t)from->masked_count, sizeof *net->layers, "layers of a net", err);
    net->layers = layers;
    if (status == XST_OK)
        status = xst_alloc(&tensors, (size_t)n, sizeof *net->tensors, "per-task tensors", err);
    net->tensors = tensors;
    for (int m = 0; m < from->masked_count && status == XST_OK; m++) {
        net->layer_count = m + 1;
        status = read_layer(arrays, prefix, xst_net_masked(from, m), &net->layers[m], err);
    }
    for (int i = 0; i < n && status == XST_OK; i++) {
        net->tensor_count = i + 1;
        status = read_tensor(arrays, prefix, &param[i], &net->tensors[i], err);
    }
    if (status != XST_OK)
        xst_task_record_free(net);
    return status;
}

xst_status xst_course_saved_net(const xst_course *course, int classes, const xst_array_list *arrays,
                                xst_task_record *net, xst_error *err)
{
    return read_net(course, classes, arrays, "", net, err);
}

xst_status xst_course_restore(xst_course *course, int classes, const xst_array_list *arrays, xst_error *err)
{
    const void *place = NULL, *numbers = NULL;
    char name[XST_ARRAY_NAME];
    xst_status status = xst_arrays_take(arrays, "course/place", XST_ARRAY_U32, PLACES, &place, err);
    if (status == XST_OK)
        status = xst_arrays_take(arrays, "course/numbers", XST_ARRAY_F64, NUMBERS, &numbers, err);
    if (status != XST_OK)
        return status;
    course->phase = (int)((const uint32_t *)place)[0];
    course->epochs = ((const uint32_t *)place)[1];
    course->steps = ((const uint32_t *)place)[2];
    memcpy(course->number, numbers, sizeof course->number);
    name_of(name, kept, xst_net_masked(course->model->net, 0)->weight, "active");
    return xst_arrays_find(arrays, name) ? read_net(course, classes, arrays, kept, &course->kept, err) : XST_OK;
}
