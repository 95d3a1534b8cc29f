/* Gradual pruning (ops.h, PRUNE): rare, so simple. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/keys.h"

#include <math.h>
#include <string.h>

typedef struct prune {
    xst_prune_params params;
    uint32_t actives, events;
    const cpu_place *t, *quota, *active, *value, *velocity, *keys;
} prune;

/* Entries above the threshold move up in order; what follows them is empty. */
static void release(const prune *p, float threshold)
{
    uint32_t *const active = p->active->data, to = 0;
    float *const value = p->value->data, *const velocity = p->velocity->data;
    for (uint32_t i = 0; i < p->actives; i++) {
        if (active[i] == p->params.geometry.columns || fabsf(value[i]) <= threshold)
            continue;
        active[to] = active[i];
        value[to] = value[i];
        velocity[to++] = velocity[i];
    }
    for (; to < p->actives; to++) {
        active[to] = p->params.geometry.columns;
        value[to] = velocity[to] = 0.0f;
    }
}

static xst_status prune_run(void *self, xst_error *err)
{
    (void)err;
    const prune *const p = self;
    const uint32_t event = (*(const uint32_t *)p->t->data - 1) / p->params.every;
    if (event == 0 || event > p->events)
        return XST_OK;
    const uint32_t wanted = ((const uint32_t *)p->quota->data)[event - 1];
    const uint32_t k = wanted < p->actives ? wanted : p->actives;
    const float *const value = p->value->data;
    uint64_t *const keys = p->keys->data;
    if (k == 0)
        return XST_OK;
#pragma omp parallel for schedule(static)
    for (uint32_t i = 0; i < p->actives; i++)
        keys[i] = (uint64_t)xst_cpu_key_order(fabsf(value[i])) << 32 | i;
    xst_cpu_select_smallest(keys, p->actives, k);
    uint64_t last = 0;
    for (uint32_t i = 0; i < k; i++)
        last = keys[i] > last ? keys[i] : last;
    release(p, fabsf(value[(uint32_t)last]));
    return XST_OK;
}

xst_status xst_cpu_prune(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *keys = NULL;
    const uint32_t actives = (uint32_t)xst_cpu_info(c, op->out[0])->dim[0];
    xst_status status = xst_cpu_step(c, sizeof(prune), prune_run, NULL, &self, err);
    if (status == XST_OK)
        status = xst_cpu_scratch(c, (size_t)actives * sizeof(uint64_t), &keys, err);
    if (status == XST_OK)
        *(prune *)self = (prune){.params = op->p.prune,
                                 .actives = actives,
                                 .events = (uint32_t)xst_tensor_elements(xst_cpu_info(c, op->in[1])),
                                 .t = xst_cpu_place(c, op->in[0]),
                                 .quota = xst_cpu_place(c, op->in[1]),
                                 .active = xst_cpu_place(c, op->out[0]),
                                 .value = xst_cpu_place(c, op->out[1]),
                                 .velocity = xst_cpu_place(c, op->out[2]),
                                 .keys = keys};
    return status;
}
