/* Every kernel of the CUDA backend as a plain C function that queues it. The maths stands in program/ops.h.
 *
 * All pointers are to device memory unless a comment says otherwise. bf16 is uint16_t, or void with an xst_cuda_type.
 * Layouts: activations [B][P][C] (channels last, P = H*W); weights [O][taps][I] (KRSC, taps = kh*kw), so that column
 * (o, g) is `taps` runs of `group` neighbouring channels; active columns compact, [a][L] f32, each column in (i, h, w)
 * order as in ops.h; u8 images as the file has them, [N][C][H][W].
 * Bits: bit c % 32 of word c / 32 belongs to column c; spare bits of the last word are 0.
 *
 * A launcher returns cudaErrorInvalidValue for arguments it cannot serve, else what the launch returns; it waits for
 * nothing, allocates nothing and can be captured. Arguments are taken by value at the call. An empty size (no rows, no
 * columns, a = 0) is a success that launches nothing.
 * Results never depend on timing: sums have a fixed order, atomics are on integers only. */
#ifndef XST_CUDA_KERNELS_H
#define XST_CUDA_KERNELS_H

#include "columns/geometry.h"
#include "queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum xst_cuda_type { XST_CUDA_F32, XST_CUDA_BF16 } xst_cuda_type;

/* Layers (tensors) that one launch takes; a net with more takes several launches. */
enum { XST_CUDA_LAYERS_MAX = 24, XST_CUDA_TENSORS_MAX = 64 };

/* ---- counters, batches ------------------------------------------------------------------------------------------- */

/* COUNT: *counter += 1. */
typedef struct xst_cuda_count_args {
    uint32_t *counter;
} xst_cuda_count_args;
cudaError_t xst_cuda_count(const xst_cuda_queue *q, const xst_cuda_count_args *args);

/* SHUFFLE. Any n; no workspace. */
typedef struct xst_cuda_shuffle_args {
    const uint32_t *t;
    uint32_t *order; /* [n] */
    uint32_t n, steps, key[2], stage;
} xst_cuda_shuffle_args;
cudaError_t xst_cuda_shuffle(const xst_cuda_queue *q, const xst_cuda_shuffle_args *args);

/* TRAIN_BATCH, EVAL_BATCH (order NULL: rows in file order from cursor, no augmentation). */
typedef struct xst_cuda_batch_args {
    const uint8_t *images;  /* [n][channels][height][width] */
    const uint32_t *labels; /* [n] */
    const uint32_t *order;  /* [n], or NULL: EVAL_BATCH */
    const uint32_t *t;      /* TRAIN_BATCH: t; EVAL_BATCH: cursor */
    const float *norm;      /* [2][channels]: mean, std */
    void *x;                /* [rows][height * width][channels] of `type` */
    uint32_t *y;            /* [rows] */
    xst_cuda_type type;
    uint32_t n, rows, channels, height, width;
    uint32_t steps, batch; /* as xst_batch_params; EVAL_BATCH: steps unused */
    uint32_t key[2], stage;
    bool augment, pad_mean;
} xst_cuda_batch_args;
cudaError_t xst_cuda_batch(const xst_cuda_queue *q, const xst_cuda_batch_args *args);

/* ---- layouts ----------------------------------------------------------------------------------------------------- */

/* to[b][s][r] = from[b][r][s] with a change of type, round to nearest even. NCHW to NHWC: batch B, rows C, columns P;
 * back: rows P, columns C; weights O,I,taps to KRSC: batch O, rows I, columns taps; back: rows taps, columns I. rows =
 * 1 only changes the type. Not in place. RESHAPE of a map to rows [B][C*H*W] is "back" without a change of type. */
typedef struct xst_cuda_transpose_args {
    const void *from;
    void *to;
    xst_cuda_type from_type, to_type;
    int64_t batch, rows, columns;
} xst_cuda_transpose_args;
cudaError_t xst_cuda_transpose(const xst_cuda_queue *q, const xst_cuda_transpose_args *args);

/* gate as ops.h has it, f32 [n] in {0, 1}, from and to bits [(n + 31) / 32]. For tests and tensors outside the fused
 * paths. */
typedef struct xst_cuda_bits_args {
    float *gate;
    uint32_t *bits;
    uint32_t n;
} xst_cuda_bits_args;
cudaError_t xst_cuda_bits_pack(const xst_cuda_queue *q, const xst_cuda_bits_args *args);
cudaError_t xst_cuda_bits_unpack(const xst_cuda_queue *q, const xst_cuda_bits_args *args);

/* slot[c] = place of column c in active[a] (ascending), or -1; c < n. Entries of n are empty. count: NULL, or the
 * number of entries that count (<= a). */
typedef struct xst_cuda_slots_args {
    const uint32_t *active, *count;
    int32_t *slot; /* [n] */
    uint32_t a, n;
} xst_cuda_slots_args;
cudaError_t xst_cuda_slots(const xst_cuda_queue *q, const xst_cuda_slots_args *args);

/* ---- columns: gates, effective weights, updates ------------------------------------------------------------------ */

/* GATES of all layers in one launch. */
typedef struct xst_cuda_gates_layer {
    const float *m_r;         /* [n]; NULL with preserved NULL */
    const uint8_t *preserved; /* [n], or NULL: none is */
    const int32_t *slot;      /* [n], or NULL; bits of active columns (slot >= 0) are set too */
    uint32_t *bits;           /* [(n + 31) / 32] */
    float *slope;             /* [n], or NULL */
    uint32_t n, layer;        /* layer: index among the masked layers, for the random words */
} xst_cuda_gates_layer;

typedef struct xst_cuda_gates_args {
    const uint32_t *t; /* or NULL, where no layer has preserved columns */
    uint32_t key[2], stage;
    float temperature;
    bool paper, identity, training;
    int layers;
    xst_cuda_gates_layer layer[XST_CUDA_LAYERS_MAX];
} xst_cuda_gates_args;
cudaError_t xst_cuda_gates(const xst_cuda_queue *q, const xst_cuda_gates_args *args);

/* MASK_COUNT of one layer: once an epoch. */
typedef struct xst_cuda_mask_count_args {
    const float *m_r;         /* [n] */
    const uint8_t *preserved; /* [n] */
    uint32_t *counts;         /* [2] */
    uint32_t n;
} xst_cuda_mask_count_args;
cudaError_t xst_cuda_mask_count(const xst_cuda_queue *q, const xst_cuda_mask_count_args *args);

/* EFFECTIVE of all layers in one launch; general: any group, element granularity. */
typedef struct xst_cuda_effective_layer {
    xst_geometry geometry;
    const void *frozen;   /* KRSC of `type`; NULL: none */
    const uint32_t *bits; /* gate; NULL with frozen NULL. Bits of active columns do not matter */
    const int32_t *slot;  /* [columns], or NULL: no active column */
    const float *value;   /* [a][L] */
    void *w_eff;          /* KRSC of `type` */
} xst_cuda_effective_layer;

typedef struct xst_cuda_effective_args {
    xst_cuda_type type;
    int layers;
    xst_cuda_effective_layer layer[XST_CUDA_LAYERS_MAX];
} xst_cuda_effective_args;
cudaError_t xst_cuda_effective(const xst_cuda_queue *q, const xst_cuda_effective_args *args);

/* MASK_GRADIENT of all layers in one launch, and ADAM with it where m_r is given. */
typedef struct xst_cuda_mask_layer {
    xst_geometry geometry;
    const void *dw;     /* KRSC of dw_type */
    const void *frozen; /* KRSC of frozen_type; read at preserved columns only */
    const float *slope; /* [n] */
    const uint8_t *preserved;
    float *g;           /* [n], or NULL: not kept */
    float *m_r, *m, *v; /* [n], or NULL: no Adam */
} xst_cuda_mask_layer;

typedef struct xst_cuda_mask_args {
    const uint32_t *t;  /* NULL without Adam */
    const float *rates; /* [2]: lr, mask_lr; NULL without Adam */
    xst_cuda_type dw_type, frozen_type;
    int layers;
    xst_cuda_mask_layer layer[XST_CUDA_LAYERS_MAX];
} xst_cuda_mask_args;
cudaError_t xst_cuda_mask_gradient(const xst_cuda_queue *q, const xst_cuda_mask_args *args);

/* ADAM alone. */
typedef struct xst_cuda_adam_args {
    const float *g;
    const uint8_t *preserved;
    const uint32_t *t;
    const float *rates;
    float *m_r, *m, *v;
    uint32_t n;
} xst_cuda_adam_args;
cudaError_t xst_cuda_adam(const xst_cuda_queue *q, const xst_cuda_adam_args *args);

/* COLUMN_SGD of all layers in one launch; entries of active that are no column are empty. Exactly one of dw (KRSC of
 * dw_type) and dw_compact ([a][L] f32) is given. */
typedef struct xst_cuda_column_sgd_layer {
    xst_geometry geometry;
    const void *dw;
    const float *dw_compact;
    const uint32_t *active;  /* [a] */
    const uint32_t *count;   /* number of active columns that count, or NULL: a */
    float *value, *velocity; /* [a][L] */
    void *w;                 /* KRSC of w_type, or NULL: the new values are also written there */
    uint32_t a;
} xst_cuda_column_sgd_layer;

typedef struct xst_cuda_column_sgd_args {
    const float *rates;
    float momentum, decay;
    xst_cuda_type dw_type, w_type;
    int layers;
    xst_cuda_column_sgd_layer layer[XST_CUDA_LAYERS_MAX];
} xst_cuda_column_sgd_args;
cudaError_t xst_cuda_column_sgd(const xst_cuda_queue *q, const xst_cuda_column_sgd_args *args);

/* w = value at the active columns; the rest of w stays. Uses geometry, active, count, value, w, a of the layers and
 * w_type. Needed after uploads and DROP_GROW by paths that keep active values inside w. */
cudaError_t xst_cuda_scatter(const xst_cuda_queue *q, const xst_cuda_column_sgd_args *args);

/* SGD on plain tensors, one launch for all. */
typedef struct xst_cuda_sgd_tensor {
    const float *g;
    float *w, *velocity;
    uint32_t n;
    float momentum, decay;
} xst_cuda_sgd_tensor;

typedef struct xst_cuda_sgd_args {
    const float *rates;
    int tensors;
    xst_cuda_sgd_tensor tensor[XST_CUDA_TENSORS_MAX];
} xst_cuda_sgd_args;
cudaError_t xst_cuda_sgd(const xst_cuda_queue *q, const xst_cuda_sgd_args *args);

/* DROP_GROW of one layer (a handful of launches). Exactly one of dw (KRSC of dw_type) and norm ([columns]: sum of dw^2
 * where not preserved) is given. A step without a quota, or a quota above a, is taken as k = 0 or k = a. slot is
 * rebuilt. */
typedef struct xst_cuda_drop_grow_args {
    xst_geometry geometry;
    const void *dw;
    const float *norm;
    xst_cuda_type dw_type;
    const uint8_t *preserved; /* [columns] */
    const uint32_t *t, *quota;
    uint32_t events, update_every;
    bool reset;
    uint32_t *active;        /* [a] */
    const uint32_t *count;   /* or NULL: a */
    int32_t *slot;           /* [columns]; must fit active */
    float *value, *velocity; /* [a][L] */
    uint32_t a;
    void *scratch; /* xst_cuda_drop_grow_scratch bytes, 16-byte aligned; any content; shared by layers one after the
                      other */
} xst_cuda_drop_grow_args;
size_t xst_cuda_drop_grow_scratch(const xst_geometry *geometry, uint32_t a);
cudaError_t xst_cuda_drop_grow(const xst_cuda_queue *q, const xst_cuda_drop_grow_args *args);

/* PRUNE of one layer (L = 1; a handful of launches). Entries of n are empty. A step without a quota, or a quota above
 * a, is taken as k = 0 or k = a. slot is rebuilt. */
typedef struct xst_cuda_prune_args {
    const uint32_t *t, *quota;
    uint32_t events, every, n; /* n: columns of the layer */
    uint32_t *active;          /* [a] */
    int32_t *slot;             /* [n] */
    float *value, *velocity;   /* [a] */
    uint32_t a;
    void *scratch; /* xst_cuda_prune_scratch bytes, 16-byte aligned; any content; layers may share it */
} xst_cuda_prune_args;
size_t xst_cuda_prune_scratch(uint32_t a);
cudaError_t xst_cuda_prune(const xst_cuda_queue *q, const xst_cuda_prune_args *args);

/* ---- convolutions on small maps: bf16, tensor cores ----------------------------------------------------------------
 */

/* CONV_FORWARD (y from x, w), CONV_BACKWARD_DATA (x from y, w), CONV_BACKWARD_WEIGHTS (w from x, y) for windows of 3x3,
 * maps of at most 64 places, in % 8 = 0, out % 8 = 0. Pointers are 16-byte aligned. */
typedef struct xst_cuda_small_conv_args {
    int32_t batch, height, width, in, out;
    int32_t tile;  /* outputs of a block: 64, 32 or 16; backward weights, channels: 48 or 32; 0: by a rule */
    uint16_t *x;   /* [batch][height * width][in] */
    uint16_t *w;   /* [out][9][in] */
    uint16_t *y;   /* [batch][height * width][out] */
    void *scratch; /* forward, backward data: xst_cuda_small_conv_scratch bytes, zero before the first use; layers may
                      share it */
} xst_cuda_small_conv_args;
bool xst_cuda_small_conv_fits(const xst_cuda_small_conv_args *args);      /* looks at the numbers only */
size_t xst_cuda_small_conv_scratch(const xst_cuda_small_conv_args *args); /* the same */
cudaError_t xst_cuda_small_conv_forward(const xst_cuda_queue *q, const xst_cuda_small_conv_args *args);
cudaError_t xst_cuda_small_conv_backward_data(const xst_cuda_queue *q, const xst_cuda_small_conv_args *args);
cudaError_t xst_cuda_small_conv_backward_weights(const xst_cuda_queue *q, const xst_cuda_small_conv_args *args);

/* ---- batch normalisation + ReLU, pooling --------------------------------------------------------------------------
 */

/* BN_RELU_FORWARD, BN_RELU_BACKWARD, BN_RELU_EVAL, BN_RELU_EVAL_BACKWARD (dy, y, gamma, running_var, dx) on maps
 * [rows][channels], rows = B*H*W. Statistics are f32, sums of a channel in a fixed order.
 *
 * width > 0: forward and backward together with the 2x2 maximum that follows, on maps of that width, H and W even,
 * channels % 8 = 0. Forward: POOL_FORWARD of y as well. Backward: dy is that of the pool's result, [rows /
 * 4][channels], and what POOL_BACKWARD makes of it is not written. */
typedef struct xst_cuda_bn_args {
    xst_cuda_type type;
    uint32_t rows, channels;
    uint32_t width; /* or 0 */
    float momentum, eps;
    const void *x;
    const float *gamma, *beta;         /* backward: beta unused */
    const uint32_t *counter;           /* forward: or NULL */
    void *y;                           /* forward, eval: out; backward: in */
    float *mean, *inverse_std;         /* [channels]; forward: out; backward: in; eval: unused */
    float *running_mean, *running_var; /* forward: in place; eval: in; backward: unused */
    const void *dy;                    /* backward */
    void *dx;                          /* backward: out; may be dy where width is 0 */
    void *pooled;                      /* forward, width > 0: out, [rows / 4][channels] */
    float *dgamma, *dbeta;             /* backward: out */
    void *scratch; /* forward, backward: xst_cuda_bn_scratch bytes, zero before the first use; layers may share it (the
                      largest size) one after the other. Each use leaves its head zero again. */
} xst_cuda_bn_args;
size_t xst_cuda_bn_scratch(uint32_t rows, uint32_t channels);
cudaError_t xst_cuda_bn_relu_forward(const xst_cuda_queue *q, const xst_cuda_bn_args *args);
cudaError_t xst_cuda_bn_relu_backward(const xst_cuda_queue *q, const xst_cuda_bn_args *args);
cudaError_t xst_cuda_bn_relu_eval(const xst_cuda_queue *q, const xst_cuda_bn_args *args);
cudaError_t xst_cuda_bn_relu_eval_backward(const xst_cuda_queue *q, const xst_cuda_bn_args *args);

/* POOL_FORWARD: y[batch][H div 2][W div 2][C] from x. POOL_BACKWARD: dx from dy and x; y is not needed. */
typedef struct xst_cuda_pool_args {
    xst_cuda_type type;
    uint32_t batch, height, width, channels; /* of x */
    const void *x, *dy;
    void *y, *dx;
} xst_cuda_pool_args;
cudaError_t xst_cuda_pool_forward(const xst_cuda_queue *q, const xst_cuda_pool_args *args);
cudaError_t xst_cuda_pool_backward(const xst_cuda_queue *q, const xst_cuda_pool_args *args);

/* ---- fully connected layers, loss ---------------------------------------------------------------------------------
 */

/* RELU_BACKWARD and, in the same pass, the gradient of the bias before it: dx = dy*[y > 0]; dbias[n] = sum over rows of
 * dx. Either may be left out. */
typedef struct xst_cuda_relu_args {
    xst_cuda_type type;
    const void *dy, *y; /* [rows][n]; y and dx both NULL: no ReLU, the sum is of dy */
    void *dx;           /* may be dy */
    float *dbias;       /* or NULL */
    uint32_t rows, n;
} xst_cuda_relu_args;
cudaError_t xst_cuda_relu_backward(const xst_cuda_queue *q, const xst_cuda_relu_args *args);

/* y[rows][n] = from + bias, then relu if asked: what LINEAR_FORWARD does after a library's product. y may be from. */
typedef struct xst_cuda_bias_args {
    const void *from;
    void *y;
    const float *bias;
    xst_cuda_type from_type, type;
    bool relu;
    uint32_t rows, n;
} xst_cuda_bias_args;
cudaError_t xst_cuda_bias(const xst_cuda_queue *q, const xst_cuda_bias_args *args);

/* c[m][n] = sum over k of a(m, k) b(k, n), plus bias[n] where given, then relu if asked. f32 sums on plain cores: any
 * size, deterministic, the general path of the LINEAR operations:
 *   forward           a = x  [B][I],            b = w [O][I] transposed, m = B, n = O, k = I
 *   backward data     a = dy [B][O],            b = w [O][I],            m = B, n = I, k = O
 *   backward weights  a = dy [B][O] transposed, b = x [B][I],            m = O, n = I, k = B
 * a_transposed: a is stored [k][m], else [m][k]; b_transposed: b is stored [n][k], else [k][n]. Rows are dense. */
typedef struct xst_cuda_gemm_args {
    const void *a, *b;
    void *c;
    const float *bias;          /* [n] or NULL */
    xst_cuda_type type, c_type; /* of a and b; of c */
    bool a_transposed, b_transposed, relu;
    uint32_t m, n, k;
} xst_cuda_gemm_args;
cudaError_t xst_cuda_gemm(const xst_cuda_queue *q, const xst_cuda_gemm_args *args);

/* The LINEAR operations of a layer with few outputs, a head: forward takes x, w, bias, relu and gives y; backward takes
 * dy and gives dx from w, dw and dbias from x, or one of the two, in one launch. Rows are dense; pointers are 16-byte
 * aligned. */
enum { XST_CUDA_NARROW_MAX = 128 };
typedef struct xst_cuda_narrow_args {
    const void *x;  /* [rows][in] of type */
    const float *w; /* [out][in] */
    const float *bias, *dy;
    float *y;
    void *dx;          /* of type, or NULL */
    float *dw, *dbias; /* or both NULL */
    xst_cuda_type type;
    bool relu;
    uint32_t rows, in, out; /* backward: none is 0 */
} xst_cuda_narrow_args;
cudaError_t xst_cuda_narrow_forward(const xst_cuda_queue *q, const xst_cuda_narrow_args *args);
cudaError_t xst_cuda_narrow_backward(const xst_cuda_queue *q, const xst_cuda_narrow_args *args);

/* LOSS (all NULL) and EVAL_LOSS (dlogits NULL). */
typedef struct xst_cuda_loss_args {
    const void *logits;     /* [rows][classes] of type */
    const uint32_t *y;      /* [rows] */
    void *dlogits;          /* LOSS: [rows][classes] of type */
    double *metrics;        /* [2], in place */
    float *all;             /* EVAL_LOSS: [total][classes] */
    const uint32_t *cursor; /* EVAL_LOSS */
    xst_cuda_type type;
    uint32_t rows, classes, total;
} xst_cuda_loss_args;
cudaError_t xst_cuda_loss(const xst_cuda_queue *q, const xst_cuda_loss_args *args);

/* ---- fused FC paths: bf16, tensor cores ---------------------------------------------------------------------------
 */

/* They serve a layer where in % 8 = 0, out % 8 = 0, kh = kw = 1 and group % 8 = 0 (weight gradient: group = 8); the
 * rest takes the general path. w holds frozen and active values, bits (from the gates kernel, with slot) say which
 * columns count: a column that is off is never read. Pointers are 16-byte aligned. */
bool xst_cuda_fc_fits(const xst_geometry *geometry);          /* forward, backward data */
bool xst_cuda_fc_gradient_fits(const xst_geometry *geometry); /* backward weights */

/* y[rows][out] = relu?(x[rows][in] w^T + bias). */
typedef struct xst_cuda_fc_forward_args {
    xst_geometry geometry;
    const uint16_t *x, *w;
    const uint32_t *bits;
    const float *bias;
    uint16_t *y;
    bool relu;
    uint32_t rows;
    void *scratch; /* xst_cuda_fc_scratch bytes, zero before the first use; layers may share it */
} xst_cuda_fc_forward_args;
size_t xst_cuda_fc_scratch(const xst_geometry *geometry, uint32_t rows); /* forward and backward data */
cudaError_t xst_cuda_fc_forward(const xst_cuda_queue *q, const xst_cuda_fc_forward_args *args);

/* dx[rows][in] = dy[rows][out] w. */
typedef struct xst_cuda_fc_backward_data_args {
    xst_geometry geometry;
    const uint16_t *dy, *w;
    const uint32_t *bits;
    uint16_t *dx;
    uint32_t rows;
    void *scratch;
} xst_cuda_fc_backward_data_args;
cudaError_t xst_cuda_fc_backward_data(const xst_cuda_queue *q, const xst_cuda_fc_backward_data_args *args);

/* dw = dy^T x is made tile by tile and not kept: mask gradient (and Adam) at preserved columns, dw_compact at active
 * ones, norm (sum of dw^2) at columns not preserved where norm is given. Runs after the layer's backward data. */
typedef struct xst_cuda_fc_gradient_args {
    xst_geometry geometry;
    const uint16_t *x, *dy, *w;
    const uint8_t *preserved; /* or NULL: none is */
    const float *slope;
    const int32_t *slot; /* or NULL: none is active */
    float *dw_compact;   /* [a][8] */
    float *norm;         /* [columns], or NULL */
    float *g;            /* [columns], or NULL */
    float *m_r, *m, *v;  /* or NULL: no Adam */
    const uint32_t *t;
    const float *rates;
    uint32_t rows;
} xst_cuda_fc_gradient_args;
cudaError_t xst_cuda_fc_gradient(const xst_cuda_queue *q, const xst_cuda_fc_gradient_args *args);

#ifdef __cplusplus
}
#endif

#endif
