/* The arena: temps and private buffers whose lives do not overlap share memory. */
#include "cuda.h"

#include "backend/spans.h"
#include "base/memory.h"

enum { ALIGNMENT = 256 };

xst_status xst_cuda_arena_lay_out(xst_executable *x, size_t *bytes, xst_error *err)
{
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, (size_t)x->places, sizeof(xst_span), "arena", err);
    if (status != XST_OK)
        return status;
    xst_span *const span = memory;
    size_t n = 0;
    for (int32_t i = 0; i < x->places; i++) {
        cuda_place *const p = x->place[i];
        if (p->in_arena)
            span[n++] = (xst_span){.bytes = p->bytes,
                                   .first = p->first,
                                   .last = p->last,
                                   .on_main = p->on_main,
                                   .on_side = p->on_side,
                                   .offset = &p->offset};
    }
    *bytes = xst_spans_lay_out(span, n, ALIGNMENT);
    xst_free(span);
    return XST_OK;
}
