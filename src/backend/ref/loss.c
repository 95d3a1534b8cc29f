/* Softmax cross entropy, while training and over an evaluation split. */
#include "backend/ref/call.h"

#include <math.h>

/* log of the sum of exp(row[k]), safe for large logits. */
static double log_sum_exp(const double *row, int64_t K)
{
    double most = row[0], sum = 0.0;
    for (int64_t k = 1; k < K; k++)
        most = row[k] > most ? row[k] : most;
    for (int64_t k = 0; k < K; k++)
        sum += exp(row[k] - most);
    return most + log(sum);
}

static void add_row(const double *row, int64_t K, uint32_t y, double metrics[2])
{
    int64_t argmax = 0;
    for (int64_t k = 1; k < K; k++)
        if (row[k] > row[argmax])
            argmax = k;
    metrics[0] += log_sum_exp(row, K) - row[y];
    metrics[1] += argmax == y ? 1.0 : 0.0;
}

xst_status xst_ref_loss(const xst_ref_call *call)
{
    const double *const logits = xst_ref_reals(call->in[0]);
    const uint32_t *const y = xst_ref_words(call->in[1]);
    double *const dlogits = xst_ref_reals(call->out[0]), *const metrics = xst_ref_reals(call->out[1]);
    const int64_t B = call->in[0]->info.dim[0], K = call->in[0]->info.dim[1];
    for (int64_t b = 0; b < B; b++) {
        const double *const row = &logits[b * K];
        const double log_sum = log_sum_exp(row, K);
        for (int64_t k = 0; k < K; k++)
            dlogits[b * K + k] = (exp(row[k] - log_sum) - (k == y[b] ? 1.0 : 0.0)) / (double)B;
        add_row(row, K, y[b], metrics);
    }
    return XST_OK;
}

xst_status xst_ref_eval_loss(const xst_ref_call *call)
{
    const double *const logits = xst_ref_reals(call->in[0]);
    const uint32_t *const y = xst_ref_words(call->in[1]);
    double *const all = xst_ref_reals(call->out[0]), *const metrics = xst_ref_reals(call->out[1]);
    const int64_t B = call->in[0]->info.dim[0], K = call->in[0]->info.dim[1], N = call->out[0]->info.dim[0];
    const int64_t first = xst_ref_words(call->in[2])[0] * B;
    for (int64_t b = 0; b < B && first + b < N; b++) {
        for (int64_t k = 0; k < K; k++)
            all[(first + b) * K + k] = logits[b * K + k];
        add_row(&logits[b * K], K, y[b], metrics);
    }
    return XST_OK;
}
