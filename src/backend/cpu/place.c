/* What operations use to compile themselves: places of tensors, copies between layouts, private memory, steps. */
#include "backend/cpu/cpu.h"

#include "base/error.h"
#include "base/memory.h"

static void touch(cpu_place *place, int32_t op)
{
    if (place->first < 0 || op < place->first)
        place->first = op;
    if (op > place->last)
        place->last = op;
}

void xst_cpu_touch(const cpu_compiler *c, cpu_place *place)
{
    if (place)
        touch(place, c->op);
}

xst_status xst_cpu_fail_dnnl(dnnl_status_t status, const char *what, xst_error *err)
{
    if (status == dnnl_success)
        return XST_OK;
    if (status == dnnl_out_of_memory)
        return xst_fail(err, XST_ERROR_MEMORY, "oneDNN: %s: out of memory", what);
    return xst_fail(err, XST_ERROR_BACKEND, "oneDNN: %s: status %d", what, (int)status);
}

cpu_place *xst_cpu_place(cpu_compiler *c, xst_tensor tensor)
{
    cpu_place *const place = c->use[tensor].place[0];
    touch(place, c->op);
    return place;
}

xst_status xst_cpu_place_new(cpu_compiler *c, const cpu_layout *layout, cpu_place **out, xst_error *err)
{
    xst_executable *const x = c->exe;
    void *list = x->place, *place = NULL;
    xst_status status = xst_grow(&list, &x->place_capacity, (size_t)x->places + 1, sizeof(cpu_place *), "places", err);
    x->place = list;
    if (status == XST_OK)
        status = xst_alloc(&place, 1, sizeof(cpu_place), "place", err);
    *out = place;
    if (status != XST_OK)
        return status;
    **out = (cpu_place){.layout = *layout, .in_arena = true, .first = -1, .last = -1};
    x->place[x->places++] = *out;
    return XST_OK;
}

xst_status xst_cpu_scratch(cpu_compiler *c, size_t bytes, cpu_place **out, xst_error *err)
{
    const cpu_layout layout = {.bytes = bytes};
    const xst_status status = xst_cpu_place_new(c, &layout, out, err);
    if (status == XST_OK)
        touch(*out, c->op);
    return status;
}

xst_status xst_cpu_step(cpu_compiler *c, size_t size, xst_status (*run)(void *, xst_error *), void (*release)(void *),
                        void **self, xst_error *err)
{
    xst_executable *const x = c->exe;
    void *list = x->step;
    *self = NULL;
    xst_status status = xst_grow(&list, &x->step_capacity, (size_t)x->steps + 1, sizeof(cpu_step), "steps", err);
    x->step = list;
    if (status == XST_OK)
        status = xst_alloc(self, 1, size, "step", err);
    if (status == XST_OK)
        x->step[x->steps++] = (cpu_step){.run = run, .release = release, .self = *self, .op = c->op};
    return status;
}

xst_status xst_cpu_dnnl_memory(cpu_compiler *c, const dnnl_memory_desc_t *desc, const cpu_place *place,
                               dnnl_memory_t *out, xst_error *err)
{
    xst_executable *const x = c->exe;
    void *list = x->memory;
    *out = NULL;
    xst_status status =
        xst_grow(&list, &x->memory_capacity, (size_t)x->memories + 1, sizeof(cpu_memory), "oneDNN memories", err);
    x->memory = list;
    if (status == XST_OK)
        status = xst_cpu_fail_dnnl(dnnl_memory_create(out, desc, c->session->backend->engine, DNNL_MEMORY_NONE),
                                   "making a memory", err);
    if (status == XST_OK)
        x->memory[x->memories++] = (cpu_memory){*out, place};
    return status;
}

typedef struct reorder {
    const uint64_t *version; /* NULL: every time; else only where it is not `done` */
    uint64_t done;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[2];
} reorder;

static xst_status reorder_run(void *self, xst_error *err)
{
    reorder *const r = self;
    if (r->version && *r->version == r->done)
        return XST_OK;
    const xst_status status =
        xst_cpu_fail_dnnl(dnnl_primitive_execute(r->primitive, r->stream, 2, r->args), "reorder", err);
    if (r->version && status == XST_OK)
        r->done = *r->version;
    return status;
}

static void reorder_release(void *self)
{
    dnnl_primitive_destroy(((reorder *)self)->primitive);
}

static xst_status add_reorder(cpu_compiler *c, const cpu_place *from, const cpu_place *to, const uint64_t *version,
                              xst_error *err)
{
    void *self;
    xst_status status = xst_cpu_step(c, sizeof(reorder), reorder_run, reorder_release, &self, err);
    if (status != XST_OK)
        return status;
    reorder *const r = self;
    const dnnl_engine_t engine = c->session->backend->engine;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_t memory[2] = {NULL, NULL};
    r->version = version;
    r->done = UINT64_MAX;
    r->stream = c->session->backend->stream;
    dnnl_status_t made =
        dnnl_reorder_primitive_desc_create(&pd, &from->layout.desc, engine, &to->layout.desc, engine, NULL);
    if (made == dnnl_success)
        made = dnnl_primitive_create(&r->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    status = xst_cpu_fail_dnnl(made, "making a reorder", err);
    if (status == XST_OK)
        status = xst_cpu_dnnl_memory(c, &from->layout.desc, from, &memory[0], err);
    if (status == XST_OK)
        status = xst_cpu_dnnl_memory(c, &to->layout.desc, to, &memory[1], err);
    r->args[0] = (dnnl_exec_arg_t){DNNL_ARG_FROM, memory[0]};
    r->args[1] = (dnnl_exec_arg_t){DNNL_ARG_TO, memory[1]};
    return status;
}

/* The tensor's own place in this layout, or NULL. */
static cpu_place *variant(cpu_compiler *c, xst_tensor tensor, const cpu_layout *layout)
{
    const cpu_use *const use = &c->use[tensor];
    for (int32_t v = 0; v < use->variants; v++)
        if (xst_cpu_layout_same(&use->layout[v], layout)) {
            touch(use->place[v], c->op);
            return use->place[v];
        }
    return NULL;
}

static xst_status copy_place(cpu_compiler *c, const cpu_layout *layout, cpu_place **out, xst_error *err)
{
    const xst_status status = xst_cpu_place_new(c, layout, out, err);
    if (status == XST_OK)
        touch(*out, c->op);
    return status;
}

xst_status xst_cpu_read(cpu_compiler *c, xst_tensor tensor, const cpu_layout *layout, cpu_place **out, xst_error *err)
{
    *out = variant(c, tensor, layout);
    if (*out)
        return XST_OK;
    xst_status status = copy_place(c, layout, out, err);
    const uint64_t *version = NULL;
    if (status == XST_OK && xst_cpu_info(c, tensor)->kind == XST_STATE && !xst_cpu_writes(c->program, tensor)) {
        status = xst_cpu_memory_alloc(c->session, &(*out)->data, layout->bytes, "copy of a tensor", err);
        (*out)->own = true;
        (*out)->in_arena = false;
        version = &c->session->state[tensor].version;
    }
    return status == XST_OK ? add_reorder(c, xst_cpu_place(c, tensor), *out, version, err) : status;
}

xst_status xst_cpu_write(cpu_compiler *c, xst_tensor tensor, const cpu_layout *layout, cpu_place **out, xst_error *err)
{
    *out = variant(c, tensor, layout);
    if (*out)
        return XST_OK;
    const xst_status status = copy_place(c, layout, out, err);
    if (status == XST_OK)
        c->pending[c->pendings++] = (struct cpu_pending){tensor, *out};
    return status;
}

xst_status xst_cpu_flush_writes(cpu_compiler *c, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < c->pendings && status == XST_OK; i++)
        status = add_reorder(c, c->pending[i].place, xst_cpu_place(c, c->pending[i].tensor), NULL, err);
    c->pendings = 0;
    return status;
}

xst_status xst_cpu_read_plain(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err)
{
    const cpu_layout plain = xst_cpu_layout_plain(xst_cpu_info(c, tensor));
    return xst_cpu_read(c, tensor, &plain, out, err);
}

xst_status xst_cpu_write_plain(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err)
{
    const cpu_layout plain = xst_cpu_layout_plain(xst_cpu_info(c, tensor));
    return xst_cpu_write(c, tensor, &plain, out, err);
}

xst_status xst_cpu_update_plain(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err)
{
    const cpu_layout plain = xst_cpu_layout_plain(xst_cpu_info(c, tensor));
    *out = variant(c, tensor, &plain);
    if (*out)
        return XST_OK;
    xst_status status = copy_place(c, &plain, out, err);
    if (status == XST_OK)
        status = add_reorder(c, xst_cpu_place(c, tensor), *out, NULL, err);
    if (status == XST_OK)
        c->pending[c->pendings++] = (struct cpu_pending){tensor, *out};
    return status;
}
