/* Gradual pruning: weights of small magnitude leave the active list. */
#include "backend/ref/call.h"

#include <math.h>
#include <stdlib.h>

static int compare_magnitudes(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return (isnan(x) != 0) - (isnan(y) != 0);
    return (x > y) - (x < y);
}

/* Entries above the threshold move up in order; what follows them is empty. */
static void release(const xst_ref_call *call, double threshold)
{
    uint32_t *const active = xst_ref_words(call->out[0]);
    double *const value = xst_ref_reals(call->out[1]), *const velocity = xst_ref_reals(call->out[2]);
    const uint32_t n = call->op->p.prune.geometry.columns;
    const int64_t a = call->out[0]->elements;
    int64_t to = 0;
    for (int64_t i = 0; i < a; i++) {
        if (active[i] == n || fabs(value[i]) <= threshold)
            continue;
        active[to] = active[i];
        value[to] = value[i];
        velocity[to++] = velocity[i];
    }
    for (; to < a; to++) {
        active[to] = n;
        value[to] = velocity[to] = 0.0;
    }
}

xst_status xst_ref_prune(const xst_ref_call *call)
{
    const uint32_t t = xst_ref_words(call->in[0])[0], every = call->op->p.prune.every;
    const size_t a = (size_t)call->out[0]->elements;
    const int64_t event = (int64_t)((t - 1) / every) - 1;
    if (event < 0 || event >= call->in[1]->elements || xst_ref_words(call->in[1])[event] > a)
        return xst_fail(call->err, XST_ERROR_INTERNAL, "prune: no quota for step %u: check the schedule", t);
    const uint32_t k = xst_ref_words(call->in[1])[event];
    void *memory = NULL;
    if (k == 0)
        return XST_OK;
    const xst_status status = xst_alloc(&memory, a, sizeof(double), "prune", call->err);
    if (status != XST_OK)
        return status;
    double *const magnitude = memory;
    for (size_t i = 0; i < a; i++)
        magnitude[i] = fabs(xst_ref_reals(call->out[1])[i]);
    qsort(magnitude, a, sizeof *magnitude, compare_magnitudes);
    release(call, magnitude[k - 1]);
    xst_free(memory);
    return XST_OK;
}
