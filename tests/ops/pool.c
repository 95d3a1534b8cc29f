/* 2x2 max-pool, forward and backward, and reshape. */
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    int64_t b, c, h, w;
} sizes[] = {{1, 1, 2, 2}, {4, 3, 5, 7}, {32, 16, 4, 4}, {2, 31, 8, 8}, {1, 33, 3, 3}, {2, 5, 2, 6}};

#define EACH_SIZE                                                                                                      \
    size_t n = 0;                                                                                                      \
    n < sizeof sizes / sizeof sizes[0];                                                                                \
    n++
#define BIG(n) SHAPE(sizes[n].b, sizes[n].c, sizes[n].h, sizes[n].w)
#define SMALL(n) SHAPE(sizes[n].b, sizes[n].c, sizes[n].h / 2, sizes[n].w / 2)

static void begin(ops_case *c, void **state, xst_op_kind kind, size_t n, bool ties)
{
    ops_begin(c, *state, kind, "B=%d C=%d %dx%d%s", (int)sizes[n].b, (int)sizes[n].c, (int)sizes[n].h, (int)sizes[n].w,
              ties ? " with ties" : "");
}

/* Normal numbers, or few different ones, as after a ReLU. */
static xst_tensor add_x(ops_case *c, size_t n, bool ties)
{
    const xst_tensor x = ops_input(c, XST_F32, BIG(n));
    ops_normal(c, x, 1.0f);
    ops_coarse(c, x);
    for (int64_t i = 0; ties && i < ops_elements(c, x); i++)
        ops_floats(c, x)[i] = fmaxf(0.0f, roundf(ops_floats(c, x)[i]));
    return x;
}

static void test_forward(void **state)
{
    for (EACH_SIZE)
        for (int ties = 0; ties < 2; ties++) {
            ops_case c;
            begin(&c, state, XST_OP_POOL_FORWARD, n, ties);
            add_x(&c, n, ties);
            ops_output(&c, ops_exact(), XST_F32, SMALL(n));
            ops_finish(&c);
        }
}

/* Flat index in x of corner k of the window under element i of y. */
static int64_t corner(const xst_tensor_info *x, int64_t i, int k)
{
    const int64_t H = x->dim[2], W = x->dim[3], h = H / 2, w = W / 2;
    return i / (h * w) * H * W + (2 * (i / w % h) + k / 2) * W + 2 * (i % w) + k % 2;
}

/* Each window's dy stands at one of its largest inputs; all else is 0. */
static void check_backward(const ops_case *c, const double *ref, const double *got, int64_t n, double eps)
{
    const xst_tensor dy = c->op.in[0], x = c->op.in[1];
    double left = 0.0;
    (void)ref;
    for (int64_t i = 0; i < n; i++)
        left += fabs(got[i]);
    for (int64_t i = 0; i < ops_elements(c, dy); i++) {
        float most = -INFINITY;
        int places = 0;
        for (int k = 0; k < 4; k++)
            most = fmaxf(most, ops_floats(c, x)[corner(&c->tensors.info[x], i, k)]);
        for (int k = 0; k < 4; k++) {
            const int64_t at = corner(&c->tensors.info[x], i, k);
            if (got[at] == 0.0)
                continue;
            places++;
            left -= fabs(got[at]);
            if (ops_floats(c, x)[at] != most || fabs(got[at] - (double)ops_floats(c, dy)[i]) > 4 * eps)
                fail_msg("%s: dx[%d] = %g does not belong there", c->name, (int)at, got[at]);
        }
        if (places != 1)
            fail_msg("%s: window %d sends its gradient to %d places", c->name, (int)i, places);
    }
    assert_true(fabs(left) < 1e-9);
}

static void test_backward(void **state)
{
    for (EACH_SIZE)
        for (int ties = 0; ties < 2; ties++) {
            ops_case c;
            begin(&c, state, XST_OP_POOL_BACKWARD, n, ties);
            ops_normal(&c, ops_input(&c, XST_F32, SMALL(n)), 1.0f);
            const xst_tensor x = add_x(&c, n, ties), y = ops_input(&c, XST_F32, SMALL(n));
            for (int64_t i = 0; i < ops_elements(&c, y); i++) {
                ops_floats(&c, y)[i] = -INFINITY;
                for (int k = 0; k < 4; k++)
                    ops_floats(&c, y)[i] =
                        fmaxf(ops_floats(&c, y)[i], ops_floats(&c, x)[corner(&c.tensors.info[x], i, k)]);
            }
            ops_output(&c, ops_checked(check_backward), XST_F32, BIG(n));
            ops_finish(&c);
        }
}

/* 3x5: the last row and column belong to no window. The second window's maxima tie: the first in row order gets dy. */
static void test_by_hand(void **state)
{
    const double x[] = {1, 2, 7, 7, 99, -3, 5, 7, 0, 99, 99, 99, 99, 99, 99}, y[] = {5, 7}, dy[] = {10, 20};
    const double dx[] = {0, 0, 20, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0};
    ops_case c;
    ops_begin(&c, *state, XST_OP_POOL_FORWARD, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 1, 3, 5)), x);
    ops_expect(&c, ops_output(&c, ops_exact(), XST_F32, SHAPE(1, 1, 1, 2)), y);
    ops_finish(&c);
    ops_begin(&c, *state, XST_OP_POOL_BACKWARD, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 1, 1, 2)), dy);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 1, 3, 5)), x);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 1, 1, 2)), y);
    ops_expect(&c, ops_output(&c, ops_checked(check_backward), XST_F32, SHAPE(1, 1, 3, 5)), dx);
    ops_finish(&c);
}

static void reshape(void **state, int32_t rank, const int64_t *from, int32_t to_rank, const int64_t *to)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_RESHAPE, "rank %d to %d, C=%d", (int)rank, (int)to_rank, (int)from[1]);
    const xst_tensor x = ops_input(&c, XST_F32, rank, from), y = ops_output(&c, ops_exact(), XST_F32, to_rank, to);
    double values[4 * 33 * 6];
    assert_true(ops_elements(&c, x) <= 4 * 33 * 6);
    ops_normal(&c, x, 1.0f);
    for (int64_t i = 0; i < ops_elements(&c, x); i++)
        values[i] = (double)ops_floats(&c, x)[i];
    ops_expect(&c, y, values);
    ops_finish(&c);
}

static void test_reshape(void **state)
{
    reshape(state, SHAPE(4, 5, 2, 3), SHAPE(4, 30));
    reshape(state, SHAPE(4, 33, 2, 3), SHAPE(4, 198));
    reshape(state, SHAPE(4, 33, 1, 1), SHAPE(4, 33));
    reshape(state, SHAPE(4, 16, 1, 1), SHAPE(4, 16));
    reshape(state, SHAPE(3, 31), SHAPE(3, 31, 1, 1));
    reshape(state, SHAPE(4, 30), SHAPE(4, 5, 2, 3));
    reshape(state, SHAPE(2, 3, 4, 5), SHAPE(2, 3, 4, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_reshape),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
