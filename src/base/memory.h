/* Memory: zeroed, 64-byte aligned (a cache line, an AVX-512 vector), sizes checked for overflow. */
#ifndef XST_BASE_MEMORY_H
#define XST_BASE_MEMORY_H

#include "xst/status.h"

#include <stddef.h>

/* *out = count elements of `size` bytes, zeroed; count 0 gives a valid pointer. `what` names the thing in the error. */
xst_status xst_alloc(void **out, size_t count, size_t size, const char *what, xst_error *err);

/* As realloc for arrays that grow: makes room for `need` elements, at least doubling *capacity. Contents are kept. */
xst_status xst_grow(void **array, size_t *capacity, size_t need, size_t size, const char *what, xst_error *err);

/* Frees what xst_alloc or xst_grow gave; NULL is fine. */
void xst_free(void *p);

#endif
