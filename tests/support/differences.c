#include "support/differences.h"

#include "backend/ref/ref.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void ok(const differences *d, xst_status status)
{
    if (status != XST_OK)
        fail_msg("%s: %s", d->name, d->err.message);
}

int64_t diff_elements(const differences *d, xst_tensor t)
{
    return xst_tensor_elements(&d->tensors.info[t]);
}

static double *values(const differences *d, xst_tensor t)
{
    double *const v = calloc((size_t)diff_elements(d, t) + 1, sizeof *v);
    assert_non_null(v);
    return v;
}

double *diff_get(const differences *d, xst_tensor t)
{
    double *const v = values(d, t);
    xst_ref_get(d->session, t, v);
    return v;
}

static double weighted_sum(const differences *d)
{
    double *const y = diff_get(d, d->y), *const dy = diff_get(d, d->dy);
    double sum = 0.0;
    for (int64_t i = 0; i < diff_elements(d, d->y); i++)
        sum += y[i] * dy[i];
    free(y);
    free(dy);
    return sum;
}

void diff_begin(differences *d, void **state, const char *name)
{
    *d = (differences){.harness = *state, .name = name, .objective = weighted_sum, .tolerance = 1e-7};
}

xst_tensor diff_add(differences *d, xst_dtype dtype, int32_t rank, const int64_t *dim)
{
    char name[XST_NAME_MAX];
    xst_tensor t = -1;
    snprintf(name, sizeof name, "t%d", (int)d->tensors.count);
    ok(d, xst_tensors_add(&d->tensors, name, dtype, XST_TEMP, rank, dim, &t, &d->err));
    return t;
}

xst_tensor diff_add_like(differences *d, xst_tensor t)
{
    const xst_tensor_info info = d->tensors.info[t];
    return diff_add(d, info.dtype, info.rank, info.dim);
}

static int count_names(const char *list)
{
    int n = *list != 0;
    for (; *list; list++)
        n += *list == ' ';
    return n;
}

void diff_op(differences *d, int program, const xst_op *op)
{
    xst_op complete = *op;
    for (int i = count_names(xst_op_inputs(op->kind)); i < XST_OP_INPUTS; i++)
        complete.in[i] = -1;
    for (int i = count_names(xst_op_outputs(op->kind)); i < XST_OP_OUTPUTS; i++)
        complete.out[i] = -1;
    ok(d, xst_program_add(&d->program[program], &d->tensors, &complete, &d->err));
}

void diff_ready(differences *d)
{
    const xst_backend_api *const api = d->harness->ref_api;
    ok(d, api->session_create(d->harness->ref, &d->tensors, &d->session, &d->err));
    for (int i = 0; i < 2; i++)
        ok(d, api->compile(d->session, &d->program[i], &d->executable[i], &d->err));
}

void diff_end(differences *d)
{
    for (int i = 0; i < 2; i++) {
        d->harness->ref_api->executable_destroy(d->executable[i]);
        xst_program_free(&d->program[i]);
    }
    d->harness->ref_api->session_destroy(d->session);
    xst_tensors_free(&d->tensors);
}

void diff_normal(differences *d, xst_tensor t, double centre, double deviation)
{
    const int64_t n = diff_elements(d, t);
    double *const v = values(d, t);
    for (int64_t i = 0; i < n; i += 4) {
        float normal[4];
        xst_random_normal(normal, (uint32_t)i, 4, 1.0f, (xst_random_key){11, (uint32_t)t}, 0, 0, 0);
        for (int64_t k = i; k < n && k < i + 4; k++)
            v[k] = centre + deviation * (double)normal[k - i];
    }
    xst_ref_set(d->session, t, v);
    free(v);
}

void diff_zero(differences *d, xst_tensor t)
{
    diff_normal(d, t, 0.0, 0.0);
}

void diff_words(differences *d, xst_tensor t, const uint32_t *words)
{
    double *const v = values(d, t);
    for (int64_t i = 0; i < diff_elements(d, t); i++)
        v[i] = words[i];
    xst_ref_set(d->session, t, v);
    free(v);
}

void diff_bytes(differences *d, xst_tensor t, const uint8_t *bytes)
{
    double *const v = values(d, t);
    for (int64_t i = 0; i < diff_elements(d, t); i++)
        v[i] = bytes[i];
    xst_ref_set(d->session, t, v);
    free(v);
}

void diff_run(differences *d, int program)
{
    ok(d, d->harness->ref_api->run(d->executable[program], &d->err));
}

/* The objective where element i of x has another value. */
static double objective_at(differences *d, xst_tensor x, double *v, int64_t i, double value)
{
    const double old = v[i];
    v[i] = value;
    xst_ref_set(d->session, x, v);
    diff_zero(d, d->y); /* a sum that the operation adds to starts at 0 */
    diff_run(d, FORWARD);
    v[i] = old;
    xst_ref_set(d->session, x, v);
    return d->objective(d);
}

void diff_compare(differences *d, xst_tensor x, xst_tensor dx)
{
    diff_run(d, FORWARD);
    diff_run(d, BACKWARD);
    double *const v = diff_get(d, x), *const g = diff_get(d, dx);
    const int64_t n = diff_elements(d, x);
    double total = 0.0;
    assert_int_equal(n, diff_elements(d, dx));
    for (int64_t i = 0; i < n; i++)
        total += g[i] * g[i];
    assert_true(total > 0.0);
    for (int64_t i = 0; i < n; i++) {
        const double allowed = d->tolerance * fmax(sqrt(total / (double)n), fabs(g[i]));
        double slope = NAN;
        for (double h = 1e-5; h > 1e-8 && !(fabs(slope - g[i]) <= allowed); h /= 10)
            slope = (objective_at(d, x, v, i, v[i] + h) - objective_at(d, x, v, i, v[i] - h)) / (2 * h);
        if (!(fabs(slope - g[i]) <= allowed))
            fail_msg("%s: %s[%lld]: %.12g, finite difference %.12g", d->name, d->tensors.info[x].name, (long long)i,
                     g[i], slope);
    }
    d->harness->passed++;
    free(v);
    free(g);
}
