/* Which convolutions go to cuDNN and which to our own kernels: by the clock where a program learns, by the rule
 * where it does not; and the same results either way. */
#include "fake.h"
#include "module.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { B = 3, I = 16, O = 8, PLACES_MAX = 36, TENSORS = 5, OPS = 3 };

typedef enum place { X, W, Y, DX, DW } place;

typedef struct convs {
    xst_tensors tensors;
    xst_program program;
    const xst_backend_api *api;
    xst_backend *backend;
    xst_session *session;
    xst_executable *executable;
} convs;

static void add_op(convs *c, xst_op_kind kind, place a, place b, place out)
{
    xst_op op = xst_op_make(kind, xst_op_name(kind));
    op.in[0] = (xst_tensor)a;
    op.in[1] = (xst_tensor)b;
    op.out[0] = (xst_tensor)out;
    assert_int_equal(xst_program_add(&c->program, &c->tensors, &op, NULL), XST_OK);
}

/* Forward, backward to data; with learns, backward to weights too. */
static void open_convs(convs *c, xst_precision precision, int64_t side, bool learns)
{
    const int64_t dim[TENSORS][4] = {
        [X] = {B, I, side, side},  [W] = {O, I, 3, 3},  [Y] = {B, O, side, side},
        [DX] = {B, I, side, side}, [DW] = {O, I, 3, 3},
    };
    static const char *const names[TENSORS] = {"x", "w", "y", "dx", "dw"};
    const xst_backend_options options = {.precision = precision};
    *c = (convs){.program = {.name = "convs"}};
    for (int i = 0; i < TENSORS; i++) {
        xst_tensor t = -1;
        assert_int_equal(xst_tensors_add(&c->tensors, names[i], XST_F32, XST_STATE, 4, dim[i], &t, NULL), XST_OK);
        assert_int_equal(t, i);
    }
    add_op(c, XST_OP_CONV_FORWARD, X, W, Y);
    add_op(c, XST_OP_CONV_BACKWARD_DATA, Y, W, DX);
    if (learns)
        add_op(c, XST_OP_CONV_BACKWARD_WEIGHTS, X, Y, DW);
    assert_int_equal(xst_backend_module(XST_BACKEND_VERSION, &c->api, NULL), XST_OK);
    assert_int_equal(c->api->open(&options, &c->backend, NULL), XST_OK);
    assert_int_equal(c->api->session_create(c->backend, &c->tensors, &c->session, NULL), XST_OK);
}

static void close_convs(convs *c)
{
    c->api->session_destroy(c->session);
    c->api->close(c->backend);
    xst_program_free(&c->program);
    xst_tensors_free(&c->tensors);
    assert_int_equal(fake_state()->live, 0);
}

static void upload(const convs *c, place t)
{
    const size_t n = xst_tensor_bytes(&c->tensors.info[t]) / sizeof(float);
    float *const data = calloc(n, sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (float)(i * 37 % 17) / 8.0f - 1.0f;
    assert_int_equal(c->api->upload(c->session, (xst_tensor)t, data, n * sizeof *data, NULL), XST_OK);
    free(data);
}

/* Compiles, runs; the number of cuDNN's convolutions in the run. out: the first numbers of y, dx and dw. */
static int run(convs *c, float (*out)[8])
{
    assert_int_equal(c->api->compile(c->session, &c->program, &c->executable, NULL), XST_OK);
    upload(c, X);
    upload(c, W);
    const int before = fake_state()->convolutions;
    assert_int_equal(c->api->run(c->executable, NULL), XST_OK);
    const int convolutions = fake_state()->convolutions - before;
    for (int i = 0; i < OPS && out; i++) {
        float data[B * (I + O) * PLACES_MAX + O * I * 9];
        const xst_tensor t = (xst_tensor)Y + i;
        const size_t bytes = xst_tensor_bytes(&c->tensors.info[t]);
        assert_true(bytes <= sizeof data);
        assert_int_equal(c->api->download(c->session, t, data, bytes, NULL), XST_OK);
        for (int k = 0; k < 8; k++)
            out[i][k] = data[(size_t)k * 5];
    }
    c->api->executable_destroy(c->executable);
    return convolutions;
}

static int convolutions_of(xst_precision precision, int64_t side, bool learns, double conv_ms, float (*out)[8])
{
    convs c;
    *fake_state() = (fake_control){.conv_ms = conv_ms};
    open_convs(&c, precision, side, learns);
    const int n = run(&c, out);
    const int before = fake_state()->convolutions;
    assert_int_equal(run(&c, NULL), n); /* the choice is kept: only the run on the side and the recorded one */
    assert_int_equal(fake_state()->convolutions - before, 2 * n);
    close_convs(&c);
    return n;
}

static void test_faster(void **state)
{
    float own[OPS][8], library[OPS][8];
    (void)state;
    for (int64_t side = 1; side <= 4; side++) {
        assert_int_equal(convolutions_of(XST_BF16, side, true, 1e6, own), 0);
        assert_int_equal(convolutions_of(XST_BF16, side, true, -1e6, library), OPS);
        for (int i = 0; i < OPS; i++)
            for (int k = 0; k < 8; k++) {
                const double a = (double)own[i][k], b = (double)library[i][k];
                assert_true(fabs(a - b) <= 0x1p-6 * fabs(b) + 0.05);
            }
    }
}

static void test_rule(void **state)
{
    (void)state;
    assert_int_equal(convolutions_of(XST_BF16, 4, false, -1e6, NULL), 0); /* whatever the clock says */
    assert_int_equal(convolutions_of(XST_BF16, 5, false, 1e6, NULL), 2);  /* a larger map */
    assert_int_equal(convolutions_of(XST_BF16, 5, true, 1e6, NULL), OPS);
    assert_int_equal(convolutions_of(XST_FP32, 4, false, 1e6, NULL), 2);
    assert_int_equal(setenv("XST_CUDA_CONV", "cudnn", 1), 0);
    assert_int_equal(convolutions_of(XST_BF16, 4, true, 1e6, NULL), OPS);
    assert_int_equal(convolutions_of(XST_BF16, 4, false, 1e6, NULL), 2);
    assert_int_equal(unsetenv("XST_CUDA_CONV"), 0);
}

/* cuDNN serves a shape by none of the rules: then it may try, but only what gives the same bits each time is taken. */
static void test_no_rule(void **state)
{
    convs c;
    (void)state;
    *fake_state() = (fake_control){.no_rules = 1};
    open_convs(&c, XST_FP32, 5, false);
    assert_int_equal(run(&c, NULL), 2);
    close_convs(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_faster), cmocka_unit_test(test_rule),
                                       cmocka_unit_test(test_no_rule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
