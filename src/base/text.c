#include "base/text.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool reserve(xst_text *text, size_t more)
{
    void *bytes = text->bytes;
    if (text->failed || xst_grow(&bytes, &text->capacity, text->size + more + 1, 1, "text", NULL) != XST_OK)
        text->failed = true;
    text->bytes = bytes;
    return !text->failed;
}

void xst_text_add(xst_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(text, (size_t)n)) {
        text->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text->bytes + text->size, (size_t)n + 1, format, args);
    va_end(args);
    text->size += (size_t)n;
}

void xst_text_add_bytes(xst_text *text, const void *bytes, size_t size)
{
    if (!reserve(text, size))
        return;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = 0;
}

xst_status xst_text_check(const xst_text *text, xst_error *err)
{
    return text->failed ? xst_fail(err, XST_ERROR_MEMORY, "text: no memory") : XST_OK;
}

const char *xst_text_string(const xst_text *text)
{
    return text->bytes ? text->bytes : "";
}

void xst_text_free(xst_text *text)
{
    xst_free(text->bytes);
    *text = (xst_text){0};
}

enum { LONGEST_WORD = 63 };

/* Levenshtein distance, one row at a time. */
static int edit_distance(const char *a, const char *b)
{
    int row[LONGEST_WORD + 1];
    const int na = (int)strnlen(a, LONGEST_WORD), nb = (int)strnlen(b, LONGEST_WORD);
    for (int j = 0; j <= nb; j++)
        row[j] = j;
    for (int i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            const int above = row[j], swap = diagonal + (a[i - 1] != b[j - 1]);
            int best = above < row[j - 1] ? above + 1 : row[j - 1] + 1;
            best = swap < best ? swap : best;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[nb];
}

int xst_text_nearest(const char *word, const char *const *list, int n)
{
    int best = -1, best_distance = (int)strlen(word) / 2 + 2;
    for (int i = 0; i < n; i++) {
        const int distance = edit_distance(word, list[i]);
        if (distance < best_distance) {
            best = i;
            best_distance = distance;
        }
    }
    return best;
}
