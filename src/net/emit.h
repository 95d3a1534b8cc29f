/* Emitting a network's part of a program: forward, loss, backward, updates of the per-task tensors, evaluation.
 *
 * Where a masked layer's weights come from, and what becomes of their gradient, is the method's affair: two hooks. */
#ifndef XST_NET_EMIT_H
#define XST_NET_EMIT_H

#include "net/net.h"
#include "program/program.h"

typedef struct xst_emitter xst_emitter;

typedef struct xst_weight_hooks {
    void *user;
    /* Emits what makes the effective weights of a masked layer and gives their tensor [O,I,kh,kw]. */
    xst_status (*weights)(void *user, xst_emitter *emitter, int masked, xst_tensor *w, xst_error *err);
    /* Emits what the method does with dw = dL/dW_eff. The layer's backward-data stands before it. Not called in
     * evaluation. */
    xst_status (*gradient)(void *user, xst_emitter *emitter, int masked, xst_tensor dw, xst_error *err);
} xst_weight_hooks;

struct xst_emitter {
    const xst_net *net;
    xst_tensors *tensors;
    xst_program *program;
    const xst_weight_hooks *hooks;
    char prefix[16]; /* of temporaries: programs of other batch sizes have their own */
    int64_t batch;
    int64_t classes;
    bool training;         /* batch statistics and backward, else running statistics */
    float bn_momentum;     /* 0.1 */
    bool bn_frozen;        /* training under the running statistics: BN learns nothing */
    xst_tensor bn_counter; /* >= 0: running statistics are the mean over batches (BN recalibration) */
    float momentum;        /* of SGD on the per-task tensors, which have no decay */
    /* filled while emitting forward: what backward needs of each layer */
    xst_tensor x[XST_NET_LAYERS_MAX], pre[XST_NET_LAYERS_MAX], y[XST_NET_LAYERS_MAX], w[XST_NET_LAYERS_MAX];
    xst_tensor mean[XST_NET_LAYERS_MAX], inverse_std[XST_NET_LAYERS_MAX];
    xst_tensor flat, map; /* the last map reshaped for the first FC layer, and the map itself */
    xst_tensor head_x;
};

/* Declares the per-task tensors as STATE, with a velocity (NAME/velocity) for the trained ones if `training`. */
xst_status xst_emit_params(const xst_net *net, int classes, bool training, xst_tensors *tensors, xst_error *err);

/* x [batch,3,32,32] -> logits [batch,classes]. */
xst_status xst_emit_forward(xst_emitter *emitter, xst_tensor x, xst_tensor *logits, xst_error *err);

/* From dlogits back to the first layer: gradients, hooks, and SGD on the per-task tensors (tensor `rates`). */
xst_status xst_emit_backward(xst_emitter *emitter, xst_tensor dlogits, xst_error *err);

/* A temporary "prefix:name". */
xst_status xst_emit_temp(xst_emitter *emitter, const char *name, const char *what, xst_dtype dtype, int32_t rank,
                         const int64_t *dim, xst_tensor *out, xst_error *err);
/* A tensor that must exist: "name" or "name/what". */
xst_status xst_emit_find(const xst_tensors *tensors, const char *name, const char *what, xst_tensor *out,
                         xst_error *err);

#endif
