/* Batch normalisation followed by ReLU, channel by channel. */
#include "backend/ref/call.h"

#include <math.h>

static double per_channel(const xst_ref_tensor *x)
{
    return (double)(x->info.dim[0] * x->info.dim[2] * x->info.dim[3]);
}

/* Sum over the batch and the map of (x - centre)^power, power 1 or 2. */
static double channel_sum(const xst_ref_tensor *x, int64_t c, double centre, int power)
{
    const int64_t *const dim = x->info.dim;
    double sum = 0.0;
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t h = 0; h < dim[2]; h++)
            for (int64_t w = 0; w < dim[3]; w++) {
                const double d = *xst_ref_at(x, b, c, h, w) - centre;
                sum += power == 2 ? d * d : d;
            }
    return sum;
}

/* y = relu(gamma*(x-mean)*inverse_std + beta) in channel c. */
static void normalise(const xst_ref_tensor *x, const xst_ref_tensor *y, int64_t c, double mean, double inverse_std,
                      double gamma, double beta)
{
    const int64_t *const dim = x->info.dim;
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t h = 0; h < dim[2]; h++)
            for (int64_t w = 0; w < dim[3]; w++) {
                const double v = gamma * (*xst_ref_at(x, b, c, h, w) - mean) * inverse_std + beta;
                *xst_ref_at(y, b, c, h, w) = v > 0.0 ? v : 0.0;
            }
}

xst_status xst_ref_bn_relu_forward(const xst_ref_call *call)
{
    const xst_ref_tensor *const x = call->in[0], *const y = call->out[0];
    const double *const gamma = xst_ref_reals(call->in[1]), *const beta = xst_ref_reals(call->in[2]);
    double *const mean = xst_ref_reals(call->out[1]), *const inverse_std = xst_ref_reals(call->out[2]);
    double *const running_mean = xst_ref_reals(call->out[3]), *const running_var = xst_ref_reals(call->out[4]);
    const xst_bn_params *const p = &call->op->p.bn;
    const double n = per_channel(x);
    const double f = call->in[3] ? 1.0 / (xst_ref_words(call->in[3])[0] + 1.0) : (double)p->momentum;
    for (int64_t c = 0; c < x->info.dim[1]; c++) {
        mean[c] = channel_sum(x, c, 0.0, 1) / n;
        const double var = channel_sum(x, c, mean[c], 2) / n;
        inverse_std[c] = 1.0 / sqrt(var + (double)p->eps);
        running_mean[c] = (1.0 - f) * running_mean[c] + f * mean[c];
        running_var[c] = (1.0 - f) * running_var[c] + f * var * n / (n - 1.0);
        normalise(x, y, c, mean[c], inverse_std[c], gamma[c], beta[c]);
    }
    return XST_OK;
}

xst_status xst_ref_bn_relu_eval(const xst_ref_call *call)
{
    const xst_ref_tensor *const x = call->in[0], *const y = call->out[0];
    const double *const gamma = xst_ref_reals(call->in[1]), *const beta = xst_ref_reals(call->in[2]);
    const double *const running_mean = xst_ref_reals(call->in[3]), *const running_var = xst_ref_reals(call->in[4]);
    for (int64_t c = 0; c < x->info.dim[1]; c++)
        normalise(x, y, c, running_mean[c], 1.0 / sqrt(running_var[c] + (double)call->op->p.bn.eps), gamma[c], beta[c]);
    return XST_OK;
}

xst_status xst_ref_bn_relu_eval_backward(const xst_ref_call *call)
{
    const xst_ref_tensor *const dx = call->out[0];
    const int64_t *const dim = dx->info.dim;
    const double *const gamma = xst_ref_reals(call->in[2]), *const running_var = xst_ref_reals(call->in[3]);
    const int64_t area = dim[2] * dim[3];
    for (int64_t i = 0; i < dx->elements; i++) {
        const int64_t c = i / area % dim[1];
        const double scale = gamma[c] / sqrt(running_var[c] + (double)call->op->p.bn.eps);
        xst_ref_reals(dx)[i] = xst_ref_reals(call->in[1])[i] > 0.0 ? xst_ref_reals(call->in[0])[i] * scale : 0.0;
    }
    return XST_OK;
}

/* g = dy*[y > 0] and xh = (x-mean)*inverse_std of one element. */
typedef struct element {
    double g, xh;
} element;

static element element_at(const xst_ref_call *call, int64_t b, int64_t c, int64_t h, int64_t w)
{
    const double mean = xst_ref_reals(call->in[4])[c], inverse_std = xst_ref_reals(call->in[5])[c];
    return (element){.g = *xst_ref_at(call->in[2], b, c, h, w) > 0.0 ? *xst_ref_at(call->in[0], b, c, h, w) : 0.0,
                     .xh = (*xst_ref_at(call->in[1], b, c, h, w) - mean) * inverse_std};
}

static void channel_backward(const xst_ref_call *call, int64_t c, double *dgamma, double *dbeta)
{
    const xst_ref_tensor *const dx = call->out[0];
    const int64_t *const dim = dx->info.dim;
    const double n = per_channel(dx), scale = xst_ref_reals(call->in[3])[c] * xst_ref_reals(call->in[5])[c];
    *dgamma = *dbeta = 0.0;
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t h = 0; h < dim[2]; h++)
            for (int64_t w = 0; w < dim[3]; w++) {
                const element e = element_at(call, b, c, h, w);
                *dbeta += e.g;
                *dgamma += e.g * e.xh;
            }
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t h = 0; h < dim[2]; h++)
            for (int64_t w = 0; w < dim[3]; w++) {
                const element e = element_at(call, b, c, h, w);
                *xst_ref_at(dx, b, c, h, w) = scale * (e.g - *dbeta / n - e.xh * *dgamma / n);
            }
}

xst_status xst_ref_bn_relu_backward(const xst_ref_call *call)
{
    for (int64_t c = 0; c < call->out[0]->info.dim[1]; c++)
        channel_backward(call, c, &xst_ref_reals(call->out[1])[c], &xst_ref_reals(call->out[2])[c]);
    return XST_OK;
}
