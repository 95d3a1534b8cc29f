/* One block of memory for many buffers: those whose lives do not overlap share it. */
#ifndef XST_BACKEND_SPANS_H
#define XST_BACKEND_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer and its life: the first and last step of a program that uses it. Where a program has a second branch, whose
 * steps may be late for those of the main one (never early, and never late for each other), which of the two use it. */
typedef struct xst_span {
    size_t bytes;
    int32_t first, last;
    bool on_main, on_side;
    size_t *offset; /* where its place in the block is to be written */
} xst_span;

/* Sorts the spans, gives each its offset, a multiple of the alignment, and returns the size of the block. */
size_t xst_spans_lay_out(xst_span *span, size_t n, size_t alignment);

#endif
