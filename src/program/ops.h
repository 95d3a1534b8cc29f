/* Every operation a step can consist of: its maths, shapes and dtypes. The one place where they stand; kernels point
 * here.
 *
 * B batch, C channels, H W height and width, n columns of a masked layer, a active columns, L longest column
 * (geometry.h). Tensors are f32 unless said otherwise. "in place": an output that is also read; it stands among the
 * outputs only. Floating sums may be taken in any fixed order; an operation gives the same bits each time it runs on
 * one backend that is deterministic (the option; CPUs always are). random(key; element; ...) is base/random.h with the
 * parameter `stage`. active u32[a] is ascending; entries that equal n, the number of columns, are empty (they stand
 * last, and PRUNE makes them): their rows of value and velocity are 0, no operation changes them or counts them as a
 * column. */
#ifndef XST_PROGRAM_OPS_H
#define XST_PROGRAM_OPS_H

#include "base/random.h"
#include "columns/geometry.h"
#include "program/tensors.h"

#include <stdbool.h>

/* X(NAME, "name", "inputs", "outputs", parameter member or `none`). Names are in the order of xst_op.in and .out; one
 * in brackets may be -1. */
#define XST_OPS(X)                                                                                                     \
    /* counter u32[1] += 1. The first operation of a step counts t, the last of an evaluation batch its cursor. */     \
    X(COUNT, "count", "", "counter", none)                                                                             \
    /* order u32[N] = images by ascending (word, index), word = random(key; image; epoch), epoch = t div steps, where  \
     * t = steps done so far (shuffle runs before the epoch's first step; t inside an epoch gives the same order). */  \
    X(SHUFFLE, "shuffle", "t", "order", shuffle)                                                                       \
    /* A training batch: x[B,C,H,W], y u32[B] from images u8[N,C,H,W], labels u32[N], order. Row b takes image         \
     * order[s*batch + b], s = (t-1) mod steps. augment: w = random(key; image; epoch = (t-1) div steps);              \
     * dy = ((w & 0xffff)*9) >> 16, dx = (((w >> 16) & 0x7fff)*9) >> 15, flip = w >> 31: the image is padded by 4 on   \
     * each side (raw 0; pad_mean: the value that normalises to 0), cropped at (dy, dx), then flipped left-right.      \
     * x = (v/255 - mean_c)/std_c; norm[2,C] = mean, std; evaluated as v*scale_c + shift_c with float                  \
     * scale = 1/(255 std), shift = -mean/std (double, then rounded) and one fma. */                                   \
    X(TRAIN_BATCH, "train_batch", "images labels order t norm", "x y", batch)                                          \
    /* An evaluation batch in file order: row b takes image min(cursor*batch + b, N-1); x as above without             \
     * augmentation. batch is the parameter: x may hold fewer rows. */                                                 \
    X(EVAL_BATCH, "eval_batch", "images labels cursor norm", "x y", batch)                                             \
    /* gate[n] in {0,1}, slope[n] from m_r[n], preserved u8[n]. Where preserved is 0: both 0. Else, training:          \
     * z = logistic(random(key; column; layer; t)), pi0 = sigmoid(m_r),                                                \
     * logit = m_r (paper: log pi0), gate = [logit + z > 0], p = sigmoid((logit+z)/T),                                 \
     * slope = p(1-p)/T * (paper: 1-pi0; else 1). Not training: gate = [m_r > 0], slope 0.  Method.md section 5,       \
     * paper Eq. (1), (2). logit + z is one float addition of xst_exact_logistic (exact.h) for gate `logit`.           \
     * identity (piggyback's rule, section 6): gate = [m_r > 0], and slope = 1 while training. */                      \
    X(GATES, "gates", "m_r preserved t", "gate slope", gates)                                                          \
    /* In place: counts u32[2]: [0] += preserved columns with m_r > 0 (on in the exported mask), [1] += preserved      \
     * ones.                                                                                                           \
     */                                                                                                                \
    X(MASK_COUNT, "mask_count", "m_r preserved", "counts", none)                                                       \
    /* w_eff[O,I,kh,kw] = frozen * gate of its column, plus value[a,L] at the columns active u32[a] (ascending), where \
     * frozen is 0. Without gate (-1): frozen is not read and w_eff is 0 outside the active columns. Exactly 0         \
     * elsewhere (invariant 4). */                                                                                     \
    X(EFFECTIVE, "effective", "[frozen] [gate] active value", "w_eff", columns)                                        \
    /* y[B,O,H,W] = conv(x[B,I,H,W], w[O,I,kh,kw]), stride 1, pad kh div 2, kw div 2 (cross-correlation). */           \
    X(CONV_FORWARD, "conv_forward", "x w", "y", none)                                                                  \
    X(CONV_BACKWARD_DATA, "conv_backward_data", "dy w", "dx", none)                                                    \
    X(CONV_BACKWARD_WEIGHTS, "conv_backward_weights", "x dy", "dw", none)                                              \
    /* Per channel over n = B*H*W: mean, var = biased; y = relu(gamma*(x-mean)*inverse_std + beta),                    \
     * inverse_std = 1/sqrt(var+eps). In place: running_mean = (1-f)*running_mean + f*mean, running_var the same with  \
     * var*n/(n-1); f = momentum, or, with counter u32[1]: f = 1/(counter+1) (a mean over batches). */                 \
    X(BN_RELU_FORWARD, "bn_relu_forward", "x gamma beta [counter]", "y mean inverse_std running_mean running_var", bn) \
    /* g = dy*[y > 0]; xh = (x-mean)*inverse_std; dbeta = sum g; dgamma = sum g*xh;                                    \
     * dx = gamma*inverse_std*(g - dbeta/n - xh*dgamma/n). */                                                          \
    X(BN_RELU_BACKWARD, "bn_relu_backward", "dy x y gamma mean inverse_std", "dx dgamma dbeta", bn)                    \
    /* y = relu(gamma*(x-running_mean)/sqrt(running_var+eps) + beta). */                                               \
    X(BN_RELU_EVAL, "bn_relu_eval", "x gamma beta running_mean running_var", "y", bn)                                  \
    /* Of BN_RELU_EVAL, where BN is frozen: dx = dy*[y > 0]*gamma/sqrt(running_var+eps). */                            \
    X(BN_RELU_EVAL_BACKWARD, "bn_relu_eval_backward", "dy y gamma running_var", "dx", bn)                              \
    /* 2x2 maximum, stride 2: y[B,C,H div 2,W div 2]. Backward sends dy to one of the largest inputs (ref: the first   \
     * in row order) and 0 to the others; odd last rows and columns get 0. */                                          \
    X(POOL_FORWARD, "pool_forward", "x", "y", none)                                                                    \
    X(POOL_BACKWARD, "pool_backward", "dy x y", "dx", none)                                                            \
    /* y = x in another shape, elements in row-major order. */                                                         \
    X(RESHAPE, "reshape", "x", "y", none)                                                                              \
    /* y[B,O] = x[B,I] w[O,I]^T + bias[O], then relu if asked. w may have shape [O,I,1,1]. */                          \
    X(LINEAR_FORWARD, "linear_forward", "x w bias", "y", linear)                                                       \
    X(LINEAR_BACKWARD_DATA, "linear_backward_data", "dy w", "dx", none)                                                \
    /* dw = dy^T x, dbias = sum over the batch of dy. */                                                               \
    X(LINEAR_BACKWARD_WEIGHTS, "linear_backward_weights", "x dy", "dw dbias", none)                                    \
    /* dx = dy*[y > 0]. */                                                                                             \
    X(RELU_BACKWARD, "relu_backward", "dy y", "dx", none)                                                              \
    /* Softmax cross entropy, mean over the batch: dlogits = (softmax - onehot)/B. In place: metrics f64[2]:           \
     * [0] += sum over the batch of -log softmax[y], [1] += number of rows whose argmax (lowest index on a tie) = y.   \
     */                                                                                                                \
    X(LOSS, "loss", "logits y", "dlogits metrics", none)                                                               \
    /* In place: all[N,K] row cursor*B + b = logits row b, for rows below N; metrics f64[2] as in LOSS, those rows. */ \
    X(EVAL_LOSS, "eval_loss", "logits y cursor", "all metrics", none)                                                  \
    /* g[n] = slope * sum over the column of dw*frozen where preserved, else 0. Section 5: dL/dm_r. */                 \
    X(MASK_GRADIENT, "mask_gradient", "dw frozen slope preserved", "g", columns)                                       \
    /* Adam, no decay, in place on m_r, m, v, all [n]: m = .9m + .1g; v = .999v + .001g^2;                             \
     * m_r -= rates[1]/(1-.9^t) * m/(sqrt(v)/sqrt(1-.999^t) + 1e-8); skipped where preserved is 0. rates[2] = lr,      \
     * mask_lr. */                                                                                                     \
    X(ADAM, "adam", "g preserved t rates", "m_r m v", none)                                                            \
    /* SGD with Nesterov momentum on the active columns, in place on value[a,L], velocity[a,L]:                        \
     * g = dw at the column + decay*value; velocity = mu*velocity + g; value -= rates[0]*(g + mu*velocity). */         \
    X(COLUMN_SGD, "column_sgd", "dw active rates", "value velocity", sgd)                                              \
    /* The same on a plain tensor w with gradient g; velocity of its shape. */                                         \
    X(SGD, "sgd", "g rates", "w velocity", sgd)                                                                        \
    /* Drop and grow (section 5; RigL on columns): k = quota[t div update_every - 1] (u32[events]). Drop the k active  \
     * columns of smallest sum(value^2)/length; then grow, among all columns neither preserved nor active after the    \
     * drop (so the dropped ones too), the k of largest sum(dw^2). Ties: lowest index first; a NaN score is taken      \
     * only when nothing else is left. In place: active u32[a] (ascending again), value and velocity [a,L] follow      \
     * their columns; new ones start at 0, and so do dropped-and-grown ones if reset, else they keep both. Scores are  \
     * float, sums in any fixed order. */                                                                              \
    X(DROP_GROW, "drop_grow", "dw preserved t quota", "active value velocity", drop_grow)                              \
    /* Gradual pruning of single weights (section 7; L = 1): k = quota[(t-1) div every - 1] (u32[events], <= a),       \
     * threshold = the k-th smallest |value| of the a entries, empty ones counting as 0. Every entry with |value| <=   \
     * threshold becomes empty (k = 0: none); the others move up in order, with value and velocity. A NaN is larger    \
     * than all numbers and is never released. In place. */                                                            \
    X(PRUNE, "prune", "t quota", "active value velocity", prune)

typedef enum xst_op_kind {
#define XST_OP_ENUM(NAME, name, in, out, member) XST_OP_##NAME,
    XST_OPS(XST_OP_ENUM)
#undef XST_OP_ENUM
        XST_OP_KINDS
} xst_op_kind;

typedef struct xst_shuffle_params {
    xst_random_key key;
    uint32_t stage;
    uint32_t steps; /* per epoch */
} xst_shuffle_params;

typedef struct xst_batch_params {
    xst_random_key key;
    uint32_t stage;
    uint32_t steps; /* per epoch */
    uint32_t batch; /* of a full step; x may hold fewer rows (the epoch's last step) */
    bool augment, pad_mean;
} xst_batch_params;

typedef struct xst_gates_params {
    xst_random_key key;
    uint32_t stage;
    uint32_t layer; /* index among the masked layers */
    float temperature;
    bool paper;    /* logit = log sigmoid(m_r), Eq. (2) as printed */
    bool identity; /* no noise: a threshold with a straight-through slope of 1 */
    bool training; /* false: the exported mask */
} xst_gates_params;

typedef struct xst_columns_params {
    xst_geometry geometry;
} xst_columns_params;

typedef struct xst_bn_params {
    float momentum, eps;
} xst_bn_params;

typedef struct xst_linear_params {
    bool relu;
} xst_linear_params;

typedef struct xst_sgd_params {
    xst_geometry geometry; /* COLUMN_SGD only */
    float momentum, decay;
} xst_sgd_params;

typedef struct xst_drop_grow_params {
    xst_geometry geometry;
    uint32_t update_every;
    bool reset; /* a column both dropped and grown starts anew */
} xst_drop_grow_params;

typedef struct xst_prune_params {
    xst_geometry geometry; /* longest = 1 */
    uint32_t every;
} xst_prune_params;

enum { XST_OP_INPUTS = 6, XST_OP_OUTPUTS = 5 };

typedef struct xst_op {
    xst_op_kind kind;
    char label[XST_NAME_MAX]; /* layer or tensor it works for: for printing, timing, NVTX */
    xst_tensor in[XST_OP_INPUTS], out[XST_OP_OUTPUTS];
    union {
        int none;
        xst_shuffle_params shuffle;
        xst_batch_params batch;
        xst_gates_params gates;
        xst_columns_params columns;
        xst_bn_params bn;
        xst_linear_params linear;
        xst_sgd_params sgd;
        xst_drop_grow_params drop_grow;
        xst_prune_params prune;
    } p;
} xst_op;

/* An operation with no operands yet (all -1). */
xst_op xst_op_make(xst_op_kind kind, const char *label);

const char *xst_op_name(xst_op_kind kind);
/* "x w -> y" as the table has them. */
const char *xst_op_inputs(xst_op_kind kind);
const char *xst_op_outputs(xst_op_kind kind);

#endif
