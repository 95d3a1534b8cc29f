/* Drop and grow (ops.h, DROP_GROW): rare, so simple. Scores become 64-bit keys (order of the score, then the index) and
 * the k smallest keys are selected; a NaN has the last key. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/keys.h"

#include <string.h>

enum { PRESERVED = 1, ACTIVE = 2, DROPPED = 4, GROWN = 8 };

typedef struct drop_grow {
    xst_drop_grow_params params;
    xst_geometry geometry;
    uint32_t actives, events;
    const cpu_place *preserved, *t, *quota, *active, *value, *velocity;
    const cpu_place *score, *flags, *keys, *rows;
} drop_grow;

/* Marks the k active columns of smallest mean square as dropped. */
static void drop(const drop_grow *d, uint32_t k)
{
    const uint32_t *const active = d->active->data;
    const float *const value = d->value->data;
    uint8_t *const flags = d->flags->data;
    uint64_t *const keys = d->keys->data;
    const int64_t longest = d->geometry.longest;
#pragma omp parallel for schedule(static)
    for (uint32_t i = 0; i < d->actives; i++) {
        const int32_t length = xst_column_length(&d->geometry, active[i]);
        float sum = 0.0f;
        for (int32_t r = 0; r < length; r++)
            sum += value[i * longest + r] * value[i * longest + r];
        keys[i] = (uint64_t)xst_cpu_key_order(sum / (float)length) << 32 | active[i];
    }
    xst_cpu_select_smallest(keys, d->actives, k);
    for (uint32_t i = 0; i < k; i++)
        flags[(uint32_t)keys[i]] |= DROPPED;
}

/* Marks the k candidates of largest gradient as grown. */
static void grow(const drop_grow *d, uint32_t k)
{
    uint8_t *const flags = d->flags->data;
    uint64_t *const keys = d->keys->data;
    const float *const score = d->score->data;
    int64_t candidates = 0;
    for (uint32_t i = 0; i < d->geometry.columns; i++) {
        const bool held = (flags[i] & PRESERVED) || ((flags[i] & ACTIVE) && !(flags[i] & DROPPED));
        const uint32_t order = xst_cpu_key_order(score[i]);
        if (!held)
            keys[candidates++] = (uint64_t)(order == UINT32_MAX ? order : ~order - 1) << 32 | i;
    }
    xst_cpu_select_smallest(keys, candidates, k);
    for (uint32_t i = 0; i < k && i < candidates; i++)
        flags[(uint32_t)keys[i]] |= GROWN;
}

/* Moves the rows of one compact tensor to the new list of active columns: old rows follow, others are 0. */
static void move_rows(const drop_grow *d, float *rows)
{
    const uint8_t *const flags = d->flags->data;
    const size_t longest = (size_t)d->geometry.longest;
    float *const fresh = d->rows->data;
    size_t from = 0, to = 0;
    for (uint32_t c = 0; c < d->geometry.columns; c++) {
        const bool was = flags[c] & ACTIVE, dropped = flags[c] & DROPPED, grown = flags[c] & GROWN;
        if (grown || (was && !dropped)) {
            if (was && (!dropped || !d->params.reset))
                memcpy(fresh + to * longest, rows + from * longest, longest * sizeof *rows);
            else
                memset(fresh + to * longest, 0, longest * sizeof *rows);
            to++;
        }
        from += was;
    }
    memcpy(rows, fresh, to * longest * sizeof *rows);
}

static xst_status drop_grow_run(void *self, xst_error *err)
{
    (void)err;
    const drop_grow *const d = self;
    const uint32_t event = *(const uint32_t *)d->t->data / d->params.update_every;
    if (event == 0 || event > d->events)
        return XST_OK;
    const uint32_t wanted = ((const uint32_t *)d->quota->data)[event - 1];
    const uint32_t k = wanted < d->actives ? wanted : d->actives;
    if (k == 0)
        return XST_OK;
    const uint8_t *const preserved = d->preserved->data;
    uint8_t *const flags = d->flags->data;
    uint32_t *const active = d->active->data;
    for (uint32_t c = 0; c < d->geometry.columns; c++)
        flags[c] = preserved[c] ? PRESERVED : 0;
    for (uint32_t i = 0; i < d->actives; i++)
        flags[active[i]] |= ACTIVE;
    drop(d, k);
    grow(d, k);
    move_rows(d, d->value->data);
    move_rows(d, d->velocity->data);
    for (uint32_t c = 0, to = 0; c < d->geometry.columns; c++)
        if ((flags[c] & GROWN) || (flags[c] & (ACTIVE | DROPPED)) == ACTIVE)
            active[to++] = c;
    return XST_OK;
}

xst_status xst_cpu_drop_grow(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    const xst_geometry *const g = &op->p.drop_grow.geometry;
    const size_t columns = g->columns;
    cpu_place *flags = NULL, *keys = NULL, *rows = NULL;
    /* The scores come from the pass over dw: an earlier one, or one of their own. */
    xst_status status = c->score[c->op] ? XST_OK : xst_cpu_gradient(c, op, err);
    if (status == XST_OK) {
        xst_cpu_touch(c, c->score[c->op]);
        status = xst_cpu_step(c, sizeof(drop_grow), drop_grow_run, NULL, &self, err);
    }
    if (status == XST_OK)
        status = xst_cpu_scratch(c, columns, &flags, err);
    if (status == XST_OK)
        status = xst_cpu_scratch(c, columns * sizeof(uint64_t), &keys, err);
    if (status == XST_OK)
        status = xst_cpu_scratch(c, xst_tensor_bytes(xst_cpu_info(c, op->out[1])), &rows, err);
    if (status != XST_OK)
        return status;
    drop_grow *const d = self;
    *d = (drop_grow){.params = op->p.drop_grow,
                     .geometry = *g,
                     .actives = (uint32_t)xst_cpu_info(c, op->out[0])->dim[0],
                     .events = (uint32_t)xst_tensor_elements(xst_cpu_info(c, op->in[3])),
                     .preserved = xst_cpu_place(c, op->in[1]),
                     .t = xst_cpu_place(c, op->in[2]),
                     .quota = xst_cpu_place(c, op->in[3]),
                     .active = xst_cpu_place(c, op->out[0]),
                     .value = xst_cpu_place(c, op->out[1]),
                     .velocity = xst_cpu_place(c, op->out[2]),
                     .score = c->score[c->op],
                     .flags = flags,
                     .keys = keys,
                     .rows = rows};
    return XST_OK;
}
