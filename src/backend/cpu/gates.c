#include "backend/cpu/gates.h"
#include "backend/cpu/fastmath.h"
#include "backend/cpu/layouts.h"

#include "base/exact.h"

#include <Random123/philox.h>

enum { QUADS = 16, COLUMNS = 4 * QUADS };

/* 16 Philox blocks side by side, the words of base/random.h: out[4q + j] = word j of block quad + q. */
XST_CPU_BODY void philox(uint32_t out[COLUMNS], uint32_t quad, const xst_gates_params *p, uint32_t t)
{
#pragma omp simd
    for (uint32_t q = 0; q < QUADS; q++) {
        uint32_t c0 = quad + q, c1 = p->layer, c2 = t, c3 = p->stage, k0 = p->key.seed, k1 = p->key.task_purpose;
        for (int round = 0; round < PHILOX4x32_DEFAULT_ROUNDS; round++) {
            const uint64_t a = (uint64_t)PHILOX_M4x32_0 * c0, b = (uint64_t)PHILOX_M4x32_1 * c2;
            c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
            c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
            c1 = (uint32_t)b;
            c3 = (uint32_t)a;
            k0 += PHILOX_W32_0;
            k1 += PHILOX_W32_1;
        }
        out[4 * q] = c0;
        out[4 * q + 1] = c1;
        out[4 * q + 2] = c2;
        out[4 * q + 3] = c3;
    }
}

/* gate and slope of 64 columns with gate `logit`. */
XST_CPU_BODY void draw_64_body(const xst_gates_params *p, uint32_t t, uint32_t first, const float *m_r,
                               const uint8_t *preserved, float *gate, float *slope)
{
    uint32_t word[COLUMNS];
    int32_t kept[COLUMNS]; /* masks, all ones or 0: a branch would keep the loop below from vectors */
    const float scale = 1.0f / p->temperature;
    philox(word, first / 4, p, t);
    for (int i = 0; i < COLUMNS; i++)
        kept[i] = -(int32_t)(preserved[i] != 0);
#pragma omp simd
    for (int i = 0; i < COLUMNS; i++) {
        const float sum = m_r[i] + xst_exact_logistic(word[i]);
        const float e = xst_cpu_exp_minus(sum * scale);
        const float s = e / ((1.0f + e) * (1.0f + e)) * scale;
        gate[i] = (float)(1 & kept[i] & -(int32_t)(sum > 0.0f));
        int32_t bits;
        memcpy(&bits, &s, sizeof bits);
        bits &= kept[i];
        memcpy(&slope[i], &bits, sizeof bits);
    }
}
XST_CPU_KERNEL(draw_64,
               (const xst_gates_params *p, uint32_t t, uint32_t first, const float *m_r, const uint8_t *preserved,
                float *gate, float *slope),
               (p, t, first, m_r, preserved, gate, slope))

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* The paper's Eq. (2), without haste: logit = log sigmoid(m_r). */
static void draw_paper(const xst_gates_params *p, uint32_t t, uint32_t first, uint32_t n, const float *m_r,
                       const uint8_t *preserved, float *gate, float *slope)
{
    uint32_t word[COLUMNS];
    xst_random_words(word, first, n, p->key, p->layer, t, p->stage);
    for (uint32_t i = 0; i < n; i++) {
        const float m = m_r[i], logit = fminf(m, 0.0f) - log1pf(expf(-fabsf(m)));
        const float sum = logit + xst_exact_logistic(word[i]);
        const float e = expf(-fabsf(sum / p->temperature));
        gate[i] = preserved[i] && sum > 0.0f ? 1.0f : 0.0f;
        slope[i] = preserved[i] ? e / ((1.0f + e) * (1.0f + e)) / p->temperature * sigmoid(-m) : 0.0f;
    }
}

static void draw_tail(xst_cpu_isa isa, const xst_gates_params *p, uint32_t t, uint32_t first, uint32_t n,
                      const float *m_r, const uint8_t *preserved, float *gate, float *slope)
{
    float m[COLUMNS] = {0}, g[COLUMNS], s[COLUMNS];
    uint8_t kept[COLUMNS] = {0};
    memcpy(m, m_r, n * sizeof *m);
    memcpy(kept, preserved, n);
    draw_64[isa](p, t, first, m, kept, g, s);
    memcpy(gate, g, n * sizeof *gate);
    memcpy(slope, s, n * sizeof *slope);
}

/* The mask as it is exported: no noise. slope_on: that of a preserved column. */
static void hard(uint32_t n, const float *m_r, const uint8_t *preserved, float slope_on, float *gate, float *slope)
{
    for (uint32_t i = 0; i < n; i++) {
        gate[i] = preserved[i] && m_r[i] > 0.0f ? 1.0f : 0.0f;
        slope[i] = preserved[i] ? slope_on : 0.0f;
    }
}

/* Up to 64 columns; all pointers are to the first of them. */
static void draw(const cpu_gates *v, uint32_t t, uint32_t first, uint32_t n, const float *m_r, const uint8_t *preserved,
                 float *gate, float *slope)
{
    if (!v->params.training || v->params.identity)
        hard(n, m_r, preserved, v->params.training ? 1.0f : 0.0f, gate, slope);
    else if (v->params.paper)
        draw_paper(&v->params, t, first, n, m_r, preserved, gate, slope);
    else if (n == COLUMNS)
        draw_64[v->isa](&v->params, t, first, m_r, preserved, gate, slope);
    else
        draw_tail(v->isa, &v->params, t, first, n, m_r, preserved, gate, slope);
}

void xst_cpu_gates_draw(const cpu_gates *v, int64_t first, int64_t n, float *gate)
{
    const float *const m_r = (const float *)v->m_r->data + first;
    const uint8_t *const preserved = (const uint8_t *)v->preserved->data + first;
    float *const slope = (float *)v->slope->data + first;
    const uint32_t t = *(const uint32_t *)v->t->data;
    for (int64_t i = 0; i < n; i += COLUMNS)
        draw(v, t, (uint32_t)(first + i), n - i < COLUMNS ? (uint32_t)(n - i) : COLUMNS, m_r + i, preserved + i,
             gate + i, slope + i);
}

cpu_gates xst_cpu_gates_of(cpu_compiler *c, const xst_op *op)
{
    return (cpu_gates){.params = op->p.gates,
                       .isa = c->session->backend->isa,
                       .m_r = xst_cpu_place(c, op->in[0]),
                       .preserved = xst_cpu_place(c, op->in[1]),
                       .t = xst_cpu_place(c, op->in[2]),
                       .slope = xst_cpu_place(c, op->out[1])};
}

int32_t xst_cpu_gates_for(const cpu_compiler *c, int32_t effective)
{
    const xst_tensor gate = c->program->op[effective].in[1];
    int32_t writer = -1;
    if (gate < 0 || xst_cpu_info(c, gate)->kind == XST_STATE)
        return -1;
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        for (int k = 0; k < xst_cpu_input_count(op->kind); k++)
            if (op->in[k] == gate && i != effective)
                return -1;
        if (op->kind == XST_OP_GATES && op->out[0] == gate)
            writer = i;
    }
    /* Next to each other, nothing between them can matter. */
    return writer == effective - 1 ? writer : -1;
}

/* GATES by itself. */
typedef struct gates {
    cpu_gates gates;
    int64_t n;
    const cpu_place *gate;
} gates;

static xst_status gates_run(void *self, xst_error *err)
{
    (void)err;
    const gates *const v = self;
    const int64_t chunk = 4096;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < v->n; i += chunk)
        xst_cpu_gates_draw(&v->gates, i, v->n - i < chunk ? v->n - i : chunk, (float *)v->gate->data + i);
    return XST_OK;
}

xst_status xst_cpu_gates(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    const int32_t next = c->op + 1;
    if (next < c->program->count && c->program->op[next].kind == XST_OP_EFFECTIVE &&
        xst_cpu_gates_for(c, next) == c->op)
        return XST_OK;
    const xst_status status = xst_cpu_step(c, sizeof(gates), gates_run, NULL, &self, err);
    if (status == XST_OK)
        *(gates *)self = (gates){.gates = xst_cpu_gates_of(c, op),
                                 .n = xst_tensor_elements(xst_cpu_info(c, op->in[0])),
                                 .gate = xst_cpu_place(c, op->out[0])};
    return status;
}

typedef struct mask_count {
    int64_t n;
    const cpu_place *m_r, *preserved, *counts;
} mask_count;

static xst_status mask_count_run(void *self, xst_error *err)
{
    (void)err;
    const mask_count *const v = self;
    const float *const m_r = v->m_r->data;
    const uint8_t *const preserved = v->preserved->data;
    uint32_t *const counts = v->counts->data;
    uint32_t on = 0, all = 0;
#pragma omp parallel for simd schedule(static) reduction(+ : on, all)
    for (int64_t c = 0; c < v->n; c++) {
        const uint32_t there = preserved[c] != 0;
        on += there & (m_r[c] > 0.0f);
        all += there;
    }
    counts[0] += on;
    counts[1] += all;
    return XST_OK;
}

xst_status xst_cpu_mask_count(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    const xst_status status = xst_cpu_step(c, sizeof(mask_count), mask_count_run, NULL, &self, err);
    if (status == XST_OK)
        *(mask_count *)self = (mask_count){.n = xst_tensor_elements(xst_cpu_info(c, op->in[0])),
                                           .m_r = xst_cpu_place(c, op->in[0]),
                                           .preserved = xst_cpu_place(c, op->in[1]),
                                           .counts = xst_cpu_place(c, op->out[0])};
    return status;
}
