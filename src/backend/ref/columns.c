/* The column mask: its gates, the weights it leaves, its gradient. */
#include "backend/ref/call.h"

#include "base/exact.h"

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* The gate is a hard decision, so it is taken as every backend takes it: in float for `logit`. */
static void gate_of(const xst_gates_params *p, double m_r, float z, double *gate, double *slope)
{
    const double logit = p->paper ? -log1p(exp(-m_r)) : m_r;
    const double x = (logit + (double)z) / (double)p->temperature;
    const bool on = p->paper ? logit + (double)z > 0.0 : (float)m_r + z > 0.0f;
    *gate = on ? 1.0 : 0.0;
    *slope = sigmoid(x) * sigmoid(-x) / (double)p->temperature * (p->paper ? sigmoid(-m_r) : 1.0);
}

xst_status xst_ref_gates(const xst_ref_call *call)
{
    const double *const m_r = xst_ref_reals(call->in[0]);
    const uint8_t *const preserved = xst_ref_bytes(call->in[1]);
    const uint32_t t = xst_ref_words(call->in[2])[0];
    double *const gate = xst_ref_reals(call->out[0]), *const slope = xst_ref_reals(call->out[1]);
    const xst_gates_params *const p = &call->op->p.gates;
    for (int64_t c = 0; c < call->in[0]->elements; c++) {
        uint32_t word[4];
        xst_random_block(word, p->key, (uint32_t)(c / 4), p->layer, t, p->stage);
        gate[c] = slope[c] = 0.0;
        if (preserved[c] && p->training && !p->identity) {
            gate_of(p, m_r[c], xst_exact_logistic(word[c % 4]), &gate[c], &slope[c]);
        } else if (preserved[c]) {
            gate[c] = m_r[c] > 0.0 ? 1.0 : 0.0;
            slope[c] = p->training ? 1.0 : 0.0;
        }
    }
    return XST_OK;
}

xst_status xst_ref_mask_count(const xst_ref_call *call)
{
    const double *const m_r = xst_ref_reals(call->in[0]);
    const uint8_t *const preserved = xst_ref_bytes(call->in[1]);
    uint32_t *const counts = xst_ref_words(call->out[0]);
    for (int64_t c = 0; c < call->in[0]->elements; c++) {
        counts[0] += preserved[c] && m_r[c] > 0.0;
        counts[1] += preserved[c] != 0;
    }
    return XST_OK;
}

xst_status xst_ref_effective(const xst_ref_call *call)
{
    const xst_geometry *const g = &call->op->p.columns.geometry;
    const double *const value = xst_ref_reals(call->in[3]);
    const uint32_t *const active = xst_ref_words(call->in[2]);
    double *const w_eff = xst_ref_reals(call->out[0]);
    for (uint32_t c = 0; c < g->columns; c++) {
        const bool on = call->in[1] && xst_ref_reals(call->in[1])[c] != 0.0;
        const int64_t start = xst_column_start(g, c);
        for (int64_t i = start; i < start + xst_column_length(g, c); i++)
            w_eff[i] = on ? xst_ref_reals(call->in[0])[i] * xst_ref_reals(call->in[1])[c] : 0.0;
    }
    for (int64_t k = 0; k < call->in[2]->elements && active[k] < g->columns; k++)
        for (int32_t i = 0; i < xst_column_length(g, active[k]); i++)
            w_eff[xst_column_start(g, active[k]) + i] += value[k * g->longest + i];
    return XST_OK;
}

xst_status xst_ref_mask_gradient(const xst_ref_call *call)
{
    const xst_geometry *const geometry = &call->op->p.columns.geometry;
    const double *const dw = xst_ref_reals(call->in[0]), *const frozen = xst_ref_reals(call->in[1]);
    const double *const slope = xst_ref_reals(call->in[2]);
    const uint8_t *const preserved = xst_ref_bytes(call->in[3]);
    double *const g = xst_ref_reals(call->out[0]);
    for (uint32_t c = 0; c < geometry->columns; c++) {
        const int64_t start = xst_column_start(geometry, c);
        double sum = 0.0;
        for (int64_t i = start; i < start + xst_column_length(geometry, c); i++)
            sum += dw[i] * frozen[i];
        g[c] = preserved[c] ? slope[c] * sum : 0.0;
    }
    return XST_OK;
}
