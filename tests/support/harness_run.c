/* Running a case on the backends, and comparing what they give. */
#include "support/harness.h"

#include "backend/ref/ref.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One compiled way of running a case on one backend. */
typedef struct run {
    const ops_case *c;
    const xst_backend_api *api;
    char name[224 + 32];
    xst_session *session;
    xst_executable *executable;
    xst_error err;
} run;

static void ok(const run *r, xst_status status)
{
    if (status != XST_OK)
        fail_msg("%s: %s", r->name, r->err.message);
}

static void add_op(run *r, xst_program *program, const xst_tensors *tensors, const xst_op *op)
{
    ok(r, xst_program_add(program, tensors, op, &r->err));
}

static void add_copy(run *r, xst_program *program, const xst_tensors *tensors, xst_tensor from, xst_tensor to)
{
    xst_op copy = xst_op_make(XST_OP_RESHAPE, "copy");
    copy.in[0] = from;
    copy.out[0] = to;
    if (from != to)
        add_op(r, program, tensors, &copy);
}

/* Which of the floating tensors that are not in place are TEMP. */
typedef enum temps { NO_TEMPS, OUTPUT_TEMPS, ALL_TEMPS } temps;

static const char *const temps_names[] = {"", ", outputs through temps", ", through temps"};

/* A TEMP of the same shape, or the tensor itself where it must stay STATE. */
static xst_tensor temp_of(const ops_case *c, xst_tensors *tensors, xst_tensor t)
{
    char name[XST_NAME_MAX];
    if (t < 0 || c->in_place[t] || tensors->info[t].dtype != XST_F32)
        return t;
    const xst_tensor_info info = tensors->info[t];
    xst_tensor temp = -1;
    snprintf(name, sizeof name, "%.50s.temp", info.name);
    assert_int_equal(xst_tensors_add(tensors, name, XST_F32, XST_TEMP, info.rank, info.dim, &temp, NULL), XST_OK);
    return temp;
}

/* reshape in -> temps; the operation on temps; reshape temps -> out. */
static void add_ops(run *r, xst_program *program, xst_tensors *tensors, temps which)
{
    const ops_case *const c = r->c;
    xst_op op = c->op;
    for (int i = 0; i < c->inputs && which == ALL_TEMPS; i++) {
        op.in[i] = temp_of(c, tensors, c->op.in[i]);
        add_copy(r, program, tensors, c->op.in[i], op.in[i]);
    }
    for (int i = 0; i < c->outputs && which != NO_TEMPS; i++)
        op.out[i] = temp_of(c, tensors, c->op.out[i]);
    add_op(r, program, tensors, &op);
    for (int i = 0; i < c->outputs; i++)
        add_copy(r, program, tensors, op.out[i], c->op.out[i]);
}

static void run_begin(run *r, const ops_case *c, const xst_backend_api *api, xst_backend *backend, const char *name,
                      temps which)
{
    xst_tensors tensors = {0};
    xst_program program = {.name = "case"};
    *r = (run){.c = c, .api = api};
    snprintf(r->name, sizeof r->name, "%s: %s%s", c->name, name, temps_names[which]);
    for (int32_t i = 0; i < c->tensors.count; i++) {
        const xst_tensor_info *const t = &c->tensors.info[i];
        xst_tensor same = -1;
        ok(r, xst_tensors_add(&tensors, t->name, t->dtype, t->kind, t->rank, t->dim, &same, &r->err));
    }
    add_ops(r, &program, &tensors, which);
    ok(r, api->session_create(backend, &tensors, &r->session, &r->err));
    ok(r, api->compile(r->session, &program, &r->executable, &r->err));
    xst_program_free(&program);
    xst_tensors_free(&tensors);
}

static void run_end(run *r)
{
    r->api->executable_destroy(r->executable);
    r->api->session_destroy(r->session);
}

/* Uploads the case's data, with 0 in place of the floating tensor `cleared` (-1: none), and runs. */
static void run_once(run *r, xst_tensor cleared)
{
    const ops_case *const c = r->c;
    for (xst_tensor t = 0; t < c->tensors.count; t++) {
        const size_t bytes = xst_tensor_bytes(&c->tensors.info[t]);
        void *const nothing = calloc(bytes + 1, 1);
        assert_non_null(nothing);
        ok(r, r->api->upload(r->session, t, t == cleared ? nothing : c->data[t], bytes, &r->err));
        free(nothing);
    }
    ok(r, r->api->run(r->executable, &r->err));
    ok(r, r->api->synchronise(r->session, &r->err));
}

static void *download(run *r, xst_tensor t)
{
    const size_t bytes = xst_tensor_bytes(&r->c->tensors.info[t]);
    void *const to = calloc(bytes + 1, 1);
    assert_non_null(to);
    ok(r, r->api->download(r->session, t, to, bytes, &r->err));
    return to;
}

static void check_inputs(run *r)
{
    for (xst_tensor t = 0; t < r->c->tensors.count; t++) {
        if (r->c->is_output[t])
            continue;
        void *const now = download(r, t);
        if (memcmp(now, r->c->data[t], xst_tensor_bytes(&r->c->tensors.info[t])) != 0)
            fail_msg("%s: %s was changed", r->name, r->c->tensors.info[t].name);
        free(now);
    }
}

static double value_at(const void *data, xst_dtype dtype, int64_t i)
{
    switch (dtype) {
    case XST_F32:
        return (double)((const float *)data)[i];
    case XST_F64:
        return ((const double *)data)[i];
    case XST_U32:
        return ((const uint32_t *)data)[i];
    default:
        return ((const uint8_t *)data)[i];
    }
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void compare(const run *r, xst_tensor t, const double *ref, const double *got, double eps)
{
    const ops_rule rule = r->c->rule[t];
    const int64_t n = ops_elements(r->c, t);
    const bool rounds = r->c->tensors.info[t].dtype == XST_F32 && eps > 0x1p-24;
    double squares = 0.0, errors = 0.0;
    for (int64_t i = 0; i < n; i++)
        squares += isfinite(ref[i]) ? ref[i] * ref[i] : 0.0;
    const double rms = n > 0 ? sqrt(squares / (double)n) : 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = same(ref[i], got[i]) ? 0.0 : fabs(ref[i] - got[i]);
        const double near = rule.factor * eps * sqrt(rule.terms) * fmax(rms, fabs(ref[i]));
        const double allowed = rule.terms > 0.0 ? near : rounds ? eps * fabs(ref[i]) : 0.0;
        if (d != 0.0 && !(d <= allowed))
            fail_msg("%s: %s[%lld] is %.9g, ref has %.9g (off by %.3g, allowed %.3g)", r->name,
                     r->c->tensors.info[t].name, (long long)i, got[i], ref[i], d, allowed);
        errors += d * d;
    }
    const double allowed = pow(rule.factor / 4.0 * eps, 2.0) * rule.terms;
    if (rule.terms > 0.0 && n >= 16 && !(errors <= allowed * squares))
        fail_msg("%s: %s: squared error is %.3g of the squares, allowed %.3g", r->name, r->c->tensors.info[t].name,
                 errors / squares, allowed);
}

/* A comparison that found nothing but zeros proves nothing. */
static void trust(const run *r, xst_tensor t, const double *ref)
{
    int64_t i = 0;
    while (i < ops_elements(r->c, t) && ref[i] == 0.0)
        i++;
    const bool nothing = i == ops_elements(r->c, t);
    if (nothing && !r->c->may_be_zero[t]) {
        r->c->harness->mistrusted++;
        fail_msg("%s: %s is all zero or empty: mistrusted", r->name, r->c->tensors.info[t].name);
    }
    r->c->harness->passed++;
}

static void compare_expected(const run *r, xst_tensor t, const double *ref)
{
    const double *const expected = r->c->expected[t];
    double most = 0.0;
    for (int64_t i = 0; expected && i < ops_elements(r->c, t); i++)
        most = fmax(most, fabs(expected[i]));
    for (int64_t i = 0; expected && i < ops_elements(r->c, t); i++)
        if (!same(expected[i], ref[i]) && !(fabs(expected[i] - ref[i]) <= 2e-7 * most))
            fail_msg("%s: %s[%lld] is %.9g, by hand %.9g", r->name, r->c->tensors.info[t].name, (long long)i, ref[i],
                     expected[i]);
}

static double *as_doubles(const ops_case *c, xst_tensor t, const void *data)
{
    const int64_t n = ops_elements(c, t);
    double *const out = calloc((size_t)n + 1, sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < n; i++)
        out[i] = value_at(data, c->tensors.info[t].dtype, i);
    return out;
}

static void compare_output(run *r, xst_tensor t, const double *ref, const void *first, double eps)
{
    const ops_case *const c = r->c;
    void *const again = download(r, t);
    if (memcmp(first, again, xst_tensor_bytes(&c->tensors.info[t])) != 0)
        fail_msg("%s: %s has other bits in a second run", r->name, c->tensors.info[t].name);
    double *const got = as_doubles(c, t, again);
    if (c->rule[t].check)
        c->rule[t].check(c, ref, got, ops_elements(c, t), eps);
    else
        compare(r, t, ref, got, eps);
    trust(r, t, ref);
    free(got);
    free(again);
}

static void run_backend(const ops_case *c, const ops_backend *b, temps which, double *const *ref)
{
    run r;
    void *first[OPS_TENSORS] = {0};
    run_begin(&r, c, b->api, b->backend, b->name, which);
    for (xst_tensor t = 0; t < c->tensors.count; t++)
        if (c->tensors.info[t].dtype == XST_F32 && !c->is_output[t])
            run_once(&r, t);
    run_once(&r, -1);
    check_inputs(&r);
    for (xst_tensor t = 0; t < c->tensors.count; t++)
        first[t] = download(&r, t);
    run_once(&r, -1);
    for (xst_tensor t = 0; t < c->tensors.count; t++) {
        if (ref[t])
            compare_output(&r, t, ref[t], first[t], b->eps);
        free(first[t]);
    }
    run_end(&r);
}

/* The reference's outputs, NULL at inputs. */
static void run_reference(const ops_case *c, double *ref[OPS_TENSORS])
{
    run r;
    run_begin(&r, c, c->harness->ref_api, c->harness->ref, "ref", NO_TEMPS);
    run_once(&r, -1);
    check_inputs(&r);
    for (xst_tensor t = 0; t < c->tensors.count; t++) {
        if (!c->is_output[t])
            continue;
        ref[t] = calloc((size_t)ops_elements(c, t) + 1, sizeof(double));
        assert_non_null(ref[t]);
        xst_ref_get(r.session, t, ref[t]);
        compare_expected(&r, t, ref[t]);
        trust(&r, t, ref[t]);
    }
    run_end(&r);
}

void ops_finish(ops_case *c)
{
    double *ref[OPS_TENSORS] = {0};
    run_reference(c, ref);
    for (int i = 0; i < c->harness->backends; i++) {
        run_backend(c, &c->harness->backend[i], NO_TEMPS, ref);
        run_backend(c, &c->harness->backend[i], OUTPUT_TEMPS, ref);
        run_backend(c, &c->harness->backend[i], ALL_TEMPS, ref);
    }
    for (xst_tensor t = 0; t < c->tensors.count; t++) {
        free(ref[t]);
        free(c->data[t]);
    }
    xst_tensors_free(&c->tensors);
}
