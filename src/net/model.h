/* What has been learnt so far, on the host: frozen columns with their owners, and the newest task's per-task tensors.
 *
 * Rebuilt from the run folder when a run is resumed; a task only ever adds to it. */
#ifndef XST_NET_MODEL_H
#define XST_NET_MODEL_H

#include "net/net.h"

typedef struct xst_layer_state {
    float *frozen;   /* [O,I,kh,kw]: columns with an owner; exactly 0 elsewhere */
    uint16_t *owner; /* [columns]: 0 free, else the task (position from 1) that owns the column */
} xst_layer_state;

typedef struct xst_model {
    const xst_net *net;
    int tasks; /* learnt so far */
    xst_layer_state layer[XST_NET_LAYERS_MAX];
    /* BN and FC biases of the newest task, by xst_net_params order; the head is never inherited */
    int param_count;
    xst_param param[XST_PARAMS_MAX];
    float *param_value[XST_PARAMS_MAX];
} xst_model;

/* net must outlive the model. Per-task tensors start fresh: BN 1, 0, 0, 1, biases 0. */
xst_status xst_model_create(const xst_net *net, xst_model **out, xst_error *err);
void xst_model_destroy(xst_model *model);

/* One task's columns in one layer become owned: values [count][longest] are written to `frozen`. XST_ERROR_RUN where a
 * column has an owner already. replace: the layer's earlier columns are forgotten first (methods whose every task is a
 * whole net). */
xst_status xst_model_own(xst_model *model, int masked, int position, const uint32_t *columns, const float *values,
                         uint32_t count, bool replace, xst_error *err);

/* Which columns count in a task's net: counts[c] = 1 for its own columns and those of earlier tasks whose bit in `mask`
 * is set (bit c, least significant first; NULL: none), else 0. */
void xst_model_columns_of(const xst_model *model, int masked, int position, const uint8_t *mask, uint8_t *counts);

/* The effective weights [O,I,kh,kw] of a task: the columns that count; exactly 0 elsewhere. */
void xst_model_compose(const xst_model *model, int masked, int position, const uint8_t *mask, float *w);

uint32_t xst_model_free_columns(const xst_model *model, int masked);

/* The newest value of a per-task tensor; NULL for the head's. */
const float *xst_model_param(const xst_model *model, const char *name);
/* Takes over a task's value of a per-task tensor of n elements. The head's is not kept, being each task's own.
 * XST_ERROR_RUN where the size is not the network's. */
xst_status xst_model_set_param(xst_model *model, const char *name, const float *values, size_t n, xst_error *err);

/* A tensor's fresh value (BN 1, 0, 0, 1, biases 0; head N(0, 0.01) drawn by the trainer's key). */
void xst_param_fresh(const xst_param *param, uint32_t seed, int position, uint32_t head_layer, float *value);

#endif
