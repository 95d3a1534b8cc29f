#include "columns/select.h"

#include "base/error.h"
#include "base/memory.h"

enum { BINS = 65536, CHUNK = 4096 };

typedef struct source {
    const uint8_t *candidate;
    uint32_t n, layer;
    xst_random_key key;
} source;

/* Calls visit(c, word) for every candidate in ascending order. */
static void for_each(const source *s, void (*visit)(void *state, uint32_t c, uint32_t word), void *state)
{
    uint32_t word[CHUNK];
    for (uint32_t first = 0; first < s->n; first += CHUNK) {
        const uint32_t count = s->n - first < CHUNK ? s->n - first : CHUNK;
        xst_random_words(word, first, count, s->key, s->layer, 0, 0);
        for (uint32_t i = 0; i < count; i++)
            if (s->candidate[first + i])
                visit(state, first + i, word[i]);
    }
}

typedef struct histogram {
    uint32_t *bin;
    uint32_t prefix; /* upper half that counts in the second pass */
    int pass;
} histogram;

static void count_word(void *state, uint32_t c, uint32_t word)
{
    histogram *const h = state;
    (void)c;
    if (h->pass == 0)
        h->bin[word >> 16]++;
    else if (word >> 16 == h->prefix)
        h->bin[word & 0xffff]++;
}

/* The bin in which the k-th smallest lies (k from 1); *k becomes its rank inside the bin. BINS: fewer than k there. */
static uint32_t find_bin(const uint32_t *bin, uint32_t *k)
{
    uint32_t b = 0;
    while (b < BINS && bin[b] < *k)
        *k -= bin[b++];
    return b;
}

typedef struct collector {
    uint32_t threshold, ties; /* words below, and this many equal to, the threshold are taken */
    uint32_t *chosen, count;
} collector;

static void collect(void *state, uint32_t c, uint32_t word)
{
    collector *const k = state;
    if (word < k->threshold || (word == k->threshold && k->ties > 0)) {
        k->ties -= word == k->threshold;
        k->chosen[k->count++] = c;
    }
}

xst_status xst_select_random(const uint8_t *candidate, uint32_t n, uint32_t k, xst_random_key key, uint32_t layer,
                             uint32_t *chosen, xst_error *err)
{
    if (k == 0)
        return XST_OK;
    const source s = {candidate, n, layer, key};
    void *bins = NULL;
    const xst_status status = xst_alloc(&bins, 2 * (size_t)BINS, sizeof(uint32_t), "choice of columns", err);
    if (status != XST_OK)
        return status;
    uint32_t *const upper = bins, *const lower = upper + BINS, rank = k;
    histogram h = {.bin = upper};
    for_each(&s, count_word, &h);
    const uint32_t high = find_bin(upper, &rank);
    h = (histogram){.bin = lower, .prefix = high, .pass = 1};
    for_each(&s, count_word, &h);
    const uint32_t low = high < BINS ? find_bin(lower, &rank) : BINS;
    xst_free(bins);
    if (low >= BINS)
        return xst_fail(err, XST_ERROR_INTERNAL, "choice of columns: fewer than %u candidates", k);
    collector c = {.threshold = high << 16 | low, .ties = rank, .chosen = chosen};
    for_each(&s, collect, &c);
    return XST_OK;
}
