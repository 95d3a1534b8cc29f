/* small_conv.cu and small_conv_weights.cu, against the reference's convolutions. */
#include "check.h"

#include <string.h>

typedef struct conv_case {
    int32_t batch, height, width, in, out;
} conv_case;

/* A layer on the device, and as the reference has it: maps [B][C][H][W], weights [O][I][3][3]. */
typedef struct conv_layer {
    xst_cuda_small_conv_args args;
    xst_ref_tensor x, w, y;
    size_t xs, ws, ys, places;
} conv_layer;

static conv_layer make_layer(const conv_case *c, int32_t tile)
{
    const size_t places = (size_t)c->height * (size_t)c->width;
    conv_layer l = {
        .args = {.batch = c->batch, .height = c->height, .width = c->width, .in = c->in, .out = c->out, .tile = tile},
        .xs = (size_t)c->batch * places * (size_t)c->in,
        .ws = (size_t)c->out * (size_t)c->in * 9,
        .ys = (size_t)c->batch * places * (size_t)c->out,
        .places = places};
    double *const x = check_numbers(l.xs, XST_CUDA_BF16, 1), *const w = check_numbers(l.ws, XST_CUDA_BF16, 1);
    double *const y = check_numbers(l.ys, XST_CUDA_BF16, 1);
    l.x = check_tensor(XST_F32, x, c->batch, c->in, c->height, c->width);
    l.w = check_tensor(XST_F32, w, c->out, c->in, 3, 3);
    l.y = check_tensor(XST_F32, y, c->batch, c->out, c->height, c->width);
    l.args.x = check_upload(check_turn(x, (size_t)c->batch, (size_t)c->in, places), l.xs, XST_CUDA_BF16);
    l.args.w = check_upload(check_turn(w, (size_t)c->out, (size_t)c->in, 9), l.ws, XST_CUDA_BF16);
    l.args.y = check_upload(check_turn(y, (size_t)c->batch, (size_t)c->out, places), l.ys, XST_CUDA_BF16);
    const size_t scratch = xst_cuda_small_conv_scratch(&l.args);
    l.args.scratch = memset(check_memory(scratch, 1), 0xff, scratch);
    memset(l.args.scratch, 0, 4096 * sizeof(uint32_t)); /* the counters; what sums may be there does not matter */
    return l;
}

typedef cudaError_t conv_run(const xst_cuda_queue *q, const xst_cuda_small_conv_args *args);

/* Twice, the second time on the scratch memory as it was left and in another order of blocks: the same bits. */
static bool agrees(conv_run *run, const conv_layer *l, uint16_t *out, const double *want, size_t n, double terms)
{
    const unsigned order = sim_settings()->order;
    memset(out, 0xff, n * 2);
    bool ok =
        run(&check_queue, &l->args) == cudaSuccess && check_near(out, XST_CUDA_BF16, want, n, 0x1p-8, terms * 0x1p-23);
    uint16_t *const first = memcpy(check_memory(n, 2), out, n * 2);
    sim_settings()->order = order ^ 1;
    memset(out, 0xff, n * 2);
    ok = ok && run(&check_queue, &l->args) == cudaSuccess && memcmp(first, out, n * 2) == 0;
    sim_settings()->order = order;
    return ok;
}

static void forward(const conv_case *c, int32_t tile)
{
    conv_layer l = make_layer(c, tile);
    xst_ref_conv_forward(&(xst_ref_call){.in = {&l.x, &l.w}, .out = {&l.y}});
    const double *const want = check_turn(xst_ref_reals(&l.y), (size_t)c->batch, (size_t)c->out, l.places);
    check_case(agrees(xst_cuda_small_conv_forward, &l, l.args.y, want, l.ys, 9.0 * c->in),
               "small_conv forward %d x %dx%d, %d -> %d, tile %d", c->batch, c->height, c->width, c->in, c->out, tile);
}

static void backward_data(const conv_case *c, int32_t tile)
{
    conv_layer l = make_layer(c, tile);
    xst_ref_conv_backward_data(&(xst_ref_call){.in = {&l.y, &l.w}, .out = {&l.x}});
    const double *const want = check_turn(xst_ref_reals(&l.x), (size_t)c->batch, (size_t)c->in, l.places);
    check_case(agrees(xst_cuda_small_conv_backward_data, &l, l.args.x, want, l.xs, 9.0 * c->out),
               "small_conv backward data %d x %dx%d, %d -> %d, tile %d", c->batch, c->height, c->width, c->in, c->out,
               tile);
}

static void backward_weights(const conv_case *c, int32_t tile)
{
    conv_layer l = make_layer(c, tile);
    xst_ref_conv_backward_weights(&(xst_ref_call){.in = {&l.x, &l.y}, .out = {&l.w}});
    const double *const want = check_turn(xst_ref_reals(&l.w), (size_t)c->out, (size_t)c->in, 9);
    check_case(
        agrees(xst_cuda_small_conv_backward_weights, &l, l.args.w, want, l.ws, (double)l.args.batch * (double)l.places),
        "small_conv backward weights %d x %dx%d, %d -> %d, tile %d", c->batch, c->height, c->width, c->in, c->out,
        tile);
}

/* One image, several; blocks of rows that images do not fill, by little and by nearly one; short last slices; more
 * units than stages, and more than two slices of x in a split. */
static const conv_case cases[] = {{1, 2, 2, 648, 8}, {1, 2, 2, 8, 136}, {2, 4, 4, 136, 72}, {33, 2, 2, 72, 8},
                                  {2, 3, 21, 8, 8},  {15, 3, 3, 8, 16}, {1, 1, 1, 8, 8},    {2, 2, 2, 16, 72},
                                  {2, 3, 1, 8, 136}, {1, 8, 8, 16, 8},  {2, 1, 4, 72, 136}, {1, 3, 3, 136, 8}};
enum { CASES = sizeof cases / sizeof cases[0], FEW = 6 };

void check_small_conv(bool small)
{
    static const int32_t tiles[] = {16, 0, 64, 32};
    for (int i = 0; i < (small ? FEW : CASES); i++)
        for (int t = i % 4; t < 4; t += small || i >= FEW ? 4 : 1) {
            forward(&cases[i], tiles[t]);
            backward_data(&cases[i], tiles[t]);
        }
    const xst_cuda_small_conv_args odd = {.batch = 1, .height = 2, .width = 2, .in = 12, .out = 8};
    const xst_cuda_small_conv_args large = {.batch = 1, .height = 9, .width = 8, .in = 8, .out = 8};
    check_case(!xst_cuda_small_conv_fits(&odd) && !xst_cuda_small_conv_fits(&large), "small_conv refuses");
}

void check_small_conv_weights(bool small)
{
    static const int32_t tiles[] = {32, 48, 0};
    for (int i = 0; i < (small ? FEW : CASES); i++)
        for (int t = i % 3; t < 3; t += small || i >= FEW ? 3 : 1)
            backward_weights(&cases[i], tiles[t]);
    backward_weights(&(conv_case){17, 4, 4, 8, 8}, 0); /* more chunks than stages */
}
