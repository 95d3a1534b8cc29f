/* Forced steps, invariant 8: the CPU trains; before each step another backend gets the CPU's state, so that rounding
 * does not add up, and does the same step. Its loss must be the CPU's within the precision's rounding, its choices of
 * columns too, and what does not depend on rounding bit for bit. */
#include "support/small_task.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CPU = 0, OTHER = 1, STEPS = 100 };

/* For each precision: how far the loss of a step may be off, as a share of it; the active weights of all layers, as a
 * share of how far they moved; and the share of the active columns that may be others after an exchange. */
typedef struct bounds {
    double eps, loss, change, columns;
} bounds;

/* In so small a net a ReLU or a maximum that bf16 decides otherwise changes much of a weight's gradient. */
static const bounds all_bounds[] = {{0x1p-24, 2e-6, 1e-4, 0.0}, {0x1p-11, 1e-3, 0.1, 0.05}, {0x1p-8, 3e-3, 0.6, 0.1}};

/* Of one step, or the worst of all. */
typedef struct worst {
    double loss, change, columns;
    double off, moved; /* sums of squares over the layers of a step: change = sqrt(off / moved) */
} worst;

static double larger(double a, double b)
{
    return b > a ? b : a;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t a = strlen(name), b = strlen(end);
    return a >= b && strcmp(name + a - b, end) == 0;
}

static void compare(small_task *s, xst_tensor t, const void *before, worst *w)
{
    const xst_tensor_info *const info = &s->side[CPU]->tensors.info[t];
    void *const want = small_task_read(s, CPU, t), *const got = small_task_read(s, OTHER, t);
    const int64_t n = xst_tensor_elements(info);
    if (info->dtype == XST_F64) { /* metrics: the loss so far, images that are right so far */
        const double *const a = want, *const b = got, *const from = before;
        w->loss = larger(w->loss, fabs(b[0] - a[0]) / fabs(a[0] - from[0]));
    } else if (ends_in(info->name, "/active")) {
        w->columns = larger(w->columns, small_task_unlike(want, got, n));
    } else if (ends_in(info->name, "/value")) {
        w->off += pow(small_task_distance(got, want, n), 2.0);
        w->moved += pow(small_task_distance(want, before, n), 2.0);
    } else if (info->dtype != XST_F32 && memcmp(want, got, xst_tensor_bytes(info)) != 0) {
        fail_msg("%s: %s differs", s->side_name[OTHER], info->name);
    }
    free(want);
    free(got);
}

static void step(small_task *s, xst_program_id id, worst *w)
{
    const int32_t tensors = s->side[CPU]->tensors.count;
    void **const before = calloc((size_t)tensors, sizeof *before);
    assert_non_null(before);
    small_task_take_over(s, CPU, before);
    small_task_run(s, CPU, id);
    small_task_run(s, OTHER, id);
    for (xst_tensor t = 0; t < tensors; t++)
        if (before[t]) {
            compare(s, t, before[t], w);
            free(before[t]);
        }
    free(before);
    const bool exchange =
        id == XST_PROGRAM_STEP_EXCHANGE || id == XST_PROGRAM_SHORT_EXCHANGE; /* rows are of other columns */
    if (!exchange && w->moved > 0.0)
        w->change = sqrt(w->off / w->moved);
}

static void forced(ops_harness *h, const ops_backend *cpu, const ops_backend *other, int steps)
{
    const small_task_variant variant = {"forced", false, false, XST_REGROW_KEEP, 34, false};
    const bounds *allowed = all_bounds;
    while (allowed->eps != other->eps)
        allowed++;
    small_task s;
    worst all = {0};
    small_task_begin(
        &s, &variant,
        (small_task_side[]){{cpu->api, cpu->backend, cpu->name}, {other->api, other->backend, other->name}});
    for (uint32_t t = 1; t <= (uint32_t)steps; t++) {
        worst w = {0};
        if (small_task_epoch_due(&s, t) >= 0) {
            small_task_take_over(&s, CPU, NULL);
            small_task_run(&s, CPU, XST_PROGRAM_EPOCH);
        }
        step(&s, xst_task_programs_due(s.side[CPU], t), &w);
        if (!(w.loss <= allowed->loss && w.change <= allowed->change && w.columns <= allowed->columns))
            fail_msg("%s, step %u: loss off by %.2g of itself, weights by %.2g of their change, %.2g of the columns",
                     other->name, t, w.loss, w.change, w.columns);
        all.loss = larger(all.loss, w.loss);
        all.change = larger(all.change, w.change);
        all.columns = larger(all.columns, w.columns);
        h->passed++;
    }
    print_message(
        "%s, %d steps: loss within %.2g of itself, weights within %.2g of their change, %.2g of the columns\n",
        other->name, steps, all.loss, all.change, all.columns);
    small_task_end(&s);
}

/* The stand-in for a GPU is slow under sanitizers, and looks the same after a few steps. */
static int steps_for(const ops_backend *b)
{
#ifdef __SANITIZE_ADDRESS__
    (void)b;
    return 7;
#else
    return b->eps <= 0x1p-24 ? STEPS : STEPS / 5;
#endif
}

static void test_forced(void **state)
{
    ops_harness *const h = *state;
    const ops_backend *cpu = NULL;
    for (int i = 0; i < h->backends && !cpu; i++)
        if (strcmp(h->backend[i].name, "cpu fp32") == 0)
            cpu = &h->backend[i];
    assert_non_null(cpu);
    for (int i = 0; i < h->backends; i++)
        if (&h->backend[i] != cpu)
            forced(h, cpu, &h->backend[i], steps_for(&h->backend[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forced)};
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
