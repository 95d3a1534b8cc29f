/* For tests: a small task record with every kind of content. */
#ifndef XST_TESTS_SAMPLE_RECORD_H
#define XST_TESTS_SAMPLE_RECORD_H

#include "base/memory.h"
#include "net/record.h"

#include <stdio.h>
#include <string.h>

static inline void *sample_array(size_t count, size_t size)
{
    void *memory = NULL;
    return xst_alloc(&memory, count, size, "sample", NULL) == XST_OK ? memory : NULL;
}

/* A 3x3 conv of 5 filters on 7 channels, G = 3: 15 columns, the last of each filter short; every third from `first` is
 * owned. */
static inline xst_layer_record sample_conv(const char *name, uint32_t first, bool mask)
{
    xst_layer_record layer = {.geometry = xst_geometry_make(5, 7, 3, 3, 3), .count = 5};
    snprintf(layer.name, sizeof layer.name, "%s", name);
    layer.columns = sample_array(layer.count, sizeof *layer.columns);
    layer.values = sample_array((size_t)layer.count * 27, sizeof *layer.values);
    for (uint32_t i = 0; i < layer.count; i++) {
        layer.columns[i] = first + 3 * i;
        for (int j = 0; j < xst_column_length(&layer.geometry, layer.columns[i]); j++)
            layer.values[i * 27 + (uint32_t)j] = 0.1f * (float)(i + 1) - 0.01f * (float)j;
    }
    if (mask) {
        layer.mask = sample_array(2, 1);
        layer.mask[0] = 0xb6;
        layer.mask[1] = 0x55;
    }
    return layer;
}

/* An FC layer of element granularity that owns nothing. */
static inline xst_layer_record sample_empty(const char *name)
{
    xst_layer_record layer = {.geometry = xst_geometry_make(4, 6, 1, 1, 0), .scale = 0.75};
    snprintf(layer.name, sizeof layer.name, "%s", name);
    layer.columns = sample_array(0, sizeof *layer.columns);
    layer.values = sample_array(0, sizeof *layer.values);
    return layer;
}

static inline xst_tensor_record sample_tensor(const char *name, int rank, int64_t a, int64_t b)
{
    xst_tensor_record tensor = {.rank = rank, .dim = {a, rank > 1 ? b : 0}};
    const int64_t count = rank > 1 ? a * b : a;
    snprintf(tensor.name, sizeof tensor.name, "%s", name);
    tensor.values = sample_array((size_t)count, sizeof *tensor.values);
    for (int64_t i = 0; i < count; i++)
        tensor.values[i] = 1.0f / (float)(i + 3);
    return tensor;
}

static inline xst_task_record sample_record(int position)
{
    xst_task_record r = {.method = "xst",
                         .name = "aquatic_mammals",
                         .position = position,
                         .mean = {0.1, 0.2, 1.0 / 3},
                         .std = {0.25, 0.5, 0.125},
                         .images = 6,
                         .classes = 4,
                         .layer_count = 2,
                         .tensor_count = 3};
    for (int i = 0; i < 64; i++)
        r.data_sha256[i] = "0123456789abcdef"[i % 16];
    r.logits = sample_array(24, sizeof *r.logits);
    for (int i = 0; i < 24; i++)
        r.logits[i] = (float)i * 0.3f - 2;
    r.layers = sample_array(2, sizeof *r.layers);
    r.layers[0] = sample_conv("features.10.weight", (uint32_t)position - 1, position > 1);
    r.layers[1] = sample_empty("classifier.0.weight");
    r.tensors = sample_array(3, sizeof *r.tensors);
    r.tensors[0] = sample_tensor("features.11.running_mean", 1, 5, 0);
    r.tensors[1] = sample_tensor("features.3.bias", 1, 2, 0);
    r.tensors[2] = sample_tensor("classifier.6.weight", 2, 4, 6);
    return r;
}

#endif
