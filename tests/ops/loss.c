/* Softmax cross entropy and its two counters. */
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Wide: logits so far apart that a careless exp overflows. */
static void loss(void **state, int64_t B, int64_t K, float deviation)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_LOSS, "B=%d K=%d deviation %g", (int)B, (int)K, (double)deviation);
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE(B, K)), deviation);
    ops_below(&c, ops_input(&c, XST_U32, SHAPE(B)), (uint32_t)K);
    const xst_tensor dlogits = ops_output(&c, ops_close(16), XST_F32, SHAPE(B, K));
    if (K == 1)
        ops_expect_zero(&c, dlogits);
    ops_copy(&c, ops_in_place(&c, ops_close((double)B), XST_F64, SHAPE(2)), (const double[]){1.5, 3});
    ops_finish(&c);
}

static void test_loss(void **state)
{
    const int64_t B[] = {1, 4, 32, 3, 4}, K[] = {5, 5, 5, 33, 1};
    for (size_t i = 0; i < sizeof B / sizeof B[0]; i++) {
        loss(state, B[i], K[i], 1.0f);
        loss(state, B[i], K[i], 10.0f);
        loss(state, B[i], K[i], 500.0f);
    }
}

/* Row 0: equal logits, so the argmax is 0; row 1: ln 1, ln 2, ln 5, label 2; row 2: as row 0, label 1. */
static void test_loss_by_hand(void **state)
{
    const double logits[] = {2, 2, 2, 0, log(2), log(5), -7, -7, -7}, t = 1.0 / 3;
    ops_case c;
    ops_begin(&c, *state, XST_OP_LOSS, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(3, 3)), logits);
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(3)), (const double[]){0, 2, 1});
    ops_expect(&c, ops_output(&c, ops_close(16), XST_F32, SHAPE(3, 3)),
               (const double[]){-2 * t * t, t * t, t * t, 0.125 * t, 0.25 * t, -0.375 * t, t * t, -2 * t * t, t * t});
    const xst_tensor metrics = ops_in_place(&c, ops_close(3), XST_F64, SHAPE(2));
    ops_copy(&c, metrics, (const double[]){10, 100});
    ops_expect(&c, metrics, (const double[]){10 + 2 * log(3) + log(1.6), 102});
    ops_finish(&c);
}

/* The second of two rows holds NaN: the sum of losses must say so. */
static void test_loss_of_nan(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_LOSS, "NaN");
    const xst_tensor logits = ops_input(&c, XST_F32, SHAPE(2, 5));
    ops_normal(&c, logits, 1.0f);
    for (int i = 5; i < 10; i++)
        ops_floats(&c, logits)[i] = NAN;
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(2)))[0] = 1;
    ops_output(&c, ops_close(16), XST_F32, SHAPE(2, 5));
    ops_in_place(&c, ops_close(2), XST_F64, SHAPE(2));
    ops_finish(&c);
}

static void eval_loss(void **state, int64_t N, int64_t B, uint32_t cursor)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_EVAL_LOSS, "N=%d B=%d cursor %u", (int)N, (int)B, cursor);
    ops_normal(&c, ops_input(&c, XST_F32, SHAPE(B, 5)), 1.0f);
    ops_below(&c, ops_input(&c, XST_U32, SHAPE(B)), 5);
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = cursor;
    ops_normal(&c, ops_in_place(&c, ops_exact(), XST_F32, SHAPE(N, 5)), 1.0f);
    ops_copy(&c, ops_in_place(&c, ops_close((double)B), XST_F64, SHAPE(2)), (const double[]){1.5, 3});
    ops_finish(&c);
}

/* Rows past N are the last image again: they are not counted. */
static void test_eval_loss(void **state)
{
    eval_loss(state, 10, 4, 0);
    eval_loss(state, 10, 4, 1);
    eval_loss(state, 10, 4, 2);
    eval_loss(state, 3, 32, 0);
    eval_loss(state, 33, 1, 32);
}

static void test_eval_loss_by_hand(void **state)
{
    const double all[] = {9, 9, 9, 9, 1, 0, 9, 9}; /* as it was, but for row 2 */
    const double after[] = {9, 9, 9, 9, 0, 0, 9, 9};
    ops_case c;
    ops_begin(&c, *state, XST_OP_EVAL_LOSS, "by hand");
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 2)), (const double[]){0, 0, 5, 5});
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(2)), (const double[]){1, 0});
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(1)), (const double[]){1});
    const xst_tensor rows = ops_in_place(&c, ops_exact(), XST_F32, SHAPE(3, 2));
    ops_copy(&c, rows, all);
    ops_expect(&c, rows, after);
    const xst_tensor metrics = ops_in_place(&c, ops_close(2), XST_F64, SHAPE(2));
    ops_copy(&c, metrics, (const double[]){1, 1});
    ops_expect(&c, metrics, (const double[]){1 + log(2), 1});
    ops_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),      cmocka_unit_test(test_loss_by_hand),      cmocka_unit_test(test_loss_of_nan),
        cmocka_unit_test(test_eval_loss), cmocka_unit_test(test_eval_loss_by_hand),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
