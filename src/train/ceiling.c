#include "train/ceiling.h"

#include "base/memory.h"
#include "base/random.h"
#include "net/emit.h"

#include <stdio.h>

static xst_status plain_weights(void *user, xst_emitter *e, int masked, xst_tensor *w, xst_error *err)
{
    (void)user;
    return xst_emit_find(e->tensors, xst_net_masked(e->net, masked)->weight, NULL, w, err);
}

static xst_status no_update(void *user, xst_emitter *e, int masked, xst_tensor dw, xst_error *err)
{
    (void)user, (void)e, (void)masked, (void)dw, (void)err;
    return XST_OK;
}

static bool is_library_work(xst_op_kind kind)
{
    switch (kind) {
    case XST_OP_CONV_FORWARD:
    case XST_OP_CONV_BACKWARD_DATA:
    case XST_OP_CONV_BACKWARD_WEIGHTS:
    case XST_OP_LINEAR_FORWARD:
    case XST_OP_LINEAR_BACKWARD_DATA:
    case XST_OP_LINEAR_BACKWARD_WEIGHTS:
    case XST_OP_BN_RELU_FORWARD:
    case XST_OP_BN_RELU_BACKWARD:
        return true;
    default:
        return false;
    }
}

static xst_status declare(xst_ceiling *c, const xst_net *net, int batch, int classes, xst_tensor *x,
                          xst_tensor *dlogits, xst_error *err)
{
    xst_tensor t;
    xst_status status = xst_emit_params(net, classes, true, &c->tensors, err);
    if (status == XST_OK)
        status = xst_tensors_add(&c->tensors, "rates", XST_F32, XST_STATE, 1, (const int64_t[]){2}, &t, err);
    if (status == XST_OK)
        status = xst_tensors_add(&c->tensors, "x", XST_F32, XST_STATE, 4, (const int64_t[]){batch, 3, 32, 32}, x, err);
    if (status == XST_OK)
        status = xst_tensors_add(&c->tensors, "dlogits", XST_F32, XST_STATE, 2, (const int64_t[]){batch, classes},
                                 dlogits, err);
    for (int m = 0; m < net->masked_count && status == XST_OK; m++) {
        const xst_layer *const l = xst_net_masked(net, m);
        const xst_geometry *const g = &l->geometry;
        status = xst_tensors_add(&c->tensors, l->weight, XST_F32, XST_STATE, 4,
                                 (const int64_t[]){g->out, g->in, g->kh, g->kw}, &t, err);
    }
    return status;
}

/* Keeps the library work. A temporary that nothing kept writes (its writer was a pool, say) becomes STATE, so that it
 * holds numbers. */
static void keep_library_work(xst_ceiling *c)
{
    int32_t n = 0;
    for (int32_t i = 0; i < c->program.count; i++)
        if (is_library_work(c->program.op[i].kind))
            c->program.op[n++] = c->program.op[i];
    c->program.count = n;
    for (int32_t t = 0; t < c->tensors.count; t++) {
        bool written = false, read = false;
        for (int32_t i = 0; i < n; i++) {
            for (int o = 0; o < XST_OP_OUTPUTS; o++)
                written |= c->program.op[i].out[o] == t;
            for (int k = 0; k < XST_OP_INPUTS; k++)
                read |= c->program.op[i].in[k] == t;
        }
        if (read && !written)
            c->tensors.info[t].kind = XST_STATE;
    }
}

/* Small random numbers in every float STATE tensor that is read. */
static xst_status fill(xst_ceiling *c, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t t = 0; t < c->tensors.count && status == XST_OK; t++) {
        const xst_tensor_info *const info = &c->tensors.info[t];
        const size_t n = (size_t)xst_tensor_elements(info);
        void *values = NULL;
        if (info->kind != XST_STATE || info->dtype != XST_F32)
            continue;
        status = xst_alloc(&values, n, sizeof(float), "ceiling data", err);
        if (status == XST_OK) {
            xst_random_normal(values, 0, (uint32_t)n, 0.05f, (xst_random_key){7, 0}, (uint32_t)t, 0, 0);
            status = c->api->upload(c->session, t, values, n * sizeof(float), err);
        }
        xst_free(values);
    }
    return status;
}

xst_status xst_ceiling_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net, int batch,
                              int classes, xst_ceiling *out, xst_error *err)
{
    const xst_weight_hooks hooks = {.weights = plain_weights, .gradient = no_update};
    xst_tensor x, dlogits, logits;
    *out = (xst_ceiling){.api = api};
    xst_emitter e = {.net = net,
                     .tensors = &out->tensors,
                     .program = &out->program,
                     .hooks = &hooks,
                     .prefix = "ceiling",
                     .batch = batch,
                     .classes = classes,
                     .training = true,
                     .bn_momentum = 0.1f,
                     .bn_counter = -1};
    snprintf(out->program.name, sizeof out->program.name, "ceiling");
    xst_status status = declare(out, net, batch, classes, &x, &dlogits, err);
    if (status == XST_OK)
        status = xst_emit_forward(&e, x, &logits, err);
    if (status == XST_OK)
        status = xst_emit_backward(&e, dlogits, err);
    if (status != XST_OK)
        return status;
    keep_library_work(out);
    status = api->session_create(backend, &out->tensors, &out->session, err);
    if (status == XST_OK)
        status = api->compile(out->session, &out->program, &out->executable, err);
    return status == XST_OK ? fill(out, err) : status;
}

void xst_ceiling_free(xst_ceiling *c)
{
    if (c->executable)
        c->api->executable_destroy(c->executable);
    if (c->session)
        c->api->session_destroy(c->session);
    xst_program_free(&c->program);
    xst_tensors_free(&c->tensors);
    *c = (xst_ceiling){0};
}
