#include "backend/cpu/effective.h"

#include "backend/cpu/columns.h"
#include "base/memory.h"

#include <omp.h>
#include <string.h>

struct cpu_effective_cache {
    cpu_effective_cache *next;
    xst_tensor frozen, active_tensor; /* what it is made from; frozen -1: none */
    const xst_executable *user;       /* the last program that took it, and for which tensor */
    xst_tensor w_eff;
    cpu_layout layout;
    float *weights; /* NULL: w_eff is STATE, in its own memory, and nothing is remembered of it */
    uint8_t *on;    /* whether a column holds its frozen weights; in tiles [unit][group][16], else by column */
    uint32_t *active, actives;
    size_t active_capacity;
    uint64_t version; /* of the frozen weights it was made from */
    bool stale;       /* they have changed since */
};

typedef struct effective {
    cpu_effective_cache *cache;
    cpu_columns to, from;                            /* w_eff, frozen */
    const cpu_place *frozen, *gate, *active, *value; /* frozen, gate: NULL if there are none */
    uint32_t actives;
    const cpu_place *w_eff;
    const uint64_t *version; /* of the frozen weights as they are; NULL if there are none */
    xst_cpu_isa isa;
} effective;

static void cache_free(cpu_effective_cache *e)
{
    if (!e)
        return;
    xst_free(e->weights);
    xst_free(e->on);
    xst_free(e->active);
    xst_free(e);
}

void xst_cpu_caches_free(xst_session *session)
{
    while (session->caches) {
        cpu_effective_cache *const e = session->caches;
        session->caches = e->next;
        cache_free(e);
    }
}

/* One filter in which each column is contiguous, or any other arrangement: column by column. */
static void write_filter(const effective *e, int64_t o, const float *gate, const float *frozen)
{
    const int64_t groups = e->to.geometry.groups, first = o * groups;
    uint8_t *const on = e->cache->on;
    const bool all = e->cache->stale;
    for (int64_t c = first; c < first + groups; c++) {
        const uint8_t now = gate[c] != 0.0f;
        if (now == on[c] && !all)
            continue;
        on[c] = now;
        float *const to = (float *)e->w_eff->data + e->to.filter[o];
        const float *const from = frozen + e->from.filter[o];
        const int64_t r = (c - first) * e->to.step, end = r + xst_column_length(&e->to.geometry, (uint32_t)c);
        for (int64_t k = r; k < end; k++)
            to[e->to.weight[k]] = now ? from[e->from.weight[k]] : 0.0f;
    }
}

/* Tiles of 16 filters, both sides in the same layout. A tile is rewritten whole if any of its 16 gates changed. */
XST_CPU_BODY void write_tiles_body(const effective *e, int64_t unit, const float *gate, const float *frozen)
{
    const cpu_columns *const c = &e->to;
    const int64_t groups = c->geometry.groups,
                  lanes = c->geometry.out - unit * 16 < 16 ? c->geometry.out - unit * 16 : 16;
    float *const to = (float *)e->w_eff->data + c->filter[unit * 16];
    const float *const from = frozen + c->filter[unit * 16];
    const bool all = e->cache->stale;
    for (int64_t g = 0; g < groups; g++) {
        uint8_t *const on = e->cache->on + (unit * groups + g) * 16;
        uint8_t now[16] = {0};
        for (int64_t l = 0; l < lanes; l++)
            now[l] = gate[(unit * 16 + l) * groups + g] != 0.0f;
        if (memcmp(now, on, sizeof now) == 0 && !all)
            continue;
        memcpy(on, now, sizeof now);
        cpu_i16 keep;
        for (int l = 0; l < 16; l++)
            keep[l] = now[l] ? -1 : 0;
        const int64_t r = g * c->step, end = r + xst_column_length(&c->geometry, (uint32_t)g);
        for (int64_t k = r; k < end; k++) {
            const cpu_i16 bits = *(const cpu_i16 *)(const void *)(from + c->weight[k]);
            *(cpu_i16 *)(void *)(to + c->weight[k]) = bits & keep;
        }
    }
}
XST_CPU_KERNEL(write_tiles, (const effective *e, int64_t unit, const float *gate, const float *frozen),
               (e, unit, gate, frozen))

/* Zeros the columns of old[0..n) that are not in now[0..m); both ascending. */
static void clear_dropped(const effective *e, const uint32_t *old, uint32_t n, const uint32_t *now, uint32_t m)
{
    for (uint32_t i = 0, j = 0; i < n; i++) {
        while (j < m && now[j] < old[i])
            j++;
        if (j == m || now[j] != old[i])
            xst_cpu_column_put(&e->to, old[i], e->w_eff->data, NULL);
    }
}

static void write_unit(const effective *e, int64_t unit)
{
    const int64_t filters = xst_cpu_unit_filters(&e->to), o = unit * filters;
    cpu_effective_cache *const cache = e->cache;
    const uint32_t *const active = e->active->data;
    const float *const value = e->value->data;
    const uint32_t a = xst_cpu_active_below(&e->to, active, e->actives, o),
                   b = xst_cpu_active_below(&e->to, active, e->actives, o + filters),
                   c = xst_cpu_active_below(&e->to, cache->active, cache->actives, o),
                   d = xst_cpu_active_below(&e->to, cache->active, cache->actives, o + filters);
    clear_dropped(e, cache->active + c, d - c, active + a, b - a);
    if (e->gate && filters == 16)
        write_tiles[e->isa](e, unit, e->gate->data, e->frozen->data);
    else if (e->gate)
        write_filter(e, o, e->gate->data, e->frozen->data);
    for (uint32_t i = a; i < b; i++)
        xst_cpu_column_put(&e->to, active[i], e->w_eff->data, value + (int64_t)i * e->to.geometry.longest);
}

static xst_status effective_run(void *self, xst_error *err)
{
    (void)err;
    const effective *const e = self;
    cpu_effective_cache *const cache = e->cache;
    const int64_t units = xst_cpu_units(&e->to);
    cache->stale = !cache->weights || (e->version && *e->version != cache->version);
    if (!cache->weights)
        memset(e->w_eff->data, 0, e->w_eff->layout.bytes);
#pragma omp parallel for schedule(static)
    for (int64_t unit = 0; unit < units; unit++)
        write_unit(e, unit);
    if (e->actives > 0)
        memcpy(cache->active, e->active->data, e->actives * sizeof *cache->active);
    cache->actives = e->actives;
    cache->version = e->version ? *e->version : 0;
    return XST_OK;
}

static void effective_release(void *self)
{
    effective *const e = self;
    xst_cpu_columns_free(&e->to);
    xst_cpu_columns_free(&e->from);
}

static bool cache_fits(const cpu_effective_cache *e, const cpu_compiler *c, const cpu_effective_cache *wanted)
{
    const bool taken = e->user == c->exe && e->w_eff != wanted->w_eff;
    return !taken && e->frozen == wanted->frozen && e->active_tensor == wanted->active_tensor && e->weights &&
           xst_cpu_layout_same(&e->layout, &wanted->layout);
}

/* Finds the cache made from the same tensors in the same layout (programs of other batch sizes share it), or makes it.
 * Effective weights that are STATE have their own memory, so their cache is their own too. */
static xst_status cache_get(cpu_compiler *c, const cpu_effective_cache *wanted, const xst_geometry *g, bool temp,
                            cpu_effective_cache **out, xst_error *err)
{
    xst_session *const session = c->session;
    void *p = NULL;
    for (*out = temp ? session->caches : NULL; *out; *out = (*out)->next)
        if (cache_fits(*out, c, wanted)) {
            (*out)->user = c->exe;
            (*out)->w_eff = wanted->w_eff;
            return XST_OK;
        }
    xst_status status = xst_alloc(&p, 1, sizeof **out, "effective weights", err);
    if (status != XST_OK)
        return status;
    cpu_effective_cache *const e = p;
    *e = *wanted;
    e->user = c->exe;
    if (temp) {
        status = xst_cpu_memory_alloc(session, &p, wanted->layout.bytes, "effective weights", err);
        e->weights = status == XST_OK ? p : NULL;
    }
    if (status == XST_OK && wanted->frozen >= 0) {
        const size_t padded = ((size_t)g->out + 15) / 16 * 16 * (size_t)g->groups;
        status = xst_cpu_memory_alloc(session, &p, padded, "effective gates", err);
        e->on = p;
    }
    if (status != XST_OK) {
        cache_free(e);
        return status;
    }
    e->next = session->caches;
    session->caches = e;
    *out = e;
    return XST_OK;
}

static xst_status add_variant(cpu_compiler *c, const xst_op *op, int32_t v, xst_error *err)
{
    const bool gated = op->in[0] >= 0 && op->in[1] >= 0;
    const xst_tensor w_eff = op->out[0];
    const xst_geometry *const g = &op->p.columns.geometry;
    void *self;
    xst_status status = xst_cpu_step(c, sizeof(effective), effective_run, effective_release, &self, err);
    if (status != XST_OK)
        return status;
    effective *const e = self;
    cpu_place *const place = c->use[w_eff].place[v];
    e->isa = c->session->backend->isa;
    e->actives = (uint32_t)xst_cpu_info(c, op->in[2])->dim[0];
    e->active = xst_cpu_place(c, op->in[2]);
    e->value = xst_cpu_place(c, op->in[3]);
    const bool temp = xst_cpu_info(c, w_eff)->kind == XST_TEMP;
    const cpu_effective_cache wanted = {
        .frozen = gated ? op->in[0] : -1, .active_tensor = op->in[2], .w_eff = w_eff, .layout = place->layout};
    status = cache_get(c, &wanted, g, temp, &e->cache, err);
    if (status != XST_OK)
        return status;
    if (temp) {
        place->in_arena = false;
        place->data = e->cache->weights;
    }
    e->w_eff = place;
    void *list = e->cache->active;
    status = xst_grow(&list, &e->cache->active_capacity, (size_t)e->actives + 1, sizeof *e->cache->active,
                      "active columns", err);
    e->cache->active = list;
    if (status == XST_OK)
        status = xst_cpu_columns_create(&e->to, g, &place->layout, err);
    if (status != XST_OK || !gated)
        return status;
    e->version = &c->session->state[op->in[0]].version;
    e->frozen = xst_cpu_place(c, op->in[0]);
    e->gate = xst_cpu_place(c, op->in[1]);
    status = xst_cpu_columns_create(&e->from, g, &e->frozen->layout, err);
    /* The fast path needs one layout on both sides. */
    if (status == XST_OK && !xst_cpu_layout_same(&e->frozen->layout, &place->layout))
        e->to.arrangement = CPU_ANY;
    return status;
}

xst_status xst_cpu_effective(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    xst_status status = XST_OK;
    (void)xst_cpu_place(c, op->out[0]);
    for (int32_t v = 0; v < c->use[op->out[0]].variants && status == XST_OK; v++)
        status = add_variant(c, op, v, err);
    return status;
}
