#include "backend/cpu/effective.h"

#include "backend/cpu/columns.h"
#include "backend/cpu/gates.h"
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
    uint8_t *on;    /* whether a column holds its frozen weights; in tiles [job][group][16], else by column */
    uint32_t *active, actives;
    size_t active_capacity;
    uint64_t version; /* of the frozen weights it was made from */
    bool stale;       /* they have changed since */
};

/* One layout in which w_eff is made. */
typedef struct variant {
    cpu_effective_cache *cache;
    cpu_columns to, from; /* w_eff, frozen */
    const cpu_place *w_eff;
} variant;

typedef struct effective {
    variant variant[CPU_VARIANTS];
    int32_t variants;
    const cpu_place *frozen, *active, *value; /* frozen: NULL if there are no gates */
    const cpu_place *gate;                    /* of all columns, or (drawn here) of a job, per thread */
    bool draws;
    cpu_gates gates;
    const uint64_t *version; /* of the frozen weights as they are; NULL if there are none, or they are not STATE */
    uint32_t actives;
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

/* Whether any of n gates differs from what is there. */
XST_CPU_BODY bool differ(const float *gate, const uint8_t *on, int64_t n)
{
    int changed = 0;
#pragma omp simd reduction(| : changed)
    for (int64_t i = 0; i < n; i++)
        changed |= (gate[i] != 0.0f) ^ on[i];
    return changed != 0;
}

static void write_column(const variant *v, int64_t c, uint8_t now, const float *frozen)
{
    const int64_t groups = v->to.geometry.groups, o = c / groups, r = c % groups * v->to.step;
    const int64_t *const to_at = v->to.weight + r, *const from_at = v->from.weight + r;
    const int32_t length = xst_column_length(&v->to.geometry, (uint32_t)c);
    float *const to = (float *)v->w_eff->data + v->to.filter[o];
    const float *const from = frozen + v->from.filter[o];
    v->cache->on[c] = now;
    for (int32_t k = 0; k < length; k++)
        to[to_at[k]] = now ? from[from_at[k]] : 0.0f;
}

/* Column by column, in any arrangement; gate is that of the job's first column. */
XST_CPU_BODY void write_columns_body(const variant *v, const cpu_job *job, const float *gate, const float *frozen)
{
    const uint8_t *const on = v->cache->on + job->column;
    const bool all = v->cache->stale;
    for (int64_t i = 0; i < job->columns; i += 64) {
        const int64_t n = job->columns - i < 64 ? job->columns - i : 64;
        if (!all && !differ(gate + i, on + i, n))
            continue;
        for (int64_t k = i; k < i + n; k++) {
            const uint8_t now = gate[k] != 0.0f;
            if (now != on[k] || all)
                write_column(v, job->column + k, now, frozen);
        }
    }
}
XST_CPU_KERNEL(write_columns, (const variant *v, const cpu_job *job, const float *gate, const float *frozen),
               (v, job, gate, frozen))

/* A tile of 16 filters, both sides in the same layout. A group is rewritten whole if any of its 16 gates changed. */
XST_CPU_BODY void write_tile_body(const variant *v, const cpu_job *job, const float *gate, const float *frozen)
{
    const cpu_columns *const c = &v->to;
    const int64_t groups = c->geometry.groups, lanes = job->last - job->first;
    float *const to = (float *)v->w_eff->data + c->filter[job->first];
    const float *const from = frozen + c->filter[job->first];
    const bool all = v->cache->stale;
    for (int64_t g = 0; g < groups; g++) {
        uint8_t *const on = v->cache->on + job->column / CPU_JOB_FILTERS * 16 + g * 16;
        uint8_t now[16] = {0};
        for (int64_t l = 0; l < lanes; l++)
            now[l] = gate[l * groups + g] != 0.0f;
        if (memcmp(now, on, sizeof now) == 0 && !all)
            continue;
        memcpy(on, now, sizeof now);
        cpu_i16 keep;
        for (int l = 0; l < 16; l++)
            keep[l] = now[l] ? -1 : 0;
        const int64_t r = g * c->step, end = r + xst_column_length(&c->geometry, (uint32_t)g);
        for (int64_t k = r; k < end; k++)
            *(cpu_i16 *)(void *)(to + c->weight[k]) = *(const cpu_i16 *)(const void *)(from + c->weight[k]) & keep;
    }
}
XST_CPU_KERNEL(write_tile, (const variant *v, const cpu_job *job, const float *gate, const float *frozen),
               (v, job, gate, frozen))

/* Zeros the columns of old[0..n) that are not in now[0..m); both ascending. */
static void clear_dropped(const variant *v, const uint32_t *old, uint32_t n, const uint32_t *now, uint32_t m)
{
    for (uint32_t i = 0, j = 0; i < n; i++) {
        while (j < m && now[j] < old[i])
            j++;
        if (j == m || now[j] != old[i])
            xst_cpu_columns_put(&v->to, &old[i], 1, v->w_eff->data, NULL);
    }
}

static void write_job(const effective *e, const variant *v, const cpu_job *job, const float *gate)
{
    const cpu_effective_cache *const cache = v->cache;
    const uint32_t *const active = e->active->data;
    const float *const value = e->value->data;
    const uint32_t begin = xst_cpu_active_below(&v->to, active, e->actives, job->first),
                   end = xst_cpu_active_below(&v->to, active, e->actives, job->last),
                   old_begin = xst_cpu_active_below(&v->to, cache->active, cache->actives, job->first),
                   old_end = xst_cpu_active_below(&v->to, cache->active, cache->actives, job->last);
    clear_dropped(v, cache->active + old_begin, old_end - old_begin, active + begin, end - begin);
    if (e->frozen && v->to.arrangement == CPU_TILES)
        write_tile[e->isa](v, job, gate, e->frozen->data);
    else if (e->frozen)
        write_columns[e->isa](v, job, gate, e->frozen->data);
    xst_cpu_columns_put(&v->to, active + begin, end - begin, v->w_eff->data,
                        value + (int64_t)begin * v->to.geometry.longest);
}

static void run_job(const effective *e, int64_t index)
{
    const cpu_job job = xst_cpu_job(&e->variant[0].to, index);
    float *gate = NULL;
    if (e->draws) {
        gate =
            (float *)e->gate->data + (int64_t)omp_get_thread_num() * CPU_JOB_FILTERS * e->variant[0].to.geometry.groups;
        xst_cpu_gates_draw(&e->gates, job.column, job.columns, gate);
    } else if (e->frozen) {
        gate = (float *)e->gate->data + job.column;
    }
    for (int32_t i = 0; i < e->variants; i++)
        write_job(e, &e->variant[i], &job, gate);
}

static xst_status effective_run(void *self, xst_error *err)
{
    (void)err;
    const effective *const e = self;
    const int64_t jobs = xst_cpu_jobs(&e->variant[0].to);
    for (int32_t i = 0; i < e->variants; i++) {
        const variant *const v = &e->variant[i];
        v->cache->stale =
            !v->cache->weights || (e->frozen && !e->version) || (e->version && *e->version != v->cache->version);
        if (!v->cache->weights)
            memset(v->w_eff->data, 0, v->w_eff->layout.bytes);
    }
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < jobs; j++)
        run_job(e, j);
    for (int32_t i = 0; i < e->variants; i++) {
        cpu_effective_cache *const cache = e->variant[i].cache;
        if (e->actives > 0)
            memcpy(cache->active, e->active->data, e->actives * sizeof *cache->active);
        cache->actives = e->actives;
        cache->version = e->version ? *e->version : 0;
    }
    return XST_OK;
}

static void effective_release(void *self)
{
    effective *const e = self;
    for (int32_t i = 0; i < CPU_VARIANTS; i++) {
        xst_cpu_columns_free(&e->variant[i].to);
        xst_cpu_columns_free(&e->variant[i].from);
    }
}

static bool cache_fits(const cpu_effective_cache *e, const cpu_compiler *c, const cpu_effective_cache *wanted)
{
    const bool taken = e->user == c->exe && e->w_eff != wanted->w_eff;
    return !taken && e->frozen == wanted->frozen && e->active_tensor == wanted->active_tensor && e->weights &&
           xst_cpu_layout_same(&e->layout, &wanted->layout);
}

static xst_status cache_make(xst_session *session, const cpu_effective_cache *wanted, const xst_geometry *g, bool temp,
                             cpu_effective_cache **out, xst_error *err)
{
    void *p = NULL;
    xst_status status = xst_alloc(&p, 1, sizeof **out, "effective weights", err);
    if (status != XST_OK)
        return status;
    cpu_effective_cache *const e = p;
    *e = *wanted;
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

/* Finds the cache made from the same tensors in the same layout (programs of other batch sizes share it), or makes it.
 * Effective weights that are STATE have their own memory, so their cache is their own too. */
static xst_status cache_get(cpu_compiler *c, const cpu_effective_cache *wanted, const xst_geometry *g, uint32_t actives,
                            bool temp, cpu_effective_cache **out, xst_error *err)
{
    xst_status status = XST_OK;
    for (*out = temp ? c->session->caches : NULL; *out && !cache_fits(*out, c, wanted);)
        *out = (*out)->next;
    if (!*out)
        status = cache_make(c->session, wanted, g, temp, out, err);
    if (status != XST_OK)
        return status;
    (*out)->user = c->exe;
    (*out)->w_eff = wanted->w_eff;
    void *list = (*out)->active;
    status = xst_grow(&list, &(*out)->active_capacity, (size_t)actives + 1, sizeof(uint32_t), "active columns", err);
    (*out)->active = list;
    return status;
}

static xst_status add_variant(cpu_compiler *c, const xst_op *op, effective *e, int32_t index, xst_error *err)
{
    const xst_tensor w_eff = op->out[0];
    const xst_geometry *const g = &op->p.columns.geometry;
    const bool temp = xst_cpu_info(c, w_eff)->kind == XST_TEMP;
    variant *const v = &e->variant[index];
    cpu_place *const place = c->use[w_eff].place[index];
    const cpu_effective_cache wanted = {
        .frozen = e->frozen ? op->in[0] : -1, .active_tensor = op->in[2], .w_eff = w_eff, .layout = place->layout};
    xst_cpu_touch(c, place);
    xst_status status = cache_get(c, &wanted, g, e->actives, temp, &v->cache, err);
    if (status != XST_OK)
        return status;
    if (temp) {
        place->in_arena = false;
        place->data = v->cache->weights;
    }
    v->w_eff = place;
    e->variants++;
    status = xst_cpu_columns_create(&v->to, g, &place->layout, err);
    if (status != XST_OK || !e->frozen)
        return status;
    status = xst_cpu_columns_create(&v->from, g, &e->frozen->layout, err);
    /* The fast path needs one layout on both sides. */
    if (status == XST_OK && !xst_cpu_layout_same(&e->frozen->layout, &place->layout))
        v->to.arrangement = CPU_ANY;
    return status;
}

static xst_status add_gates(cpu_compiler *c, const xst_op *op, effective *e, xst_error *err)
{
    cpu_place *scratch = NULL;
    const int32_t gates = xst_cpu_gates_for(c, c->op);
    const size_t job = CPU_JOB_FILTERS * (size_t)op->p.columns.geometry.groups;
    e->frozen = xst_cpu_place(c, op->in[0]);
    e->version = xst_cpu_info(c, op->in[0])->kind == XST_STATE ? &c->session->state[op->in[0]].version : NULL;
    e->draws = gates >= 0;
    if (!e->draws) {
        e->gate = xst_cpu_place(c, op->in[1]);
        return XST_OK;
    }
    e->gates = xst_cpu_gates_of(c, &c->program->op[gates]);
    const xst_status status =
        xst_cpu_scratch(c, (size_t)c->session->backend->threads * job * sizeof(float), &scratch, err);
    e->gate = scratch;
    return status;
}

xst_status xst_cpu_effective(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    xst_status status = xst_cpu_step(c, sizeof(effective), effective_run, effective_release, &self, err);
    if (status != XST_OK)
        return status;
    effective *const e = self;
    e->isa = c->session->backend->isa;
    e->actives = (uint32_t)xst_cpu_info(c, op->in[2])->dim[0];
    e->active = xst_cpu_place(c, op->in[2]);
    e->value = xst_cpu_place(c, op->in[3]);
    if (op->in[0] >= 0 && op->in[1] >= 0)
        status = add_gates(c, op, e, err);
    for (int32_t i = 0; i < c->use[op->out[0]].variants && status == XST_OK; i++)
        status = add_variant(c, op, e, i, err);
    return status;
}
