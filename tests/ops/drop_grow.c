/* Drop and grow, bit for bit: the same columns in the same order, their weights and velocities with them. */
#include "support/harness.h"

#include "support/layers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef enum data_kind { RANDOM, TIES, SOME_NAN, ALL_NAN, HUGE_SQUARES } data_kind;

static const char *const data_names[] = {"random", "ties", "some NaN", "all NaN", "huge"};

/* Ties: all of one size, or 0 (a third). NaN: in every other column (the first of its weights), or everywhere. Huge:
 * the squares overflow in every other column. */
static void spoil(float *v, int64_t n, int64_t length, data_kind kind)
{
    for (int64_t i = 0; i < n; i++) {
        if (kind == TIES)
            v[i] = i / length % 3 == 1 ? 0.0f : copysignf(1.0f, v[i]);
        else if (kind == ALL_NAN || (kind == SOME_NAN && i % (2 * length) == 0))
            v[i] = NAN;
        else if (kind == HUGE_SQUARES && i / length % 2 == 0)
            v[i] *= 1e30f;
    }
}

static void fill_rows(ops_case *c, xst_tensor t, const test_columns *columns, data_kind kind)
{
    const xst_geometry *const g = &columns->geometry;
    ops_normal(c, t, 1.0f);
    spoil(ops_floats(c, t), ops_elements(c, t), g->longest, kind);
    for (int64_t k = 0; k < columns->a; k++)
        for (int32_t i = xst_column_length(g, columns->active[k]); i < g->longest; i++)
            ops_floats(c, t)[k * g->longest + i] = 0.0f;
}

typedef struct exchange {
    const test_layer *layer;
    const test_division *division;
    data_kind weights, gradients;
    int percent; /* of the active columns to exchange */
    uint32_t update_every, t;
    bool reset;
} exchange;

static void add_inputs(ops_case *c, const exchange *e, const test_columns *columns)
{
    enum { EVENTS = 4 };
    const xst_geometry *const g = &columns->geometry;
    const xst_tensor dw = ops_input(c, XST_F32, SHAPE(g->out, g->in, g->kh, g->kw));
    ops_normal(c, dw, 0.1f);
    ops_coarse(c, dw);
    spoil(ops_floats(c, dw), ops_elements(c, dw), g->longest, e->gradients);
    const xst_tensor preserved = ops_input(c, XST_U8, SHAPE((int64_t)g->columns));
    memcpy(ops_bytes(c, preserved), columns->preserved, g->columns);
    ops_words(c, ops_input(c, XST_U32, SHAPE(1)))[0] = e->t;
    const xst_tensor quota = ops_input(c, XST_U32, SHAPE(EVENTS));
    for (uint32_t i = 0; i < EVENTS; i++) /* only the event that is due has the number asked for */
        ops_words(c, quota)[i] =
            (uint32_t)columns->a * (uint32_t)(i == e->t / e->update_every - 1 ? e->percent : 100 - e->percent) / 100;
}

static void run(void **state, const exchange *e)
{
    ops_case c;
    test_columns columns;
    test_columns_make(&columns, e->layer, e->division);
    const xst_geometry *const g = &columns.geometry;
    ops_begin(&c, *state, XST_OP_DROP_GROW, "%s, %s, weights %s, gradients %s, %d %%, t=%u/%u%s", e->layer->name,
              e->division->name, data_names[e->weights], data_names[e->gradients], e->percent, e->t, e->update_every,
              e->reset ? ", reset" : "");
    c.op.p.drop_grow = (xst_drop_grow_params){.geometry = *g, .update_every = e->update_every, .reset = e->reset};
    add_inputs(&c, e, &columns);
    const xst_tensor active = ops_in_place(&c, ops_exact(), XST_U32, SHAPE(columns.a));
    memcpy(ops_words(&c, active), columns.active, (size_t)columns.a * sizeof(uint32_t));
    const xst_tensor value = ops_in_place(&c, ops_exact(), XST_F32, SHAPE(columns.a, g->longest));
    const xst_tensor velocity = ops_in_place(&c, ops_exact(), XST_F32, SHAPE(columns.a, g->longest));
    fill_rows(&c, value, &columns, e->weights);
    fill_rows(&c, velocity, &columns, RANDOM);
    if (columns.a <= 1) /* nothing, or column 0 alone */
        ops_expect_zero(&c, active);
    if (columns.a == 0 || e->percent == 100) {
        ops_expect_zero(&c, value);
        ops_expect_zero(&c, velocity);
    }
    ops_finish(&c);
    test_columns_free(&columns);
}

static void test_random(void **state)
{
    const int percent[] = {0, 15, 50, 100};
    for (int i = 0; i < TEST_LAYERS; i++)
        for (int k = 0; k < TEST_DIVISIONS; k++)
            for (int p = 0; p < 4; p++) {
                const exchange e = {&test_layers[i], &test_divisions[k], RANDOM, RANDOM, percent[p], 100, 100, p % 2};
                run(state, &e);
            }
}

/* Equal scores, infinite ones too, and none at all: the lowest index first; NaN last. Every layer meets every pair of
 * kinds; which division it meets them in goes round. */
static void test_ties_and_nan(void **state)
{
    for (int i = 0; i < TEST_LAYERS; i++)
        for (int kind = 0; kind < 25; kind++) {
            const exchange e = {.layer = &test_layers[i],
                                .division = &test_divisions[(i + kind + kind / 5) % TEST_DIVISIONS],
                                .weights = kind % 5,
                                .gradients = kind / 5,
                                .percent = kind % 2 ? 70 : 30,
                                .update_every = 100,
                                .t = 200,
                                .reset = (i + kind / 5) % 2};
            run(state, &e);
        }
}

/* The quota counts whole periods. */
static void test_step(void **state)
{
    const uint32_t t[] = {100, 101, 199, 200, 201, 400};
    for (int i = 0; i < 6; i++)
        run(state, &(exchange){&test_layers[4], &test_divisions[0], RANDOM, RANDOM, 30, 100, t[i], false});
    for (uint32_t step = 1; step <= 4; step++)
        run(state, &(exchange){&test_layers[4], &test_divisions[0], RANDOM, RANDOM, 30, 1, step, false});
}

/* Six columns of one weight: 0 preserved; 1, 3, 4 active with 0.5, -0.1, 2. The squares of dw are 81 1 9 4 0 16. */
static void by_hand(void **state, uint32_t k, bool reset, const double *active, const double *value,
                    const double *velocity)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_DROP_GROW, "by hand, k=%u%s", k, reset ? ", reset" : "");
    c.op.p.drop_grow =
        (xst_drop_grow_params){.geometry = xst_geometry_make(1, 6, 1, 1, 0), .update_every = 10, .reset = reset};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 6, 1, 1)), (const double[]){9, 1, 3, 2, 0, -4});
    ops_copy(&c, ops_input(&c, XST_U8, SHAPE(6)), (const double[]){1, 0, 0, 0, 0, 0});
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = 20;
    ops_copy(&c, ops_input(&c, XST_U32, SHAPE(3)), (const double[]){0, k, 0});
    const xst_tensor out[] = {ops_in_place(&c, ops_exact(), XST_U32, SHAPE(3)),
                              ops_in_place(&c, ops_exact(), XST_F32, SHAPE(3, 1)),
                              ops_in_place(&c, ops_exact(), XST_F32, SHAPE(3, 1))};
    ops_copy(&c, out[0], (const double[]){1, 3, 4});
    ops_copy(&c, out[1], (const double[]){0.5, -0.1, 2});
    ops_copy(&c, out[2], (const double[]){5, 6, 7});
    ops_expect(&c, out[0], active);
    ops_expect(&c, out[1], value);
    ops_expect(&c, out[2], velocity);
    if (reset) {
        ops_expect_zero(&c, out[1]);
        ops_expect_zero(&c, out[2]);
    }
    ops_finish(&c);
}

static void test_by_hand(void **state)
{
    by_hand(state, 0, false, (const double[]){1, 3, 4}, (const double[]){0.5, -0.1, 2}, (const double[]){5, 6, 7});
    by_hand(state, 1, false, (const double[]){1, 4, 5}, (const double[]){0.5, 2, 0}, (const double[]){5, 7, 0});
    by_hand(state, 2, false, (const double[]){2, 4, 5}, (const double[]){0, 2, 0}, (const double[]){0, 7, 0});
    by_hand(state, 3, false, (const double[]){2, 3, 5}, (const double[]){0, -0.1, 0}, (const double[]){0, 6, 0});
    by_hand(state, 3, true, (const double[]){2, 3, 5}, (const double[]){0, 0, 0}, (const double[]){0, 0, 0});
}

/* Short columns compete by their mean: filter 0 has columns (3 3) and (4), of sums 18 and 16; the first is dropped.
 * Grown by the sum: (2 2) of filter 1 before its (2.5), 8 against 6.25. */
static void test_short_columns_by_hand(void **state)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_DROP_GROW, "short columns by hand");
    c.op.p.drop_grow = (xst_drop_grow_params){.geometry = xst_geometry_make(2, 3, 1, 1, 2), .update_every = 1};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(2, 3, 1, 1)), (const double[]){0, 0, 0, 2, 2, 2.5});
    ops_input(&c, XST_U8, SHAPE(4));
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = 1;
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = 1;
    const xst_tensor active = ops_in_place(&c, ops_exact(), XST_U32, SHAPE(2));
    ops_copy(&c, active, (const double[]){0, 1});
    ops_expect(&c, active, (const double[]){1, 2});
    const xst_tensor value = ops_in_place(&c, ops_exact(), XST_F32, SHAPE(2, 2));
    ops_copy(&c, value, (const double[]){3, 3, 4, 0});
    ops_expect(&c, value, (const double[]){4, 0, 0, 0});
    const xst_tensor velocity = ops_in_place(&c, ops_exact(), XST_F32, SHAPE(2, 2));
    ops_copy(&c, velocity, (const double[]){1, 2, 3, 0});
    ops_expect(&c, velocity, (const double[]){3, 0, 0, 0});
    ops_finish(&c);
}

/* Six columns of one weight, all free, 0 to 2 active. Of the weights NaN, 2, 2 the drop of one takes column 1 (of two
 * equal ones the first; NaN last), of two 1 and 2. Then the gradients NaN, 1, 3, 3, NaN, 3 stand for choice. */
static void with_ties(void **state, uint32_t k, const double *active, const double *velocity)
{
    ops_case c;
    ops_begin(&c, *state, XST_OP_DROP_GROW, "ties and NaN by hand, k=%u", k);
    c.op.p.drop_grow = (xst_drop_grow_params){.geometry = xst_geometry_make(1, 6, 1, 1, 0), .update_every = 1};
    ops_copy(&c, ops_input(&c, XST_F32, SHAPE(1, 6, 1, 1)), (const double[]){NAN, 1, 3, -3, NAN, 3});
    ops_input(&c, XST_U8, SHAPE(6));
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = 1;
    ops_words(&c, ops_input(&c, XST_U32, SHAPE(1)))[0] = k;
    const xst_tensor out = ops_in_place(&c, ops_exact(), XST_U32, SHAPE(3));
    ops_copy(&c, out, (const double[]){0, 1, 2});
    ops_expect(&c, out, active);
    ops_copy(&c, ops_in_place(&c, ops_exact(), XST_F32, SHAPE(3, 1)), (const double[]){NAN, 2, -2});
    const xst_tensor out_velocity = ops_in_place(&c, ops_exact(), XST_F32, SHAPE(3, 1));
    ops_copy(&c, out_velocity, (const double[]){5, 6, 7});
    ops_expect(&c, out_velocity, velocity);
    ops_finish(&c);
}

static void test_ties_and_nan_by_hand(void **state)
{
    with_ties(state, 1, (const double[]){0, 2, 3}, (const double[]){5, 7, 0}); /* 3 is the first of 3 and 5 */
    with_ties(state, 2, (const double[]){0, 2, 3}, (const double[]){5, 7, 0}); /* 2 comes back: before 3 and 5 */
    with_ties(state, 3, (const double[]){2, 3, 5}, (const double[]){7, 0, 0}); /* neither NaN is needed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_ties_and_nan),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_short_columns_by_hand),
        cmocka_unit_test(test_ties_and_nan_by_hand),
    };
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
