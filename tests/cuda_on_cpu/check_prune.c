/* prune.cu. */
#include "check.h"

#include <math.h>
#include <string.h>

typedef enum data_kind { RANDOM, TIES, SOME_NAN, SOME_INFINITE } data_kind;

enum { EVERY = 10, EVENTS = 3 };

static double number(data_kind kind)
{
    const double x = check_round(XST_CUDA_F32, check_uniform());
    switch (kind) {
    case TIES:
        return copysign(check_dice() % 3, x);
    case SOME_NAN:
        return check_dice() % 3 == 0 ? (double)NAN : x;
    case SOME_INFINITE:
        return check_dice() % 3 == 0 ? copysign(INFINITY, x) : x;
    default:
        return x;
    }
}

static bool same(const float *got, const double *want, uint32_t n)
{
    bool all = true;
    for (uint32_t i = 0; i < n; i++)
        all = all && ((double)got[i] == want[i] || (isnan(got[i]) && isnan(want[i])));
    return all;
}

/* Half of the columns are active; the last `empty` entries are empty. Step t releases k (or nothing is due). */
static void prune(uint32_t a, uint32_t empty, uint32_t k, uint32_t t, data_kind kind)
{
    const uint32_t n = 2 * a;
    const check_columns c = check_choose(n, a);
    double *const value = check_memory(a, sizeof(double)), *const velocity = check_numbers(a, XST_CUDA_F32, 1);
    uint32_t *const active = check_memory(a, 4), *const step = check_memory(1, 4),
                    *const quota = check_memory(EVENTS, 4);
    int32_t *const slot = check_memory(n, 4);
    for (uint32_t i = 0; i < a; i++) {
        const bool there = i < a - empty;
        value[i] = there ? number(kind) : 0.0;
        velocity[i] = there ? velocity[i] : 0.0;
        c.active[i] = active[i] = there ? c.active[i] : n;
    }
    *step = t;
    for (uint32_t e = 0; e < EVENTS; e++)
        quota[e] = e == (t - 1) / EVERY - 1 ? k : a - k;
    const xst_op op = {.p.prune = {.geometry = xst_geometry_make(1, (int32_t)n, 1, 1, 0), .every = EVERY}};
    const xst_cuda_prune_args args = {.t = step,
                                      .quota = quota,
                                      .events = EVENTS,
                                      .every = EVERY,
                                      .n = n,
                                      .active = active,
                                      .slot = slot,
                                      .value = check_upload(value, a, XST_CUDA_F32),
                                      .velocity = check_upload(velocity, a, XST_CUDA_F32),
                                      .a = a,
                                      .scratch = check_memory(xst_cuda_prune_scratch(a), 1)};
    const uint32_t event = (t - 1) / EVERY;
    const xst_ref_tensor at = check_tensor(XST_U32, step, 1, 1, 1, 1),
                         qt = check_tensor(XST_U32, quota, EVENTS, 1, 1, 1);
    const xst_ref_tensor list = check_tensor(XST_U32, c.active, a, 1, 1, 1);
    const xst_ref_tensor va = check_reals(value, a), ve = check_reals(velocity, a);
    bool ok = xst_cuda_prune(&check_queue, &args) == cudaSuccess;
    if (event >= 1 && event <= EVENTS) /* the reference takes a step without an event for a mistake */
        ok = ok && xst_ref_prune(&(xst_ref_call){.op = &op, .in = {&at, &qt}, .out = {&list, &va, &ve}}) == XST_OK;
    ok = ok && memcmp(active, c.active, a * sizeof *active) == 0 && same(args.value, value, a) &&
         same(args.velocity, velocity, a);
    for (uint32_t i = 0, next = 0; i < n && ok; i++) {
        const bool there = next < a && active[next] == i;
        ok = slot[i] == (there ? (int32_t)next : -1);
        next += there;
    }
    check_case(ok, "prune a %u, %u empty, k %u, t %u, kind %d", a, empty, k, t, (int)kind);
}

void check_prune(bool small)
{
    static const uint32_t sizes[] = {1, 31, 33, 1025, 2100};
    for (int i = 0; i < (small ? 4 : 5); i++)
        for (int kind = RANDOM; kind <= SOME_INFINITE; kind++) {
            const uint32_t a = sizes[i];
            prune(a, 0, a / 3, 11, (data_kind)kind);
            prune(a, a / 4, a / 2, 31, (data_kind)kind);
            prune(a, 0, a, 29, (data_kind)kind);
        }
    prune(33, 3, 0, 21, RANDOM);
    prune(33, 3, 12, 10, RANDOM); /* before the first event, and after the last */
    prune(33, 3, 12, 41, RANDOM);
    const xst_cuda_prune_args none = {.every = 1, .n = 5};
    check_case(xst_cuda_prune(&check_queue, &none) == cudaSuccess, "prune of an empty list");
}
