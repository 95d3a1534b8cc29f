#include "backend/cpu/arena.h"
#include "backend/cpu/conv.h"
#include "backend/cpu/effective.h"
#include "backend/cpu/layouts.h"

#include "base/error.h"
#include "base/memory.h"

static cpu_compile_op *const compilers[XST_OP_KINDS] = {
    [XST_OP_COUNT] = xst_cpu_count,
    [XST_OP_SHUFFLE] = xst_cpu_shuffle,
    [XST_OP_TRAIN_BATCH] = xst_cpu_batch,
    [XST_OP_EVAL_BATCH] = xst_cpu_batch,
    [XST_OP_GATES] = xst_cpu_gates,
    [XST_OP_MASK_COUNT] = xst_cpu_mask_count,
    [XST_OP_EFFECTIVE] = xst_cpu_effective,
    [XST_OP_CONV_FORWARD] = xst_cpu_conv,
    [XST_OP_CONV_BACKWARD_DATA] = xst_cpu_conv,
    [XST_OP_CONV_BACKWARD_WEIGHTS] = xst_cpu_conv,
    [XST_OP_BN_RELU_FORWARD] = xst_cpu_bn_forward,
    [XST_OP_BN_RELU_BACKWARD] = xst_cpu_bn_backward,
    [XST_OP_BN_RELU_EVAL] = xst_cpu_bn_eval,
    [XST_OP_BN_RELU_EVAL_BACKWARD] = xst_cpu_bn_eval_backward,
    [XST_OP_POOL_FORWARD] = xst_cpu_pool_forward,
    [XST_OP_POOL_BACKWARD] = xst_cpu_pool_backward,
    [XST_OP_RESHAPE] = xst_cpu_reshape,
    [XST_OP_LINEAR_FORWARD] = xst_cpu_linear_forward,
    [XST_OP_LINEAR_BACKWARD_DATA] = xst_cpu_linear_backward_data,
    [XST_OP_LINEAR_BACKWARD_WEIGHTS] = xst_cpu_linear_backward_weights,
    [XST_OP_RELU_BACKWARD] = xst_cpu_relu_backward,
    [XST_OP_LOSS] = xst_cpu_loss,
    [XST_OP_EVAL_LOSS] = xst_cpu_loss,
    [XST_OP_MASK_GRADIENT] = xst_cpu_gradient,
    [XST_OP_ADAM] = xst_cpu_adam,
    [XST_OP_COLUMN_SGD] = xst_cpu_gradient,
    [XST_OP_SGD] = xst_cpu_sgd,
    [XST_OP_DROP_GROW] = xst_cpu_drop_grow,
    [XST_OP_PRUNE] = xst_cpu_prune,
};

/* Places of the tensors: STATE in the session's memory, effective weights in their cache, other temps in the arena. */
static xst_status place_tensor(cpu_compiler *c, xst_tensor t, xst_error *err)
{
    cpu_use *const use = &c->use[t];
    const bool state = xst_cpu_info(c, t)->kind == XST_STATE;
    xst_status status = state ? xst_cpu_state_place(c->session, t, &use->layout[0], err) : XST_OK;
    for (int32_t v = 0; v < use->variants && status == XST_OK; v++) {
        status = xst_cpu_place_new(c, &use->layout[v], &use->place[v], err);
        if (status == XST_OK && state) {
            use->place[v]->in_arena = false;
            use->place[v]->data = c->session->state[t].data;
        }
    }
    return status;
}

static xst_status emit(cpu_compiler *c, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t t = 0; t < c->session->tensors.count && status == XST_OK; t++)
        if (c->use[t].variants > 0)
            status = place_tensor(c, t, err);
    for (c->op = 0; c->op < c->program->count && status == XST_OK; c->op++) {
        const xst_op *const op = &c->program->op[c->op];
        status = compilers[op->kind](c, op, err);
        if (status == XST_OK)
            status = xst_cpu_flush_writes(c, err);
        if (status != XST_OK)
            xst_fail_context(err, status, "compiling %s (%s)", xst_op_name(op->kind), op->label);
    }
    return status;
}

/* The versions of STATE tensors that a run moves on. */
static xst_status list_written(cpu_compiler *c, xst_error *err)
{
    xst_executable *const x = c->exe;
    xst_status status = XST_OK;
    for (int32_t t = 0; t < c->session->tensors.count && status == XST_OK; t++) {
        if (xst_cpu_info(c, t)->kind != XST_STATE || !xst_cpu_writes(c->program, t))
            continue;
        void *list = x->written;
        status = xst_grow(&list, &x->written_capacity, (size_t)x->writtens + 1, sizeof *x->written, "written", err);
        x->written = list;
        if (status == XST_OK)
            x->written[x->writtens++] = &c->session->state[t].version;
    }
    return status;
}

static xst_status grow_arena(xst_session *session, size_t bytes, xst_error *err)
{
    if (bytes <= session->arena_bytes)
        return XST_OK;
    /* Nothing in the arena outlives a run: the old one goes first, so that both are never there at once. */
    xst_free(session->arena);
    session->arena = NULL;
    session->bytes -= session->arena_bytes > 0 ? xst_cpu_memory_held(session->arena_bytes) : 0;
    session->arena_bytes = 0;
    const xst_status status = xst_cpu_memory_alloc(session, &session->arena, bytes, "working memory", err);
    if (status == XST_OK)
        session->arena_bytes = bytes;
    return status;
}

static void compiler_free(cpu_compiler *c)
{
    for (int32_t i = 0; c->conv && i < c->program->count; i++)
        if (c->conv[i].pd)
            dnnl_primitive_desc_destroy(c->conv[i].pd);
    xst_free(c->conv);
    xst_free(c->fused);
    xst_free(c->score);
    xst_free(c->use);
}

xst_status xst_cpu_compile(xst_session *session, const xst_program *program, xst_executable **out, xst_error *err)
{
    cpu_compiler c = {.session = session, .program = program};
    void *p = NULL;
    size_t arena = 0;
    *out = NULL;
    xst_status status = xst_alloc(&p, 1, sizeof(xst_executable), "executable", err);
    if (status != XST_OK)
        return status;
    c.exe = p;
    c.exe->api = session->api;
    c.exe->session = session;
    c.exe->ops = program->count;
    status = xst_alloc(&p, (size_t)session->tensors.count, sizeof *c.use, "tensor uses", err);
    c.use = p;
    if (status == XST_OK) {
        status = xst_alloc(&p, (size_t)program->count, sizeof *c.conv, "convolutions", err);
        c.conv = p;
    }
    if (status == XST_OK) {
        status = xst_alloc(&p, (size_t)program->count, sizeof *c.fused, "fused operations", err);
        c.fused = p;
    }
    if (status == XST_OK) {
        status = xst_alloc(&p, (size_t)program->count, sizeof *c.score, "growth scores", err);
        c.score = p;
    }
    if (status == XST_OK)
        status = xst_cpu_choose_layouts(&c, err);
    if (status == XST_OK)
        status = emit(&c, err);
    if (status == XST_OK)
        status = list_written(&c, err);
    if (status == XST_OK)
        status = xst_cpu_arena_lay_out(c.exe, &arena, err);
    if (status == XST_OK)
        status = grow_arena(session, arena, err);
    compiler_free(&c);
    if (status == XST_OK)
        *out = c.exe;
    else
        xst_cpu_executable_destroy(c.exe);
    return status;
}

void xst_cpu_executable_destroy(xst_executable *x)
{
    if (!x)
        return;
    for (int32_t i = 0; i < x->steps; i++) {
        if (x->step[i].release)
            x->step[i].release(x->step[i].self);
        xst_free(x->step[i].self);
    }
    for (int32_t i = 0; i < x->memories; i++)
        dnnl_memory_destroy(x->memory[i].memory);
    for (int32_t i = 0; i < x->places; i++) {
        if (x->place[i]->own) {
            x->session->bytes -= xst_cpu_memory_held(x->place[i]->layout.bytes);
            xst_free(x->place[i]->data);
        }
        xst_free(x->place[i]);
    }
    xst_free(x->written);
    xst_free(x->step);
    xst_free(x->memory);
    xst_free(x->place);
    xst_free(x);
}
