#include "backend/spans.h"

#include <stdlib.h>

static int larger_first(const void *a, const void *b)
{
    const xst_span *const x = a, *const y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first)
                                : (x->last > y->last) - (x->last < y->last);
}

static size_t end_of(const xst_span *p, size_t alignment)
{
    return *p->offset + (p->bytes + alignment - 1) / alignment * alignment;
}

/* Whether p and q may be in use at the same time. */
static bool together(const xst_span *p, const xst_span *q)
{
    const bool side_alone = p->on_side && !p->on_main && q->on_side && !q->on_main;
    const bool p_late = p->on_side && !side_alone, q_late = q->on_side && !side_alone;
    return (p->first <= q->last || q_late) && (q->first <= p->last || p_late);
}

/* The lowest offset at which p meets none of the n placed ones that live at the same time. */
static void place_lowest(const xst_span *placed, size_t n, const xst_span *p, size_t alignment)
{
    *p->offset = 0;
    for (size_t i = 0; i < n;) {
        const xst_span *const q = &placed[i];
        if (together(p, q) && *p->offset < end_of(q, alignment) && *q->offset < end_of(p, alignment)) {
            *p->offset = end_of(q, alignment);
            i = 0;
        } else {
            i++;
        }
    }
}

size_t xst_spans_lay_out(xst_span *span, size_t n, size_t alignment)
{
    size_t bytes = 0;
    if (n > 0)
        qsort(span, n, sizeof *span, larger_first);
    for (size_t i = 0; i < n; i++) {
        place_lowest(span, i, &span[i], alignment);
        const size_t end = end_of(&span[i], alignment);
        bytes = end > bytes ? end : bytes;
    }
    return bytes;
}
