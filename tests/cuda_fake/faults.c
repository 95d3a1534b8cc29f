/* Every call into the CUDA libraries made to fail once: an error comes back, nothing is left behind, and the next
 * attempt works. */
#include "fake.h"
#include "module.h"
#include "sim_control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { B = 2, C = 8, SIDE = 4, O = 8, CLASSES = 3, FLAT = O * SIDE * SIDE };

/* A conv with columns, BN, a library product, a masked FC layer (fused in bf16), a head's product and its loss: one
 * step, and an exchange of columns. */
typedef struct net {
    xst_tensors tensors;
    xst_program program;
    xst_geometry geometry, masked;
} net;

static xst_tensor add(net *n, const char *name, xst_dtype dtype, xst_tensor_kind kind, int32_t rank, const int64_t *dim)
{
    xst_tensor t = -1;
    assert_int_equal(xst_tensors_add(&n->tensors, name, dtype, kind, rank, dim, &t, NULL), XST_OK);
    return t;
}

#define DIMS(...)                                                                                                      \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                                   \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define STATE(name, dtype, ...) add(n, name, dtype, XST_STATE, DIMS(__VA_ARGS__))
#define TEMP(name, ...) add(n, name, XST_F32, XST_TEMP, DIMS(__VA_ARGS__))

static void emit(net *n, xst_op op)
{
    xst_error err = {0};
    if (xst_program_add(&n->program, &n->tensors, &op, &err) != XST_OK)
        fail_msg("%s", err.message);
}

static xst_op op_of(xst_op_kind kind, const xst_tensor *in, int ins, const xst_tensor *out, int outs)
{
    xst_op op = xst_op_make(kind, xst_op_name(kind));
    for (int i = 0; i < ins; i++)
        op.in[i] = in[i];
    for (int i = 0; i < outs; i++)
        op.out[i] = out[i];
    return op;
}
#define LIST(...) (const xst_tensor[]){__VA_ARGS__}, (int)(sizeof((xst_tensor[]){__VA_ARGS__}) / sizeof(xst_tensor))

static void make(net *n)
{
    *n = (net){.program = {.name = "step"},
               .geometry = xst_geometry_make(O, C, 3, 3, 4),
               .masked = xst_geometry_make(16, 16, 1, 1, 8)};
    const int64_t columns = n->geometry.columns, a = 3, length = n->geometry.longest;
    const xst_tensor x = STATE("x", XST_F32, B, C, SIDE, SIDE), labels = STATE("labels", XST_U32, B),
                     t = STATE("t", XST_U32, 1), rates = STATE("rates", XST_F32, 2),
                     frozen = STATE("frozen", XST_F32, O, C, 3, 3), m_r = STATE("m_r", XST_F32, columns),
                     preserved = STATE("preserved", XST_U8, columns), active = STATE("active", XST_U32, a),
                     value = STATE("value", XST_F32, a, length), velocity = STATE("velocity", XST_F32, a, length),
                     quota = STATE("quota", XST_U32, 4), metrics = STATE("metrics", XST_F64, 2),
                     gamma = STATE("gamma", XST_F32, O), beta = STATE("beta", XST_F32, O),
                     mean = STATE("running_mean", XST_F32, O), var = STATE("running_var", XST_F32, O),
                     rows = STATE("rows", XST_U32, a), weights = STATE("weights", XST_F32, a, 8),
                     speeds = STATE("speeds", XST_F32, a, 8), bias = STATE("bias", XST_F32, 16),
                     fc = STATE("fc", XST_F32, 16, FLAT), fc_bias = STATE("fc_bias", XST_F32, 16),
                     head = STATE("head", XST_F32, CLASSES, 16), head_bias = STATE("head_bias", XST_F32, CLASSES);
    const xst_tensor gate = TEMP("gate", columns), slope = TEMP("slope", columns), w = TEMP("w", O, C, 3, 3),
                     y = TEMP("y", B, O, SIDE, SIDE), z = TEMP("z", B, O, SIDE, SIDE), bm = TEMP("bm", O),
                     bs = TEMP("bs", O), flat = TEMP("flat", B, FLAT), h = TEMP("h", B, 16),
                     logits = TEMP("logits", B, CLASSES), dlogits = TEMP("dlogits", B, CLASSES),
                     dhead = TEMP("dhead", CLASSES, 16), dhead_bias = TEMP("dhead_bias", CLASSES),
                     dw = TEMP("dw", O, C, 3, 3), masked = TEMP("masked", 16, 16, 1, 1), k = TEMP("k", B, 16),
                     dk = TEMP("dk", B, 16), dh = TEMP("dh", B, 16), dmasked = TEMP("dmasked", 16, 16, 1, 1),
                     dbias = TEMP("dbias", 16);
    emit(n, op_of(XST_OP_COUNT, NULL, 0, LIST(t)));
    xst_op op = op_of(XST_OP_GATES, LIST(m_r, preserved, t), LIST(gate, slope));
    op.p.gates = (xst_gates_params){.temperature = 1.0f, .training = true};
    emit(n, op);
    op = op_of(XST_OP_EFFECTIVE, LIST(frozen, gate, active, value), LIST(w));
    op.p.columns.geometry = n->geometry;
    emit(n, op);
    emit(n, op_of(XST_OP_CONV_FORWARD, LIST(x, w), LIST(y)));
    op = op_of(XST_OP_BN_RELU_FORWARD, LIST(y, gamma, beta), LIST(z, bm, bs, mean, var));
    op.p.bn = (xst_bn_params){0.1f, 1e-5f};
    emit(n, op);
    emit(n, op_of(XST_OP_RESHAPE, LIST(z), LIST(flat)));
    emit(n, op_of(XST_OP_LINEAR_FORWARD, LIST(flat, fc, fc_bias), LIST(h)));
    op = op_of(XST_OP_EFFECTIVE, LIST(-1, -1, rows, weights), LIST(masked));
    op.p.columns.geometry = n->masked;
    emit(n, op);
    emit(n, op_of(XST_OP_LINEAR_FORWARD, LIST(h, masked, bias), LIST(k)));
    emit(n, op_of(XST_OP_LINEAR_FORWARD, LIST(k, head, head_bias), LIST(logits)));
    emit(n, op_of(XST_OP_LOSS, LIST(logits, labels), LIST(dlogits, metrics)));
    emit(n, op_of(XST_OP_LINEAR_BACKWARD_DATA, LIST(dlogits, head), LIST(dk)));
    emit(n, op_of(XST_OP_LINEAR_BACKWARD_WEIGHTS, LIST(k, dlogits), LIST(dhead, dhead_bias)));
    emit(n, op_of(XST_OP_LINEAR_BACKWARD_DATA, LIST(dk, masked), LIST(dh)));
    emit(n, op_of(XST_OP_LINEAR_BACKWARD_WEIGHTS, LIST(h, dk), LIST(dmasked, dbias)));
    op = op_of(XST_OP_COLUMN_SGD, LIST(dmasked, rows, rates), LIST(weights, speeds));
    op.p.sgd = (xst_sgd_params){.geometry = n->masked, .momentum = 0.9f};
    emit(n, op);
    emit(n, op_of(XST_OP_CONV_BACKWARD_WEIGHTS, LIST(x, y), LIST(dw)));
    op = op_of(XST_OP_COLUMN_SGD, LIST(dw, active, rates), LIST(value, velocity));
    op.p.sgd = (xst_sgd_params){.geometry = n->geometry, .momentum = 0.9f};
    emit(n, op);
    op = op_of(XST_OP_DROP_GROW, LIST(dw, preserved, t, quota), LIST(active, value, velocity));
    op.p.drop_grow = (xst_drop_grow_params){.geometry = n->geometry, .update_every = 1};
    emit(n, op);
}

static xst_status upload(const xst_backend_api *api, xst_session *s, const net *n, xst_error *err)
{
    const uint32_t active[] = {0, 1, 2};
    const xst_tensor t = xst_tensors_find(&n->tensors, "active"), x = xst_tensors_find(&n->tensors, "x");
    float images[B * C * SIDE * SIDE];
    for (int i = 0; i < B * C * SIDE * SIDE; i++)
        images[i] = (float)(i % 7) - 3.0f;
    const xst_status status = api->upload(s, t, active, sizeof active, err);
    return status == XST_OK ? api->upload(s, x, images, sizeof images, err) : status;
}

/* All that a session can do. *closing: number of calls made before the destructors, which have nobody to tell. */
static xst_status use(const net *n, xst_precision precision, bool deterministic, int *closing, xst_error *err)
{
    const xst_backend_options options = {.precision = precision, .deterministic = deterministic};
    const xst_backend_api *api = NULL;
    xst_backend *backend = NULL;
    xst_session *session = NULL;
    xst_executable *executable = NULL;
    double metrics[2] = {0}, ms[32];
    assert_true(n->program.count <= 32);
    xst_status status = xst_backend_module(XST_BACKEND_VERSION, &api, err);
    if (status == XST_OK)
        status = api->open(&options, &backend, err);
    if (status == XST_OK)
        status = api->session_create(backend, &n->tensors, &session, err);
    if (status == XST_OK)
        status = api->compile(session, &n->program, &executable, err);
    if (status == XST_OK)
        status = upload(api, session, n, err);
    for (int i = 0; i < 2 && status == XST_OK; i++)
        status = api->run(executable, err);
    if (status == XST_OK)
        status = api->profile(executable, 1, ms, err);
    if (status == XST_OK)
        status = api->download(session, xst_tensors_find(&n->tensors, "metrics"), metrics, sizeof metrics, err);
    if (status == XST_OK)
        assert_true(metrics[0] > 0.0);
    *closing = fake_state()->calls;
    if (executable)
        api->executable_destroy(executable);
    if (session)
        api->session_destroy(session);
    if (backend)
        api->close(backend);
    return status;
}

static void each_call(const net *n, xst_precision precision, bool deterministic)
{
    fake_control *const fake = fake_state();
    xst_error err = {0};
    int closing = 0, now = 0;
    *fake = (fake_control){0};
    if (use(n, precision, deterministic, &closing, &err) != XST_OK)
        fail_msg("%s (%s)", err.message, sim_error() ? sim_error() : "no kernel failed");
    assert_int_equal(fake->live, 0);
    const int calls = fake->calls;
    for (int i = 1; i <= calls; i++) {
        *fake = (fake_control){.fail_at = i};
        err = (xst_error){0};
        const xst_status status = use(n, precision, deterministic, &now, &err);
        if (i <= closing && (status == XST_OK || err.message[0] == 0))
            fail_msg("call %d, %s, failed and nobody said so", i, fake->failed);
        if (fake->live != 0)
            fail_msg("call %d, %s, failed: %d objects are left", i, fake->failed, fake->live);
    }
    print_message("each of %d calls was made to fail once\n", calls);
}

static void test_faults(void **state)
{
    net n;
    (void)state;
    make(&n);
    each_call(&n, XST_FP32, true);
    each_call(&n, XST_BF16, false);
    xst_program_free(&n.program);
    xst_tensors_free(&n.tensors);
}

static void test_other_version(void **state)
{
    const xst_backend_api *api = NULL;
    xst_error err = {0};
    (void)state;
    assert_int_equal(xst_backend_module(XST_BACKEND_VERSION + 1, &api, &err), XST_ERROR_NO_DEVICE);
    assert_null(api);
    assert_non_null(strstr(err.message, "another build"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults), cmocka_unit_test(test_other_version)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
