/* batch.cu and layout.cu. */
#include "check.h"

#include <math.h>
#include <string.h>

/* ---- layout.cu --------------------------------------------------------------------------------------------------- */

static void transpose(size_t batch, size_t rows, size_t columns, xst_cuda_type from_type, xst_cuda_type to_type)
{
    const size_t n = batch * rows * columns;
    const double *const x = check_numbers(n, from_type, 3.0);
    void *const to = check_memory(n, to_type == XST_CUDA_F32 ? 4 : 2);
    const xst_cuda_transpose_args a = {.from = check_upload(x, n, from_type),
                                       .to = to,
                                       .from_type = from_type,
                                       .to_type = to_type,
                                       .batch = (int64_t)batch,
                                       .rows = (int64_t)rows,
                                       .columns = (int64_t)columns};
    double *const want = check_turn(x, batch, rows, columns);
    for (size_t i = 0; i < n; i++)
        want[i] = check_round(to_type, want[i]);
    const bool ok = xst_cuda_transpose(&check_queue, &a) == cudaSuccess && check_near(to, to_type, want, n, 0, 0);
    check_case(ok, "transpose %zu %zu %zu types %d %d", batch, rows, columns, from_type, to_type);
}

static void bits(uint32_t n)
{
    float *const gate = check_memory(n, sizeof(float)), *const back = check_memory(n, sizeof(float));
    uint32_t *const word = check_memory((n + 31) / 32, sizeof(uint32_t));
    for (uint32_t i = 0; i < n; i++)
        gate[i] = (float)(check_dice() % 2);
    bool ok = xst_cuda_bits_pack(&check_queue, &(xst_cuda_bits_args){gate, word, n}) == cudaSuccess &&
              xst_cuda_bits_unpack(&check_queue, &(xst_cuda_bits_args){back, word, n}) == cudaSuccess &&
              memcmp(gate, back, n * sizeof(float)) == 0;
    for (uint32_t i = n; i < (n + 31) / 32 * 32 && ok; i++)
        ok = !(word[i / 32] >> (i % 32) & 1);
    check_case(ok, "bits %u", n);
}

static void slots(uint32_t n, uint32_t a, bool counted)
{
    const check_columns c = check_choose(n, a);
    int32_t *const slot = check_memory(n, sizeof(int32_t));
    uint32_t *const count = check_memory(1, sizeof(uint32_t));
    *count = counted ? a / 2 : a;
    const xst_cuda_slots_args args = {
        .active = c.active, .count = counted ? count : NULL, .slot = slot, .a = a, .n = n};
    bool ok = xst_cuda_slots(&check_queue, &args) == cudaSuccess;
    for (uint32_t i = 0; i < n && ok; i++)
        ok = slot[i] == (c.slot[i] < (int32_t)*count ? c.slot[i] : -1);
    check_case(ok, "slots %u of %u", a, n);
}

void check_layout(bool small)
{
    static const uint32_t sizes[] = {1, 31, 33, 257, 1025};
    for (int i = 0; i < (small ? 3 : 5); i++) {
        bits(sizes[i]);
        slots(sizes[i], sizes[i] / 3, false);
        slots(sizes[i], sizes[i], true);
        slots(sizes[i], 0, false);
        for (xst_cuda_type from = XST_CUDA_F32; from <= XST_CUDA_BF16; from++)
            for (xst_cuda_type to = XST_CUDA_F32; to <= XST_CUDA_BF16; to++) {
                transpose(2, sizes[i], 9, from, to);
                transpose(1, 1, sizes[i], from, to);
            }
    }
}

/* ---- batch.cu ---------------------------------------------------------------------------------------------------- */

static void count(void)
{
    uint32_t *const counter = check_memory(1, sizeof *counter);
    *counter = 41;
    const bool ok = xst_cuda_count(&check_queue, &(xst_cuda_count_args){counter}) == cudaSuccess;
    check_case(ok && *counter == 42, "count");
}

static void shuffle(uint32_t n, uint32_t t, uint32_t steps)
{
    uint32_t *const step = check_memory(1, 4), *const order = check_memory(n, 4), *const want = check_memory(n, 4);
    *step = t;
    const xst_op op = {.p.shuffle = {.key = {7, 0x302}, .stage = 2, .steps = steps}};
    const xst_ref_tensor in = check_tensor(XST_U32, step, 1, 1, 1, 1), out = check_tensor(XST_U32, want, n, 1, 1, 1);
    const xst_ref_call call = {.op = &op, .in = {&in}, .out = {&out}};
    const xst_cuda_shuffle_args a = {.t = step, .order = order, .n = n, .steps = steps, .key = {7, 0x302}, .stage = 2};
    const bool ok = xst_cuda_shuffle(&check_queue, &a) == cudaSuccess && xst_ref_shuffle(&call) == XST_OK &&
                    memcmp(order, want, n * 4) == 0;
    check_case(ok, "shuffle %u t=%u", n, t);
}

typedef struct batch_case {
    uint32_t n, rows, channels, side, t;
    bool train, augment, pad_mean;
    xst_cuda_type type;
} batch_case;

static void batch(const batch_case *b)
{
    const uint32_t C = b->channels, P = b->side * b->side, steps = (b->n + b->rows - 1) / b->rows;
    const size_t pixels = (size_t)b->n * C * P, out = (size_t)b->rows * C * P;
    uint8_t *const images = check_memory(pixels, 1);
    uint32_t *const labels = check_memory(b->n, 4), *const order = check_memory(b->n, 4), *const t = check_memory(1, 4);
    uint32_t *const y = check_memory(b->rows, 4), *const want_y = check_memory(b->rows, 4);
    double *const norm = check_memory(2 * C, sizeof(double)), *const want = check_memory(out, sizeof(double));
    for (size_t i = 0; i < pixels; i++)
        images[i] = (uint8_t)check_dice();
    for (uint32_t i = 0; i < b->n; i++) {
        labels[i] = check_dice() % 5;
        order[i] = (i * 7 + 3) % b->n;
    }
    for (uint32_t c = 0; c < 2 * C; c++)
        norm[c] = check_round(XST_CUDA_F32, 0.4 + 0.05 * c);
    *t = b->t;
    const xst_op op = {.p.batch = {.key = {9, 0x103},
                                   .stage = 1,
                                   .steps = steps,
                                   .batch = b->rows,
                                   .augment = b->augment,
                                   .pad_mean = b->pad_mean}};
    const xst_ref_tensor im = check_tensor(XST_U8, images, b->n, C, b->side, b->side);
    const xst_ref_tensor la = check_tensor(XST_U32, labels, b->n, 1, 1, 1);
    const xst_ref_tensor or = check_tensor(XST_U32, order, b->n, 1, 1, 1), at = check_tensor(XST_U32, t, 1, 1, 1, 1);
    const xst_ref_tensor no = check_tensor(XST_F32, norm, 2, C, 1, 1);
    const xst_ref_tensor x = check_tensor(XST_F32, want, b->rows, C, b->side, b->side);
    const xst_ref_tensor wy = check_tensor(XST_U32, want_y, b->rows, 1, 1, 1);
    const xst_ref_call train = {.op = &op, .in = {&im, &la, & or, &at, &no}, .out = {&x, &wy}};
    const xst_ref_call eval = {.op = &op, .in = {&im, &la, &at, &no}, .out = {&x, &wy}};
    void *const got = check_memory(out, b->type == XST_CUDA_F32 ? 4 : 2);
    const xst_cuda_batch_args a = {.images = images,
                                   .labels = labels,
                                   .order = b->train ? order : NULL,
                                   .t = t,
                                   .norm = check_upload(norm, 2 * C, XST_CUDA_F32),
                                   .x = got,
                                   .y = y,
                                   .type = b->type,
                                   .n = b->n,
                                   .rows = b->rows,
                                   .channels = C,
                                   .height = b->side,
                                   .width = b->side,
                                   .steps = steps,
                                   .batch = b->rows,
                                   .key = {9, 0x103},
                                   .stage = 1,
                                   .augment = b->augment,
                                   .pad_mean = b->pad_mean};
    bool ok = xst_cuda_batch(&check_queue, &a) == cudaSuccess &&
              (b->train ? xst_ref_train_batch(&train) : xst_ref_eval_batch(&eval)) == XST_OK;
    for (size_t i = 0; i < out; i++)
        want[i] = check_round(b->type, want[i]);
    ok = ok && check_near(got, b->type, check_turn(want, b->rows, C, P), out, 0, 0) &&
         memcmp(y, want_y, b->rows * 4) == 0;
    check_case(ok, "batch %u of %u, t=%u", b->rows, b->n, b->t);
}

void check_batch(bool small)
{
    static const uint32_t sizes[] = {1, 31, 33, 1025, 2500};
    count();
    for (int i = 0; i < (small ? 4 : 5); i++) {
        shuffle(sizes[i], 0, 79);
        shuffle(sizes[i], 160, 79);
    }
    for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++) {
        batch(&(batch_case){33, 5, 3, 8, 9, true, true, false, type});
        batch(&(batch_case){33, 31, 2, 5, 1, true, true, true, type});
        batch(&(batch_case){1, 1, 1, 1, 3, true, false, false, type});
        batch(&(batch_case){7, 3, 3, 4, 2, false, false, false, type}); /* past the end: the last image again */
    }
}
