#include "quant/levels.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TERMS_MAX = 4, VALUES = 4 };

/* A term takes one of its values; value 0 is zero. */
typedef struct term {
    int count;
    double value[VALUES];
} term;

/* Deals the powers 2^-1, 2^-2, ..: one to each four-valued term, again one to each, then the binary term's, then the
 * third to each. */
static int deal_powers(int bits, term terms[TERMS_MAX])
{
    const int four = bits / 2, binary = bits % 2;
    double power = 0.5;
    for (int round = 1; round <= 3; round++) {
        for (int t = 0; t < four; t++, power /= 2)
            terms[t].value[round] = power;
        if (round == 2 && binary) {
            terms[four] = (term){2, {0, power}};
            power /= 2;
        }
    }
    for (int t = 0; t < four; t++)
        terms[t].count = VALUES;
    return four + binary;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void xst_levels_make(xst_quant_kind kind, int magnitude_bits, xst_quant *out)
{
    *out = (xst_quant){.kind = kind, .bits = magnitude_bits + 1, .count = 1 << magnitude_bits};
    if (kind == XST_QUANT_UNIFORM) {
        for (int i = 0; i < out->count; i++)
            out->level[i] = i / (out->count - 1.0);
    } else {
        term terms[TERMS_MAX] = {{0, {0}}};
        const int n = deal_powers(magnitude_bits, terms);
        for (int i = 0; i < out->count; i++) {
            int rest = i;
            for (int t = 0; t < n; t++) {
                out->level[i] += terms[t].value[rest % terms[t].count];
                rest /= terms[t].count;
            }
        }
        qsort(out->level, (size_t)out->count, sizeof(double), ascending);
        const double largest = out->level[out->count - 1];
        for (int i = 0; i < out->count; i++)
            out->level[i] /= largest;
    }
    for (int i = 0; i + 1 < out->count; i++)
        out->boundary[i] = (out->level[i] + out->level[i + 1]) / 2;
}

xst_status xst_quant_parse(const char *name, xst_quant *out, xst_error *err)
{
    static const char *const kinds[] = {"apot", "uniform"};
    for (int k = 0; k < 2; k++) {
        const size_t length = strlen(kinds[k]);
        if (strncmp(name, kinds[k], length) == 0 && name[length] >= '2' && name[length] <= '8' &&
            name[length + 1] == '\0') {
            xst_levels_make((xst_quant_kind)k, name[length] - '1', out);
            return XST_OK;
        }
    }
    return xst_fail(err, XST_ERROR_CONFIG, "quant: '%.32s' is unknown: apot2 .. apot8 or uniform2 .. uniform8", name);
}

int xst_quant_project(const xst_quant *q, double x)
{
    int low = 0, high = q->count - 1; /* the level is in low .. high */
    if (high < 16) {                  /* few levels: without branches that weights would mislead */
        for (int i = 0; i < high; i++)
            low += x > q->boundary[i];
        return low;
    }
    while (low < high) {
        const int middle = (low + high) / 2;
        if (x > q->boundary[middle])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
