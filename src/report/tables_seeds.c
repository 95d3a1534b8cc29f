/* Tables: several seeds of one method and setting; paired tests between two. */
#include "report/report.h"

#include <math.h>

static const struct {
    const char *name;
    size_t offset; /* into xst_compared_run */
} figures[] = {
    {"ACC", offsetof(xst_compared_run, final_average)},
    {"diagonal", offsetof(xst_compared_run, diagonal)},
    {"average incremental", offsetof(xst_compared_run, incremental)},
    {"BWT (GEM)", offsetof(xst_compared_run, bwt)},
    {"forgetting F (Chaudhry)", offsetof(xst_compared_run, forgetting)},
    {"gain over scratch", offsetof(xst_compared_run, gain)},
    {"training seconds", offsetof(xst_compared_run, seconds)},
};

static bool has_seeds(const xst_comparison *c)
{
    for (int g = 0; g < c->group_count; g++)
        if (c->groups[g].count > 1)
            return true;
    return false;
}

/* One figure of all runs of a group. */
static int values_of(const xst_comparison *c, const xst_report_group *group, size_t offset,
                     double values[XST_REPORT_RUNS])
{
    for (int k = 0; k < group->count; k++)
        values[k] = *(const double *)((const char *)&c->runs[group->run[k]].public + offset);
    return group->count;
}

static void seeds_row(const xst_comparison *c, const xst_report_group *group, size_t figure, xst_sheet *t)
{
    double values[XST_REPORT_RUNS] = {0};
    xst_text all = {0};
    const int n = values_of(c, group, figures[figure].offset, values);
    if (isnan(xst_mean(values, n)))
        return;
    for (int k = 0; k < n; k++)
        xst_text_add(&all, "%s%.2f", k > 0 ? " " : "", values[k]);
    xst_sheet_text(t, "%s", group->name);
    xst_sheet_text(t, "%s", figures[figure].name);
    xst_sheet_number(t, n);
    xst_sheet_number(t, xst_mean(values, n));
    xst_sheet_number(t, xst_deviation(values, n));
    xst_sheet_text(t, "%s", xst_text_string(&all));
    xst_text_free(&all);
}

static void note_seeds(const xst_comparison *c, xst_sheet *t)
{
    for (int g = 0; g < c->group_count; g++) {
        const xst_report_group *const group = &c->groups[g];
        xst_text seeds = {0};
        for (int k = 0; k < group->count; k++)
            xst_text_add(&seeds, "%s%u (%s)", k > 0 ? ", " : "", c->runs[group->run[k]].manifest.seed,
                         c->runs[group->run[k]].label);
        xst_sheet_note(t, "%s: %s %s.", group->name, group->count == 1 ? "seed" : "seeds", xst_text_string(&seeds));
        xst_text_free(&seeds);
    }
}

static void table_seeds(const xst_comparison *c, xst_sheets *tables)
{
    xst_sheet *const t = xst_sheets_add(tables, "seeds", 2);
    xst_sheet_title(t, "Several seeds of one method");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "method");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "figure");
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "n");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "mean");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "standard deviation");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "every value");
    for (int g = 0; g < c->group_count; g++)
        for (size_t k = 0; k < sizeof figures / sizeof figures[0]; k++)
            seeds_row(c, &c->groups[g], k, t);
    xst_sheet_note(t, "Runs that differ in their seed alone. Standard deviation over runs, divisor n - 1; one seed has "
                      "none. Values by ascending seed.");
    note_seeds(c, t);
    xst_report_notes(c, t);
}

static void table_seeds_tasks(const xst_comparison *c, xst_sheets *tables)
{
    const xst_report_run *const as = &c->runs[c->reference];
    xst_sheet *const t = xst_sheets_add(tables, "seeds_tasks", 2);
    double values[XST_REPORT_RUNS] = {0};
    t->detail = true;
    xst_sheet_title(t, "Accuracy on each task after the last one, over seeds: mean and standard deviation, percent");
    xst_sheet_column_add(t, XST_CELL_FIXED, 0, "#");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "task");
    for (int g = 0; g < c->group_count; g++) {
        xst_sheet_column_add(t, XST_CELL_FIXED, 2, "%s mean", c->groups[g].name);
        if (c->groups[g].count > 1)
            xst_sheet_column_add(t, XST_CELL_FIXED, 2, "%s s.d., n = %d", c->groups[g].name, c->groups[g].count);
    }
    for (int j = 0; j < as->manifest.task_count; j++) {
        xst_sheet_number(t, j + 1);
        xst_sheet_text(t, "%s", as->manifest.tasks[j].name);
        for (int g = 0; g < c->group_count; g++) {
            const int n = c->groups[g].count;
            for (int k = 0; k < n; k++) {
                const xst_report_run *const run = &c->runs[c->groups[g].run[k]];
                values[k] = run->accuracy[(run->done - 1) * run->done + j];
            }
            xst_sheet_number(t, xst_mean(values, n));
            if (n > 1)
                xst_sheet_number(t, xst_deviation(values, n));
        }
    }
    xst_sheet_note(t,
                   "Every value is in the table of accuracies. 500 test images make one accuracy uncertain by about 2 "
                   "points (one standard error).");
    xst_report_notes(c, t);
}

/* ---- paired tests ---------------------------------------------------------------------------------------------------
 */

static void test_row(const xst_comparison *c, const xst_report_test *test, xst_sheet *t)
{
    xst_sheet_text(t, "%s", c->groups[test->a].name);
    xst_sheet_text(t, "%s", c->groups[test->b].name);
    if (test->seeds == 1)
        xst_sheet_text(t, "%u", test->seed);
    else
        xst_sheet_text(t, "mean of %d", test->seeds);
    xst_sheet_number(t, test->difference);
    xst_sheet_number(t, test->error);
    xst_sheet_number(t, test->seeds == 1 ? (double)test->mcnemar.only_a : NAN);
    xst_sheet_number(t, test->seeds == 1 ? (double)test->mcnemar.only_b : NAN);
    xst_sheet_number(t, test->seeds == 1 ? test->mcnemar.exact : NAN);
    xst_sheet_number(t, test->p);
}

static void table_tests(const xst_comparison *c, xst_sheets *tables)
{
    xst_sheet *const t = xst_sheets_add(tables, "paired", 3);
    t->detail = true;
    xst_sheet_title(t, "Two methods on the same test images, each task right after it was learnt");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "A");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "B");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "seed");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "A - B, points");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "standard error");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "only A right");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "only B right");
    xst_sheet_column_add(t, XST_CELL_SIGNIFICANT, 2, "exact p");
    xst_sheet_column_add(t, XST_CELL_SIGNIFICANT, 2, "p");
    for (int i = 0; i < c->test_count; i++)
        test_row(c, &c->tests[i], t);
    if (c->untested[0])
        xst_sheet_note(t, "n/a: %s.", c->untested);
    else
        xst_sheet_note(t,
                       "%llu test images of all tasks together, right or wrong by the logits stored when the task was "
                       "learnt: what a method forgets later does not count here.",
                       (unsigned long long)c->tests[0].images);
    xst_sheet_note(
        t, "One seed: McNemar's test, two-sided; exact p, and p = mid-p. Mean of seeds: per image, A - B averaged "
           "over the seeds both have, normal approximation; the seeds are taken as given.");
    if (c->test_count > 1)
        xst_sheet_note(t, "p is not corrected for the number of tests here (%d).", c->test_count);
    xst_report_notes(c, t);
}

void xst_report_tables_seeds(const xst_comparison *c, xst_sheets *tables)
{
    if (has_seeds(c)) {
        table_seeds(c, tables);
        table_seeds_tasks(c, tables);
    }
    if (c->group_count > 1)
        table_tests(c, tables);
}
