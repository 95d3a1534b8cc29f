#include "net/net.h"

#include "base/error.h"
#include "data/dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int xst_net_width(const xst_config *config, int v)
{
    const double w = v * sqrt(config->expand) * config->width;
    if (config->round_channels > 1) {
        const int step = config->round_channels, rounded = (int)floor(w / step + 0.5) * step;
        return rounded > step ? rounded : step;
    }
    return w >= 1.0 ? (int)w : 1;
}

double xst_net_deviation(const xst_layer *layer, xst_fc_init fc_init)
{
    const xst_geometry *const g = &layer->geometry;
    if (layer->kind == XST_LAYER_CONV)
        return sqrt(2.0 / ((double)g->out * g->kh * g->kw));
    return fc_init == XST_FC_INIT_FANIN ? sqrt(2.0 / g->in) : 0.01;
}

static void add_masked(xst_net *net, xst_layer *layer, int kernel, int group)
{
    layer->geometry = xst_geometry_make(layer->out, layer->in, kernel, kernel, group);
    layer->masked = net->masked_count;
    snprintf(layer->weight, sizeof layer->weight, "%s.weight", layer->name);
    net->masked[net->masked_count++] = net->count;
    net->layer[net->count++] = *layer;
}

typedef struct shape {
    int channels, side, index; /* index: of torchvision's nn.Sequential */
} shape;

static xst_status add_feature(const xst_config *config, bool element, int width, shape *at, xst_net *net,
                              xst_error *err)
{
    xst_layer layer = {.in = at->channels, .side = at->side, .masked = -1};
    if (width == 0) {
        if (at->side < 2)
            return xst_fail(err, XST_ERROR_CONFIG, "net: a pool (M) would shrink a 1x1 map: use at most 5 of them");
        layer.kind = XST_LAYER_POOL;
        layer.out = at->channels;
        snprintf(layer.name, sizeof layer.name, "features.%d", at->index++);
        net->layer[net->count++] = layer;
        at->side /= 2;
        return XST_OK;
    }
    const long n = (long)config->batch * at->side * at->side;
    if (n < 2)
        return xst_fail(err, XST_ERROR_CONFIG, "net: batch normalisation would see one value per channel: raise batch");
    layer.kind = XST_LAYER_CONV;
    layer.out = xst_net_width(config, width);
    snprintf(layer.name, sizeof layer.name, "features.%d", at->index);
    snprintf(layer.bn, sizeof layer.bn, "features.%d", at->index + 1);
    at->index += 3;
    add_masked(net, &layer, 3, element ? 0 : config->group);
    at->channels = layer.out;
    return XST_OK;
}

xst_status xst_net_build(const xst_config *config, bool element, xst_net *net, xst_error *err)
{
    *net = (xst_net){0};
    shape at = {XST_CHANNELS, XST_SIDE, 0};
    for (int i = 0; i < config->net.count; i++) {
        const xst_status status = add_feature(config, element, config->net.at[i], &at, net, err);
        if (status != XST_OK)
            return status;
    }
    net->flat = at.channels * at.side * at.side;
    int inputs = net->flat;
    for (int i = 0; i < config->fc.count; i++) {
        xst_layer layer = {.kind = XST_LAYER_LINEAR, .in = inputs, .side = 1};
        layer.out = xst_net_width(config, config->fc.at[i]);
        snprintf(layer.name, sizeof layer.name, "classifier.%d", 3 * i);
        const int group = config->group_fc > 0 ? config->group_fc : config->group;
        add_masked(net, &layer, 1, element ? 0 : group);
        inputs = layer.out;
    }
    net->features = inputs;
    snprintf(net->head, sizeof net->head, "classifier.%d", 3 * config->fc.count);
    return XST_OK;
}

static void add_param(xst_param *param, int *n, const char *prefix, const char *suffix, xst_param_kind kind,
                      int64_t dim0, int64_t dim1)
{
    xst_param *const p = &param[(*n)++];
    *p = (xst_param){.kind = kind, .rank = dim1 > 0 ? 2 : 1, .dim = {dim0, dim1 > 0 ? dim1 : 1}};
    snprintf(p->name, sizeof p->name, "%s.%s", prefix, suffix);
}

int xst_net_params(const xst_net *net, int classes, xst_param *param)
{
    int n = 0;
    for (int i = 0; i < net->count; i++) {
        const xst_layer *const l = &net->layer[i];
        if (l->kind == XST_LAYER_CONV) {
            add_param(param, &n, l->bn, "weight", XST_PARAM_BN_WEIGHT, l->out, 0);
            add_param(param, &n, l->bn, "bias", XST_PARAM_BN_BIAS, l->out, 0);
            add_param(param, &n, l->bn, "running_mean", XST_PARAM_BN_MEAN, l->out, 0);
            add_param(param, &n, l->bn, "running_var", XST_PARAM_BN_VARIANCE, l->out, 0);
        } else if (l->kind == XST_LAYER_LINEAR) {
            add_param(param, &n, l->name, "bias", XST_PARAM_BIAS, l->out, 0);
        }
    }
    add_param(param, &n, net->head, "weight", XST_PARAM_HEAD_WEIGHT, classes, net->features);
    add_param(param, &n, net->head, "bias", XST_PARAM_HEAD_BIAS, classes, 0);
    return n;
}
