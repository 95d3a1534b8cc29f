/* The network cut at the inputs of its masked layers, for work that must look at or change what passes there
 * (activations are quantised on the host between segments). Segment k takes the input of masked layer k and gives that
 * of layer k+1, the last that of the head: conv or FC, BN with running statistics, ReLU, pools, flattening. */
#ifndef XST_TRAIN_SEGMENTS_H
#define XST_TRAIN_SEGMENTS_H

#include "backend/backend.h"
#include "net/model.h"
#include "net/record.h"

typedef struct xst_segment {
    xst_tensors tensors;
    xst_program program;
    xst_session *session;
    xst_executable *executable;
    xst_tensor in, weight, out;
    int64_t in_elements, out_elements; /* of one image */
} xst_segment;

typedef struct xst_segments {
    const xst_backend_api *api;
    const xst_net *net;
    int batch, count; /* count = masked layers */
    xst_segment *segment;
} xst_segments;

/* Freed by xst_segments_free whatever the outcome. */
xst_status xst_segments_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net, int batch,
                               xst_segments *out, xst_error *err);
void xst_segments_free(xst_segments *segments);

/* Sets segment k's weights [O,I,kh,kw] and, from the record, its BN or bias. */
xst_status xst_segment_set(xst_segments *segments, int k, const float *weights, const xst_task_record *record,
                           xst_error *err);
/* in[images][in_elements] -> out[images][out_elements]. */
xst_status xst_segment_run(xst_segments *segments, int k, const float *in, uint32_t images, float *out, xst_error *err);

#endif
