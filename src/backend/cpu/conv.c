#include "backend/cpu/conv.h"

#include "base/error.h"

#include <string.h>

cpu_conv_tensors xst_cpu_conv_tensors(const xst_op *op)
{
    switch (op->kind) {
    case XST_OP_CONV_FORWARD:
        return (cpu_conv_tensors){.x = op->in[0], .w = op->in[1], .y = op->out[0]};
    case XST_OP_CONV_BACKWARD_DATA:
        return (cpu_conv_tensors){.y = op->in[0], .w = op->in[1], .x = op->out[0]};
    default:
        return (cpu_conv_tensors){.x = op->in[0], .y = op->in[1], .w = op->out[0]};
    }
}

/* The three sides of a convolution as oneDNN takes them. */
typedef struct sides {
    dnnl_memory_desc_t x, w, y;
    dnnl_dims_t stride, pad;
} sides;

static dnnl_status_t describe(const sides *s, xst_op_kind kind, dnnl_alg_kind_t alg, dnnl_convolution_desc_t *out)
{
    switch (kind) {
    case XST_OP_CONV_FORWARD:
        return dnnl_convolution_forward_desc_init(out, dnnl_forward_training, alg, &s->x, &s->w, NULL, &s->y, s->stride,
                                                  s->pad, s->pad);
    case XST_OP_CONV_BACKWARD_DATA:
        return dnnl_convolution_backward_data_desc_init(out, alg, &s->x, &s->w, &s->y, s->stride, s->pad, s->pad);
    default:
        return dnnl_convolution_backward_weights_desc_init(out, alg, &s->x, &s->w, NULL, &s->y, s->stride, s->pad,
                                                           s->pad);
    }
}

static dnnl_primitive_desc_t make(dnnl_engine_t engine, const sides *s, xst_op_kind kind, dnnl_alg_kind_t alg)
{
    dnnl_convolution_desc_t forward, desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    if (describe(s, XST_OP_CONV_FORWARD, alg, &forward) != dnnl_success ||
        describe(s, kind, alg, &desc) != dnnl_success)
        return NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && kind != XST_OP_CONV_FORWARD)
        status = dnnl_primitive_desc_create(&hint, &forward, NULL, engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&pd, &desc, attr, engine, hint);
    dnnl_primitive_desc_destroy(hint);
    dnnl_primitive_attr_destroy(attr);
    return status == dnnl_success ? pd : NULL;
}

static const dnnl_memory_desc_t *side_of(const_dnnl_primitive_desc_t pd, dnnl_query_t plain, dnnl_query_t diff,
                                         bool is_diff)
{
    return dnnl_primitive_desc_query_md(pd, is_diff ? diff : plain, 0);
}

/* oneDNN's reference implementations are a hundred times slower than copying into another layout. */
static bool is_reference(const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) == dnnl_success && name &&
           strncmp(name, "ref", 3) == 0;
}

/* Takes over pd if it is fast and its layouts are ones that our kernels can read. */
static bool accept(xst_op_kind kind, dnnl_primitive_desc_t pd, bool any_speed, cpu_conv_choice *out)
{
    const dnnl_memory_desc_t *const x = side_of(pd, dnnl_query_src_md, dnnl_query_diff_src_md,
                                                kind == XST_OP_CONV_BACKWARD_DATA),
                                    *const w = side_of(pd, dnnl_query_weights_md, dnnl_query_diff_weights_md,
                                                       kind == XST_OP_CONV_BACKWARD_WEIGHTS),
                                    *const y = side_of(pd, dnnl_query_dst_md, dnnl_query_diff_dst_md,
                                                       kind != XST_OP_CONV_FORWARD);
    if (!x || !w || !y || (!any_speed && is_reference(pd)) || x->format_kind != dnnl_blocked ||
        w->format_kind != dnnl_blocked || y->format_kind != dnnl_blocked) {
        dnnl_primitive_desc_destroy(pd);
        return false;
    }
    *out = (cpu_conv_choice){.pd = pd, .x = xst_cpu_layout_of(x), .w = xst_cpu_layout_of(w), .y = xst_cpu_layout_of(y)};
    return true;
}

/* Measured on Zen 4 with oneDNN 2.6.3, batch 32: AVX-512 Winograd runs 3x3 layers in half the time of the direct
 * algorithm or less, but for maps under 4x4 (a tile is 4x4 outputs) and few channels (its transforms cost the same for
 * fewer products). It exists in oneDNN 2.x only; where it is not to be had the next in the list is taken. */
static bool winograd_pays(const xst_tensor_info *w, const xst_tensor_info *y)
{
    return w->dim[2] == 3 && w->dim[3] == 3 && w->dim[0] >= 16 && w->dim[1] >= 16 && y->dim[2] >= 4 && y->dim[3] >= 4;
}

xst_status xst_cpu_conv_choose(cpu_compiler *c, const xst_op *op, const cpu_layout *x, const cpu_layout *y,
                               cpu_conv_choice *out, xst_error *err)
{
    const cpu_conv_tensors t = xst_cpu_conv_tensors(op);
    const xst_tensor_info *const ix = xst_cpu_info(c, t.x), *const iw = xst_cpu_info(c, t.w),
                                 *const iy = xst_cpu_info(c, t.y);
    const dnnl_engine_t engine = c->session->backend->engine;
    dnnl_memory_desc_t any[3];
    const xst_tensor_info *const info[3] = {ix, iw, iy};
    for (int i = 0; i < 3; i++) {
        dnnl_dims_t dims = {info[i]->dim[0], info[i]->dim[1], info[i]->dim[2], info[i]->dim[3]};
        const dnnl_status_t status =
            dnnl_memory_desc_init_by_tag(&any[i], XST_RANK_MAX, dims, dnnl_f32, dnnl_format_tag_any);
        if (status != dnnl_success)
            return xst_cpu_fail_dnnl(status, op->label, err);
    }
    const sides fixed = {x->desc, any[1], y->desc, {1, 1}, {iw->dim[2] / 2, iw->dim[3] / 2}};
    const sides open = {any[0], any[1], any[2], {1, 1}, {iw->dim[2] / 2, iw->dim[3] / 2}};
    const struct {
        const sides *sides;
        dnnl_alg_kind_t alg;
    } tries[] = {{&fixed, dnnl_convolution_winograd},
                 {&fixed, dnnl_convolution_direct},
                 {&fixed, dnnl_convolution_auto},
                 {&open, dnnl_convolution_direct},
                 {&open, dnnl_convolution_auto}};
    const size_t last = sizeof tries / sizeof tries[0] - 1;
    for (size_t i = winograd_pays(iw, iy) ? 0 : 1; i <= last; i++) {
        const dnnl_primitive_desc_t pd = make(engine, tries[i].sides, op->kind, tries[i].alg);
        if (pd && accept(op->kind, pd, i == last, out))
            return XST_OK;
    }
    return xst_fail(err, XST_ERROR_BACKEND, "oneDNN: no convolution for %s (%s)", op->label, xst_op_name(op->kind));
}

typedef struct conv {
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[4];
} conv;

static xst_status conv_run(void *self, xst_error *err)
{
    const conv *const v = self;
    return xst_cpu_fail_dnnl(dnnl_primitive_execute(v->primitive, v->stream, 4, v->args), "convolution", err);
}

static void conv_release(void *self)
{
    dnnl_primitive_destroy(((conv *)self)->primitive);
}

static xst_status set_arg(cpu_compiler *c, dnnl_exec_arg_t *arg, int name, const dnnl_memory_desc_t *desc,
                          const cpu_place *place, xst_error *err)
{
    dnnl_memory_t memory = NULL;
    const xst_status status = xst_cpu_dnnl_memory(c, desc, place, &memory, err);
    *arg = (dnnl_exec_arg_t){name, memory};
    return status;
}

xst_status xst_cpu_conv(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    const cpu_conv_choice *const choice = &c->conv[c->op];
    const cpu_conv_tensors t = xst_cpu_conv_tensors(op);
    const bool data = op->kind == XST_OP_CONV_BACKWARD_DATA, weights = op->kind == XST_OP_CONV_BACKWARD_WEIGHTS;
    const dnnl_memory_desc_t *const pad = dnnl_primitive_desc_query_md(choice->pd, dnnl_query_scratchpad_md, 0);
    cpu_place *x = NULL, *w = NULL, *y = NULL, *scratch = NULL;
    xst_status status = (data ? xst_cpu_write : xst_cpu_read)(c, t.x, &choice->x, &x, err);
    if (status == XST_OK)
        status = (weights ? xst_cpu_write : xst_cpu_read)(c, t.w, &choice->w, &w, err);
    if (status == XST_OK)
        status = (data || weights ? xst_cpu_read : xst_cpu_write)(c, t.y, &choice->y, &y, err);
    if (status == XST_OK)
        status = xst_cpu_scratch(c, dnnl_memory_desc_get_size(pad), &scratch, err);
    void *self = NULL;
    if (status == XST_OK)
        status = xst_cpu_step(c, sizeof(conv), conv_run, conv_release, &self, err);
    if (status != XST_OK)
        return status;
    conv *const v = self;
    v->stream = c->session->backend->stream;
    status = xst_cpu_fail_dnnl(dnnl_primitive_create(&v->primitive, choice->pd), op->label, err);
    if (status == XST_OK)
        status = set_arg(c, &v->args[0], data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, &choice->x.desc, x, err);
    if (status == XST_OK)
        status = set_arg(c, &v->args[1], weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, &choice->w.desc, w, err);
    if (status == XST_OK)
        status = set_arg(c, &v->args[2], data || weights ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, &choice->y.desc, y, err);
    if (status == XST_OK)
        status = set_arg(c, &v->args[3], DNNL_ARG_SCRATCHPAD, pad, scratch, err);
    return status;
}
