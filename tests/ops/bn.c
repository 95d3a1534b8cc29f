/* Batch normalisation with ReLU: forward, backward, evaluation. */
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    int64_t b, c, h, w;
} sizes[] = {{4, 1, 3, 3},  {1, 3, 2, 2},  {32, 5, 4, 4}, {4, 16, 5, 7},
             {2, 31, 4, 4}, {3, 33, 3, 3}, {4, 5, 1, 1},  {32, 80, 8, 8}};

#define EACH_SIZE                                                                                                      \
    size_t n = 0;                                                                                                      \
    n < sizeof sizes / sizeof sizes[0];                                                                                \
    n++
#define MAP(n) SHAPE(sizes[n].b, sizes[n].c, sizes[n].h, sizes[n].w)

static void begin(ops_case *c, void **state, xst_op_kind kind, size_t n, const char *what)
{
    ops_begin(c, *state, kind, "B=%d C=%d %dx%d %s", (int)sizes[n].b, (int)sizes[n].c, (int)sizes[n].h, (int)sizes[n].w,
              what);
    c->op.p.bn = (xst_bn_params){.momentum = 0.1f, .eps = 1e-5f};
}

static void shift(ops_case *c, xst_tensor t, float by)
{
    for (int64_t i = 0; i < ops_elements(c, t); i++)
        ops_floats(c, t)[i] += by;
}

/* Normal data whose mean differs from channel to channel. */
static xst_tensor add_x(ops_case *c, size_t n)
{
    const xst_tensor x = ops_input(c, XST_F32, MAP(n));
    const int64_t area = sizes[n].h * sizes[n].w;
    ops_normal(c, x, 1.5f);
    for (int64_t i = 0; i < ops_elements(c, x); i++)
        ops_floats(c, x)[i] += 0.25f * (float)(i / area % sizes[n].c % 7) - 0.5f;
    return x;
}

static xst_tensor add_channel(ops_case *c, size_t n, float centre, float deviation)
{
    const xst_tensor t = ops_input(c, XST_F32, SHAPE(sizes[n].c));
    ops_normal(c, t, deviation);
    shift(c, t, centre);
    return t;
}

/* Values that a variance can have. */
static void positive(ops_case *c, xst_tensor t)
{
    ops_normal(c, t, 1.0f);
    for (int64_t i = 0; i < ops_elements(c, t); i++)
        ops_floats(c, t)[i] = 0.5f + fabsf(ops_floats(c, t)[i]);
}

static void forward(void **state, size_t n, bool counted)
{
    ops_case c;
    const double terms = (double)(sizes[n].b * sizes[n].h * sizes[n].w);
    begin(&c, state, XST_OP_BN_RELU_FORWARD, n, counted ? "counted" : "");
    add_x(&c, n);
    add_channel(&c, n, 1.0f, 0.3f);
    add_channel(&c, n, 0.2f, 0.5f);
    if (counted)
        ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = 3;
    else
        ops_no_input(&c);
    ops_output(&c, ops_close(terms), XST_F32, MAP(n));
    ops_output(&c, ops_close(terms), XST_F32, SHAPE(sizes[n].c));
    ops_output(&c, ops_close(terms), XST_F32, SHAPE(sizes[n].c));
    ops_normal(&c, ops_in_place(&c, ops_close(terms), XST_F32, SHAPE(sizes[n].c)), 1.0f);
    positive(&c, ops_in_place(&c, ops_close(terms), XST_F32, SHAPE(sizes[n].c)));
    ops_finish(&c);
}

static void test_forward(void **state)
{
    for (EACH_SIZE) {
        forward(state, n, false);
        forward(state, n, true);
    }
}

/* What the forward operation gives for x, gamma and beta. */
static void fill_forward(ops_case *c, size_t n, const float *x, const float *gamma, xst_tensor y, xst_tensor mean,
                         xst_tensor inverse_std)
{
    const int64_t area = sizes[n].h * sizes[n].w, count = sizes[n].b * area;
    for (int64_t k = 0; k < sizes[n].c; k++) {
        double sum = 0.0, squares = 0.0;
        for (int64_t i = 0; i < count; i++)
            sum += (double)x[(i / area * sizes[n].c + k) * area + i % area];
        const double m = sum / (double)count;
        for (int64_t i = 0; i < count; i++)
            squares += pow((double)x[(i / area * sizes[n].c + k) * area + i % area] - m, 2.0);
        const double s = 1.0 / sqrt(squares / (double)count + 1e-5);
        ops_floats(c, mean)[k] = (float)m;
        ops_floats(c, inverse_std)[k] = (float)s;
        for (int64_t i = 0; i < count; i++) {
            const int64_t at = (i / area * sizes[n].c + k) * area + i % area;
            ops_floats(c, y)[at] = (float)fmax(0.0, (double)gamma[k] * ((double)x[at] - m) * s + 0.2);
        }
    }
}

static void test_backward(void **state)
{
    for (EACH_SIZE) {
        ops_case c;
        const double terms = (double)(sizes[n].b * sizes[n].h * sizes[n].w);
        begin(&c, state, XST_OP_BN_RELU_BACKWARD, n, "");
        ops_normal(&c, ops_input(&c, XST_F32, MAP(n)), 0.1f);
        const xst_tensor x = add_x(&c, n), y = ops_input(&c, XST_F32, MAP(n)), gamma = add_channel(&c, n, 1.0f, 0.3f);
        const xst_tensor mean = ops_input(&c, XST_F32, SHAPE(sizes[n].c));
        const xst_tensor inverse_std = ops_input(&c, XST_F32, SHAPE(sizes[n].c));
        fill_forward(&c, n, ops_floats(&c, x), ops_floats(&c, gamma), y, mean, inverse_std);
        ops_output(&c, ops_close(terms), XST_F32, MAP(n));
        ops_output(&c, ops_close(terms), XST_F32, SHAPE(sizes[n].c));
        ops_output(&c, ops_close(terms), XST_F32, SHAPE(sizes[n].c));
        ops_finish(&c);
    }
}

static void test_eval(void **state)
{
    for (EACH_SIZE) {
        ops_case c;
        begin(&c, state, XST_OP_BN_RELU_EVAL, n, "");
        add_x(&c, n);
        add_channel(&c, n, 1.0f, 0.3f);
        add_channel(&c, n, 0.2f, 0.5f);
        add_channel(&c, n, 0.0f, 0.3f);
        positive(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].c)));
        ops_output(&c, ops_close(4), XST_F32, MAP(n));
        ops_finish(&c);
    }
}

static void test_eval_backward(void **state)
{
    for (EACH_SIZE) {
        ops_case c;
        begin(&c, state, XST_OP_BN_RELU_EVAL_BACKWARD, n, "");
        ops_normal(&c, ops_input(&c, XST_F32, MAP(n)), 0.1f);
        ops_normal(&c, ops_input(&c, XST_F32, MAP(n)), 1.0f);
        add_channel(&c, n, 1.0f, 0.3f);
        positive(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].c)));
        ops_output(&c, ops_close(4), XST_F32, MAP(n));
        ops_finish(&c);
    }
}

/* gamma 4, running_var 3.5, eps 0.5: the slope is 2 where y is above 0. */
static void test_eval_backward_by_hand(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_BN_RELU_EVAL_BACKWARD, "by hand");
    c.op.p.bn = (xst_bn_params){.momentum = 0.1f, .eps = 0.5f};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 1, 1, 2)), (const double[]){10, 20, 1, -2});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 1, 1, 2)), (const double[]){0, 3, 1, 7});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), (const double[]){4});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), (const double[]){3.5});
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(2, 1, 1, 2)), (const double[]){0, 40, 2, -4});
    ops_finish(&c);
}

/* One channel, x = 1 2 3 6: mean 3, variance 14/4 (unbiased 14/3). eps = 0.5, so that inverse_std = 1/2. */
static const double hand_x[] = {1, 2, 3, 6}, hand_y[] = {0, 0, 1, 7}, two[] = {2}, one[] = {1}, three[] = {3},
                    half[] = {0.5};

static void forward_by_hand(void **state, bool counted)
{
    /* f = 0.1: 0.9*2 + 0.1*3 and 0.9*1 + 0.1*14/3; counter 3, f = 1/4: 0.75*2 + 0.25*3 and 0.75*1 + 0.25*14/3. */
    const double running_mean[2][1] = {{2.1}, {2.25}}, running_var[2][1] = {{4.1 / 3}, {5.75 / 3}};
    ops_case c;
    ops_begin(&c, *state, XST_OP_BN_RELU_FORWARD, "by hand%s", counted ? ", counted" : "");
    c.op.p.bn = (xst_bn_params){.momentum = 0.1f, .eps = 0.5f};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 1, 1, 2)), hand_x);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), (const double[]){4});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), one);
    if (counted)
        ops_copy(&c, ops_input(&c, XST_U32, SHAPE(1)), three);
    else
        ops_no_input(&c);
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(2, 1, 1, 2)), hand_y);
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(1)), three);
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(1)), half);
    const xst_tensor mean = ops_in_place(&c, ops_close(4), XST_F32, SHAPE(1));
    const xst_tensor var = ops_in_place(&c, ops_close(4), XST_F32, SHAPE(1));
    ops_copy(&c, mean, two);
    ops_copy(&c, var, one);
    ops_expect(&c, mean, running_mean[counted]);
    ops_expect(&c, var, running_var[counted]);
    ops_finish(&c);
}

static void test_forward_by_hand(void **state)
{
    forward_by_hand(state, false);
    forward_by_hand(state, true);
}

/* The same x: xh = -1 -1/2 0 3/2. dy = 10 10 1 2, of which g = 0 0 1 2: dbeta = 3, dgamma = 3;
 * dx = 2*(g - 3/4 - xh*3/4). */
static void test_backward_by_hand(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_BN_RELU_BACKWARD, "by hand");
    c.op.p.bn = (xst_bn_params){.momentum = 0.1f, .eps = 0.5f};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 1, 1, 2)), (const double[]){10, 10, 1, 2});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 1, 1, 2)), hand_x);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 1, 1, 2)), hand_y);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), (const double[]){4});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), three);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), half);
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(2, 1, 1, 2)), (const double[]){0, -0.75, 0.5, 0.25});
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(1)), three);
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(1)), three);
    ops_finish(&c);
}

/* relu(4*(x - 2)/sqrt(3.5 + 0.5) + 1). */
static void test_eval_by_hand(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_BN_RELU_EVAL, "by hand");
    c.op.p.bn = (xst_bn_params){.momentum = 0.1f, .eps = 0.5f};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 1, 1, 2)), hand_x);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), (const double[]){4});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), one);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), two);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1)), (const double[]){3.5});
    ops_expect(&c, ops_output(&c, ops_close(4), XST_F32, SHAPE(2, 1, 1, 2)), (const double[]){0, 1, 3, 9});
    ops_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_eval),
        cmocka_unit_test(test_eval_backward),
        cmocka_unit_test(test_eval_backward_by_hand),
        cmocka_unit_test(test_forward_by_hand),
        cmocka_unit_test(test_backward_by_hand),
        cmocka_unit_test(test_eval_by_hand),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
