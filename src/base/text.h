/* A string that grows. Failure to allocate is remembered, so that a page of appends needs one check at the end. */
#ifndef XST_BASE_TEXT_H
#define XST_BASE_TEXT_H

#include "xst/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct xst_text {
    char *bytes; /* NUL-terminated, or NULL while empty */
    size_t size; /* without the NUL */
    size_t capacity;
    bool failed;
} xst_text;

__attribute__((format(printf, 2, 3))) void xst_text_add(xst_text *text, const char *format, ...);
void xst_text_add_bytes(xst_text *text, const void *bytes, size_t size);
/* XST_OK, or XST_ERROR_MEMORY if any append had no memory. */
xst_status xst_text_check(const xst_text *text, xst_error *err);
const char *xst_text_string(const xst_text *text); /* never NULL */
void xst_text_free(xst_text *text);

/* Index of the string in list[n] nearest to `word` (edit distance at most half its length + 1), or -1. */
int xst_text_nearest(const char *word, const char *const *list, int n);

#endif
