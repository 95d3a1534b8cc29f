/* Fully connected layers, and the backward of a ReLU. */
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    int64_t b, i, o;
} sizes[] = {{1, 1, 1},   {4, 3, 5},   {32, 16, 31}, {1, 33, 16}, {4, 512, 33},
             {32, 31, 5}, {3, 16, 16}, {5, 24, 131}, {3, 16, 144}};

#define EACH_SIZE                                                                                                      \
    size_t n = 0;                                                                                                      \
    n < sizeof sizes / sizeof sizes[0];                                                                                \
    n++

/* The weights have rank 2, or rank 4 as a masked layer's. */
static xst_tensor add_weights(ops_case *c, size_t n, bool output, bool masked)
{
    const int64_t dim[] = {sizes[n].o, sizes[n].i, 1, 1};
    const int32_t rank = masked ? 4 : 2;
    if (output)
        return ops_output(c, ops_close((double)sizes[n].b), XST_F32, rank, dim);
    const xst_tensor w = ops_input(c, XST_F32, rank, dim);
    ops_normal(c, w, 0.3f);
    return w;
}

static void begin(ops_case *c, void **state, xst_op_kind kind, size_t n, const char *what)
{
    ops_begin(c, *state, kind, "B=%d I=%d O=%d%s", (int)sizes[n].b, (int)sizes[n].i, (int)sizes[n].o, what);
}

static void forward(void **state, size_t n, bool relu, bool masked)
{
    ops_case c;
    begin(&c, state, XST_OP_LINEAR_FORWARD, n, relu ? " relu" : "");
    c.op.p.linear.relu = relu;
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].i)), 1.0f);
    add_weights(&c, n, false, masked);
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].o)), 1.0f);
    const xst_tensor y = ops_output(&c, ops_close((double)sizes[n].i + 1), XST_F32, SHAPE(sizes[n].b, sizes[n].o));
    if (relu && sizes[n].b * sizes[n].o == 1)
        ops_expect_zero(&c, y); /* may well be cut to 0 */
    ops_finish(&c);
}

static void test_forward(void **state)
{
    for (EACH_SIZE)
        for (int relu = 0; relu < 2; relu++) {
            forward(state, n, relu, false);
            forward(state, n, relu, true);
        }
}

static void test_backward_data(void **state)
{
    for (EACH_SIZE)
        for (int masked = 0; masked < 2; masked++) {
            ops_case c;
            begin(&c, state, XST_OP_LINEAR_BACKWARD_DATA, n, masked ? " masked" : "");
            ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].o)), 1.0f);
            add_weights(&c, n, false, masked);
            ops_output(&c, ops_close((double)sizes[n].o), XST_F32, SHAPE(sizes[n].b, sizes[n].i));
            ops_finish(&c);
        }
}

static void test_backward_weights(void **state)
{
    for (EACH_SIZE)
        for (int masked = 0; masked < 2; masked++) {
            ops_case c;
            begin(&c, state, XST_OP_LINEAR_BACKWARD_WEIGHTS, n, masked ? " masked" : "");
            ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].i)), 1.0f);
            ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].o)), 0.1f);
            add_weights(&c, n, true, masked);
            ops_output(&c, ops_close((double)sizes[n].b), XST_F32, SHAPE(sizes[n].o));
            ops_finish(&c);
        }
}

/* x = (1 2) (3 -4), w = (1 -1) (2 0.5) (0 3), bias = (0.5 -1 2). */
static const double hand_x[] = {1, 2, 3, -4}, hand_w[] = {1, -1, 2, 0.5, 0, 3}, hand_bias[] = {0.5, -1, 2},
                    hand_dy[] = {1, 0, 2, -1, 3, 0};

static void forward_by_hand(void **state, bool relu)
{
    const double y[2][6] = {{-0.5, 2, 8, 7.5, 3, -10}, {0, 2, 8, 7.5, 3, 0}};
    ops_case c;
    ops_begin(&c, *state, XST_OP_LINEAR_FORWARD, "by hand%s", relu ? " relu" : "");
    c.op.p.linear.relu = relu;
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 2)), hand_x);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(3, 2)), hand_w);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(3)), hand_bias);
    ops_expect(&c, ops_output(&c, ops_close(3), XST_F32, SHAPE(2, 3)), y[relu]);
    ops_finish(&c);
}

static void test_by_hand(void **state)
{
    ops_case c;
    forward_by_hand(state, false);
    forward_by_hand(state, true);
    ops_begin(&c, *state, XST_OP_LINEAR_BACKWARD_DATA, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3)), hand_dy);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(3, 2)), hand_w);
    ops_expect(&c, ops_output(&c, ops_close(3), XST_F32, SHAPE(2, 2)), (const double[]){1, 5, 5, 2.5});
    ops_finish(&c);
    ops_begin(&c, *state, XST_OP_LINEAR_BACKWARD_WEIGHTS, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 2)), hand_x);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3)), hand_dy);
    ops_expect(&c, ops_output(&c, ops_close(2), XST_F32, SHAPE(3, 2)), (const double[]){-2, 6, 9, -12, 2, 4});
    ops_expect(&c, ops_output(&c, ops_close(2), XST_F32, SHAPE(3)), (const double[]){0, 3, 2});
    ops_finish(&c);
}

static void test_relu_backward(void **state)
{
    for (int64_t n = 1; n <= 33; n += 16) {
        ops_case c;
        ops_begin(&c, *state, XST_OP_RELU_BACKWARD, "B=4 O=%d", (int)n);
        ops_normal(&c, ops_input(&c, XST_F32, SHAPE(4, n)), 1.0f);
        const xst_tensor y = ops_input(&c, XST_F32, SHAPE(4, n));
        ops_normal(&c, y, 1.0f);
        for (int64_t i = 0; i < 4 * n; i++)
            ops_floats(&c, y)[i] = ops_floats(&c, y)[i] > 0.0f ? ops_floats(&c, y)[i] : 0.0f;
        ops_floats(&c, y)[0] = 1.0f;
        ops_output(&c, ops_exact(), XST_F32, SHAPE(4, n));
        ops_finish(&c);
    }
    ops_case c;
    ops_begin(&c, *state, XST_OP_RELU_BACKWARD, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 3)), (const double[]){5, 6, -7});
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 3)), (const double[]){0, 0.1, 2});
    ops_expect(&c, ops_output(&c, ops_exact(), XST_F32, SHAPE(1, 3)), (const double[]){0, 6, -7});
    ops_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward), cmocka_unit_test(test_backward_data), cmocka_unit_test(test_backward_weights),
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_relu_backward),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
