/* Convolution forward, backward to data, backward to weights. */
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    int64_t b, i, o, h, w, kh, kw;
} sizes[] = {{1, 1, 1, 1, 1, 3, 3},    {1, 1, 1, 3, 3, 3, 3},   {4, 3, 5, 7, 5, 3, 3},   {32, 3, 16, 8, 8, 3, 3},
             {4, 16, 33, 6, 6, 3, 3},  {2, 31, 32, 4, 4, 3, 3}, {1, 33, 31, 2, 2, 3, 3}, {3, 5, 3, 9, 9, 1, 1},
             {2, 3, 5, 6, 5, 5, 5},    {2, 5, 3, 4, 6, 1, 3},   {4, 80, 64, 8, 8, 3, 3}, {32, 8, 16, 4, 4, 3, 3},
             {5, 136, 24, 2, 2, 3, 3}, {9, 16, 72, 3, 5, 3, 3}, {2, 8, 8, 1, 1, 3, 3}};

#define EACH_SIZE                                                                                                      \
    size_t n = 0;                                                                                                      \
    n < sizeof sizes / sizeof sizes[0];                                                                                \
    n++

static void begin(ops_case *c, void **state, xst_op_kind kind, size_t n)
{
    ops_begin(c, *state, kind, "B=%d I=%d O=%d %dx%d kernel %dx%d", (int)sizes[n].b, (int)sizes[n].i, (int)sizes[n].o,
              (int)sizes[n].h, (int)sizes[n].w, (int)sizes[n].kh, (int)sizes[n].kw);
}

static void test_forward(void **state)
{
    for (EACH_SIZE) {
        ops_case c;
        begin(&c, state, XST_OP_CONV_FORWARD, n);
        ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].i, sizes[n].h, sizes[n].w)), 1.0f);
        ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].o, sizes[n].i, sizes[n].kh, sizes[n].kw)), 0.3f);
        ops_output(&c, ops_close((double)(sizes[n].i * sizes[n].kh * sizes[n].kw)), XST_F32,
                   SHAPE(sizes[n].b, sizes[n].o, sizes[n].h, sizes[n].w));
        ops_finish(&c);
    }
}

static void test_backward_data(void **state)
{
    for (EACH_SIZE) {
        ops_case c;
        begin(&c, state, XST_OP_CONV_BACKWARD_DATA, n);
        ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].o, sizes[n].h, sizes[n].w)), 1.0f);
        ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].o, sizes[n].i, sizes[n].kh, sizes[n].kw)), 0.3f);
        ops_output(&c, ops_close((double)(sizes[n].o * sizes[n].kh * sizes[n].kw)), XST_F32,
                   SHAPE(sizes[n].b, sizes[n].i, sizes[n].h, sizes[n].w));
        ops_finish(&c);
    }
}

static void test_backward_weights(void **state)
{
    for (EACH_SIZE) {
        ops_case c;
        begin(&c, state, XST_OP_CONV_BACKWARD_WEIGHTS, n);
        ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].i, sizes[n].h, sizes[n].w)), 1.0f);
        ops_normal(&c, ops_input(&c, XST_F32, SHAPE(sizes[n].b, sizes[n].o, sizes[n].h, sizes[n].w)), 0.1f);
        ops_output(&c, ops_close((double)(sizes[n].b * sizes[n].h * sizes[n].w)), XST_F32,
                   SHAPE(sizes[n].o, sizes[n].i, sizes[n].kh, sizes[n].kw));
        ops_finish(&c);
    }
}

/* x or w = 1..9, dy = 2 at (0, 1). */
static const double one_to_nine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const double impulse[] = {0, 2, 0, 0, 0, 0, 0, 0, 0};

static void by_hand(void **state, xst_op_kind kind, const double *a, const double *b, const double *expected)
{
    ops_case c;
    ops_begin(&c, *state, kind, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 1, 3, 3)), a);
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 1, 3, 3)), b);
    ops_expect(&c, ops_output(&c, ops_close(9), XST_F32, SHAPE(1, 1, 3, 3)), expected);
    ops_finish(&c);
}

static void test_by_hand(void **state)
{
    const double y[] = {94, 154, 106, 186, 285, 186, 106, 154, 94};
    const double dx[] = {8, 10, 12, 14, 16, 18, 0, 0, 0};
    const double dw[] = {0, 0, 0, 2, 4, 6, 8, 10, 12};
    by_hand(state, XST_OP_CONV_FORWARD, one_to_nine, one_to_nine, y);
    by_hand(state, XST_OP_CONV_BACKWARD_DATA, impulse, one_to_nine, dx);
    by_hand(state, XST_OP_CONV_BACKWARD_WEIGHTS, one_to_nine, impulse, dw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_backward_data),
        cmocka_unit_test(test_backward_weights),
        cmocka_unit_test(test_by_hand),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
