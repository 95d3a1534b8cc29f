/* Counting, shuffling, and making batches: normalisation, crop and flip. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { PAD = 4, DIGIT = 256 };

typedef struct count {
    const cpu_place *counter;
} count;

static xst_status count_run(void *self, xst_error *err)
{
    (void)err;
    ++*(uint32_t *)((count *)self)->counter->data;
    return XST_OK;
}

xst_status xst_cpu_count(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    const xst_status status = xst_cpu_step(c, sizeof(count), count_run, NULL, &self, err);
    if (status == XST_OK)
        ((count *)self)->counter = xst_cpu_place(c, op->out[0]);
    return status;
}

typedef struct shuffle {
    xst_shuffle_params params;
    uint32_t images;
    const cpu_place *t, *order, *scratch; /* scratch: words [N], spare order [N] */
} shuffle;

/* One stable pass by an 8-bit digit of the words. */
static void sort_digit(const uint32_t *word, const uint32_t *from, uint32_t *to, uint32_t n, int shift)
{
    uint32_t start[DIGIT + 1] = {0};
    for (uint32_t i = 0; i < n; i++)
        start[(word[from[i]] >> shift & (DIGIT - 1)) + 1]++;
    for (int d = 0; d < DIGIT; d++)
        start[d + 1] += start[d];
    for (uint32_t i = 0; i < n; i++)
        to[start[word[from[i]] >> shift & (DIGIT - 1)]++] = from[i];
}

/* Radix sort: stable, so that equal words stay in the order of their images; four passes end in `order`. */
static xst_status shuffle_run(void *self, xst_error *err)
{
    (void)err;
    const shuffle *const s = self;
    const uint32_t epoch = *(const uint32_t *)s->t->data / s->params.steps;
    uint32_t *const order = s->order->data, *const word = s->scratch->data, *const spare = word + s->images;
    xst_random_words(word, 0, s->images, s->params.key, 0, epoch, s->params.stage);
    for (uint32_t i = 0; i < s->images; i++)
        order[i] = i;
    for (int shift = 0; shift < 32; shift += 16) {
        sort_digit(word, order, spare, s->images, shift);
        sort_digit(word, spare, order, s->images, shift + 8);
    }
    return XST_OK;
}

xst_status xst_cpu_shuffle(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    cpu_place *scratch = NULL;
    const uint32_t images = (uint32_t)xst_tensor_elements(xst_cpu_info(c, op->out[0]));
    xst_status status = xst_cpu_scratch(c, (size_t)images * 2 * sizeof(uint32_t), &scratch, err);
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(shuffle), shuffle_run, NULL, &self, err);
    if (status == XST_OK)
        *(shuffle *)self = (shuffle){.params = op->p.shuffle,
                                     .images = images,
                                     .t = xst_cpu_place(c, op->in[0]),
                                     .order = xst_cpu_place(c, op->out[0]),
                                     .scratch = scratch};
    return status;
}

typedef struct batch {
    xst_batch_params params;
    bool training;
    int64_t images, rows, channels, height, width;
    cpu_offsets offsets; /* of x */
    const cpu_place *pixels, *labels, *order, *t, *norm, *x, *y;
} batch;

/* Where row b comes from: an image, and how it is cropped and flipped. */
typedef struct source {
    int64_t image;
    int32_t dy, dx;
    bool flip;
} source;

static source source_of(const batch *v, int64_t b)
{
    const uint32_t t = *(const uint32_t *)v->t->data;
    source s = {.dy = PAD, .dx = PAD};
    if (!v->training) {
        s.image = (int64_t)t * v->params.batch + b;
        s.image = s.image < v->images ? s.image : v->images - 1;
        return s;
    }
    const xst_batch_params *const p = &v->params;
    const uint32_t done = t - 1, step = done % p->steps;
    s.image = ((const uint32_t *)v->order->data)[step * p->batch + b];
    if (p->augment) {
        uint32_t word[4];
        xst_random_block(word, p->key, (uint32_t)s.image / 4, 0, done / p->steps, p->stage);
        const uint32_t w = word[s.image % 4];
        s.dy = (int32_t)(((w & 0xffff) * 9) >> 16);
        s.dx = (int32_t)((((w >> 16) & 0x7fff) * 9) >> 15);
        s.flip = w >> 31;
    }
    return s;
}

static void fill_plane(const batch *v, const source *s, int64_t b, int64_t c)
{
    const float *const norm = v->norm->data;
    const double std = norm[v->channels + c];
    const float scale = (float)(1.0 / (255.0 * std)), shift = (float)(-(double)norm[c] / std);
    const float outside = v->params.pad_mean && v->training ? 0.0f : shift;
    const uint8_t *const from = (const uint8_t *)v->pixels->data + (s->image * v->channels + c) * v->height * v->width;
    float *const to = (float *)v->x->data + v->offsets.of[0][b] + v->offsets.of[1][c];
    for (int64_t h = 0; h < v->height; h++)
        for (int64_t w = 0; w < v->width; w++) {
            const int64_t row = h + s->dy - PAD, column = (s->flip ? v->width - 1 - w : w) + s->dx - PAD;
            const bool inside = row >= 0 && row < v->height && column >= 0 && column < v->width;
            to[v->offsets.of[2][h] + v->offsets.of[3][w]] =
                inside ? fmaf((float)from[row * v->width + column], scale, shift) : outside;
        }
}

static xst_status batch_run(void *self, xst_error *err)
{
    (void)err;
    const batch *const v = self;
    const uint32_t *const labels = v->labels->data;
    uint32_t *const y = v->y->data;
    if (v->offsets.padded[1] > v->channels)
        memset(v->x->data, 0, v->x->layout.bytes);
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < v->rows; b++) {
        const source s = source_of(v, b);
        y[b] = labels[s.image];
        for (int64_t c = 0; c < v->channels; c++)
            fill_plane(v, &s, b, c);
    }
    return XST_OK;
}

static void batch_release(void *self)
{
    xst_cpu_offsets_free(&((batch *)self)->offsets);
}

xst_status xst_cpu_batch(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    void *self;
    const bool training = op->kind == XST_OP_TRAIN_BATCH;
    const xst_tensor_info *const images = xst_cpu_info(c, op->in[0]), *const x = xst_cpu_info(c, op->out[0]);
    const xst_status status = xst_cpu_step(c, sizeof(batch), batch_run, batch_release, &self, err);
    if (status != XST_OK)
        return status;
    batch *const v = self;
    *v = (batch){.params = op->p.batch,
                 .training = training,
                 .images = images->dim[0],
                 .rows = x->dim[0],
                 .channels = x->dim[1],
                 .height = x->dim[2],
                 .width = x->dim[3],
                 .pixels = xst_cpu_place(c, op->in[0]),
                 .labels = xst_cpu_place(c, op->in[1]),
                 .order = training ? xst_cpu_place(c, op->in[2]) : NULL,
                 .t = xst_cpu_place(c, op->in[training ? 3 : 2]),
                 .norm = xst_cpu_place(c, op->in[training ? 4 : 3]),
                 .x = xst_cpu_place(c, op->out[0]),
                 .y = xst_cpu_place(c, op->out[1])};
    return xst_cpu_offsets_create(&v->offsets, x, &v->x->layout, err);
}
