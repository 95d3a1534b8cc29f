/* From a program to an executable: groups, steps, memory, pointers, graph. */
#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static cuda_emit *const emitters[XST_OP_KINDS] = {
    [XST_OP_COUNT] = xst_cuda_emit_count,
    [XST_OP_SHUFFLE] = xst_cuda_emit_shuffle,
    [XST_OP_TRAIN_BATCH] = xst_cuda_emit_batch,
    [XST_OP_EVAL_BATCH] = xst_cuda_emit_batch,
    [XST_OP_GATES] = xst_cuda_emit_gates,
    [XST_OP_MASK_COUNT] = xst_cuda_emit_mask_count,
    [XST_OP_EFFECTIVE] = xst_cuda_emit_effective,
    [XST_OP_CONV_FORWARD] = xst_cuda_emit_conv,
    [XST_OP_CONV_BACKWARD_DATA] = xst_cuda_emit_conv,
    [XST_OP_CONV_BACKWARD_WEIGHTS] = xst_cuda_emit_conv,
    [XST_OP_BN_RELU_FORWARD] = xst_cuda_emit_bn,
    [XST_OP_BN_RELU_BACKWARD] = xst_cuda_emit_bn,
    [XST_OP_BN_RELU_EVAL] = xst_cuda_emit_bn,
    [XST_OP_BN_RELU_EVAL_BACKWARD] = xst_cuda_emit_bn_eval_backward,
    [XST_OP_POOL_FORWARD] = xst_cuda_emit_pool,
    [XST_OP_POOL_BACKWARD] = xst_cuda_emit_pool,
    [XST_OP_RESHAPE] = xst_cuda_emit_reshape,
    [XST_OP_LINEAR_FORWARD] = xst_cuda_emit_linear_forward,
    [XST_OP_LINEAR_BACKWARD_DATA] = xst_cuda_emit_linear_backward,
    [XST_OP_LINEAR_BACKWARD_WEIGHTS] = xst_cuda_emit_linear_backward,
    [XST_OP_RELU_BACKWARD] = xst_cuda_emit_relu,
    [XST_OP_LOSS] = xst_cuda_emit_loss,
    [XST_OP_EVAL_LOSS] = xst_cuda_emit_loss,
    [XST_OP_MASK_GRADIENT] = xst_cuda_emit_mask,
    [XST_OP_ADAM] = xst_cuda_emit_adam,
    [XST_OP_COLUMN_SGD] = xst_cuda_emit_column_sgd,
    [XST_OP_SGD] = xst_cuda_emit_sgd,
    [XST_OP_DROP_GROW] = xst_cuda_emit_drop_grow,
    [XST_OP_PRUNE] = xst_cuda_emit_prune,
};

static void release_steps(const xst_session *s, cuda_step *step, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        if (step[i].release)
            step[i].release(s, step[i].args);
        xst_free(step[i].args);
    }
    xst_free(step);
}

void xst_cuda_executable_destroy(xst_executable *x)
{
    if (!x)
        return;
    const xst_session *const s = x->session;
    (void)s->backend->cuda.cudaStreamSynchronize(s->queue.stream); /* it may still be running */
    if (x->graph)
        (void)s->backend->cuda.cudaGraphExecDestroy(x->graph);
    release_steps(s, x->step, x->steps);
    for (int32_t i = 0; i < x->places; i++)
        xst_free(x->place[i]);
    xst_free(x->place);
    xst_free(x->patch);
    xst_free(x->label);
    xst_free(x->reads);
    xst_free(x->writes);
    xst_free(x);
}

static xst_status begin(xst_session *s, const xst_program *program, cuda_compiler *c, xst_executable **out,
                        xst_error *err)
{
    const size_t tensors = (size_t)s->tensors.count, ops = (size_t)program->count;
    void *memory = NULL, *use = NULL, *label = NULL, *reads = NULL, *writes = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_executable), "program", err);
    if (status != XST_OK)
        return status;
    xst_executable *const x = *out = memory;
    x->api = s->api;
    x->session = s;
    x->ops = program->count;
    snprintf(x->name, sizeof x->name, "%s", program->name);
    *c = (cuda_compiler){.session = s, .exe = x, .program = program, .err = err};
    status = xst_alloc(&use, tensors, sizeof *c->use, "program", err);
    c->use = use;
    if (status == XST_OK)
        status = xst_alloc(&label, ops, sizeof *x->label, "program", err);
    x->label = label;
    if (status == XST_OK)
        status = xst_alloc(&reads, tensors, sizeof *x->reads, "program", err);
    x->reads = reads;
    if (status == XST_OK)
        status = xst_alloc(&writes, tensors, sizeof *x->writes, "program", err);
    x->writes = writes;
    for (int32_t i = 0; i < x->ops && status == XST_OK; i++)
        snprintf(x->label[i], sizeof x->label[i], "%s", program->op[i].label);
    return status;
}

static bool learns(const xst_program *program)
{
    for (int32_t i = 0; i < program->count; i++)
        if (program->op[i].kind == XST_OP_CONV_BACKWARD_WEIGHTS ||
            program->op[i].kind == XST_OP_LINEAR_BACKWARD_WEIGHTS)
            return true;
    return false;
}

static xst_status emit(cuda_compiler *c)
{
    xst_cuda_places_begin(c);
    xst_cuda_plan_fused(c);
    for (c->at = 0; c->at < c->groups && c->status == XST_OK; c->at++) {
        const cuda_group *const group = &c->group[c->at];
        if (emitters[group->kind])
            emitters[group->kind](c, group);
        else
            c->status = xst_fail(c->err, XST_ERROR_INTERNAL, "cuda: this operation is not there");
        xst_cuda_group_end(c);
        if (c->status != XST_OK) {
            const xst_op *const op = xst_cuda_op(c, group, group->count - 1);
            xst_fail_context(c->err, c->status, "%s (%s)", xst_op_name(op->kind), op->label);
        }
    }
    return xst_cuda_places_end(c);
}

/* Gives temps their memory, and arguments their pointers. */
static xst_status place(xst_executable *x, xst_error *err)
{
    xst_session *const s = x->session;
    size_t bytes = 0;
    xst_cuda_branch(x);
    xst_status status = xst_cuda_arena_lay_out(x, &bytes, err);
    if (status == XST_OK && (bytes > s->arena_bytes || !s->arena)) {
        status = xst_cuda_memory(s, bytes, false, "memory of a step", &s->arena, err);
        s->arena_bytes = status == XST_OK ? bytes : 0;
    }
    if (status != XST_OK)
        return status;
    for (int32_t i = 0; i < x->places; i++)
        if (x->place[i]->in_arena)
            x->place[i]->data = (char *)s->arena + x->place[i]->offset;
    for (int32_t i = 0; i < x->patches; i++)
        memcpy(x->patch[i].field, &x->patch[i].place->data, sizeof(void *));
    return XST_OK;
}

xst_status xst_cuda_compile(xst_session *s, const xst_program *program, xst_executable **out, xst_error *err)
{
    xst_executable *x = NULL;
    cuda_compiler c = {0};
    *out = NULL;
    xst_status status = begin(s, program, &c, &x, err);
    c.learns = learns(program);
    if (status == XST_OK)
        status = xst_cuda_schedule(&c);
    if (status == XST_OK)
        status = emit(&c);
    if (status == XST_OK)
        status = place(x, err);
    if (status == XST_OK)
        status = xst_cuda_record(x, err);
    if (c.session)
        release_steps(s, c.main, c.mains);
    xst_free(c.group);
    xst_free(c.use);
    if (status != XST_OK)
        xst_cuda_executable_destroy(x);
    else
        *out = x;
    return status;
}
