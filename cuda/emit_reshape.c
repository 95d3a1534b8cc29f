/* RESHAPE: maps are channels last, everything else is row-major, so elements may have to change places. */
#include "cuda.h"

static xst_status run_transpose(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_transpose(&s->queue, args), "reshape", err);
}

typedef struct copy_args {
    const void *from;
    void *to;
    size_t bytes;
} copy_args;

static xst_status run_copy(const xst_session *s, const void *args, xst_error *err)
{
    const copy_args *const a = args;
    return xst_cuda_check(
        s, s->backend->cuda.cudaMemcpyAsync(a->to, a->from, a->bytes, cudaMemcpyDeviceToDevice, s->queue.stream),
        "reshape", err);
}

static void emit_copy(cuda_compiler *c, const xst_op *op, cuda_form form, size_t bytes)
{
    copy_args *const a = bytes > 0 ? xst_cuda_step(c, run_copy, sizeof *a) : NULL;
    if (!a)
        return;
    a->bytes = bytes;
    xst_cuda_in(c, &a->from, op->in[0], form);
    xst_cuda_out(c, &a->to, op->out[0], form);
}

static bool is_map(const xst_tensor_info *info)
{
    return info->dtype == XST_F32 && info->rank == 4 && info->dim[1] > 1 && info->dim[2] * info->dim[3] > 1;
}

static bool same_shape(const xst_tensor_info *a, const xst_tensor_info *b)
{
    for (int i = 0; i < XST_RANK_MAX; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

/* A gate is reshaped as floats. */
static cuda_form form_of(const cuda_compiler *c, xst_tensor t)
{
    return xst_cuda_own(c, t) == CUDA_FORM_BITS ? CUDA_FORM_F32 : xst_cuda_own(c, t);
}

/* Channels last to row-major order (out_of), or back. */
static void order(xst_cuda_transpose_args *a, const xst_tensor_info *map, bool out_of)
{
    const int64_t channels = map->dim[1], places = map->dim[2] * map->dim[3];
    a->batch = map->dim[0];
    a->rows = out_of ? places : channels;
    a->columns = out_of ? channels : places;
}

void xst_cuda_emit_reshape(cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const op = xst_cuda_op(c, group, 0);
    const xst_tensor_info *const x = xst_cuda_info(c, op->in[0]), *const y = xst_cuda_info(c, op->out[0]);
    const cuda_form from = form_of(c, op->in[0]), to = form_of(c, op->out[0]);
    const bool direct = same_shape(x, y), out_of = is_map(x) && !direct, into = is_map(y) && !direct;
    if (from == CUDA_FORM_RAW || (from == to && !out_of && !into)) {
        emit_copy(c, op, from, xst_tensor_bytes(x) / (from == CUDA_FORM_BF16 ? 2 : 1));
        return;
    }
    xst_cuda_transpose_args *const a = xst_cuda_step(c, run_transpose, sizeof *a);
    if (!a)
        return;
    a->from_type = xst_cuda_type_of(from);
    a->to_type = xst_cuda_type_of(to);
    a->batch = a->rows = 1;
    a->columns = xst_tensor_elements(x);
    xst_cuda_in(c, &a->from, op->in[0], from);
    if (out_of && into) { /* by way of row-major order */
        xst_cuda_transpose_args *const b = xst_cuda_step(c, run_transpose, sizeof *b);
        if (!b)
            return;
        a->to_type = a->from_type;
        order(a, x, true);
        b->from_type = a->from_type;
        b->to_type = xst_cuda_type_of(to);
        order(b, y, false);
        cuda_place *const between = xst_cuda_scratch(c, &a->to, (size_t)xst_tensor_elements(x) * sizeof(float));
        xst_cuda_point(c, &b->from, between);
        xst_cuda_out(c, &b->to, op->out[0], to);
        return;
    }
    if (out_of || into)
        order(a, out_of ? x : y, out_of);
    xst_cuda_out(c, &a->to, op->out[0], to);
}
