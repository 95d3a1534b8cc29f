/* Programming of run folders, cell by cell from the definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crossbar_small.h"

typedef struct totals {
    double set, reset, pulses, energy;
} totals;

static void add_cell(double from, double to, totals *t)
{
    const double a = 1e-6 + 9e-6 * from, b = 1e-6 + 9e-6 * to;
    if (from == to)
        return;
    const double n = ceil(fabs(b - a) / (9e-6 / 128) - 1e-9);
    t->set += b > a;
    t->reset += b < a;
    t->pulses += n;
    t->energy += 1.6 * 1.6 * 50e-9 * n / ((1 / a + 1 / b) / 2);
}

static int is_on(const fixture *f, int task, int l, uint32_t c)
{
    const int own = f->owner(l, c);
    return own == task || (own > 0 && own < task && f->on(task, l, c));
}

/* Writing once: new columns from erased. Rewriting: every weight whose code differs between consecutive tasks. */
static totals program_by_hand(const fixture *f, int task, int once)
{
    totals t = {0};
    xst_quant q;
    xst_codes codes;
    static xst_device d;
    static int8_t code[40 * 70 * 16];
    static uint8_t owner[40 * 70 * 16];
    xst_levels_make(XST_QUANT_APOT, 3, &q);
    assert_int_equal(xst_device_read("hfo2-32nm", &d, NULL), XST_OK);
    xst_codes_make(&d, &q, &codes);
    for (int l = 0; l < f->layers; l++) {
        const xst_geometry g = fixture_geometry(f, l);
        codes_of(f, l, &q, code, owner);
        for (uint32_t c = 0; c < g.columns; c++)
            for (int i = 0; i < xst_column_length(&g, c); i++) {
                const int own = code[xst_column_start(&g, c) + i]; /* NOLINT(bugprone-signed-char-misuse) */
                const int after = is_on(f, task, l, c) ? own : 0;
                const int before = task > 1 && is_on(f, task - 1, l, c) ? own : 0;
                if (once && f->owner(l, c) != task)
                    continue;
                for (int cell = 0; cell < 2; cell++) {
                    const double from = once || task == 1 ? 0 : codes.share[before + 7][cell];
                    add_cell(from, codes.share[(once ? own : after) + 7][cell], &t);
                }
            }
    }
    return t;
}

static void assert_programming(const xst_programming *p, const totals *t)
{
    assert_true(p->cells_set == t->set && p->cells_reset == t->reset && p->pulses == t->pulses);
    assert_near(p->energy, t->energy, 1e-9, "programming energy");
}

static void programming_by_hand(void **state)
{
    (void)state;
    fixture f = small("xst", 8);
    xst_energy_run r;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    for (int t = 1; t <= TASKS; t++) {
        const totals expected = program_by_hand(&f, t, 1);
        assert_programming(&r.tasks[t - 1].programming, &expected);
        assert_true(r.tasks[t - 1].programming.cells_reset == 0);
    }
    assert_true(r.most_writes == 1);
    xst_energy_run_free(&r);
    /* Under the dense mapping a column that is off must be written to zero, for XST too. */
    run(folder, XST_MAPPING_DENSE, 8, &r);
    for (int t = 1; t <= TASKS; t++) {
        const totals expected = program_by_hand(&f, t, 0);
        assert_programming(&r.tasks[t - 1].programming, &expected);
    }
    assert_true(r.tasks[1].programming.cells_reset > 0 && r.most_writes == TASKS);
    xst_energy_run_free(&r);
    /* A method that keeps its weights in one net rewrites what differs, whatever the mapping. */
    f.method = "cpg";
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    assert_false(r.column_wise);
    for (int t = 1; t <= TASKS; t++) {
        const totals expected = program_by_hand(&f, t, 0);
        assert_programming(&r.tasks[t - 1].programming, &expected);
        assert_true(r.tasks[t - 1].columns_on == r.tasks[t - 1].columns);
    }
    xst_energy_run_free(&r);
}

/* One column of one array: its rows one after the other, each as long as its slowest cell. */
static int one_column(int l, uint32_t c)
{
    return l == 1 && c == 5 ? 2 : c == 0;
}

static void writing_takes_its_rows_in_turn(void **state)
{
    (void)state;
    fixture f = small("xst", 8);
    f.owner = one_column;
    f.tasks = 2;
    xst_quant q;
    xst_codes codes;
    static xst_device d;
    static int8_t code[70 * 24 * 9];
    static uint8_t owner[70 * 24 * 9];
    xst_energy_run r;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    xst_levels_make(XST_QUANT_APOT, 3, &q);
    assert_int_equal(xst_device_read("hfo2-32nm", &d, NULL), XST_OK);
    xst_codes_make(&d, &q, &codes);
    codes_of(&f, 1, &q, code, owner);
    const xst_geometry g = fixture_geometry(&f, 1);
    double time = 0;
    for (int i = 0; i < 72; i++) {
        const double *const share = codes.share[code[xst_column_start(&g, 5) + i] + 7];
        time += 50e-9 * ceil(fmax(share[0], share[1]) * 128 - 1e-9);
    }
    assert_near(r.tasks[1].programming.seconds, time, 1e-5, "seconds");
    xst_energy_run_free(&r);
}

static void element_runs_are_read(void **state)
{
    (void)state;
    fixture f = small("xst-element", 0);
    xst_energy_run r;
    fixture_write(&f, folder);
    run(folder, XST_MAPPING_COLUMN, 8, &r);
    assert_false(r.column_wise);
    assert_null(r.layers[0].owner);
    /* Logical columns are those of the run's group. */
    assert_true(r.tasks[0].columns == 24 * 1 + 70 * 3 + 40 * 140);
    for (int t = 1; t <= TASKS; t++) {
        const totals expected = program_by_hand(&f, t, 0);
        assert_programming(&r.tasks[t - 1].programming, &expected);
    }
    assert_near(xst_figures_energy(&r.tasks[0].inference.total), r.tasks[0].all_on_energy, 1e-12, "all on");
    xst_energy_run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programming_by_hand),
        cmocka_unit_test(writing_takes_its_rows_in_turn),
        cmocka_unit_test(element_runs_are_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
