/* A normalisation and the pool of its result share launches, both ways, where nobody else wants what lies between: as
 * many launches as that needs, and the numbers that they come to apart. */
#include "fake.h"
#include "module.h"
#include "sim_control.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct shape {
    int64_t batch, channels, height, width;
    bool pairs; /* whole packs of channels, whole windows */
} shape;

/* What a program has beside the pairs. */
typedef enum variant {
    PAIRS,
    POOL_OF_COPY, /* the pools look at a copy of y: no pair */
    DX_READ,      /* somebody else reads the pool's dx: forward alone */
    BETWEEN       /* other operations stand between: no obstacle */
} variant;

enum { X, DY, GAMMA, BETA, Y, POOLED, DX, DGAMMA, DBETA, RUNNING_MEAN, RUNNING_VAR, OTHER, STATES };

typedef struct net {
    xst_tensors tensors;
    xst_program program;
    xst_tensor state[STATES];
} net;

static xst_tensor add(net *n, const char *name, xst_tensor_kind kind, int32_t rank, const int64_t *dim)
{
    xst_tensor t = -1;
    assert_int_equal(xst_tensors_add(&n->tensors, name, XST_F32, kind, rank, dim, &t, NULL), XST_OK);
    return t;
}

static void emit(net *n, xst_op_kind kind, const xst_tensor *in, const xst_tensor *out)
{
    xst_error err = {0};
    xst_op op = xst_op_make(kind, xst_op_name(kind));
    for (int i = 0; i < XST_OP_INPUTS && in[i] >= 0; i++)
        op.in[i] = in[i];
    for (int i = 0; i < XST_OP_OUTPUTS && out[i] >= 0; i++)
        op.out[i] = out[i];
    if (kind == XST_OP_BN_RELU_FORWARD || kind == XST_OP_BN_RELU_BACKWARD)
        op.p.bn = (xst_bn_params){.momentum = 0.1f, .eps = 1e-5f};
    if (xst_program_add(&n->program, &n->tensors, &op, &err) != XST_OK)
        fail_msg("%s", err.message);
}
#define LIST(...)                                                                                                      \
    (const xst_tensor[])                                                                                               \
    {                                                                                                                  \
        __VA_ARGS__, -1                                                                                                \
    }

static void add_states(net *n, const int64_t *map, const int64_t *half)
{
    static const char *const names[STATES] = {"x",  "dy",     "gamma", "beta",         "y",           "pooled",
                                              "dx", "dgamma", "dbeta", "running_mean", "running_var", "other"};
    for (int i = 0; i < STATES; i++) {
        const bool whole = i == X || i == Y || i == DX || i == OTHER, part = i == DY || i == POOLED;
        n->state[i] = add(n, names[i], XST_STATE, whole || part ? 4 : 1, whole ? map : part ? half : map + 1);
    }
}

static void make(net *n, const shape *s, variant v)
{
    const int64_t map[] = {s->batch, s->channels, s->height, s->width};
    const int64_t half[] = {s->batch, s->channels, s->height / 2, s->width / 2};
    *n = (net){.program = {.name = "step"}};
    add_states(n, map, half);
    const xst_tensor *const state = n->state;
    const xst_tensor x = add(n, "x.temp", XST_TEMP, 4, map), y = add(n, "y.temp", XST_TEMP, 4, map);
    const xst_tensor copy = add(n, "copy", XST_TEMP, 4, map), dx = add(n, "dx.temp", XST_TEMP, 4, map);
    const xst_tensor from = add(n, "from", XST_TEMP, 4, map), pooled = add(n, "pooled.temp", XST_TEMP, 4, half);
    const xst_tensor dy = add(n, "dy.temp", XST_TEMP, 4, half);
    const xst_tensor mean = add(n, "mean", XST_TEMP, 1, map + 1), deviation = add(n, "std", XST_TEMP, 1, map + 1);
    const xst_tensor dgamma = add(n, "dg", XST_TEMP, 1, map + 1), dbeta = add(n, "db", XST_TEMP, 1, map + 1);
    const xst_tensor seen = v == POOL_OF_COPY ? copy : y;
    emit(n, XST_OP_RESHAPE, LIST(state[X]), LIST(x));
    emit(n, XST_OP_RESHAPE, LIST(state[DY]), LIST(dy));
    emit(n, XST_OP_BN_RELU_FORWARD, LIST(x, state[GAMMA], state[BETA]),
         LIST(y, mean, deviation, state[RUNNING_MEAN], state[RUNNING_VAR]));
    if (v == POOL_OF_COPY || v == BETWEEN)
        emit(n, XST_OP_RESHAPE, LIST(y), LIST(copy));
    emit(n, XST_OP_POOL_FORWARD, LIST(seen), LIST(pooled));
    emit(n, XST_OP_POOL_BACKWARD, LIST(dy, seen, pooled), LIST(dx));
    emit(n, XST_OP_RESHAPE, LIST(v == DX_READ ? dx : v == BETWEEN ? copy : x), LIST(state[OTHER]));
    emit(n, XST_OP_BN_RELU_BACKWARD, LIST(dx, x, y, state[GAMMA], mean, deviation), LIST(from, dgamma, dbeta));
    emit(n, XST_OP_RESHAPE, LIST(y), LIST(state[Y]));
    emit(n, XST_OP_RESHAPE, LIST(pooled), LIST(state[POOLED]));
    emit(n, XST_OP_RESHAPE, LIST(from), LIST(state[DX]));
    emit(n, XST_OP_RESHAPE, LIST(dgamma), LIST(state[DGAMMA]));
    emit(n, XST_OP_RESHAPE, LIST(dbeta), LIST(state[DBETA]));
}

typedef struct result {
    float *out[STATES];
    int launches;
} result;

/* Few values, so that windows have several largest. */
static float number(int state, int64_t i)
{
    const uint32_t dice = ((uint32_t)i * 2654435761u + (uint32_t)state * 40503u) >> 24;
    return state == X ? (float)(dice % 9) - 4.0f : ((float)dice - 127.0f) / 128.0f;
}

static void check(xst_status status, const xst_error *err)
{
    if (status != XST_OK)
        fail_msg("%s (%s)", err->message, sim_error() ? sim_error() : "no kernel failed");
}

static void use(const net *n, xst_precision precision, result *r)
{
    const xst_backend_options options = {.precision = precision, .deterministic = true};
    const xst_backend_api *api = NULL;
    xst_backend *backend = NULL;
    xst_session *session = NULL;
    xst_executable *executable = NULL;
    xst_error err = {0};
    check(xst_backend_module(XST_BACKEND_VERSION, &api, &err), &err);
    check(api->open(&options, &backend, &err), &err);
    check(api->session_create(backend, &n->tensors, &session, &err), &err);
    check(api->compile(session, &n->program, &executable, &err), &err);
    for (int i = 0; i < STATES; i++) {
        const int64_t count = xst_tensor_elements(&n->tensors.info[n->state[i]]);
        r->out[i] = calloc((size_t)count, sizeof **r->out);
        assert_non_null(r->out[i]);
        for (int64_t k = 0; k < count; k++)
            r->out[i][k] = number(i, k);
        check(api->upload(session, n->state[i], r->out[i], (size_t)count * sizeof **r->out, &err), &err);
    }
    const int before = fake_state()->launches;
    check(api->run(executable, &err), &err);
    check(api->synchronise(session, &err), &err);
    r->launches = fake_state()->launches - before;
    for (int i = 0; i < STATES; i++)
        check(api->download(session, n->state[i], r->out[i], xst_tensor_bytes(&n->tensors.info[n->state[i]]), &err),
              &err);
    api->executable_destroy(executable);
    api->session_destroy(session);
    api->close(backend);
}

/* Forward: the same bits (sums of small whole numbers are exact). Backward: sums over windows are in another order than
 * sums over rows. */
static void compare(const net *n, const result *want, const result *got, double eps)
{
    for (int i = 0; i < OTHER; i++) {
        const xst_tensor_info *const info = &n->tensors.info[n->state[i]];
        const int64_t count = xst_tensor_elements(info);
        const bool sum = i == DX || i == DGAMMA || i == DBETA;
        double error = 0.0, squares = 0.0;
        for (int64_t k = 0; k < count; k++) {
            error += pow((double)want->out[i][k] - (double)got->out[i][k], 2.0);
            squares += pow((double)want->out[i][k], 2.0);
        }
        if (!(squares > 0.0) || !(error <= (sum ? eps * eps * squares : 0.0)))
            fail_msg("%s is off by %.3g of %.3g", info->name, sqrt(error), sqrt(squares));
    }
}

static void release(net *n, result *r)
{
    for (int i = 0; i < STATES; i++)
        free(r->out[i]);
    xst_program_free(&n->program);
    xst_tensors_free(&n->tensors);
}

/* fewer: launches, than where the pools look at a copy. */
static void try(const shape *s, variant v, xst_precision precision, int fewer)
{
    net separate, now;
    result want = {0}, got = {0};
    make(&separate, s, POOL_OF_COPY);
    make(&now, s, v);
    use(&separate, precision, &want);
    use(&now, precision, &got);
    compare(&now, &want, &got, precision == XST_BF16 ? 1e-3 : 1e-5);
    if (want.launches - got.launches != fewer)
        fail_msg("program %d: %d launches, apart %d", (int)v, got.launches, want.launches);
    release(&separate, &want);
    release(&now, &got);
}

static void test_pairs(void **state)
{
    static const shape shapes[] = {
        {3, 16, 4, 6, true}, {9, 24, 16, 16, true}, {3, 12, 4, 4, false}, {3, 8, 5, 4, false}};
    (void)state;
    for (xst_precision p = XST_FP32; p <= XST_BF16; p += XST_BF16 - XST_FP32)
        for (int i = 0; i < 4; i++) {
            const int pairs = shapes[i].pairs ? 1 : 0;
            try(&shapes[i], PAIRS, p, 2 * pairs);
            try(&shapes[i], DX_READ, p, pairs);
            try(&shapes[i], BETWEEN, p, 2 * pairs);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
