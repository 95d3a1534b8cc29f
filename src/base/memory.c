#include "base/memory.h"

#include "base/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static void *aligned_zeroed(size_t bytes)
{
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *const p = aligned_alloc(ALIGNMENT, rounded > 0 ? rounded : ALIGNMENT);
    if (p)
        memset(p, 0, rounded > 0 ? rounded : ALIGNMENT);
    return p;
}

xst_status xst_alloc(void **out, size_t count, size_t size, const char *what, xst_error *err)
{
    size_t bytes = 0;
    *out = NULL;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT)
        return xst_fail(err, XST_ERROR_MEMORY, "%s: %zu x %zu bytes do not fit in memory", what, count, size);
    *out = aligned_zeroed(bytes);
    if (!*out)
        return xst_fail(err, XST_ERROR_MEMORY, "%s: no memory for %.1f MiB", what, (double)bytes / 1048576.0);
    return XST_OK;
}

xst_status xst_grow(void **array, size_t *capacity, size_t need, size_t size, const char *what, xst_error *err)
{
    if (need <= *capacity)
        return XST_OK;
    const size_t wanted = need > 2 * *capacity ? need : 2 * *capacity;
    void *fresh = NULL;
    const xst_status status = xst_alloc(&fresh, wanted, size, what, err);
    if (status != XST_OK)
        return status;
    if (*array && fresh)
        memcpy(fresh, *array, *capacity * size);
    xst_free(*array);
    *array = fresh;
    *capacity = wanted;
    return XST_OK;
}

void xst_free(void *p)
{
    free(p);
}
