/* Levels, projection and post-training scale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quant/levels.h"

#include <math.h>
#include <string.h>

static void assert_levels(const xst_quant *q, const double *expected, int count, double over)
{
    assert_int_equal(q->count, count);
    for (int i = 0; i < count; i++)
        if (fabs(q->level[i] - expected[i] / over) > 1e-15)
            fail_msg("level %d is %.17g instead of %.17g", i, q->level[i], expected[i] / over);
}

static void apot_levels_are_those_of_the_paper(void **state)
{
    (void)state;
    xst_quant q;
    const double one[] = {0, 1}, two[] = {0, 1, 2, 4}, three[] = {0, 1, 2, 3, 4, 6, 8, 10};
    xst_levels_make(XST_QUANT_APOT, 1, &q);
    assert_levels(&q, one, 2, 1);
    xst_levels_make(XST_QUANT_APOT, 2, &q);
    assert_levels(&q, two, 4, 4);
    xst_levels_make(XST_QUANT_APOT, 3, &q);
    assert_levels(&q, three, 8, 10);
    /* B = 4: {0, 1/2, 1/8, 1/32} + {0, 1/4, 1/16, 1/64}, in 64ths. */
    const double four[] = {0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48};
    xst_levels_make(XST_QUANT_APOT, 4, &q);
    assert_levels(&q, four, 16, 48);
    /* B = 5: exponents {1,3,6} {2,4,7} {5}: the largest sum is 1/2 + 1/4 + 1/32. */
    xst_levels_make(XST_QUANT_APOT, 5, &q);
    assert_int_equal(q.count, 32);
    assert_true(fabs(q.level[1] - 1 / 128. / (25 / 32.)) < 1e-15);
    assert_true(fabs(q.level[30] - 0.75 / (25 / 32.)) < 1e-15);
}

static void every_set_is_ascending_from_0_to_1(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++)
        for (int bits = 1; bits <= 8; bits++) {
            xst_quant q;
            xst_levels_make((xst_quant_kind)kind, bits, &q);
            assert_int_equal(q.count, 1 << bits);
            assert_true(q.level[0] == 0 && q.level[q.count - 1] == 1);
            for (int i = 1; i < q.count; i++)
                assert_true(q.level[i] > q.level[i - 1]);
            if (kind == XST_QUANT_UNIFORM)
                assert_true(fabs(q.level[1] - 1.0 / (q.count - 1)) < 1e-15);
        }
}

static void projection_is_to_the_nearest_and_down_on_ties(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++)
        for (int bits = 1; bits <= 5; bits++) {
            xst_quant q;
            xst_levels_make((xst_quant_kind)kind, bits, &q);
            for (int step = 0; step <= 1200; step++) {
                const double x = step / 1000., cut = x < 1 ? x : 1;
                int nearest = 0;
                for (int i = 1; i < q.count; i++)
                    if (fabs(cut - q.level[i]) < fabs(cut - q.level[nearest]) - 1e-12)
                        nearest = i;
                const int got = xst_quant_project(&q, x);
                assert_true(got == nearest || fabs(fabs(cut - q.level[got]) - fabs(cut - q.level[nearest])) < 1e-12);
            }
            for (int i = 0; i + 1 < q.count; i++) {
                assert_int_equal(xst_quant_project(&q, q.boundary[i]), i);
                assert_int_equal(xst_quant_project(&q, nextafter(q.boundary[i], 2)), i + 1);
            }
        }
}

static void codes_carry_the_sign(void **state)
{
    (void)state;
    xst_quant q;
    xst_levels_make(XST_QUANT_APOT, 3, &q);
    assert_int_equal(xst_quant_code(&q, 0.5, 0.5), 7);
    assert_int_equal(xst_quant_code(&q, 0.5, -0.5), -7);
    assert_int_equal(xst_quant_code(&q, 0.5, -9), -7);
    assert_int_equal(xst_quant_code(&q, 0.5, 0.2), 4);
    assert_int_equal(xst_quant_code(&q, 0, 0.2), 0);
    assert_true(xst_quant_value(&q, 0.5, -4) == -0.2);
    for (int code = -7; code <= 7; code++)
        assert_int_equal(xst_quant_code(&q, 0.37, xst_quant_value(&q, 0.37, code)), code);
}

static double error_of(const xst_quant *q, const float *w, size_t n, double scale)
{
    double error = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)w[i] - xst_quant_value(q, scale, xst_quant_code(q, scale, (double)w[i]));
        error += d * d;
    }
    return error;
}

/* Against trying all 64 one weight at a time. */
static void the_scale_has_the_least_error(void **state)
{
    (void)state;
    enum { N = 501 };
    float w[N];
    uint32_t random = 1;
    for (int kind = 0; kind < 2; kind++)
        for (int bits = 1; bits <= 4; bits++) {
            xst_quant q;
            xst_levels_make((xst_quant_kind)kind, bits, &q);
            double sum = 0;
            for (int i = 0; i < N; i++) {
                sum = 0;
                for (int k = 0; k < 6; k++)
                    sum += (double)((random = random * 1664525u + 1013904223u) >> 8) * 0x1p-24 - 0.5;
                w[i] = (float)(sum * (i % 97 == 0 ? 3 : 1));
            }
            double largest = 0, scale = 0, best = INFINITY, chosen = 0;
            for (int i = 0; i < N; i++)
                largest = fmax(largest, fabs((double)w[i]));
            for (int i = 1; i <= 64; i++) {
                const double error = error_of(&q, w, N, largest * i / 64);
                if (error <= best) {
                    best = error;
                    chosen = largest * i / 64;
                }
            }
            assert_int_equal(xst_quant_scale(&q, w, N, &scale, NULL), XST_OK);
            assert_true(fabs(scale - chosen) < 1e-12);
        }
}

static void scales_of_special_weights(void **state)
{
    (void)state;
    xst_quant q;
    double scale = 9;
    xst_levels_make(XST_QUANT_APOT, 3, &q);
    const float zero[3] = {0, 0, 0}, same[3] = {0.25f, -0.25f, 0.25f};
    assert_int_equal(xst_quant_scale(&q, zero, 3, &scale, NULL), XST_OK);
    assert_true(scale == 0);
    assert_int_equal(xst_quant_scale(&q, zero, 0, &scale, NULL), XST_OK);
    assert_true(scale == 0);
    assert_int_equal(xst_quant_scale(&q, same, 3, &scale, NULL), XST_OK);
    assert_true(scale == 0.25); /* no error: the largest */
    float levels[15];
    for (int code = -7; code <= 7; code++)
        levels[code + 7] = (float)xst_quant_value(&q, 0.5, code);
    assert_int_equal(xst_quant_scale(&q, levels, 15, &scale, NULL), XST_OK);
    assert_true(fabs(scale - 0.5) < 1e-7);
}

static void names_are_read(void **state)
{
    (void)state;
    xst_quant q;
    xst_error err = {0};
    assert_int_equal(xst_quant_parse("apot4", &q, NULL), XST_OK);
    assert_true(q.kind == XST_QUANT_APOT && q.bits == 4 && q.count == 8);
    assert_int_equal(xst_quant_parse("uniform8", &q, NULL), XST_OK);
    assert_true(q.kind == XST_QUANT_UNIFORM && q.bits == 8 && q.count == 128);
    static const char *const bad[] = {"apot", "apot1", "apot9", "apot44", "uniform", "none", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(xst_quant_parse(bad[i], &q, &err), XST_ERROR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apot_levels_are_those_of_the_paper),
        cmocka_unit_test(every_set_is_ascending_from_0_to_1),
        cmocka_unit_test(projection_is_to_the_nearest_and_down_on_ties),
        cmocka_unit_test(codes_carry_the_sign),
        cmocka_unit_test(the_scale_has_the_least_error),
        cmocka_unit_test(scales_of_special_weights),
        cmocka_unit_test(names_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
