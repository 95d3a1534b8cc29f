/* One operation with its tensors, as a reference kernel sees it, and the list of those kernels.
 *
 * A kernel computes what program/ops.h says, with the index names that stand there. */
#ifndef XST_BACKEND_REF_CALL_H
#define XST_BACKEND_REF_CALL_H

#include "base/error.h"
#include "base/memory.h"
#include "program/ops.h"

typedef struct xst_ref_tensor {
    xst_tensor_info info;
    void *data; /* double for f32 and f64, else as the dtype says */
    int64_t elements;
} xst_ref_tensor;

typedef struct xst_ref_call {
    const xst_op *op;
    const xst_ref_tensor *in[XST_OP_INPUTS], *out[XST_OP_OUTPUTS]; /* NULL where the operation has none */
    xst_error *err;
} xst_ref_call;

typedef xst_status (*xst_ref_kernel)(const xst_ref_call *call);

static inline double *xst_ref_reals(const xst_ref_tensor *tensor)
{
    return tensor->data;
}

static inline uint32_t *xst_ref_words(const xst_ref_tensor *tensor)
{
    return tensor->data;
}

static inline uint8_t *xst_ref_bytes(const xst_ref_tensor *tensor)
{
    return tensor->data;
}

/* Place of element (i, j, k, l) in row-major order; indices past the rank are 0. */
static inline int64_t xst_ref_index(const xst_ref_tensor *tensor, int64_t i, int64_t j, int64_t k, int64_t l)
{
    const int64_t *const dim = tensor->info.dim;
    return ((i * dim[1] + j) * dim[2] + k) * dim[3] + l;
}

/* Element (i, j, k, l) of a floating tensor. */
static inline double *xst_ref_at(const xst_ref_tensor *tensor, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return &xst_ref_reals(tensor)[xst_ref_index(tensor, i, j, k, l)];
}

/* batch.c */
xst_status xst_ref_count(const xst_ref_call *call);
xst_status xst_ref_shuffle(const xst_ref_call *call);
xst_status xst_ref_train_batch(const xst_ref_call *call);
xst_status xst_ref_eval_batch(const xst_ref_call *call);
/* conv.c */
xst_status xst_ref_conv_forward(const xst_ref_call *call);
xst_status xst_ref_conv_backward_data(const xst_ref_call *call);
xst_status xst_ref_conv_backward_weights(const xst_ref_call *call);
/* bn.c */
xst_status xst_ref_bn_relu_forward(const xst_ref_call *call);
xst_status xst_ref_bn_relu_backward(const xst_ref_call *call);
xst_status xst_ref_bn_relu_eval(const xst_ref_call *call);
xst_status xst_ref_bn_relu_eval_backward(const xst_ref_call *call);
/* pool.c */
xst_status xst_ref_pool_forward(const xst_ref_call *call);
xst_status xst_ref_pool_backward(const xst_ref_call *call);
xst_status xst_ref_reshape(const xst_ref_call *call);
/* linear.c */
xst_status xst_ref_linear_forward(const xst_ref_call *call);
xst_status xst_ref_linear_backward_data(const xst_ref_call *call);
xst_status xst_ref_linear_backward_weights(const xst_ref_call *call);
xst_status xst_ref_relu_backward(const xst_ref_call *call);
/* loss.c */
xst_status xst_ref_loss(const xst_ref_call *call);
xst_status xst_ref_eval_loss(const xst_ref_call *call);
/* columns.c */
xst_status xst_ref_gates(const xst_ref_call *call);
xst_status xst_ref_mask_count(const xst_ref_call *call);
xst_status xst_ref_effective(const xst_ref_call *call);
xst_status xst_ref_mask_gradient(const xst_ref_call *call);
/* update.c */
xst_status xst_ref_adam(const xst_ref_call *call);
xst_status xst_ref_column_sgd(const xst_ref_call *call);
xst_status xst_ref_sgd(const xst_ref_call *call);
/* drop_grow.c */
xst_status xst_ref_drop_grow(const xst_ref_call *call);
/* prune.c */
xst_status xst_ref_prune(const xst_ref_call *call);

#endif
