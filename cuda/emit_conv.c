/* Convolutions by cuDNN's legacy calls, channels last; 3x3 on small maps also by our own kernels (bf16).
 *
 * Which algorithm: with `deterministic`, and in programs that compute no gradients (evaluations, whose logits must come
 * out the same in another process), our own where it fits, else the first of a fixed list that serves the shape and is
 * deterministic. In all others the one that cuDNN measures to be fastest, or our own where that is faster still.
 * Choices are kept in the backend, for the next program and the next task. */
#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum {
    RESULTS = 10,
    OWN = 1000,      /* algorithm OWN + tile: our own kernel with that tile; 0: its rule */
    OWN_PLACES = 16, /* of a map: on larger ones cuDNN finds work for the whole GPU */
    RUNS = 3         /* timed together */
};
static const size_t WORKSPACE_MAX = (size_t)256 << 20;

typedef enum direction { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS } direction;

/* What a choice depends on, and what it is. */
typedef struct cuda_conv_choice {
    int32_t key[10]; /* direction, form, by rule; B, I, H, W, O, kh, kw */
    int algorithm;
    cudnnMathType_t math;
    size_t workspace;
} cuda_conv_choice;

typedef struct conv_args {
    direction direction;
    int algorithm;
    cudnnTensorDescriptor_t xd, yd;
    cudnnFilterDescriptor_t wd;
    cudnnConvolutionDescriptor_t cd;
    xst_cuda_small_conv_args own; /* its numbers */
    void *x, *w, *y;              /* two are read, one is written */
    void *workspace;
    size_t workspace_bytes;
} conv_args;

static const int rules[3][4] = {
    [FORWARD] = {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
                 CUDNN_CONVOLUTION_FWD_ALGO_GEMM, -1},
    [BACKWARD_DATA] = {CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED, -1, -1},
    [BACKWARD_WEIGHTS] = {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED, -1,
                          -1},
};

/* Tiles that our own kernels can be cut into, the narrowest last. */
static const int own_tiles[3][4] = {
    [FORWARD] = {64, 32, 16, 0},
    [BACKWARD_DATA] = {64, 32, 16, 0},
    [BACKWARD_WEIGHTS] = {48, 32, 0, 0},
};

static xst_status run_own(const xst_session *s, const conv_args *a, xst_error *err)
{
    xst_cuda_small_conv_args own = a->own;
    own.tile = a->algorithm - OWN;
    own.x = a->x;
    own.w = a->w;
    own.y = a->y;
    own.scratch = a->workspace;
    switch (a->direction) {
    case FORWARD:
        return xst_cuda_check(s, xst_cuda_small_conv_forward(&s->queue, &own), "convolution", err);
    case BACKWARD_DATA:
        return xst_cuda_check(s, xst_cuda_small_conv_backward_data(&s->queue, &own), "convolution, backward data", err);
    default:
        return xst_cuda_check(s, xst_cuda_small_conv_backward_weights(&s->queue, &own), "convolution, backward weights",
                              err);
    }
}

static xst_status run_conv(const xst_session *s, const void *args, xst_error *err)
{
    static const float one = 1.0f, zero = 0.0f;
    const xst_cuda_api *const cuda = &s->backend->cuda;
    const conv_args *const a = args;
    cudnnStatus_t e;
    if (a->algorithm >= OWN)
        return run_own(s, a, err);
    switch (a->direction) {
    case FORWARD:
        e = cuda->cudnnConvolutionForward(s->dnn, &one, a->xd, a->x, a->wd, a->w, a->cd,
                                          (cudnnConvolutionFwdAlgo_t)a->algorithm, a->workspace, a->workspace_bytes,
                                          &zero, a->yd, a->y);
        return xst_cuda_check_dnn(s, e, "convolution", err);
    case BACKWARD_DATA:
        e = cuda->cudnnConvolutionBackwardData(s->dnn, &one, a->wd, a->w, a->yd, a->y, a->cd,
                                               (cudnnConvolutionBwdDataAlgo_t)a->algorithm, a->workspace,
                                               a->workspace_bytes, &zero, a->xd, a->x);
        return xst_cuda_check_dnn(s, e, "convolution, backward data", err);
    default:
        e = cuda->cudnnConvolutionBackwardFilter(s->dnn, &one, a->xd, a->x, a->yd, a->y, a->cd,
                                                 (cudnnConvolutionBwdFilterAlgo_t)a->algorithm, a->workspace,
                                                 a->workspace_bytes, &zero, a->wd, a->w);
        return xst_cuda_check_dnn(s, e, "convolution, backward weights", err);
    }
}

static void release_conv(const xst_session *s, void *args)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    const conv_args *const a = args;
    if (a->xd)
        (void)cuda->cudnnDestroyTensorDescriptor(a->xd);
    if (a->yd)
        (void)cuda->cudnnDestroyTensorDescriptor(a->yd);
    if (a->wd)
        (void)cuda->cudnnDestroyFilterDescriptor(a->wd);
    if (a->cd)
        (void)cuda->cudnnDestroyConvolutionDescriptor(a->cd);
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static cudnnStatus_t workspace_of(const xst_session *s, const conv_args *a, int algorithm, size_t *bytes)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    switch (a->direction) {
    case FORWARD:
        return cuda->cudnnGetConvolutionForwardWorkspaceSize(s->dnn, a->xd, a->wd, a->cd, a->yd,
                                                             (cudnnConvolutionFwdAlgo_t)algorithm, bytes);
    case BACKWARD_DATA:
        return cuda->cudnnGetConvolutionBackwardDataWorkspaceSize(s->dnn, a->wd, a->yd, a->cd, a->xd,
                                                                  (cudnnConvolutionBwdDataAlgo_t)algorithm, bytes);
    default:
        return cuda->cudnnGetConvolutionBackwardFilterWorkspaceSize(s->dnn, a->xd, a->yd, a->cd, a->wd,
                                                                    (cudnnConvolutionBwdFilterAlgo_t)algorithm, bytes);
    }
}

/* What cuDNN says of an algorithm that does not serve a shape: since version 9 one of many reasons. */
static bool is_unfit(cudnnStatus_t e)
{
    return e >= CUDNN_STATUS_NOT_SUPPORTED && e < CUDNN_STATUS_INTERNAL_ERROR;
}

static bool own_fits(const xst_session *s, const conv_args *a, const int32_t *key)
{
    return s->backend->own_convs && key[1] == CUDA_FORM_BF16 && key[5] * key[6] <= OWN_PLACES && key[8] == 3 &&
           key[9] == 3 && xst_cuda_small_conv_fits(&a->own);
}

static void take_own(cuda_conv_choice *choice, const conv_args *a, int tile)
{
    xst_cuda_small_conv_args own = a->own;
    own.tile = tile;
    choice->algorithm = OWN + tile;
    choice->workspace = a->direction == BACKWARD_WEIGHTS ? 0 : xst_cuda_small_conv_scratch(&own);
}

/* *served = a rule serves the shape. */
static xst_status choose_by_rule(const xst_session *s, const conv_args *a, cuda_conv_choice *choice, bool *served,
                                 xst_error *err)
{
    cudnnStatus_t e = CUDNN_STATUS_NOT_SUPPORTED;
    *served = true;
    if (own_fits(s, a, choice->key)) {
        take_own(choice, a, 0);
        return XST_OK;
    }
    for (const int *rule = rules[a->direction]; *rule >= 0 && is_unfit(e); rule++) {
        choice->algorithm = *rule;
        e = workspace_of(s, a, *rule, &choice->workspace);
    }
    *served = !is_unfit(e);
    return *served ? xst_cuda_check_dnn(s, e, "choosing a convolution", err) : XST_OK;
}

/* One of cuDNN's results; it lists the fastest first. */
typedef struct finding {
    size_t memory;
    cudnnStatus_t status;
    int algorithm;
    cudnnMathType_t math;
    cudnnDeterminism_t determinism;
} finding;

static cudnnStatus_t find(const xst_session *s, const conv_args *a, void *const memory[4], finding found[RESULTS],
                          int *n)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    void *const x = memory[0], *const w = memory[1], *const y = memory[2], *const work = memory[3];
    cudnnStatus_t e;
    if (a->direction == FORWARD) {
        cudnnConvolutionFwdAlgoPerf_t p[RESULTS];
        e = cuda->cudnnFindConvolutionForwardAlgorithmEx(s->dnn, a->xd, x, a->wd, w, a->cd, a->yd, y, RESULTS, n, p,
                                                         work, WORKSPACE_MAX);
        for (int i = 0; e == CUDNN_STATUS_SUCCESS && i < *n; i++)
            found[i] = (finding){p[i].memory, p[i].status, (int)p[i].algo, p[i].mathType, p[i].determinism};
    } else if (a->direction == BACKWARD_DATA) {
        cudnnConvolutionBwdDataAlgoPerf_t p[RESULTS];
        e = cuda->cudnnFindConvolutionBackwardDataAlgorithmEx(s->dnn, a->wd, w, a->yd, y, a->cd, a->xd, x, RESULTS, n,
                                                              p, work, WORKSPACE_MAX);
        for (int i = 0; e == CUDNN_STATUS_SUCCESS && i < *n; i++)
            found[i] = (finding){p[i].memory, p[i].status, (int)p[i].algo, p[i].mathType, p[i].determinism};
    } else {
        cudnnConvolutionBwdFilterAlgoPerf_t p[RESULTS];
        e = cuda->cudnnFindConvolutionBackwardFilterAlgorithmEx(s->dnn, a->xd, x, a->yd, y, a->cd, a->wd, w, RESULTS, n,
                                                                p, work, WORKSPACE_MAX);
        for (int i = 0; e == CUDNN_STATUS_SUCCESS && i < *n; i++)
            found[i] = (finding){p[i].memory, p[i].status, (int)p[i].algo, p[i].mathType, p[i].determinism};
    }
    return e;
}

/* The fastest that worked within the memory given; by rule, where no rule served, the deterministic one of the lowest
 * number. fp32 keeps to its own arithmetic. */
static cudnnStatus_t measure(const xst_session *s, const conv_args *a, void *const memory[4], cuda_conv_choice *choice)
{
    finding found[RESULTS];
    const finding *best = NULL;
    int n = 0;
    const bool by_rule = choice->key[2];
    const cudnnStatus_t e = find(s, a, memory, found, &n);
    for (int i = 0; e == CUDNN_STATUS_SUCCESS && i < n; i++) {
        const finding *const f = &found[i];
        if (f->status != CUDNN_STATUS_SUCCESS || f->memory > WORKSPACE_MAX ||
            (by_rule && f->determinism != CUDNN_DETERMINISTIC))
            continue;
        if (!best || (by_rule && f->algorithm < best->algorithm))
            best = f;
    }
    if (!best)
        return e != CUDNN_STATUS_SUCCESS ? e : CUDNN_STATUS_NOT_SUPPORTED;
    choice->algorithm = best->algorithm;
    choice->math = choice->math == CUDNN_FMA_MATH ? CUDNN_FMA_MATH : best->math;
    choice->workspace = best->memory;
    return e;
}

static xst_status run_often(const xst_session *s, const void *args, xst_error *err)
{
    xst_status status = XST_OK;
    for (int i = 0; i < RUNS && status == XST_OK; i++)
        status = run_conv(s, args, err);
    return status;
}

/* The first run loads the kernel; what it needs of zeroed scratch memory, all runs leave to the next. */
static xst_status time_choice(const xst_session *s, conv_args *a, const cuda_conv_choice *choice, double *ms,
                              xst_error *err)
{
    a->algorithm = choice->algorithm;
    a->workspace_bytes = choice->workspace;
    xst_status status = XST_OK;
    if (choice->algorithm >= OWN && choice->workspace > 0)
        status = xst_cuda_check(
            s, s->backend->cuda.cudaMemsetAsync(a->workspace, 0, choice->workspace, s->queue.stream), "timing", err);
    if (status == XST_OK)
        status = run_conv(s, a, err);
    return status == XST_OK ? xst_cuda_time(s, run_often, a, ms, err) : status;
}

/* Takes one of our own in place of cuDNN's best, if it is faster by our clock. */
static xst_status measure_own(const xst_session *s, const conv_args *a, void *const memory[4], cuda_conv_choice *choice,
                              xst_error *err)
{
    conv_args trial = *a;
    cuda_conv_choice own = *choice;
    double best = 0.0, ms = 0.0;
    trial.x = memory[0];
    trial.w = memory[1];
    trial.y = memory[2];
    trial.workspace = memory[3];
    xst_status status = xst_cuda_check_dnn(s, s->backend->cuda.cudnnSetConvolutionMathType(a->cd, choice->math),
                                           "choosing a convolution", err);
    if (status == XST_OK)
        status = time_choice(s, &trial, choice, &best, err);
    const int outputs = a->direction == FORWARD ? a->own.out : a->own.in;
    for (const int *tile = own_tiles[a->direction]; *tile && status == XST_OK; tile++) {
        if (tile[1] >= outputs) /* half of it would be empty */
            continue;
        take_own(&own, a, *tile);
        status = time_choice(s, &trial, &own, &ms, err);
        if (status == XST_OK && ms < best) {
            *choice = own;
            best = ms;
        }
    }
    return status;
}

/* Lets cuDNN try all it has, on memory of its own, so that no tensor is touched. */
static xst_status choose_by_trial(xst_session *s, const conv_args *a, const int32_t *key, cuda_conv_choice *choice,
                                  xst_error *err)
{
    const size_t one = key[1] == CUDA_FORM_BF16 ? sizeof(uint16_t) : sizeof(float), places = (size_t)(key[5] * key[6]);
    const size_t size[4] = {one * (size_t)key[3] * (size_t)key[4] * places,
                            one * (size_t)key[7] * (size_t)key[4] * (size_t)(key[8] * key[9]),
                            one * (size_t)key[3] * (size_t)key[7] * places, WORKSPACE_MAX};
    void *memory[4] = {0};
    xst_status status = XST_OK;
    for (int i = 0; i < 4 && status == XST_OK; i++)
        status = xst_cuda_memory(s, size[i], i < 3, "choosing a convolution", &memory[i], err);
    if (status == XST_OK)
        status = xst_cuda_check_dnn(s, measure(s, a, memory, choice), "choosing a convolution", err);
    if (status == XST_OK && !key[2] && own_fits(s, a, key))
        status = measure_own(s, a, memory, choice, err);
    if (status == XST_OK)
        status = xst_cuda_synchronise(s, err);
    for (int i = 0; i < 4; i++) {
        const xst_status returned = xst_cuda_memory_return(s, memory[i], status == XST_OK ? err : NULL);
        status = status == XST_OK ? returned : status;
    }
    return status;
}

static xst_status choose(xst_session *s, const conv_args *a, const int32_t *key, cuda_conv_choice *choice,
                         xst_error *err)
{
    xst_backend *const b = s->backend;
    xst_status status = XST_OK;
    bool known = false;
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->choices && !known; i++)
        if (memcmp(b->choice[i].key, key, sizeof b->choice[i].key) == 0) {
            *choice = b->choice[i];
            known = true;
        }
    if (!known) {
        void *list = b->choice;
        memcpy(choice->key, key, sizeof choice->key);
        bool served = false;
        if (key[2])
            status = choose_by_rule(s, a, choice, &served, err);
        if (status == XST_OK && !served)
            status = choose_by_trial(s, a, key, choice, err);
        if (status == XST_OK)
            status = xst_grow(&list, &b->choice_capacity, b->choices + 1, sizeof *b->choice, "choices", err);
        b->choice = list;
        if (status == XST_OK)
            b->choice[b->choices++] = *choice;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return status;
}

/* ---- emitting ---------------------------------------------------------------------------------------------------- */

static cudnnStatus_t describe(const xst_session *s, conv_args *a, const int32_t *key, cudnnMathType_t math)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    const cudnnDataType_t type = key[1] == CUDA_FORM_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    cudnnStatus_t e = cuda->cudnnCreateTensorDescriptor(&a->xd);
    if (e == CUDNN_STATUS_SUCCESS)
        e = cuda->cudnnCreateTensorDescriptor(&a->yd);
    if (e == CUDNN_STATUS_SUCCESS)
        e = cuda->cudnnCreateFilterDescriptor(&a->wd);
    if (e == CUDNN_STATUS_SUCCESS)
        e = cuda->cudnnCreateConvolutionDescriptor(&a->cd);
    if (e == CUDNN_STATUS_SUCCESS)
        e = cuda->cudnnSetTensor4dDescriptor(a->xd, CUDNN_TENSOR_NHWC, type, key[3], key[4], key[5], key[6]);
    if (e == CUDNN_STATUS_SUCCESS)
        e = cuda->cudnnSetTensor4dDescriptor(a->yd, CUDNN_TENSOR_NHWC, type, key[3], key[7], key[5], key[6]);
    if (e == CUDNN_STATUS_SUCCESS)
        e = cuda->cudnnSetFilter4dDescriptor(a->wd, type, CUDNN_TENSOR_NHWC, key[7], key[4], key[8], key[9]);
    if (e == CUDNN_STATUS_SUCCESS)
        e = cuda->cudnnSetConvolution2dDescriptor(a->cd, key[8] / 2, key[9] / 2, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION,
                                                  CUDNN_DATA_FLOAT);
    return e == CUDNN_STATUS_SUCCESS ? cuda->cudnnSetConvolutionMathType(a->cd, math) : e;
}

static cudnnMathType_t math_of(xst_precision precision)
{
    return precision == XST_BF16   ? CUDNN_TENSOR_OP_MATH
           : precision == XST_TF32 ? CUDNN_DEFAULT_MATH /* f32 data on tensor cores */
                                   : CUDNN_FMA_MATH;
}

static void point_operands(cuda_compiler *c, const xst_op *op, conv_args *a, cuda_form form)
{
    switch (a->direction) {
    case FORWARD:
        xst_cuda_in(c, &a->x, op->in[0], form);
        xst_cuda_in(c, &a->w, op->in[1], form);
        xst_cuda_out(c, &a->y, op->out[0], form);
        break;
    case BACKWARD_DATA:
        xst_cuda_in(c, &a->y, op->in[0], form);
        xst_cuda_in(c, &a->w, op->in[1], form);
        xst_cuda_out(c, &a->x, op->out[0], form);
        break;
    case BACKWARD_WEIGHTS:
        xst_cuda_in(c, &a->x, op->in[0], form);
        xst_cuda_in(c, &a->y, op->in[1], form);
        xst_cuda_out(c, &a->w, op->out[0], form);
        break;
    }
}

void xst_cuda_emit_conv(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const direction d = op->kind == XST_OP_CONV_FORWARD         ? FORWARD
                        : op->kind == XST_OP_CONV_BACKWARD_DATA ? BACKWARD_DATA
                                                                : BACKWARD_WEIGHTS;
    const int64_t *const x = xst_cuda_info(c, d == BACKWARD_DATA ? op->out[0] : op->in[0])->dim;
    const int64_t *const w = xst_cuda_info(c, d == BACKWARD_WEIGHTS ? op->out[0] : op->in[1])->dim;
    const xst_backend *const backend = c->session->backend;
    const cuda_form form = backend->compute;
    const int32_t key[10] = {(int32_t)d,    (int32_t)form, backend->options.deterministic || !c->learns,
                             (int32_t)x[0], (int32_t)x[1], (int32_t)x[2],
                             (int32_t)x[3], (int32_t)w[0], (int32_t)w[2],
                             (int32_t)w[3]};
    conv_args *const a = xst_cuda_step(c, run_conv, sizeof *a);
    if (!a)
        return;
    c->main[c->mains - 1].release = release_conv;
    a->direction = d;
    a->own =
        (xst_cuda_small_conv_args){.batch = key[3], .height = key[5], .width = key[6], .in = key[4], .out = key[7]};
    cuda_conv_choice choice = {.math = math_of(backend->options.precision)};
    c->status =
        xst_cuda_check_dnn(c->session, describe(c->session, a, key, choice.math), "describing a convolution", c->err);
    if (c->status == XST_OK)
        c->status = choose(c->session, a, key, &choice, c->err);
    if (c->status == XST_OK)
        c->status = xst_cuda_check_dnn(c->session, backend->cuda.cudnnSetConvolutionMathType(a->cd, choice.math),
                                       "describing a convolution", c->err);
    a->algorithm = choice.algorithm;
    a->workspace_bytes = choice.workspace;
    point_operands(c, op, a, form);
    if (choice.algorithm < OWN)
        xst_cuda_scratch(c, &a->workspace, choice.workspace);
    else if (choice.workspace > 0)
        xst_cuda_use_zeroed(c, &a->workspace, CUDA_ZEROED_CONV, choice.workspace);
}
