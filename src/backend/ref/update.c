/* The optimisers: Adam for the mask, SGD with Nesterov momentum for weights. */
#include "backend/ref/call.h"

#include <math.h>

xst_status xst_ref_adam(const xst_ref_call *call)
{
    const double *const g = xst_ref_reals(call->in[0]);
    const uint8_t *const preserved = xst_ref_bytes(call->in[1]);
    const double t = xst_ref_words(call->in[2])[0], mask_lr = xst_ref_reals(call->in[3])[1];
    double *const m_r = xst_ref_reals(call->out[0]), *const m = xst_ref_reals(call->out[1]);
    double *const v = xst_ref_reals(call->out[2]);
    for (int64_t c = 0; c < call->in[0]->elements; c++) {
        if (!preserved[c])
            continue;
        m[c] = 0.9 * m[c] + 0.1 * g[c];
        v[c] = 0.999 * v[c] + 0.001 * g[c] * g[c];
        m_r[c] -= mask_lr / (1.0 - pow(0.9, t)) * m[c] / (sqrt(v[c]) / sqrt(1.0 - pow(0.999, t)) + 1e-8);
    }
    return XST_OK;
}

static void sgd_step(const xst_sgd_params *p, double lr, double gradient, double *w, double *velocity)
{
    const double mu = (double)p->momentum;
    const double g = gradient + (double)p->decay * *w;
    *velocity = mu * *velocity + g;
    *w -= lr * (g + mu * *velocity);
}

xst_status xst_ref_sgd(const xst_ref_call *call)
{
    const double lr = xst_ref_reals(call->in[1])[0];
    for (int64_t i = 0; i < call->out[0]->elements; i++)
        sgd_step(&call->op->p.sgd, lr, xst_ref_reals(call->in[0])[i], &xst_ref_reals(call->out[0])[i],
                 &xst_ref_reals(call->out[1])[i]);
    return XST_OK;
}

xst_status xst_ref_column_sgd(const xst_ref_call *call)
{
    const xst_geometry *const g = &call->op->p.sgd.geometry;
    const double *const dw = xst_ref_reals(call->in[0]), lr = xst_ref_reals(call->in[2])[0];
    const uint32_t *const active = xst_ref_words(call->in[1]);
    for (int64_t k = 0; k < call->in[1]->elements && active[k] < g->columns; k++)
        for (int32_t i = 0; i < xst_column_length(g, active[k]); i++)
            sgd_step(&call->op->p.sgd, lr, dw[xst_column_start(g, active[k]) + i],
                     &xst_ref_reals(call->out[0])[k * g->longest + i],
                     &xst_ref_reals(call->out[1])[k * g->longest + i]);
    return XST_OK;
}
