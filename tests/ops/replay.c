/* A program is recorded once and then replayed: the replays give the same bits as the operations queued one by one
 * (XST_CUDA_GRAPHS=0), over whole steps of a task, and two sessions in one process do not disturb each other. */
#include "support/small_task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__ /* slow */
enum { STEPS = 4 };
#else
enum { STEPS = 9 };
#endif
enum { EPOCHS = 3 };

/* Both sides run the program, one after the other; all state is compared. */
static void run(ops_harness *h, small_task *s, xst_program_id id)
{
    small_task_run(s, 0, id);
    small_task_run(s, 1, id);
    for (xst_tensor t = 0; t < s->side[0]->tensors.count; t++) {
        const xst_tensor_info *const info = &s->side[0]->tensors.info[t];
        if (info->kind != XST_STATE)
            continue;
        void *const a = small_task_read(s, 0, t), *const b = small_task_read(s, 1, t);
        if (memcmp(a, b, xst_tensor_bytes(info)) != 0)
            fail_msg("%s: program %d: %s differs", s->side_name[0], (int)id, info->name);
        h->passed++;
        free(a);
        free(b);
    }
}

static void replay(ops_harness *h, const ops_backend *b, xst_precision precision)
{
    const small_task_variant variant = {"replay", false, false, XST_REGROW_KEEP, EPOCHS, precision == XST_BF16};
    const xst_backend_options options = {.precision = precision, .deterministic = true};
    xst_backend *plain = NULL;
    xst_error err = {0};
    small_task s;
    assert_int_equal(setenv("XST_CUDA_GRAPHS", "0", 1), 0);
    const xst_status status = b->api->open(&options, &plain, &err);
    assert_int_equal(unsetenv("XST_CUDA_GRAPHS"), 0);
    assert_int_equal(status, XST_OK);
    small_task_begin(&s, &variant, (small_task_side[]){{b->api, b->backend, b->name}, {b->api, plain, "one by one"}});
    small_task_take_over(&s, 0, NULL);
    for (uint32_t t = 1; t <= STEPS; t++) {
        if (small_task_epoch_due(&s, t) >= 0)
            run(h, &s, XST_PROGRAM_EPOCH);
        run(h, &s, xst_task_programs_due(s.side[0], t));
    }
    run(h, &s, XST_PROGRAM_EVAL);
    small_task_end(&s);
    b->api->close(plain);
}

static void test_replay(void **state)
{
    ops_harness *const h = *state;
    for (int i = 0; i < h->backends; i++) {
        const ops_backend *const b = &h->backend[i];
        if (strcmp(b->name, "cuda fp32") == 0)
            replay(h, b, XST_FP32);
        if (strcmp(b->name, "cuda bf16") == 0)
            replay(h, b, XST_BF16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replay)};
    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
