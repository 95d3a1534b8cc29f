/* Drawn weights and inputs of a layer (--network). */
#include "crossbar/reads.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>

enum { CHUNK = 4096, KINDS_MAX = 256, KEY_WEIGHTS = 5, KEY_INPUTS = 6 };

/* Draws without putting back: how many of each kind are left. Kind 0 is "not picked"; the picked are shared out evenly.
 */
typedef struct sampler {
    uint64_t count[KINDS_MAX], left;
    unsigned kinds; /* besides 0 */
    xst_random_key key;
    uint32_t layer;
    uint64_t next; /* element */
    uint32_t words[CHUNK];
} sampler;

static void sampler_start(sampler *s, double share, double count, unsigned kinds, uint32_t seed, uint32_t purpose,
                          int layer)
{
    const uint64_t picked = (uint64_t)floor(share * count + 0.5);
    s->left = (uint64_t)count;
    s->kinds = kinds;
    s->count[0] = s->left - picked;
    for (unsigned k = 1; k <= kinds; k++)
        s->count[k] = picked * k / kinds - picked * (k - 1) / kinds;
    s->key = (xst_random_key){seed, purpose};
    s->layer = (uint32_t)layer;
    s->next = 0;
}

/* The kind of the next element. */
static unsigned sampler_draw(sampler *s)
{
    const uint32_t at = (uint32_t)(s->next % CHUNK);
    if (at == 0) /* the counter has 32 bits of elements; beyond them the stage goes on */
        xst_random_words(s->words, (uint32_t)s->next, CHUNK, s->key, s->layer, 0, (uint32_t)(s->next >> 32));
    s->next++;
    uint64_t place = (uint64_t)s->words[at] * s->left-- >> 32;
    unsigned kind = 0;
    while (place >= s->count[kind])
        place -= s->count[kind++];
    s->count[kind]--;
    return kind;
}

/* active[block], weight[row] (share of the vectors in which the row is on, over the mean share), idle[block] vectors.
 */
static void draw_inputs(const xst_array_model *a, const xst_shape *shape, int layer, double density, uint32_t seed,
                        sampler *s, xst_reads *out, double *weight, double *idle)
{
    const int rows = (int)shape->rows;
    sampler_start(s, density, shape->rows * out->vectors, 1, seed, KEY_INPUTS, layer);
    for (int64_t v = 0, vectors = (int64_t)out->vectors; v < vectors; v++)
        for (int r = 0; r < rows; r++)
            weight[r] += sampler_draw(s);
    for (int r = 0; r < rows; r++)
        out->active[r / a->rows] += weight[r];
    for (int block = 0; block < out->block_rows; block++)
        idle[block] = out->vectors * pow(1 - density, xst_block_size(shape->rows, a->rows, block));
}

typedef struct sums {
    double *sum, *squares; /* by physical column */
} sums;

/* One row of weights: its cells' conductances onto the columns' sums. */
static void add_row(const xst_array_model *a, const xst_shape *shape, const double *conductance, int cell_bits,
                    int weight_bits, double weight, sampler *s, sums *to)
{
    const unsigned zero = 1u << (weight_bits - 1), mask = (1u << cell_bits) - 1;
    for (int o = 0, c = 0; o < (int)shape->outputs; o++) {
        const unsigned kind = sampler_draw(s); /* 0: zero; 1 .. : the others, upwards, around zero */
        const unsigned code = kind == 0 ? zero : kind < zero ? kind : kind + 1;
        for (int m = a->cells - 1; m >= 0; m--, c++) {
            const double g = conductance[code >> (m * cell_bits) & mask];
            to->sum[c] += weight * g;
            to->squares[c] += weight * g * g;
        }
    }
}

static void convert_block(const xst_array_model *a, const xst_shape *shape, int block, double rows, double idle,
                          sums *from, xst_reads *out)
{
    const double share = out->active[block] / (rows * out->vectors);
    const xst_factors f = xst_conversion_factors(a, share, out->vectors - idle, idle);
    for (int c = 0; c < (int)shape->columns; c++) {
        double power = 0, scaled = 0;
        xst_column_power(a, from->sum[c], from->squares[c], &power, &scaled);
        const int array = block * out->block_columns + c / a->columns;
        out->current[array] += power * f.first + scaled * f.second;
        out->constant[array] += f.constant;
        from->sum[c] = 0;
        from->squares[c] = 0;
    }
    out->conversions += shape->columns * out->vectors;
    out->idle += shape->columns * idle;
}

static void draw_layer(const xst_device *device, const xst_array_model *a, const xst_shape *shape, int layer,
                       double density, uint32_t seed, sampler *s, const double *weight, const double *idle, sums *to,
                       xst_reads *out)
{
    const int weight_bits = device->array.weight_bits, levels = 1 << device->cell.bits;
    sampler_start(s, density, shape->rows * shape->outputs, (1u << weight_bits) - 2, seed, KEY_WEIGHTS, layer);
    for (int block = 0; block < out->block_rows; block++) {
        const double rows = xst_block_size(shape->rows, a->rows, block);
        /* One table for a row of arrays: the last array is narrower, which changes the mean wire by less than 0.1 %. */
        double conductance[XST_CELL_LEVELS_MAX];
        for (int level = 0; level < levels; level++)
            conductance[level] =
                xst_cell_conductance(device, a, level / (levels - 1.0), rows, fmin(a->columns, shape->columns));
        const double mean = out->active[block] / rows;
        for (int r = 0; r < (int)rows; r++) {
            const double on = weight[block * a->rows + r];
            add_row(a, shape, conductance, device->cell.bits, weight_bits, mean > 0 ? on / mean : 0, s, to);
        }
        convert_block(a, shape, block, rows, idle[block], to, out);
    }
}

xst_status xst_reads_draw(const xst_device *device, const xst_array_model *a, const xst_shape *shape, int layer,
                          double density, double input_density, uint32_t seed, xst_reads *out, xst_error *err)
{
    xst_status status = xst_reads_make(a, shape, out, err);
    if (status != XST_OK)
        return status;
    const size_t columns = (size_t)shape->columns, rows = (size_t)shape->rows, blocks = (size_t)out->block_rows;
    void *memory = NULL, *random = NULL;
    if ((status = xst_alloc(&memory, 2 * columns + rows + blocks, sizeof(double), "layer sums", err)) == XST_OK &&
        (status = xst_alloc(&random, 1, sizeof(sampler), "random words", err)) == XST_OK) {
        sums to = {memory, (double *)memory + columns};
        double *const weight = to.squares + columns, *const idle = weight + rows;
        draw_inputs(a, shape, layer, input_density, seed, random, out, weight, idle);
        draw_layer(device, a, shape, layer, density, seed, random, weight, idle, &to, out);
    }
    xst_free(random);
    xst_free(memory);
    if (status != XST_OK)
        xst_reads_free(out);
    return status;
}
