/* Drop and grow: the weakest active columns make way for the free ones of largest gradient. */
#include "backend/ref/call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Something to choose by its score, the smallest first. */
typedef struct scored {
    float score;
    uint32_t index;
} scored;

static int compare_scored(const void *a, const void *b)
{
    const scored *const x = a, *const y = b;
    if (isnan(x->score) != isnan(y->score))
        return isnan(x->score) ? 1 : -1;
    if (x->score < y->score || x->score > y->score)
        return x->score < y->score ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

typedef struct work {
    scored *list;             /* [n] being sorted */
    int64_t *home;            /* [n] row of value and velocity that the column had, or -1 */
    uint8_t *active;          /* [n] after drop, then after grow */
    double *value, *velocity; /* [a,L] as they were */
} work;

static void work_free(work *w)
{
    xst_free(w->list);
    xst_free(w->home);
    xst_free(w->active);
    xst_free(w->value);
    xst_free(w->velocity);
}

static xst_status work_make(work *w, size_t n, size_t values, xst_error *err)
{
    const struct {
        void **at;
        size_t count, size;
    } parts[] = {{(void **)&w->list, n, sizeof *w->list},
                 {(void **)&w->home, n, sizeof *w->home},
                 {(void **)&w->active, n, sizeof *w->active},
                 {(void **)&w->value, values, sizeof *w->value},
                 {(void **)&w->velocity, values, sizeof *w->velocity}};
    xst_status status = XST_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == XST_OK; i++)
        status = xst_alloc(parts[i].at, parts[i].count, parts[i].size, "drop_grow", err);
    return status;
}

static double sum_of_squares(const double *v, int32_t n)
{
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sum;
}

/* Takes the k active columns of smallest mean square out of w->active. */
static void drop(const xst_ref_call *call, work *w, uint32_t k)
{
    const xst_geometry *const g = &call->op->p.drop_grow.geometry;
    const uint32_t *const active = xst_ref_words(call->out[0]);
    const uint32_t a = (uint32_t)call->out[0]->elements;
    for (uint32_t i = 0; i < a; i++) {
        const int32_t length = xst_column_length(g, active[i]);
        w->list[i] = (scored){(float)(sum_of_squares(&w->value[(int64_t)i * g->longest], length) / length), active[i]};
    }
    qsort(w->list, a, sizeof *w->list, compare_scored);
    for (uint32_t i = 0; i < k; i++)
        w->active[w->list[i].index] = 0;
}

/* Adds the k columns of largest gradient, neither preserved nor active, to w->active. */
static void grow(const xst_ref_call *call, work *w, uint32_t k)
{
    const xst_geometry *const g = &call->op->p.drop_grow.geometry;
    const double *const dw = xst_ref_reals(call->in[0]);
    uint32_t candidates = 0;
    for (uint32_t c = 0; c < g->columns; c++)
        if (!xst_ref_bytes(call->in[1])[c] && !w->active[c])
            w->list[candidates++] =
                (scored){-(float)sum_of_squares(&dw[xst_column_start(g, c)], xst_column_length(g, c)), c};
    qsort(w->list, candidates, sizeof *w->list, compare_scored);
    for (uint32_t i = 0; i < k && i < candidates; i++)
        w->active[w->list[i].index] = 1;
}

/* Writes active in ascending order, and each column's weights and velocity beside it. */
static void settle(const xst_ref_call *call, const work *w)
{
    const int64_t L = call->op->p.drop_grow.geometry.longest;
    const size_t row = (size_t)L * sizeof(double);
    int64_t i = 0;
    for (uint32_t c = 0; c < call->op->p.drop_grow.geometry.columns; c++) {
        if (!w->active[c])
            continue;
        double *const value = &xst_ref_reals(call->out[1])[i * L], *const velocity =
                                                                       &xst_ref_reals(call->out[2])[i * L];
        xst_ref_words(call->out[0])[i++] = c;
        if (w->home[c] >= 0) {
            memcpy(value, &w->value[w->home[c] * L], row);
            memcpy(velocity, &w->velocity[w->home[c] * L], row);
        } else {
            memset(value, 0, row);
            memset(velocity, 0, row);
        }
    }
}

static void exchange(const xst_ref_call *call, work *w, uint32_t k)
{
    const uint32_t *const active = xst_ref_words(call->out[0]);
    const xst_drop_grow_params *const p = &call->op->p.drop_grow;
    const size_t values = (size_t)call->out[1]->elements * sizeof(double);
    memcpy(w->value, call->out[1]->data, values);
    memcpy(w->velocity, call->out[2]->data, values);
    for (uint32_t c = 0; c < p->geometry.columns; c++)
        w->home[c] = -1;
    for (int64_t i = 0; i < call->out[0]->elements; i++) {
        w->home[active[i]] = i;
        w->active[active[i]] = 1;
    }
    drop(call, w, k);
    for (uint32_t c = 0; c < p->geometry.columns; c++)
        if (p->reset && !w->active[c])
            w->home[c] = -1;
    grow(call, w, k);
    settle(call, w);
}

xst_status xst_ref_drop_grow(const xst_ref_call *call)
{
    const xst_drop_grow_params *const p = &call->op->p.drop_grow;
    const uint32_t t = xst_ref_words(call->in[2])[0], a = (uint32_t)call->out[0]->elements;
    const int64_t event = (int64_t)(t / p->update_every) - 1;
    if (event < 0 || event >= call->in[3]->elements || xst_ref_words(call->in[3])[event] > a)
        return xst_fail(call->err, XST_ERROR_INTERNAL, "drop_grow: no quota for step %u: check the schedule", t);
    work w = {0};
    const xst_status status = work_make(&w, p->geometry.columns, (size_t)call->out[1]->elements, call->err);
    if (status == XST_OK)
        exchange(call, &w, xst_ref_words(call->in[3])[event]);
    work_free(&w);
    return status;
}
