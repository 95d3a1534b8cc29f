/* The arena: temps and private buffers whose lives do not overlap share memory. */
#include "cuda.h"

#include "base/memory.h"

#include <stdlib.h>

enum { ALIGNMENT = 256 };

static int larger_first(const void *a, const void *b)
{
    const cuda_place *const x = *(cuda_place *const *)a, *const y = *(cuda_place *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first)
                                : (x->last > y->last) - (x->last < y->last);
}

static size_t end_of(const cuda_place *p)
{
    return p->offset + (p->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Whether p and q may be in use at the same time. The second branch may be late for the main one, not for itself. */
static bool together(const cuda_place *p, const cuda_place *q)
{
    const bool side_alone = p->on_side && !p->on_main && q->on_side && !q->on_main;
    const bool p_late = p->on_side && !side_alone, q_late = q->on_side && !side_alone;
    return (p->first <= q->last || q_late) && (q->first <= p->last || p_late);
}

/* The lowest offset at which p meets none of the n placed ones that live at the same time. */
static void place_lowest(cuda_place *const *placed, size_t n, cuda_place *p)
{
    p->offset = 0;
    for (size_t i = 0; i < n;) {
        const cuda_place *const q = placed[i];
        if (together(p, q) && p->offset < end_of(q) && q->offset < end_of(p)) {
            p->offset = end_of(q);
            i = 0;
        } else {
            i++;
        }
    }
}

xst_status xst_cuda_arena_lay_out(xst_executable *x, size_t *bytes, xst_error *err)
{
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, (size_t)x->places, sizeof(cuda_place *), "arena", err);
    if (status != XST_OK)
        return status;
    cuda_place **const list = memory;
    size_t n = 0;
    for (int32_t i = 0; i < x->places; i++)
        if (x->place[i]->in_arena)
            list[n++] = x->place[i];
    if (n > 0)
        qsort(list, n, sizeof *list, larger_first);
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        place_lowest(list, i, list[i]);
        if (end_of(list[i]) > *bytes)
            *bytes = end_of(list[i]);
    }
    xst_free(list);
    return XST_OK;
}
