/* Counters, the order of images, and batches made from the raw ones. */
#include "backend/ref/call.h"

#include <math.h>
#include <stdlib.h>

enum { PAD = 4 }; /* pixels added on each side before the random crop */

static uint32_t word_of(xst_random_key key, uint32_t element, uint32_t step, uint32_t stage)
{
    uint32_t word[4];
    xst_random_block(word, key, element / 4, 0, step, stage);
    return word[element % 4];
}

xst_status xst_ref_count(const xst_ref_call *call)
{
    xst_ref_words(call->out[0])[0] += 1;
    return XST_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

xst_status xst_ref_shuffle(const xst_ref_call *call)
{
    const xst_shuffle_params *const p = &call->op->p.shuffle;
    const uint32_t epoch = xst_ref_words(call->in[0])[0] / p->steps;
    uint32_t *const order = xst_ref_words(call->out[0]);
    const size_t N = (size_t)call->out[0]->elements;
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, N, sizeof(uint64_t), "shuffle", call->err);
    if (status != XST_OK)
        return status;
    uint64_t *const keys = memory; /* word above, index below: sorts by (word, index) */
    for (uint32_t i = 0; i < N; i++)
        keys[i] = (uint64_t)word_of(p->key, i, epoch, p->stage) << 32 | i;
    qsort(keys, N, sizeof *keys, compare_keys);
    for (size_t i = 0; i < N; i++)
        order[i] = (uint32_t)keys[i];
    xst_free(keys);
    return XST_OK;
}

typedef struct crop {
    int64_t dy, dx;
    bool flip, pad_mean;
} crop;

/* The image moved so that (dy, dx) of its padded self comes first, in the exact float steps that all backends share. */
static void write_row(const xst_ref_call *call, const xst_ref_tensor *norm, int64_t b, uint32_t image, const crop *cut)
{
    const xst_ref_tensor *const images = call->in[0], *const x = call->out[0];
    const int64_t C = x->info.dim[1], H = x->info.dim[2], W = x->info.dim[3];
    for (int64_t c = 0; c < C; c++) {
        const double mean = *xst_ref_at(norm, 0, c, 0, 0), std = *xst_ref_at(norm, 1, c, 0, 0);
        const float scale = (float)(1.0 / (255.0 * std)), shift = (float)(-mean / std);
        for (int64_t h = 0; h < H; h++)
            for (int64_t w = 0; w < W; w++) {
                const int64_t from_h = h + cut->dy - PAD, from_w = (cut->flip ? W - 1 - w : w) + cut->dx - PAD;
                const bool inside = from_h >= 0 && from_h < H && from_w >= 0 && from_w < W;
                float v = 0.0f;
                if (inside)
                    v = xst_ref_bytes(images)[xst_ref_index(images, image, c, from_h, from_w)];
                *xst_ref_at(x, b, c, h, w) = !inside && cut->pad_mean ? 0.0 : (double)fmaf(v, scale, shift);
            }
    }
    xst_ref_words(call->out[1])[b] = xst_ref_words(call->in[1])[image];
}

xst_status xst_ref_train_batch(const xst_ref_call *call)
{
    const xst_batch_params *const p = &call->op->p.batch;
    const xst_ref_tensor *const order = call->in[2];
    const uint32_t t = xst_ref_words(call->in[3])[0];
    const uint32_t s = (t - 1) % p->steps, epoch = (t - 1) / p->steps;
    const int64_t B = call->out[0]->info.dim[0], N = call->in[0]->info.dim[0];
    for (int64_t b = 0; b < B; b++) {
        const int64_t at = (int64_t)s * p->batch + b;
        if (at >= order->elements || xst_ref_words(order)[at] >= N)
            return xst_fail(call->err, XST_ERROR_INTERNAL,
                            "train_batch: step %u has no image for row %lld: check order", t, (long long)b);
        const uint32_t image = xst_ref_words(order)[at];
        crop cut = {.dy = PAD, .dx = PAD, .pad_mean = p->pad_mean};
        if (p->augment) {
            const uint32_t w = word_of(p->key, image, epoch, p->stage);
            cut.dy = ((w & 0xffff) * 9) >> 16;
            cut.dx = (((w >> 16) & 0x7fff) * 9) >> 15;
            cut.flip = w >> 31;
        }
        write_row(call, call->in[4], b, image, &cut);
    }
    return XST_OK;
}

xst_status xst_ref_eval_batch(const xst_ref_call *call)
{
    const int64_t cursor = xst_ref_words(call->in[2])[0];
    const int64_t B = call->out[0]->info.dim[0], last = call->in[0]->info.dim[0] - 1, batch = call->op->p.batch.batch;
    const crop whole = {.dy = PAD, .dx = PAD};
    for (int64_t b = 0; b < B; b++) {
        const int64_t image = cursor * batch + b < last ? cursor * batch + b : last;
        write_row(call, call->in[3], b, (uint32_t)image, &whole);
    }
    return XST_OK;
}
