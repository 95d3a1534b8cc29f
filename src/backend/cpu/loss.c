#include "backend/cpu/cpu.h"

#include <math.h>

typedef struct loss {
    int64_t rows, classes;
    const cpu_place *logits, *y, *metrics;
    const cpu_place *dlogits;      /* LOSS */
    const cpu_place *cursor, *all; /* EVAL_LOSS */
    int64_t images;
} loss;

/* Adds row x to the metrics and, where d is not NULL, writes its gradient. */
static void one_row(const loss *v, const float *x, uint32_t y, float *d)
{
    double *const metrics = v->metrics->data;
    int64_t best = 0;
    double sum = 0.0;
    for (int64_t k = 1; k < v->classes; k++)
        if (x[k] > x[best])
            best = k;
    for (int64_t k = 0; k < v->classes; k++)
        sum += exp((double)x[k] - x[best]);
    metrics[0] += log(sum) - ((double)x[y] - x[best]);
    metrics[1] += best == y;
    for (int64_t k = 0; d && k < v->classes; k++)
        d[k] = (float)((exp((double)x[k] - x[best]) / sum - (k == y)) / (double)v->rows);
}

static xst_status loss_run(void *self, xst_error *err)
{
    (void)err;
    const loss *const v = self;
    const float *const logits = v->logits->data;
    const uint32_t *const y = v->y->data;
    const int64_t first = v->all ? *(const uint32_t *)v->cursor->data * v->rows : 0;
    for (int64_t b = 0; b < v->rows && (!v->all || first + b < v->images); b++) {
        const float *const x = logits + b * v->classes;
        one_row(v, x, y[b], v->dlogits ? (float *)v->dlogits->data + b * v->classes : NULL);
        for (int64_t k = 0; v->all && k < v->classes; k++)
            ((float *)v->all->data)[(first + b) * v->classes + k] = x[k];
    }
    return XST_OK;
}

xst_status xst_cpu_loss(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *logits = NULL;
    xst_status status = xst_cpu_read_plain(c, op->in[0], &logits, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(loss), loss_run, NULL, &self, err);
    if (status != XST_OK)
        return status;
    loss *const v = self;
    *v = (loss){.rows = xst_cpu_info(c, op->in[0])->dim[0],
                .classes = xst_cpu_info(c, op->in[0])->dim[1],
                .logits = logits,
                .y = xst_cpu_place(c, op->in[1]),
                .metrics = xst_cpu_place(c, op->out[1])};
    if (op->kind == XST_OP_LOSS) {
        v->dlogits = xst_cpu_place(c, op->out[0]);
    } else {
        v->cursor = xst_cpu_place(c, op->in[2]);
        v->all = xst_cpu_place(c, op->out[0]);
        v->images = xst_cpu_info(c, op->out[0])->dim[0];
    }
    return XST_OK;
}
