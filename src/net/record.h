/* A task's net in memory: what a phase of training leaves to the next, and in the end the content of tasks/NN.h5. */
#ifndef XST_NET_RECORD_H
#define XST_NET_RECORD_H

#include "columns/geometry.h"
#include "xst/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XST_RECORD_NAME = 64 };

/* A masked layer's part of a task: the columns it owns and their weights, and its mask over the columns of earlier
 * tasks. */
typedef struct xst_layer_record {
    char name[XST_RECORD_NAME]; /* "features.0.weight" */
    xst_geometry geometry;
    uint32_t count;
    uint32_t *columns; /* [count], ascending */
    float *values;     /* [count][geometry.longest]; a short last group is zero-padded */
    uint8_t *mask;     /* [ceil(columns/8)], bit c (least significant first) = preserved column c is on; NULL: none */
    double scale;      /* of quantised values; 0: not quantised */
} xst_layer_record;

/* A per-task tensor: BN, biases, head. */
typedef struct xst_tensor_record {
    char name[XST_RECORD_NAME]; /* "features.1.running_mean" */
    int rank;
    int64_t dim[4];
    float *values;
} xst_tensor_record;

static inline size_t xst_tensor_record_elements(const xst_tensor_record *tensor)
{
    size_t n = 1;
    for (int i = 0; i < tensor->rank; i++)
        n *= (size_t)tensor->dim[i];
    return n;
}

typedef struct xst_task_record {
    char method[32], name[64], data_sha256[65];
    int position; /* from 1 */
    bool whole;   /* the net of this task is this file alone */
    double mean[3], std[3];
    uint32_t images, classes;
    float *logits; /* [images][classes], test images in file order */
    xst_layer_record *layers;
    int layer_count;
    xst_tensor_record *tensors;
    int tensor_count;
} xst_task_record;

void xst_task_record_free(xst_task_record *record);
/* *to, which must be empty, becomes a copy; it is empty again where that fails. */
xst_status xst_task_record_copy(const xst_task_record *from, xst_task_record *to, xst_error *err);
/* The tensor called name, or NULL. */
const xst_tensor_record *xst_task_record_find(const xst_task_record *record, const char *name);
/* The weight of the head, a matrix classifier.N.weight; NULL where there is none. */
const xst_tensor_record *xst_task_record_head(const xst_task_record *record);

#endif
