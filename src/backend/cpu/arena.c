/* The arena: temps and private buffers whose lives do not overlap share memory. */
#include "backend/cpu/arena.h"

#include "backend/spans.h"
#include "base/memory.h"

enum { ALIGNMENT = 128 };

xst_status xst_cpu_arena_lay_out(xst_executable *x, size_t *bytes, xst_error *err)
{
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, (size_t)x->places, sizeof(xst_span), "arena", err);
    if (status != XST_OK)
        return status;
    xst_span *const span = memory;
    size_t n = 0;
    for (int32_t i = 0; i < x->places; i++) {
        cpu_place *const p = x->place[i];
        if (p->in_arena && p->first >= 0)
            span[n++] = (xst_span){
                .bytes = p->layout.bytes, .first = p->first, .last = p->last, .on_main = true, .offset = &p->offset};
    }
    *bytes = xst_spans_lay_out(span, n, ALIGNMENT);
    xst_free(span);
    return XST_OK;
}

void xst_cpu_bind(xst_executable *x)
{
    if (x->bound == x->session->arena && x->ready)
        return;
    for (int32_t i = 0; i < x->places; i++)
        if (x->place[i]->in_arena)
            x->place[i]->data = (char *)x->session->arena + x->place[i]->offset;
    for (int32_t i = 0; i < x->memories; i++)
        dnnl_memory_set_data_handle(x->memory[i].memory, x->memory[i].place->data);
    x->bound = x->session->arena;
    x->ready = true;
}
