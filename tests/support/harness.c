#include "support/harness.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    xst_precision precision;
    double eps;
} precisions[] = {{"fp32", XST_FP32, 0x1p-24}, {"tf32", XST_TF32, 0x1p-11}, {"bf16", XST_BF16, 0x1p-8}};

/* Slow under sanitizers, which need to see each path once: tf32 takes that of fp32. */
static bool worth_opening(xst_precision precision)
{
#ifdef __SANITIZE_ADDRESS__
    return precision != XST_TF32;
#else
    (void)precision;
    return true;
#endif
}

/* Backends and precisions that do not open are skipped by name; the reference must open. */
int ops_setup(void **state)
{
    ops_harness *const h = calloc(1, sizeof *h);
    assert_non_null(h);
    *state = h;
    xst_error err = {0};
    const xst_backend_options plain = {.precision = XST_FP32, .threads = 2, .deterministic = true};
    assert_int_equal(xst_backend_find("ref", &h->ref_api, &err), XST_OK);
    assert_int_equal(h->ref_api->open(&plain, &h->ref, &err), XST_OK);
    for (const char *const *name = xst_backend_names(); *name; name++)
        for (size_t i = 0; strcmp(*name, "ref") != 0 && i < sizeof precisions / sizeof precisions[0]; i++) {
            ops_backend *const b = &h->backend[h->backends];
            assert_true(h->backends < OPS_BACKENDS);
            xst_backend_options options = plain;
            options.precision = precisions[i].precision;
            b->eps = precisions[i].eps;
            snprintf(b->name, sizeof b->name, "%.16s %s", *name, precisions[i].name);
            snprintf(err.message, sizeof err.message, "takes the path of fp32");
            if (worth_opening(options.precision) && xst_backend_find(*name, &b->api, &err) == XST_OK &&
                b->api->open(&options, &b->backend, &err) == XST_OK) {
                h->backends++;
            } else {
                h->skipped++;
                print_message("skipped: %s: %s\n", b->name, err.message);
            }
        }
    return 0;
}

int ops_teardown(void **state)
{
    ops_harness *const h = *state;
    for (int i = 0; i < h->backends; i++)
        h->backend[i].api->close(h->backend[i].backend);
    h->ref_api->close(h->ref);
    print_message("%d comparisons passed, %d mistrusted; %d backends skipped\n", h->passed, h->mistrusted, h->skipped);
    free(h);
    return 0;
}

void ops_begin(ops_case *c, ops_harness *harness, xst_op_kind kind, const char *format, ...)
{
    va_list args;
    *c = (ops_case){.harness = harness, .op = xst_op_make(kind, "case")};
    va_start(args, format);
    const int n = snprintf(c->name, sizeof c->name, "%s ", xst_op_name(kind));
    vsnprintf(c->name + n, sizeof c->name - (size_t)n, format, args);
    va_end(args);
}

static xst_tensor add_tensor(ops_case *c, const char *side, int index, xst_dtype dtype, int32_t rank,
                             const int64_t *dim)
{
    char name[XST_NAME_MAX];
    xst_tensor t = -1;
    snprintf(name, sizeof name, "%s%d", side, index);
    assert_int_equal(xst_tensors_add(&c->tensors, name, dtype, XST_STATE, rank, dim, &t, NULL), XST_OK);
    c->data[t] = calloc(xst_tensor_bytes(&c->tensors.info[t]) + 1, 1);
    assert_non_null(c->data[t]);
    return t;
}

xst_tensor ops_input(ops_case *c, xst_dtype dtype, int32_t rank, const int64_t *dim)
{
    const xst_tensor t = add_tensor(c, "input", c->inputs, dtype, rank, dim);
    c->op.in[c->inputs++] = t;
    return t;
}

void ops_no_input(ops_case *c)
{
    c->op.in[c->inputs++] = -1;
}

xst_tensor ops_in_place(ops_case *c, ops_rule rule, xst_dtype dtype, int32_t rank, const int64_t *dim)
{
    const xst_tensor t = add_tensor(c, "output", c->outputs, dtype, rank, dim);
    c->op.out[c->outputs++] = t;
    c->rule[t] = rule;
    c->is_output[t] = c->in_place[t] = true;
    return t;
}

/* Filled with what no backend may take for a result: all bytes 1, which is also no sensible number. */
xst_tensor ops_output(ops_case *c, ops_rule rule, xst_dtype dtype, int32_t rank, const int64_t *dim)
{
    const xst_tensor t = ops_in_place(c, rule, dtype, rank, dim);
    c->in_place[t] = false;
    memset(c->data[t], 0xff, xst_tensor_bytes(&c->tensors.info[t])); /* NaN in floats */
    return t;
}

ops_rule ops_exact(void)
{
    return (ops_rule){0};
}

ops_rule ops_close(double terms)
{
    return (ops_rule){.terms = terms, .factor = 16.0};
}

ops_rule ops_checked(void (*check)(const ops_case *, const double *, const double *, int64_t, double))
{
    return (ops_rule){.check = check};
}

float *ops_floats(const ops_case *c, xst_tensor t)
{
    assert_int_equal(c->tensors.info[t].dtype, XST_F32);
    return c->data[t];
}

double *ops_doubles(const ops_case *c, xst_tensor t)
{
    assert_int_equal(c->tensors.info[t].dtype, XST_F64);
    return c->data[t];
}

uint32_t *ops_words(const ops_case *c, xst_tensor t)
{
    assert_int_equal(c->tensors.info[t].dtype, XST_U32);
    return c->data[t];
}

uint8_t *ops_bytes(const ops_case *c, xst_tensor t)
{
    assert_int_equal(c->tensors.info[t].dtype, XST_U8);
    return c->data[t];
}

int64_t ops_elements(const ops_case *c, xst_tensor t)
{
    return xst_tensor_elements(&c->tensors.info[t]);
}

/* Data differ from case to case and from tensor to tensor, and are the same in every run. */
static xst_random_key key_of(const ops_case *c, xst_tensor t)
{
    uint32_t seed = 2166136261u; /* FNV-1a of the case's name */
    for (const char *p = c->name; *p; p++)
        seed = (seed ^ (uint8_t)*p) * 16777619u;
    return (xst_random_key){seed, (uint32_t)t};
}

void ops_normal(ops_case *c, xst_tensor t, float deviation)
{
    xst_random_normal(ops_floats(c, t), 0, (uint32_t)ops_elements(c, t), deviation, key_of(c, t), 0, 0, 0);
}

void ops_coarse(ops_case *c, xst_tensor t)
{
    for (int64_t i = 0; i < ops_elements(c, t); i++) {
        uint32_t bits;
        memcpy(&bits, &ops_floats(c, t)[i], sizeof bits);
        bits &= 0xffff0000u;
        memcpy(&ops_floats(c, t)[i], &bits, sizeof bits);
    }
}

void ops_below(ops_case *c, xst_tensor t, uint32_t limit)
{
    for (uint32_t i = 0; i < ops_elements(c, t); i++) {
        uint32_t word[4];
        xst_random_block(word, key_of(c, t), i / 4, 0, 0, 0);
        const uint32_t value = (word[i % 4] >> 8) % limit;
        if (c->tensors.info[t].dtype == XST_U8)
            ops_bytes(c, t)[i] = (uint8_t)value;
        else
            ops_words(c, t)[i] = value;
    }
}

void ops_copy(ops_case *c, xst_tensor t, const double *values)
{
    for (int64_t i = 0; i < ops_elements(c, t); i++)
        switch (c->tensors.info[t].dtype) {
        case XST_F32:
            ops_floats(c, t)[i] = (float)values[i];
            break;
        case XST_F64:
            ops_doubles(c, t)[i] = values[i];
            break;
        case XST_U32:
            ops_words(c, t)[i] = (uint32_t)values[i];
            break;
        case XST_U8:
            ops_bytes(c, t)[i] = (uint8_t)values[i];
            break;
        }
}

void ops_expect(ops_case *c, xst_tensor t, const double *values)
{
    c->expected[t] = values;
}

void ops_expect_zero(ops_case *c, xst_tensor t)
{
    c->may_be_zero[t] = true;
}
