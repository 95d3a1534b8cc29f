/* Formulas: src/base/accuracy.c on matrices made by hand, with the slips met in other programs, and
 * src/report/statistics.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/accuracy.h"
#include "report/published.h"
#include "report/statistics.h"
#include "xst/eval.h"

#include <math.h>

#define near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

/* Every formula gives another figure here. The best of task 2 before the end (77) is not its first, task 1 ends above
 * its own first row but below its best; entries above the diagonal must never count. */
static const double moving[4 * 4] = {
    60, 99, 99, 99, /* after task 1 */
    70, 72, 99, 99, /* 2 */
    50, 77, 81, 99, /* 3 */
    64, 67, 85, 90, /* 4 */
};

static void every_formula(void **state)
{
    (void)state;
    near(xst_accuracy_final(moving, 4), (64 + 67 + 85 + 90) / 4.0);
    near(xst_accuracy_incremental(moving, 4), (60 + 71 + 208 / 3.0 + 76.5) / 4.0);
    near(xst_accuracy_diagonal(moving, 4), (60 + 72 + 81 + 90) / 4.0);
    near(xst_accuracy_bwt(moving, 4), (4 - 5 + 4) / 3.0);
    near(xst_accuracy_forgetting(moving, 4), ((70 - 64) + (77 - 67) + (81 - 85)) / 3.0);
    near(xst_accuracy_forgetting_clipped(moving, 4), (6 + 10 + 0) / 3.0);
    near(xst_accuracy_after(moving, 4, 2), 71.0);
    near(xst_forgetting(moving, 4), xst_accuracy_forgetting(moving, 4));
}

/* Two tasks: forgetting is seen from the second task on, not one later; the maximum leaves out the last row. */
static void two_tasks(void **state)
{
    static const double worse[] = {80, 0, 50, 70}, better[] = {50, 0, 80, 70};
    (void)state;
    near(xst_accuracy_forgetting(worse, 2), 30.0);
    near(xst_accuracy_forgetting_clipped(worse, 2), 30.0);
    near(xst_accuracy_bwt(worse, 2), -30.0);
    /* forgetting may be negative and is no bug; clipped it is 0; BWT has the other sign */
    near(xst_accuracy_forgetting(better, 2), -30.0);
    near(xst_accuracy_forgetting_clipped(better, 2), 0.0);
    near(xst_accuracy_bwt(better, 2), 30.0);
}

/* The mean of BWT and of forgetting is over N - 1 tasks: divided by N it would be 0.75 of this. */
static void divisor(void **state)
{
    static const double all[] = {90, 0, 0, 0, 90, 90, 0, 0, 90, 90, 90, 0, 50, 50, 50, 90};
    (void)state;
    near(xst_accuracy_bwt(all, 4), -40.0);
    near(xst_accuracy_forgetting(all, 4), 40.0);
}

static void one_task(void **state)
{
    static const double one[] = {71.5};
    (void)state;
    near(xst_accuracy_final(one, 1), 71.5);
    near(xst_accuracy_incremental(one, 1), 71.5);
    near(xst_accuracy_diagonal(one, 1), 71.5);
    near(xst_accuracy_bwt(one, 1), 0.0);
    near(xst_accuracy_forgetting(one, 1), 0.0);
    near(xst_accuracy_forgetting_clipped(one, 1), 0.0);
    near(xst_forgetting(one, 1), 0.0);
}

static void seeds(void **state)
{
    static const double x[] = {70, 72, 77};
    (void)state;
    near(xst_mean(x, 3), 73.0);
    near(xst_deviation(x, 3), sqrt((9 + 1 + 16) / 2.0));
    near(xst_mean(x, 1), 70.0);
    assert_true(isnan(xst_deviation(x, 1)));
}

/* 2 of 10: 2 (1 + 10 + 45) / 1024; mid-p counts the 45 half. */
static void mcnemar(void **state)
{
    const xst_mcnemar few = xst_mcnemar_test(2, 8), swapped = xst_mcnemar_test(8, 2), none = xst_mcnemar_test(0, 0),
                      even = xst_mcnemar_test(5, 5), many = xst_mcnemar_test(4000, 4200);
    (void)state;
    near(few.exact, 112.0 / 1024.0);
    near(few.mid, 67.0 / 1024.0);
    near(swapped.exact, few.exact);
    near(none.exact, 1.0);
    near(none.mid, 1.0);
    near(even.exact, 1.0);
    near(even.mid, 1.0);
    /* z = 200/sqrt(8200) = 2.2086: p = 0.0272 */
    assert_true(fabs(many.mid - 0.0272) < 2e-4 && many.exact > many.mid && many.exact < 0.0282);
}

static void paired(void **state)
{
    static const double d[] = {1, 0, 0, 1}, zero[] = {0, 0, 0}, same[] = {0.5, 0.5};
    (void)state;
    const xst_paired p = xst_paired_test(d, 4);
    near(p.mean, 0.5);
    near(p.error, sqrt(1.0 / 3.0 / 4.0));
    assert_true(fabs(p.p - 0.0832645) < 1e-6); /* z = sqrt(3) */
    near(xst_paired_test(zero, 3).p, 1.0);
    near(xst_paired_test(same, 2).p, 0.0);
}

/* Published figures by name, and both means of CPG's. */
static void published(void **state)
{
    const xst_published *const cpg = xst_published_at(0), *const packnet = xst_published_at(1),
                               *const pae = xst_published_at(2);
    (void)state;
    assert_int_equal(xst_published_count(), 3);
    near(xst_published_accuracy(cpg, "aquatic_mammals"), 65.2);
    near(xst_published_accuracy(cpg, "people"), 53.2);
    near(xst_published_accuracy(packnet, "vehicles_2"), 83.2);
    assert_true(isnan(xst_published_accuracy(cpg, "synthetic_00")));
    near(cpg->mean, 80.9);
    near(xst_published_mean(cpg), 81.24);
    assert_true(fabs(xst_published_mean(packnet) - packnet->mean) < 0.05);
    near(pae->mean, 77.1);
    assert_true(isnan(xst_published_mean(pae)) && isnan(xst_published_accuracy(pae, "people")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_formula), cmocka_unit_test(two_tasks), cmocka_unit_test(divisor),
        cmocka_unit_test(one_task),      cmocka_unit_test(seeds),     cmocka_unit_test(mcnemar),
        cmocka_unit_test(paired),        cmocka_unit_test(published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
