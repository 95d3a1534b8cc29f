/* A VGG-like network as a list of layers (method.md section 2): convs 3x3 with BN and ReLU, 2x2 max-pools, hidden FC
 * layers with ReLU, and a head per task. Names follow torchvision's vgg16_bn. */
#ifndef XST_NET_NET_H
#define XST_NET_NET_H

#include "columns/geometry.h"
#include "config/config.h"

#include <stdint.h>

enum { XST_NET_LAYERS_MAX = 2 * XST_LIST_MAX, XST_NET_NAME = 48 };

typedef enum xst_layer_kind { XST_LAYER_CONV, XST_LAYER_POOL, XST_LAYER_LINEAR } xst_layer_kind;

typedef struct xst_layer {
    xst_layer_kind kind;
    int in, out;                    /* channels, or inputs and outputs of an FC layer */
    int side;                       /* height = width of the input map; 1 in FC layers */
    int masked;                     /* index among the masked layers; -1: pool */
    xst_geometry geometry;          /* of masked layers */
    char name[XST_NET_NAME];        /* "features.0", "classifier.3" */
    char weight[XST_NET_NAME + 16]; /* masked layers: "features.0.weight" */
    char bn[XST_NET_NAME];          /* convs: "features.1" */
} xst_layer;

typedef struct xst_net {
    int count;
    xst_layer layer[XST_NET_LAYERS_MAX];
    int masked_count;
    int masked[XST_NET_LAYERS_MAX]; /* layer index of each masked layer */
    int features;                   /* inputs of the head */
    int flat;                       /* inputs of the first FC layer (or head): channels * side * side of the last map */
    char head[XST_NET_NAME];        /* "classifier.6" */
} xst_net;

/* Builds the net of a configuration, widths scaled; element: every weight is its own column. Refuses a net whose BN
 * would see one value per channel (batch * map size = 1), or maps that a pool would make vanish. */
xst_status xst_net_build(const xst_config *config, bool element, xst_net *net, xst_error *err);

/* The scaled width of v: round_channels 8 gives max(8, floor(w/8 + 0.5)*8), 1 truncates (at least 1). */
int xst_net_width(const xst_config *config, int v);

/* Standard deviation of a masked layer's initial weights (section 2). */
double xst_net_deviation(const xst_layer *layer, xst_fc_init fc_init);

static inline const xst_layer *xst_net_masked(const xst_net *net, int masked)
{
    return &net->layer[net->masked[masked]];
}

/* Per-task tensors: BN (four each), FC biases, head weight and bias, in the order of the net. */
typedef enum xst_param_kind {
    XST_PARAM_BN_WEIGHT,
    XST_PARAM_BN_BIAS,
    XST_PARAM_BN_MEAN,
    XST_PARAM_BN_VARIANCE,
    XST_PARAM_BIAS,
    XST_PARAM_HEAD_WEIGHT,
    XST_PARAM_HEAD_BIAS
} xst_param_kind;

typedef struct xst_param {
    char name[64];
    xst_param_kind kind;
    int rank;
    int64_t dim[2];
} xst_param;

enum { XST_PARAMS_MAX = 4 * XST_NET_LAYERS_MAX + 2 };

/* Fills param[XST_PARAMS_MAX] for a head of `classes` outputs and returns their number. */
int xst_net_params(const xst_net *net, int classes, xst_param *param);

static inline bool xst_param_is_trained(xst_param_kind kind)
{
    return kind != XST_PARAM_BN_MEAN && kind != XST_PARAM_BN_VARIANCE;
}

#endif
