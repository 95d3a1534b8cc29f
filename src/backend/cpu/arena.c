/* The arena: temps and private buffers whose lives do not overlap share memory. */
#include "backend/cpu/arena.h"

#include "base/memory.h"

#include <stdlib.h>

enum { ALIGNMENT = 128 };

static int larger_first(const void *a, const void *b)
{
    const cpu_place *const x = *(cpu_place *const *)a, *const y = *(cpu_place *const *)b;
    if (x->layout.bytes != y->layout.bytes)
        return x->layout.bytes > y->layout.bytes ? -1 : 1;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first)
                                : (x->last > y->last) - (x->last < y->last);
}

static size_t end_of(const cpu_place *p)
{
    return p->offset + (p->layout.bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The lowest offset at which p meets none of the n placed ones that live at the same time. */
static size_t lowest_offset(cpu_place *const *placed, size_t n, cpu_place *p)
{
    p->offset = 0;
    for (size_t i = 0; i < n;) {
        const cpu_place *const q = placed[i];
        const bool together = p->first <= q->last && q->first <= p->last;
        if (together && p->offset < end_of(q) && q->offset < end_of(p)) {
            p->offset = end_of(q);
            i = 0;
        } else {
            i++;
        }
    }
    return p->offset;
}

xst_status xst_cpu_arena_lay_out(xst_executable *x, size_t *bytes, xst_error *err)
{
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, (size_t)x->places, sizeof(cpu_place *), "arena", err);
    if (status != XST_OK)
        return status;
    cpu_place **const list = memory;
    size_t n = 0;
    for (int32_t i = 0; i < x->places; i++)
        if (x->place[i]->in_arena && x->place[i]->first >= 0)
            list[n++] = x->place[i];
    if (n > 0)
        qsort(list, n, sizeof *list, larger_first);
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        list[i]->offset = lowest_offset(list, i, list[i]);
        if (end_of(list[i]) > *bytes)
            *bytes = end_of(list[i]);
    }
    xst_free(list);
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
