/* Geometry, budgets and the random choice of columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "columns/budget.h"
#include "columns/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void geometry_of_a_short_last_group(void **state)
{
    (void)state;
    const xst_geometry g = xst_geometry_make(4, 20, 3, 3, 8);
    assert_int_equal(g.groups, 3);
    assert_int_equal(g.columns, 12);
    assert_int_equal(g.longest, 72);
    assert_int_equal(xst_column_length(&g, 0), 72);
    assert_int_equal(xst_column_length(&g, 2), 4 * 9);
    assert_int_equal(xst_column_start(&g, 5), (1 * 20 + 16) * 9); /* filter 1, group 2 */
    int64_t covered = 0;                                          /* columns tile the weights without gaps */
    for (uint32_t c = 0; c < g.columns; c++) {
        assert_int_equal(xst_column_start(&g, c), covered);
        covered += xst_column_length(&g, c);
    }
    assert_int_equal(covered, xst_geometry_weights(&g));
}

static void group_is_cut_to_the_inputs(void **state)
{
    (void)state;
    const xst_geometry g = xst_geometry_make(80, 3, 3, 3, 8);
    assert_int_equal(g.group, 3);
    assert_int_equal(g.groups, 1);
    assert_int_equal(g.longest, 27);
}

static void element_granularity_is_flat(void **state)
{
    (void)state;
    const xst_geometry g = xst_geometry_make(5, 7, 3, 3, 0);
    assert_int_equal(g.columns, 5 * 7 * 9);
    assert_int_equal(xst_column_start(&g, 123), 123);
    assert_int_equal(xst_column_length(&g, 314), 1);
}

/* Invariant 7: G = 1 on a 1x1 layer is element granularity. */
static void group_one_on_1x1_equals_elements(void **state)
{
    (void)state;
    const xst_geometry a = xst_geometry_make(6, 10, 1, 1, 1), b = xst_geometry_make(6, 10, 1, 1, 0);
    assert_int_equal(a.columns, b.columns);
    assert_int_equal(a.longest, b.longest);
    for (uint32_t c = 0; c < a.columns; c++) {
        assert_int_equal(xst_column_start(&a, c), xst_column_start(&b, c));
        assert_int_equal(xst_column_length(&a, c), xst_column_length(&b, c));
    }
}

static void full_width_has_the_documented_counts(void **state)
{
    static const int convs[][2] = {{3, 80},    {80, 80},   {80, 160},  {160, 160}, {160, 312}, {312, 312}, {312, 312},
                                   {312, 624}, {624, 624}, {624, 624}, {624, 624}, {624, 624}, {624, 624}};
    uint64_t weights = 0, columns = 0;
    (void)state;
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        const xst_geometry g = xst_geometry_make(convs[i][1], convs[i][0], 3, 3, 8);
        weights += (uint64_t)xst_geometry_weights(&g);
        columns += g.columns;
    }
    assert_int_equal(weights, 21880944);
    assert_int_equal(columns, 303952);
    const xst_geometry fc1 = xst_geometry_make(5016, 624, 1, 1, 8), fc2 = xst_geometry_make(5016, 5016, 1, 1, 8);
    assert_int_equal(weights + (uint64_t)xst_geometry_weights(&fc1) + (uint64_t)xst_geometry_weights(&fc2), 50171184);
    assert_int_equal(columns + fc1.columns + fc2.columns, 3840232);
}

/* Invariant 2: T tasks just fill the net; counts follow N(i) with ties to even. */
static void fill_budget_fills_the_net(void **state)
{
    const xst_budget_rule rule = {.s1 = 0.7, .capacity = 20};
    (void)state;
    for (uint32_t n = 1; n < 3000; n += 7) {
        uint32_t free = n;
        for (int i = 1; i <= 20; i++)
            free -= xst_budget_draw(&rule, 0.3, n, i, free);
        assert_int_equal(free, 0);
        assert_int_equal(xst_budget_draw(&rule, 0.3, n, 21, 5), 0);
    }
    assert_int_equal(xst_budget_owned(&rule, 0.3, 1000, 1), 300);
    assert_int_equal(xst_budget_owned(&rule, 0.3, 1000, 2), 337);   /* 336.84 */
    assert_int_equal(xst_budget_owned(&rule, 0.5, 1, 1), 0);        /* 0.5 -> 0: ties to even */
    assert_int_equal(xst_budget_owned(&rule, 0.5, 3, 1), 2);        /* 1.5 -> 2 */
    assert_int_equal(xst_budget_draw(&rule, 0.3, 1000, 2, 10), 10); /* fewer free columns than the budget */
}

static void literal_budget_leaves_columns(void **state)
{
    const xst_budget_rule rule = {.s1 = 0.7, .capacity = 20, .literal = true};
    const xst_budget_rule bad = {.s1 = 0.4, .capacity = 20, .literal = true};
    const xst_geometry g = xst_geometry_make(10, 8, 3, 3, 8);
    double density;
    xst_error err = {0};
    (void)state;
    assert_int_equal(xst_budget_owned(&rule, 0.3, 1000, 2), 316); /* 300 + 0.3/19*1000 = 315.8 */
    assert_int_equal(xst_budget_owned(&rule, 0.3, 1000, 20), 600);
    assert_int_equal(xst_budget_densities(&bad, &g, 1, &density, &err), XST_ERROR_CONFIG);
    assert_non_null(strstr(err.message, "s1"));
}

static void one_task_capacity(void **state)
{
    const xst_budget_rule rule = {.s1 = 0.7, .capacity = 1};
    (void)state;
    assert_int_equal(xst_budget_owned(&rule, 0.3, 1000, 1), 300);
}

static void erk_matches_the_published_densities(void **state)
{
    static const int shape[][3] = {{3, 80, 3},    {80, 80, 3},   {80, 160, 3},  {160, 160, 3},  {160, 312, 3},
                                   {312, 312, 3}, {312, 312, 3}, {312, 624, 3}, {624, 624, 3},  {624, 624, 3},
                                   {624, 624, 3}, {624, 624, 3}, {624, 624, 3}, {624, 5016, 1}, {5016, 5016, 1}};
    static const double want[] = {1, 1, 1, .861, .647, .438, .438, .327, .218, .218, .218, .218, .218, 1, .243};
    enum { N = sizeof want / sizeof want[0] };
    xst_geometry g[N];
    double density[N], sum = 0, all = 0;
    const xst_budget_rule rule = {.s1 = 0.7, .capacity = 20, .erk = true};
    (void)state;
    for (int l = 0; l < N; l++)
        g[l] = xst_geometry_make(shape[l][1], shape[l][0], shape[l][2], shape[l][2], 8);
    assert_int_equal(xst_budget_densities(&rule, g, N, density, NULL), XST_OK);
    for (int l = 0; l < N; l++) {
        assert_true(fabs(density[l] - want[l]) < 0.0006);
        sum += density[l] * (double)xst_geometry_weights(&g[l]);
        all += (double)xst_geometry_weights(&g[l]);
    }
    assert_true(fabs(sum / all - 0.3) < 1e-12);
    assert_int_equal(xst_budget_draw(&rule, 1.0, 640, 2, 0), 0); /* a layer that task 1 fills */
}

static int by_word(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The choice equals sorting by (word, index), whatever the candidates. */
static void choice_equals_a_sort(void **state)
{
    enum { N = 10007 };
    static uint8_t candidate[N];
    static uint32_t word[N], chosen[N];
    static uint64_t sorted[N];
    const xst_random_key key = xst_random_key_of(3, 2, XST_RANDOM_ACTIVE);
    uint32_t m = 0;
    (void)state;
    xst_random_words(word, 0, N, key, 5, 0, 0);
    for (uint32_t c = 0; c < N; c++) {
        candidate[c] = c % 3 != 1;
        if (candidate[c])
            sorted[m++] = (uint64_t)word[c] << 32 | c;
    }
    qsort(sorted, m, sizeof sorted[0], by_word);
    static const uint32_t sizes[] = {0, 1, 31, 4000, 6671};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const uint32_t k = sizes[s] < m ? sizes[s] : m;
        assert_int_equal(xst_select_random(candidate, N, k, key, 5, chosen, NULL), XST_OK);
        static uint8_t in[N];
        memset(in, 0, sizeof in);
        for (uint32_t i = 0; i < k; i++)
            in[(uint32_t)sorted[i]] = 1;
        for (uint32_t i = 0; i < k; i++) {
            assert_true(in[chosen[i]]);
            assert_true(i == 0 || chosen[i - 1] < chosen[i]);
        }
    }
    assert_int_equal(xst_select_random(candidate, N, m + 1, key, 5, chosen, NULL), XST_ERROR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_of_a_short_last_group),       cmocka_unit_test(group_is_cut_to_the_inputs),
        cmocka_unit_test(element_granularity_is_flat),          cmocka_unit_test(group_one_on_1x1_equals_elements),
        cmocka_unit_test(full_width_has_the_documented_counts), cmocka_unit_test(fill_budget_fills_the_net),
        cmocka_unit_test(literal_budget_leaves_columns),        cmocka_unit_test(one_task_capacity),
        cmocka_unit_test(erk_matches_the_published_densities),  cmocka_unit_test(choice_equals_a_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
