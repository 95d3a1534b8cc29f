/* Masked FC layers in bf16 take fused kernels where they fit. Over whole steps, from the same state before each, they
 * must come to what the general path (XST_CUDA_FC=general) comes to, within bf16's rounding: the general path rounds
 * sums before it adds a bias, and each weight's gradient. */
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

#ifdef __SANITIZE_ADDRESS__ /* slow */
enum { STEPS = 4 };
#else
enum { STEPS = 9 };
#endif
enum { EPOCHS = 3, GENERAL = 0, FUSED = 1 };

typedef struct comparison {
    ops_harness *harness;
    small_task small;
    const char *what;
    int unlike; /* floats of FC layers that are not the same bits: the two paths are two paths */
    bool exchange;
    bool flipped; /* this program: see FLIPS */
} comparison;

/* Rounding now and then puts a hidden unit of one image on the other side of its ReLU. That one of 8 x 72 gives its
 * unit's bias another gradient, and all of the layer before a little of it; a fault would do so in every step. */
enum { FLIPS = 2 };
static const double FLIP = 0.25;

/* The head comes after the masked layers: the errors of the whole net add up before it, and behind it those of the way
 * back. What is looked at is an FC layer's own. */
static void compare_floats(comparison *k, const xst_tensor_info *info, const float *general, const float *fused,
                           const float *before)
{
    const int64_t n = xst_tensor_elements(info);
    const bool masked_fc = strncmp(info->name, "classifier.", 11) == 0;
    const bool rows = strstr(info->name, "/value") || strstr(info->name, "/velocity");
    if (masked_fc)
        k->unlike += memcmp(general, fused, (size_t)n * sizeof *general) != 0;
    if (!masked_fc || (rows && k->exchange)) /* where another column was chosen, rows are not comparable */
        return;
    /* Adam makes a step of the same length from the smallest gradient, of either sign, and squares gradients. */
    const double share = strstr(info->name, "/m_r") ? 0.3 : strstr(info->name, "/adam_v") ? 0.1 : 0.05;
    const double error = small_task_distance(general, fused, n), change = small_task_distance(general, before, n);
    const double none = 1e-6 * small_task_distance(general, NULL, n);
    k->flipped = k->flipped || !(error <= share * change + none);
    if (!(error <= fmax(share, FLIP) * change + none))
        fail_msg("%s: %s is off by %.3g; it changed by %.3g", k->what, info->name, error, change);
    k->harness->passed++;
}

static void compare(comparison *k, xst_tensor t, const void *before)
{
    const xst_tensor_info *const info = &k->small.side[GENERAL]->tensors.info[t];
    void *const general = small_task_read(&k->small, GENERAL, t), *const fused = small_task_read(&k->small, FUSED, t);
    if (info->dtype == XST_F32)
        compare_floats(k, info, general, fused, before);
    else if (info->dtype == XST_F64) /* the loss so far */
        assert_true(fabs(((double *)general)[0] - ((double *)fused)[0]) <= 2e-3 * fabs(((double *)general)[0]));
    else if (strstr(info->name, "/active") && k->exchange) /* scores that are close are told apart otherwise */
        assert_true(small_task_unlike(general, fused, xst_tensor_elements(info)) <= 0.15);
    else
        assert_memory_equal(general, fused, xst_tensor_bytes(info));
    free(general);
    free(fused);
}

static void run(comparison *k, xst_program_id id)
{
    const int32_t tensors = k->small.side[GENERAL]->tensors.count;
    void **const before = calloc((size_t)tensors, sizeof *before);
    assert_non_null(before);
    k->flipped = false;
    k->exchange = id == XST_PROGRAM_STEP_EXCHANGE || id == XST_PROGRAM_SHORT_EXCHANGE;
    small_task_take_over(&k->small, GENERAL, before);
    small_task_run(&k->small, GENERAL, id);
    small_task_run(&k->small, FUSED, id);
    for (xst_tensor t = 0; t < tensors; t++)
        if (before[t]) {
            compare(k, t, before[t]);
            free(before[t]);
        }
    free(before);
}

static void fused(ops_harness *h, const ops_backend *b, const small_task_variant *v)
{
    const xst_backend_options options = {.precision = XST_BF16, .deterministic = true};
    xst_backend *general = NULL;
    xst_error err = {0};
    comparison k = {.harness = h};
    char what[64];
    int flips = 0;
    k.what = what;
    assert_int_equal(setenv("XST_CUDA_FC", "general", 1), 0);
    const xst_status status = b->api->open(&options, &general, &err);
    assert_int_equal(unsetenv("XST_CUDA_FC"), 0);
    assert_int_equal(status, XST_OK);
    small_task_begin(&k.small, v, (small_task_side[]){{b->api, general, "general"}, {b->api, b->backend, "fused"}});
    for (uint32_t t = 1; t <= STEPS; t++) {
        snprintf(what, sizeof what, "%s, step %u", v->name, t);
        if (small_task_epoch_due(&k.small, t) >= 0)
            small_task_run(&k.small, GENERAL, XST_PROGRAM_EPOCH);
        run(&k, xst_task_programs_due(k.small.side[GENERAL], t));
        flips += k.flipped;
    }
    assert_true(flips <= FLIPS);
    snprintf(what, sizeof what, "%s, evaluation", v->name);
    run(&k, XST_PROGRAM_EVAL);
    assert_true(k.unlike > 0);
    small_task_end(&k.small);
    b->api->close(general);
}

static void test_fused(void **state)
{
    const small_task_variant variants[] = {{"columns", false, false, XST_REGROW_KEEP, EPOCHS, true},
                                           {"first task", false, true, XST_REGROW_KEEP, EPOCHS, true}};
    ops_harness *const h = *state;
    for (int i = 0; i < h->backends; i++)
        for (int k = 0; k < 2 && strcmp(h->backend[i].name, "cuda bf16") == 0; k++)
            fused(h, &h->backend[i], &variants[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fused)};
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
