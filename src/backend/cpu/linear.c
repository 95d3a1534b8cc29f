#include "backend/cpu/linear.h"

/* A product of two matrices by oneDNN, transposed where need be by strides. */
typedef struct product {
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[5];
    int count;
} product;

static xst_status product_run(void *self, xst_error *err)
{
    const product *const v = self;
    return xst_cpu_fail_dnnl(dnnl_primitive_execute(v->primitive, v->stream, v->count, v->args), "matrix product", err);
}

static void product_release(void *self)
{
    dnnl_primitive_destroy(((product *)self)->primitive);
}

/* A matrix [rows, columns] in memory row by row, or column by column if `turned`. */
static dnnl_status_t matrix(dnnl_memory_desc_t *out, int64_t rows, int64_t columns, bool turned)
{
    const dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_init_by_tag(out, 2, dims, dnnl_f32, turned ? dnnl_ba : dnnl_ab);
}

typedef struct product_sides {
    dnnl_memory_desc_t a, b, bias, y;
    const cpu_place *pa, *pb, *pbias, *py; /* pbias NULL: none */
    bool relu;
} product_sides;

static dnnl_status_t make_pd(dnnl_engine_t engine, const product_sides *s, dnnl_primitive_desc_t *pd)
{
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_status_t status = dnnl_matmul_desc_init(&desc, &s->a, &s->b, s->pbias ? &s->bias : NULL, &s->y);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && s->relu) {
        status = dnnl_post_ops_create(&post);
        if (status == dnnl_success)
            status = dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
        if (status == dnnl_success)
            status = dnnl_primitive_attr_set_post_ops(attr, post);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
    if (post)
        dnnl_post_ops_destroy(post);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

static xst_status add_arg(cpu_compiler *c, product *v, int name, const dnnl_memory_desc_t *desc, const cpu_place *place,
                          xst_error *err)
{
    dnnl_memory_t memory = NULL;
    const xst_status status = xst_cpu_dnnl_memory(c, desc, place, &memory, err);
    v->args[v->count++] = (dnnl_exec_arg_t){name, memory};
    return status;
}

static xst_status add_product(cpu_compiler *c, const xst_op *op, const product_sides *s, xst_error *err)
{
    void *self;
    dnnl_primitive_desc_t pd = NULL;
    cpu_place *scratch = NULL;
    xst_status status = xst_cpu_step(c, sizeof(product), product_run, product_release, &self, err);
    if (status != XST_OK)
        return status;
    product *const v = self;
    v->stream = c->session->backend->stream;
    dnnl_status_t made = make_pd(c->session->backend->engine, s, &pd);
    if (made == dnnl_success)
        made = dnnl_primitive_create(&v->primitive, pd);
    status = xst_cpu_fail_dnnl(made, op->label, err);
    if (status == XST_OK) {
        const dnnl_memory_desc_t *const pad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        status = xst_cpu_scratch(c, dnnl_memory_desc_get_size(pad), &scratch, err);
        if (status == XST_OK)
            status = add_arg(c, v, DNNL_ARG_SCRATCHPAD, pad, scratch, err);
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (status == XST_OK)
        status = add_arg(c, v, DNNL_ARG_SRC, &s->a, s->pa, err);
    if (status == XST_OK)
        status = add_arg(c, v, DNNL_ARG_WEIGHTS, &s->b, s->pb, err);
    if (status == XST_OK)
        status = add_arg(c, v, DNNL_ARG_DST, &s->y, s->py, err);
    if (status == XST_OK && s->pbias)
        status = add_arg(c, v, DNNL_ARG_BIAS, &s->bias, s->pbias, err);
    return status;
}

xst_status xst_cpu_linear_forward(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    const xst_tensor_info *const x = xst_cpu_info(c, op->in[0]), *const w = xst_cpu_info(c, op->in[1]);
    const int64_t rows = x->dim[0], in = w->dim[1], out = w->dim[0];
    product_sides s = {.relu = op->p.linear.relu};
    cpu_place *px = NULL, *pw = NULL, *py = NULL;
    dnnl_status_t made = matrix(&s.a, rows, in, false);
    if (made == dnnl_success)
        made = matrix(&s.b, in, out, true);
    if (made == dnnl_success)
        made = matrix(&s.bias, 1, out, false);
    if (made == dnnl_success)
        made = matrix(&s.y, rows, out, false);
    xst_status status = xst_cpu_fail_dnnl(made, op->label, err);
    if (status == XST_OK)
        status = xst_cpu_read_plain(c, op->in[0], &px, err);
    if (status == XST_OK)
        status = xst_cpu_read_plain(c, op->in[1], &pw, err);
    if (status == XST_OK)
        status = xst_cpu_write_plain(c, op->out[0], &py, err);
    s.pa = px;
    s.pb = pw;
    s.py = py;
    s.pbias = xst_cpu_place(c, op->in[2]);
    return status == XST_OK ? add_product(c, op, &s, err) : status;
}

xst_status xst_cpu_linear_backward_data(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    const xst_tensor_info *const dy = xst_cpu_info(c, op->in[0]), *const w = xst_cpu_info(c, op->in[1]);
    const int64_t rows = dy->dim[0], in = w->dim[1], out = w->dim[0];
    product_sides s = {0};
    cpu_place *pdy = NULL, *pw = NULL, *pdx = NULL;
    dnnl_status_t made = matrix(&s.a, rows, out, false);
    if (made == dnnl_success)
        made = matrix(&s.b, out, in, false);
    if (made == dnnl_success)
        made = matrix(&s.y, rows, in, false);
    xst_status status = xst_cpu_fail_dnnl(made, op->label, err);
    if (status == XST_OK)
        status = xst_cpu_read_plain(c, op->in[0], &pdy, err);
    if (status == XST_OK)
        status = xst_cpu_read_plain(c, op->in[1], &pw, err);
    if (status == XST_OK)
        status = xst_cpu_write_plain(c, op->out[0], &pdx, err);
    s.pa = pdy;
    s.pb = pw;
    s.py = pdx;
    return status == XST_OK ? add_product(c, op, &s, err) : status;
}

/* dbias: the sum of dy over the batch. */
typedef struct bias_gradient {
    int64_t rows, out;
    const cpu_place *dy, *dbias;
} bias_gradient;

static xst_status bias_gradient_run(void *self, xst_error *err)
{
    (void)err;
    const bias_gradient *const v = self;
    const float *const dy = v->dy->data;
    float *const dbias = v->dbias->data;
    for (int64_t o = 0; o < v->out; o++)
        dbias[o] = 0.0f;
    for (int64_t b = 0; b < v->rows; b++)
        for (int64_t o = 0; o < v->out; o++)
            dbias[o] += dy[b * v->out + o];
    return XST_OK;
}

static xst_status add_bias_gradient(cpu_compiler *c, const xst_op *op, const cpu_place *dy, xst_error *err)
{
    void *self;
    const xst_status status = xst_cpu_step(c, sizeof(bias_gradient), bias_gradient_run, NULL, &self, err);
    if (status == XST_OK)
        *(bias_gradient *)self = (bias_gradient){.rows = xst_cpu_info(c, op->in[1])->dim[0],
                                                 .out = xst_cpu_info(c, op->in[1])->dim[1],
                                                 .dy = dy,
                                                 .dbias = xst_cpu_place(c, op->out[1])};
    return status;
}

static xst_status add_weight_gradient(cpu_compiler *c, const xst_op *op, const cpu_place *px, const cpu_place *pdy,
                                      xst_error *err)
{
    const xst_tensor_info *const x = xst_cpu_info(c, op->in[0]), *const dy = xst_cpu_info(c, op->in[1]);
    const int64_t rows = x->dim[0], in = x->dim[1], out = dy->dim[1];
    product_sides s = {.pa = pdy, .pb = px};
    cpu_place *pdw = NULL;
    dnnl_status_t made = matrix(&s.a, out, rows, true);
    if (made == dnnl_success)
        made = matrix(&s.b, rows, in, false);
    if (made == dnnl_success)
        made = matrix(&s.y, out, in, false);
    xst_status status = xst_cpu_fail_dnnl(made, op->label, err);
    if (status == XST_OK)
        status = xst_cpu_write_plain(c, op->out[0], &pdw, err);
    s.py = pdw;
    return status == XST_OK ? add_product(c, op, &s, err) : status;
}

xst_status xst_cpu_linear_backward_weights(cpu_compiler *c, const xst_op *op, xst_error *err)
{
    cpu_place *x = NULL, *dy = NULL;
    const xst_tensor dw = op->out[0];
    const cpu_readers readers = xst_cpu_readers_of(c, c->op + 1, dw);
    const bool hand_over = readers.last >= 0 && readers.all && xst_cpu_info(c, dw)->kind == XST_TEMP;
    xst_status status = xst_cpu_read_plain(c, op->in[0], &x, err);
    if (status == XST_OK)
        status = xst_cpu_read_plain(c, op->in[1], &dy, err);
    if (status == XST_OK)
        status =
            hand_over ? xst_cpu_linear_gradient(c, op, &readers, x, dy, err) : add_weight_gradient(c, op, x, dy, err);
    return status == XST_OK ? add_bias_gradient(c, op, dy, err) : status;
}
