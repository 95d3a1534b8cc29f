/* Whole training steps: the programs of a task, as the trainer runs them, on every backend and on the reference.
 *
 * Before each step the reference takes over the backend's state, so that rounding does not add up; the backend's own
 * state is left alone, so that whatever it remembers from step to step is tested. */
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

enum { EPOCHS = 3, STEPS = EPOCHS * SMALL_TASK_EPOCH_STEPS, MINE = 0, REF = 1 };

typedef struct task {
    small_task small;
    ops_harness *harness;
    const ops_backend *backend;
} task;

/* Floats: off by little of what the step changed. */
static void compare_floats(const task *s, const char *what, const xst_tensor_info *info, const float *got,
                           const float *ref, const float *before)
{
    const int64_t n = xst_tensor_elements(info);
    /* Adam divides by the gradient's size: where the gradient is rounding alone, so is the step. */
    const double share = strstr(info->name, "/m_r") ? 0.2 : 1e-3;
    const double error = small_task_distance(got, ref, n), change = small_task_distance(ref, before, n);
    const double allowed = share * change + 4 * s->backend->eps * small_task_distance(ref, NULL, n);
    if (!(error <= allowed))
        fail_msg("%s: %s: %s: %s is off by %.3g, allowed %.3g; it changed by %.3g", s->backend->name,
                 s->small.variant->name, what, info->name, error, allowed, change);
}

/* Integers: the same. Says whether the step changed the tensor. */
static bool compare(task *s, const char *what, xst_tensor t, const void *before)
{
    const xst_tensor_info *const info = &s->small.side[MINE]->tensors.info[t];
    void *const got = small_task_read(&s->small, MINE, t), *const ref = small_task_read(&s->small, REF, t);
    const bool changed = memcmp(ref, before, xst_tensor_bytes(info)) != 0;
    if (info->dtype == XST_F32)
        compare_floats(s, what, info, got, ref, before);
    else if (info->dtype == XST_F64)
        for (int64_t i = 0; i < xst_tensor_elements(info); i++)
            assert_true(fabs(((double *)got)[i] - ((double *)ref)[i]) <= 1e-5 * fabs(((double *)ref)[i]));
    else if (memcmp(got, ref, xst_tensor_bytes(info)) != 0)
        fail_msg("%s: %s: %s: %s differs", s->backend->name, s->small.variant->name, what, info->name);
    s->harness->passed++;
    free(got);
    free(ref);
    return changed;
}

/* Runs a program on both sides from the same state, compares all state, and counts the tensors that it changed. */
static int run(task *s, xst_program_id id, const char *what)
{
    int changed = 0;
    const int32_t tensors = s->small.side[MINE]->tensors.count;
    void **const before = calloc((size_t)tensors, sizeof *before);
    assert_non_null(before);
    small_task_take_over(&s->small, MINE, before);
    small_task_run(&s->small, MINE, id);
    small_task_run(&s->small, REF, id);
    for (xst_tensor t = 0; t < tensors; t++)
        if (before[t]) {
            changed += compare(s, what, t, before[t]);
            free(before[t]);
        }
    free(before);
    return changed;
}

static void steps(ops_harness *h, const ops_backend *backend, const small_task_variant *v)
{
    task s = {.harness = h, .backend = backend};
    char what[32];
    small_task_begin(&s.small, v,
                     (small_task_side[]){{backend->api, backend->backend, backend->name}, {h->ref_api, h->ref, "ref"}});
    const int layers = s.small.net.masked_count;
    for (uint32_t t = 1; t <= STEPS; t++) {
        snprintf(what, sizeof what, "step %u", t);
        if (small_task_epoch_due(&s.small, t) >= 0)
            assert_int_equal(run(&s, XST_PROGRAM_EPOCH, "epoch"), 1);
        /* value, velocity, and with a mask m_r and its two moments, of each layer; t, metrics, and the per-task tensors
         */
        assert_in_range(run(&s, xst_task_programs_due(s.small.side[MINE], t), what), (v->first ? 3 : 6) * layers, 1000);
        if (t == 5) /* the weights are not what they were: nothing made from them may stay */
            small_task_start_layer(&s.small, 1, 0.5f);
    }
    assert_int_equal(run(&s, XST_PROGRAM_EVAL, "evaluation"), 3); /* cursor, logits, metrics */
    small_task_upload(&s.small, "cursor", NULL, &(const uint32_t){0});
    assert_in_range(run(&s, XST_PROGRAM_BN_SHORT, "recalibration"), 2, 1000);
    small_task_end(&s.small);
}

static void test_steps(void **state)
{
    const small_task_variant variants[] = {{"columns", false, false, XST_REGROW_KEEP, EPOCHS, false},
                                           {"elements", true, false, XST_REGROW_RESET, EPOCHS, false},
                                           {"first task", false, true, XST_REGROW_KEEP, EPOCHS, false}};
    ops_harness *const h = *state;
    for (int i = 0; i < h->backends; i++)
        for (int k = 0; k < 3 && h->backend[i].eps <= 0x1p-24; k++) /* in coarser ones choices of columns part ways */
            steps(h, &h->backend[i], &variants[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
