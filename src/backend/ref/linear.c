/* Fully connected layers and the backward of a ReLU. w is read by its flat index, so [O,I] and [O,I,1,1] are one. */
#include "backend/ref/call.h"

xst_status xst_ref_linear_forward(const xst_ref_call *call)
{
    const double *const x = xst_ref_reals(call->in[0]), *const w = xst_ref_reals(call->in[1]);
    const double *const bias = xst_ref_reals(call->in[2]);
    double *const y = xst_ref_reals(call->out[0]);
    const int64_t B = call->out[0]->info.dim[0], O = call->out[0]->info.dim[1], I = call->in[0]->info.dim[1];
    for (int64_t b = 0; b < B; b++)
        for (int64_t o = 0; o < O; o++) {
            double sum = bias[o];
            for (int64_t i = 0; i < I; i++)
                sum += x[b * I + i] * w[o * I + i];
            y[b * O + o] = call->op->p.linear.relu && !(sum > 0.0) ? 0.0 : sum;
        }
    return XST_OK;
}

xst_status xst_ref_linear_backward_data(const xst_ref_call *call)
{
    const double *const dy = xst_ref_reals(call->in[0]), *const w = xst_ref_reals(call->in[1]);
    double *const dx = xst_ref_reals(call->out[0]);
    const int64_t B = call->out[0]->info.dim[0], I = call->out[0]->info.dim[1], O = call->in[0]->info.dim[1];
    for (int64_t b = 0; b < B; b++)
        for (int64_t i = 0; i < I; i++) {
            double sum = 0.0;
            for (int64_t o = 0; o < O; o++)
                sum += dy[b * O + o] * w[o * I + i];
            dx[b * I + i] = sum;
        }
    return XST_OK;
}

xst_status xst_ref_linear_backward_weights(const xst_ref_call *call)
{
    const double *const x = xst_ref_reals(call->in[0]), *const dy = xst_ref_reals(call->in[1]);
    double *const dw = xst_ref_reals(call->out[0]), *const dbias = xst_ref_reals(call->out[1]);
    const int64_t B = call->in[0]->info.dim[0], I = call->in[0]->info.dim[1], O = call->in[1]->info.dim[1];
    for (int64_t o = 0; o < O; o++) {
        dbias[o] = 0.0;
        for (int64_t b = 0; b < B; b++)
            dbias[o] += dy[b * O + o];
        for (int64_t i = 0; i < I; i++) {
            double sum = 0.0;
            for (int64_t b = 0; b < B; b++)
                sum += dy[b * O + o] * x[b * I + i];
            dw[o * I + i] = sum;
        }
    }
    return XST_OK;
}

xst_status xst_ref_relu_backward(const xst_ref_call *call)
{
    const double *const dy = xst_ref_reals(call->in[0]), *const y = xst_ref_reals(call->in[1]);
    double *const dx = xst_ref_reals(call->out[0]);
    for (int64_t i = 0; i < call->out[0]->elements; i++)
        dx[i] = y[i] > 0.0 ? dy[i] : 0.0;
    return XST_OK;
}
