/* The post-training scale. Squared errors of all 64 candidates come from sums over the sorted magnitudes: between two
 * boundaries all weights share a level, so that count, sum and sum of squares of each stretch suffice. */
#include "quant/levels.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES = 64, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 3 };

/* Sorts non-negative floats: their bits as unsigned numbers have the same order. */
static void sort(uint32_t *bits, uint32_t *spare, size_t n)
{
    for (int pass = 0; pass < PASSES; pass++) {
        size_t start[DIGITS] = {0}, at = 0;
        const int shift = pass * DIGIT_BITS;
        for (size_t i = 0; i < n; i++)
            start[bits[i] >> shift & (DIGITS - 1)]++;
        for (size_t d = 0; d < DIGITS; d++) {
            const size_t count = start[d];
            start[d] = at;
            at += count;
        }
        for (size_t i = 0; i < n; i++)
            spare[start[bits[i] >> shift & (DIGITS - 1)]++] = bits[i];
        uint32_t *const swap = bits;
        bits = spare;
        spare = swap;
    }
    /* Three passes leave the result in the spare array. */
    memcpy(spare, bits, n * sizeof *bits);
}

static double magnitude(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* Sums before a place in the sorted weights. */
typedef struct mark {
    double at; /* weights up to this value stand before it */
    int candidate, level;
    double sum, squares;
    size_t count;
} mark;

static int by_place(const void *a, const void *b)
{
    const mark *const x = a, *const y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_candidate(const void *a, const void *b)
{
    const mark *const x = a, *const y = b;
    if (x->candidate != y->candidate)
        return x->candidate - y->candidate;
    return x->level - y->level;
}

/* One mark at the upper boundary of each level of each candidate, filled in one pass. */
static void fill_marks(const xst_quant *q, const uint32_t *sorted, size_t n, double largest, mark *marks)
{
    const size_t count = (size_t)CANDIDATES * (size_t)q->count;
    for (int i = 0; i < CANDIDATES; i++)
        for (int l = 0; l < q->count; l++) {
            const double scale = largest * (i + 1) / CANDIDATES;
            const double at = l + 1 < q->count ? scale * q->boundary[l] : INFINITY;
            marks[i * q->count + l] = (mark){.at = at, .candidate = i, .level = l};
        }
    qsort(marks, count, sizeof *marks, by_place);
    double sum = 0, squares = 0;
    size_t at = 0;
    for (size_t m = 0; m < count; m++) {
        for (; at < n && magnitude(sorted[at]) <= marks[m].at; at++) {
            const double w = magnitude(sorted[at]);
            sum += w;
            squares += w * w;
        }
        marks[m].sum = sum;
        marks[m].squares = squares;
        marks[m].count = at;
    }
    qsort(marks, count, sizeof *marks, by_candidate);
}

static double best_scale(const xst_quant *q, const mark *marks, double largest)
{
    double best = INFINITY, chosen = largest;
    for (int i = 0; i < CANDIDATES; i++) {
        const double scale = largest * (i + 1) / CANDIDATES;
        double error = 0;
        mark before = {0};
        for (int l = 0; l < q->count; l++) {
            const mark *const m = &marks[i * q->count + l];
            const double value = scale * q->level[l], n = (double)(m->count - before.count);
            error += (m->squares - before.squares) - 2 * value * (m->sum - before.sum) + value * value * n;
            before = *m;
        }
        if (error <= best) {
            best = error;
            chosen = scale;
        }
    }
    return chosen;
}

xst_status xst_quant_scale(const xst_quant *q, const float *w, size_t n, double *scale, xst_error *err)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(w[i]));
    *scale = 0;
    if (!isfinite(largest))
        return xst_fail(err, XST_ERROR_DATA, "a weight is not finite: nothing to quantise");
    if (!(largest > 0))
        return XST_OK;
    void *memory = NULL, *marks = NULL;
    xst_status status = xst_alloc(&memory, 2 * n, sizeof(uint32_t), "sorted weights", err);
    if (status == XST_OK)
        status = xst_alloc(&marks, (size_t)CANDIDATES * (size_t)q->count, sizeof(mark), "candidate scales", err);
    if (status == XST_OK) {
        uint32_t *const sorted = memory;
        for (size_t i = 0; i < n; i++) {
            const float value = fabsf(w[i]);
            memcpy(&sorted[i], &value, sizeof value);
        }
        sort(sorted, sorted + n, n);
        fill_marks(q, sorted, n, (double)largest, marks);
        *scale = best_scale(q, marks, (double)largest);
    }
    xst_free(marks);
    xst_free(memory);
    return status;
}
