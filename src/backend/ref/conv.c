/* Convolution, stride 1, same size: sums over a window that may hang over the edge, where the map is 0. */
#include "backend/ref/call.h"

/* Element (b, c, h, w), 0 outside the map. */
static double padded(const xst_ref_tensor *map, int64_t b, int64_t c, int64_t h, int64_t w)
{
    const int64_t *const dim = map->info.dim;
    return h < 0 || h >= dim[2] || w < 0 || w >= dim[3] ? 0.0 : *xst_ref_at(map, b, c, h, w);
}

static double forward_at(const xst_ref_tensor *x, const xst_ref_tensor *weights, int64_t b, int64_t o, int64_t h,
                         int64_t w)
{
    const int64_t I = weights->info.dim[1], kh = weights->info.dim[2], kw = weights->info.dim[3];
    double sum = 0.0;
    for (int64_t i = 0; i < I; i++)
        for (int64_t r = 0; r < kh; r++)
            for (int64_t s = 0; s < kw; s++)
                sum += padded(x, b, i, h + r - kh / 2, w + s - kw / 2) * *xst_ref_at(weights, o, i, r, s);
    return sum;
}

xst_status xst_ref_conv_forward(const xst_ref_call *call)
{
    const xst_ref_tensor *const x = call->in[0], *const weights = call->in[1], *const y = call->out[0];
    const int64_t *const dim = y->info.dim;
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t o = 0; o < dim[1]; o++)
            for (int64_t h = 0; h < dim[2]; h++)
                for (int64_t w = 0; w < dim[3]; w++)
                    *xst_ref_at(y, b, o, h, w) = forward_at(x, weights, b, o, h, w);
    return XST_OK;
}

/* y(h, w) reads x(h + r - kh/2, w + s - kw/2); so x(h, w) went into y(h - r + kh/2, w - s + kw/2). */
static double backward_data_at(const xst_ref_tensor *dy, const xst_ref_tensor *weights, int64_t b, int64_t i, int64_t h,
                               int64_t w)
{
    const int64_t O = weights->info.dim[0], kh = weights->info.dim[2], kw = weights->info.dim[3];
    double sum = 0.0;
    for (int64_t o = 0; o < O; o++)
        for (int64_t r = 0; r < kh; r++)
            for (int64_t s = 0; s < kw; s++)
                sum += padded(dy, b, o, h - r + kh / 2, w - s + kw / 2) * *xst_ref_at(weights, o, i, r, s);
    return sum;
}

xst_status xst_ref_conv_backward_data(const xst_ref_call *call)
{
    const xst_ref_tensor *const dy = call->in[0], *const weights = call->in[1], *const dx = call->out[0];
    const int64_t *const dim = dx->info.dim;
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t i = 0; i < dim[1]; i++)
            for (int64_t h = 0; h < dim[2]; h++)
                for (int64_t w = 0; w < dim[3]; w++)
                    *xst_ref_at(dx, b, i, h, w) = backward_data_at(dy, weights, b, i, h, w);
    return XST_OK;
}

/* Sum of dy(h, w) * x(h + dh, w + dw) over the batch. */
static double backward_weights_at(const xst_ref_tensor *x, const xst_ref_tensor *dy, int64_t o, int64_t i, int64_t dh,
                                  int64_t dw)
{
    const int64_t B = dy->info.dim[0], H = dy->info.dim[2], W = dy->info.dim[3];
    double sum = 0.0;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < H; h++)
            for (int64_t w = 0; w < W; w++)
                sum += *xst_ref_at(dy, b, o, h, w) * padded(x, b, i, h + dh, w + dw);
    return sum;
}

xst_status xst_ref_conv_backward_weights(const xst_ref_call *call)
{
    const xst_ref_tensor *const x = call->in[0], *const dy = call->in[1], *const dw = call->out[0];
    const int64_t *const dim = dw->info.dim;
    for (int64_t o = 0; o < dim[0]; o++)
        for (int64_t i = 0; i < dim[1]; i++)
            for (int64_t r = 0; r < dim[2]; r++)
                for (int64_t s = 0; s < dim[3]; s++)
                    *xst_ref_at(dw, o, i, r, s) = backward_weights_at(x, dy, o, i, r - dim[2] / 2, s - dim[3] / 2);
    return XST_OK;
}
