/* Counters, shuffles, and batches for training and evaluation: bit for bit, whatever the backend. */
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const xst_random_key key = {7, 0x102};
enum { STAGE = 3 };

static void test_count(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_COUNT, "from 41");
    const xst_tensor counter = ops_in_place(&c, ops_exact(), XST_U32, SHAPE(1));
    ops_words(&c, counter)[0] = 41;
    ops_expect(&c, counter, (const double[]){42});
    ops_finish(&c);
}

/* The image of rank r has exactly r images with a smaller (word, index) before it. */
static void order_by_ranks(double *order, int64_t N, uint32_t epoch)
{
    uint32_t *const word = calloc((size_t)N, sizeof *word);
    assert_non_null(word);
    xst_random_words(word, 0, (uint32_t)N, key, 0, epoch, STAGE);
    for (int64_t i = 0; i < N; i++) {
        int64_t rank = 0;
        for (int64_t j = 0; j < N; j++)
            rank += word[j] < word[i] || (word[j] == word[i] && j < i);
        order[rank] = (double)i;
    }
    free(word);
}

static void shuffle(void **state, int64_t N, uint32_t steps, uint32_t t)
{
    ops_case c;
    double *const expected = calloc((size_t)N, sizeof *expected);
    assert_non_null(expected);
    ops_begin(&c, *state, XST_OP_SHUFFLE, "N=%d steps=%u t=%u", (int)N, steps, t);
    c.op.p.shuffle = (xst_shuffle_params){.key = key, .stage = STAGE, .steps = steps};
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = t;
    const xst_tensor order = ops_output(&c, ops_exact(), XST_U32, SHAPE(N));
    if (N == 1)
        ops_expect_zero(&c, order);
    order_by_ranks(expected, N, t / steps);
    ops_expect(&c, order, expected);
    ops_finish(&c);
    free(expected);
}

static void test_shuffle(void **state)
{
    shuffle(state, 1, 1, 0);
    shuffle(state, 5, 2, 0);
    shuffle(state, 33, 9, 8); /* the last step of epoch 0 */
    shuffle(state, 33, 9, 9); /* the first of epoch 1 */
    shuffle(state, 2500, 79, 79 * 3);
}

typedef struct batch_case {
    int64_t N, C, H, W, rows;
    uint32_t batch, steps, t;
    bool augment, pad_mean;
} batch_case;

static xst_tensor add_images(ops_case *c, const batch_case *p)
{
    const xst_tensor images = ops_input(c, XST_U8, SHAPE(p->N, p->C, p->H, p->W));
    ops_below(c, images, 256);
    ops_bytes(c, images)[0] = 255;
    ops_below(c, ops_input(c, XST_U32, SHAPE(p->N)), 5);
    return images;
}

static xst_tensor add_norm(ops_case *c, const batch_case *p)
{
    const xst_tensor norm = ops_input(c, XST_F32, SHAPE(2, p->C));
    for (int64_t k = 0; k < p->C; k++) {
        ops_floats(c, norm)[k] = 0.4242f + 0.03f * (float)k;
        ops_floats(c, norm)[p->C + k] = 0.2495f + 0.01f * (float)k;
    }
    return norm;
}

/* One channel of one row, made the long way: pad into a larger map, crop, flip. */
static void expect_channel(const batch_case *p, const uint8_t *image, float mean, float std, uint32_t w, double *x)
{
    const int64_t PH = p->H + 8, PW = p->W + 8;
    const int64_t dy = p->augment ? ((w & 0xffff) * 9) >> 16 : 4,
                  dx = p->augment ? (((w >> 16) & 0x7fff) * 9) >> 15 : 4;
    const double outside = p->pad_mean ? 0.0 : (double)(float)(-(double)mean / (double)std);
    const float scale = (float)(1.0 / (255.0 * (double)std)), shift = (float)(-(double)mean / (double)std);
    double *const padded = calloc((size_t)(PH * PW), sizeof *padded);
    assert_non_null(padded);
    for (int64_t i = 0; i < PH * PW; i++)
        padded[i] = outside;
    for (int64_t h = 0; h < p->H; h++)
        for (int64_t v = 0; v < p->W; v++)
            padded[(h + 4) * PW + v + 4] = (double)fmaf((float)image[h * p->W + v], scale, shift);
    for (int64_t h = 0; h < p->H; h++)
        for (int64_t v = 0; v < p->W; v++)
            x[h * p->W + (p->augment && w >> 31 ? p->W - 1 - v : v)] = padded[(dy + h) * PW + dx + v];
    free(padded);
}

static void expect_row(const ops_case *c, const batch_case *p, uint32_t image, xst_tensor norm, double *x)
{
    const int64_t area = p->H * p->W, block = image / 4 * 4;
    uint32_t word[4];
    xst_random_words(word, (uint32_t)block, 4, key, 0, p->steps ? (p->t - 1) / p->steps : 0, STAGE);
    for (int64_t k = 0; k < p->C; k++)
        expect_channel(p, &ops_bytes(c, c->op.in[0])[(image * p->C + k) * area], ops_floats(c, norm)[k],
                       ops_floats(c, norm)[p->C + k], word[image - block], &x[k * area]);
}

static void finish_batch(ops_case *c, const batch_case *p, xst_tensor norm, const uint32_t *image)
{
    const int64_t size = p->C * p->H * p->W;
    double *const x = calloc((size_t)(p->rows * size), sizeof *x), *const y = calloc((size_t)p->rows, sizeof *y);
    assert_true(x && y);
    for (int64_t b = 0; b < p->rows; b++) {
        expect_row(c, p, image[b], norm, &x[b * size]);
        y[b] = ops_words(c, c->op.in[1])[image[b]];
    }
    ops_expect(c, ops_output(c, ops_exact(), XST_F32, SHAPE(p->rows, p->C, p->H, p->W)), x);
    const xst_tensor labels = ops_output(c, ops_exact(), XST_U32, SHAPE(p->rows));
    ops_expect(c, labels, y);
    if (p->rows == 1)
        ops_expect_zero(c, labels);
    ops_finish(c);
    free(x);
    free(y);
}

static void train_batch(void **state, const batch_case *p)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_TRAIN_BATCH, "N=%d C=%d %dx%d rows=%d t=%u%s%s", (int)p->N, (int)p->C, (int)p->H,
              (int)p->W, (int)p->rows, p->t, p->augment ? " augment" : "", p->pad_mean ? " pad mean" : "");
    c.op.p.batch = (xst_batch_params){.key = key,
                                      .stage = STAGE,
                                      .steps = p->steps,
                                      .batch = p->batch,
                                      .augment = p->augment,
                                      .pad_mean = p->pad_mean};
    add_images(&c, p);
    const xst_tensor order = ops_input(&c, XST_U32, SHAPE(p->N));
    for (int64_t i = 0; i < p->N; i++)
        ops_words(&c, order)[i] = (uint32_t)(i * 7 % p->N);
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = p->t;
    const xst_tensor norm = add_norm(&c, p);
    finish_batch(&c, p, norm, &ops_words(&c, order)[(p->t - 1) % p->steps * p->batch]);
}

static void test_train_batch(void **state)
{
    const batch_case cases[] = {
        {33, 3, 32, 32, 8, 8, 5, 1, false, false}, {33, 3, 32, 32, 8, 8, 5, 2, true, false},
        {33, 3, 32, 32, 8, 8, 5, 9, true, true},   {33, 3, 32, 32, 1, 8, 5, 5, true, false},
        {33, 3, 32, 32, 1, 8, 5, 20, true, false}, {100, 3, 8, 8, 32, 32, 4, 7, true, false},
        {50, 1, 5, 7, 4, 4, 13, 14, true, false},  {50, 1, 5, 7, 2, 4, 13, 13, true, true},
        {25, 5, 16, 16, 4, 4, 7, 3, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        train_batch(state, &cases[i]);
}

static void eval_batch(void **state, const batch_case *p)
{
    ops_case c;
    uint32_t image[32];
    ops_begin(&c, *state, XST_OP_EVAL_BATCH, "N=%d C=%d rows=%d cursor=%u", (int)p->N, (int)p->C, (int)p->rows, p->t);
    c.op.p.batch = (xst_batch_params){.key = key, .steps = 1, .batch = (uint32_t)p->batch};
    add_images(&c, p);
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = p->t;
    const xst_tensor norm = add_norm(&c, p);
    for (int64_t b = 0; b < p->rows; b++) {
        const int64_t next = (int64_t)p->t * p->batch + b;
        image[b] = (uint32_t)(next < p->N ? next : p->N - 1);
    }
    finish_batch(&c, p, norm, image);
}

static void test_eval_batch(void **state)
{
    const batch_case cases[] = {{.N = 10, .C = 3, .H = 32, .W = 32, .rows = 2, .batch = 4, .t = 2}, /* a short batch */
                                {.N = 10, .C = 3, .H = 32, .W = 32, .rows = 4, .batch = 4, .t = 0},
                                {.N = 10, .C = 3, .H = 32, .W = 32, .rows = 4, .batch = 4, .t = 2},
                                {.N = 33, .C = 1, .H = 5, .W = 7, .rows = 32, .batch = 32, .t = 1},
                                {.N = 5, .C = 3, .H = 8, .W = 8, .rows = 1, .batch = 1, .t = 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        eval_batch(state, &cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_train_batch),
        cmocka_unit_test(test_eval_batch),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
