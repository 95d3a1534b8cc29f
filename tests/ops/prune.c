/* Gradual pruning of single weights: PRUNE. */
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

enum { EVENTS = 3, EVERY = 10 };

static xst_tensor begin(ops_case *c, ops_harness *harness, int64_t a, uint32_t columns, uint32_t t, uint32_t k,
                        xst_tensor rows[2])
{
    ops_begin(c, harness, XST_OP_PRUNE, "a=%d of %u, t=%u, k=%u", (int)a, columns, t, k);
    c->op.p.prune = (xst_prune_params){.geometry = xst_geometry_make((int32_t)columns, 1, 1, 1, 0), .every = EVERY};
    ops_words(c, ops_input(c, XST_U32, SHAPE(1)))[0] = t;
    const xst_tensor quota = ops_input(c, XST_U32, SHAPE(EVENTS));
    for (uint32_t i = 0; i < EVENTS; i++) /* only the event that is due has the number asked for */
        ops_words(c, quota)[i] = i == (t - 1) / EVERY - 1 ? k : (uint32_t)a - k;
    const xst_tensor active = ops_in_place(c, ops_exact(), XST_U32, SHAPE(a));
    for (int i = 0; i < 2; i++)
        rows[i] = ops_in_place(c, ops_exact(), XST_F32, SHAPE(a, 1));
    return active;
}

/* Random weights of every second column; the last `empty` entries are empty. */
static void random_case(void **state, int64_t a, int64_t empty, uint32_t t, uint32_t k)
{
    ops_case c;
    xst_tensor rows[2];
    const uint32_t columns = (uint32_t)(2 * a);
    const xst_tensor active = begin(&c, *state, a, columns, t, k, rows);
    for (int i = 0; i < 2; i++)
        ops_normal(&c, rows[i], 1.0f);
    for (int64_t i = 0; i < a; i++) {
        const bool there = i < a - empty;
        ops_words(&c, active)[i] = there ? (uint32_t)(2 * i) : columns;
        if (!there)
            ops_floats(&c, rows[0])[i] = ops_floats(&c, rows[1])[i] = 0.0f;
    }
    if (k == a) {
        ops_expect_zero(&c, rows[0]);
        ops_expect_zero(&c, rows[1]);
    }
    if (a == 1)
        ops_expect_zero(&c, active);
    ops_finish(&c);
}

static void test_random(void **state)
{
    const uint32_t t[] = {11, 20, 21, 31};
    const int64_t a[] = {1, 7, 64, 1003};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++) {
            random_case(state, a[i], 0, t[k], (uint32_t)(a[i] * (int64_t)k / 3));
            random_case(state, a[i], a[i] / 3, t[k], (uint32_t)(a[i] * (int64_t)k / 3));
        }
}

/* Weights 3 -1 1 2 5 of columns 0 2 3 5 6 (of 8), then an empty entry. */
static void by_hand(void **state, uint32_t k, const double *active, const double *value, const double *velocity)
{
    ops_case c;
    xst_tensor rows[2];
    const xst_tensor list = begin(&c, *state, 6, 8, 11, k, rows);
    ops_copy(&c, list, (const double[]){0, 2, 3, 5, 6, 8});
    ops_copy(&c, rows[0], (const double[]){3, -1, 1, 2, 5, 0});
    ops_copy(&c, rows[1], (const double[]){10, 20, 30, 40, 50, 0});
    ops_expect(&c, list, active);
    ops_expect(&c, rows[0], value);
    ops_expect(&c, rows[1], velocity);
    ops_finish(&c);
}

static void test_by_hand(void **state)
{
    /* The empty entry is the first of the order: k = 1 releases nothing. */
    by_hand(state, 1, (const double[]){0, 2, 3, 5, 6, 8}, (const double[]){3, -1, 1, 2, 5, 0},
            (const double[]){10, 20, 30, 40, 50, 0});
    /* Equal magnitudes go together. */
    by_hand(state, 2, (const double[]){0, 5, 6, 8, 8, 8}, (const double[]){3, 2, 5, 0, 0, 0},
            (const double[]){10, 40, 50, 0, 0, 0});
    by_hand(state, 3, (const double[]){0, 5, 6, 8, 8, 8}, (const double[]){3, 2, 5, 0, 0, 0},
            (const double[]){10, 40, 50, 0, 0, 0});
    by_hand(state, 5, (const double[]){6, 8, 8, 8, 8, 8}, (const double[]){5, 0, 0, 0, 0, 0},
            (const double[]){50, 0, 0, 0, 0, 0});
}

/* A NaN stays where anything else can go. */
static void test_nan(void **state)
{
    ops_case c;
    xst_tensor rows[2];
    const xst_tensor list = begin(&c, *state, 3, 3, 11, 2, rows);
    ops_copy(&c, list, (const double[]){0, 1, 2});
    ops_copy(&c, rows[0], (const double[]){1, (double)NAN, -2});
    ops_copy(&c, rows[1], (const double[]){10, 20, 30});
    ops_expect(&c, list, (const double[]){1, 3, 3});
    ops_expect(&c, rows[1], (const double[]){20, 0, 0});
    ops_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_by_hand),
                                       cmocka_unit_test(test_nan)};
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
