/* One operation, run on the reference backend and on every other backend that opens, and compared.
 *
 * A test describes a case: the operation, its inputs and outputs with their data, and for each output how close a
 * backend must come. ops_finish runs the case. On each backend it runs with all tensors STATE, with the
 * floating outputs TEMP (reached through RESHAPE, where a backend is free to choose layouts), and with the floating
 * inputs TEMP too; what is in place stays STATE. Outputs start as NaN or a senseless word, runs with each floating
 * input cleared come first (nothing may be remembered), the run is repeated (the same bits), and inputs must be as they
 * were. A comparison in which all is zero or empty says nothing: unless the case expects it, it is mistrusted and
 * fails. */
#ifndef XST_TESTS_SUPPORT_HARNESS_H
#define XST_TESTS_SUPPORT_HARNESS_H

#include "backend/backend.h"

#include <stdbool.h>

enum { OPS_TENSORS = XST_OP_INPUTS + XST_OP_OUTPUTS, OPS_BACKENDS = 8 };

typedef struct ops_backend {
    const xst_backend_api *api;
    xst_backend *backend;
    char name[32]; /* "cpu fp32" */
    double eps;    /* half a unit in the last place of its precision */
} ops_backend;

typedef struct ops_harness {
    const xst_backend_api *ref_api;
    xst_backend *ref;
    ops_backend backend[OPS_BACKENDS];
    int backends;
    int passed, skipped, mistrusted; /* comparisons; backends that did not open; comparisons of nothing */
} ops_harness;

typedef struct ops_case ops_case;

/* How an output is compared. terms > 0: element i may be off by factor * eps * sqrt(terms) * max(rms, |element|), and
 * the sum of squared errors by (factor/4 * eps)^2 * terms of the sum of squares; terms = the length of the longest sum
 * behind an element. terms = 0: equal. check: instead of both, asserts what it likes (ref and got in row-major order).
 */
typedef struct ops_rule {
    double terms, factor;
    void (*check)(const ops_case *c, const double *ref, const double *got, int64_t n, double eps);
} ops_rule;

struct ops_case {
    ops_harness *harness;
    char name[192];
    xst_tensors tensors;
    xst_op op;
    int inputs, outputs;
    bool is_output[OPS_TENSORS], in_place[OPS_TENSORS], may_be_zero[OPS_TENSORS];
    void *data[OPS_TENSORS]; /* what is uploaded, by tensor */
    ops_rule rule[OPS_TENSORS];
    const double *expected[OPS_TENSORS]; /* by hand, or NULL */
};

/* cmocka group fixtures: *state is an ops_harness. The teardown prints what passed and what was skipped. */
int ops_setup(void **state);
int ops_teardown(void **state);

__attribute__((format(printf, 4, 5))) void ops_begin(ops_case *c, ops_harness *harness, xst_op_kind kind,
                                                     const char *format, ...);
/* Rank and dims, as the functions below take them. */
#define SHAPE(...)                                                                                                     \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                                   \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
/* The next input or output of the operation; data start at zero. */
xst_tensor ops_input(ops_case *c, xst_dtype dtype, int32_t rank, const int64_t *dim);
void ops_no_input(ops_case *c);
xst_tensor ops_output(ops_case *c, ops_rule rule, xst_dtype dtype, int32_t rank, const int64_t *dim);
xst_tensor ops_in_place(ops_case *c, ops_rule rule, xst_dtype dtype, int32_t rank, const int64_t *dim);

ops_rule ops_exact(void);
ops_rule ops_close(double terms); /* factor 16 */
ops_rule ops_checked(void (*check)(const ops_case *, const double *, const double *, int64_t, double));

float *ops_floats(const ops_case *c, xst_tensor t);
double *ops_doubles(const ops_case *c, xst_tensor t);
uint32_t *ops_words(const ops_case *c, xst_tensor t);
uint8_t *ops_bytes(const ops_case *c, xst_tensor t);
int64_t ops_elements(const ops_case *c, xst_tensor t);

/* Data: normal numbers (f32), words below `limit` (u32 and u8), given values (any). */
void ops_normal(ops_case *c, xst_tensor t, float deviation);
/* Cuts floats to what bf16 holds: for operations that choose by their inputs, where rounding would choose otherwise. */
void ops_coarse(ops_case *c, xst_tensor t);
void ops_below(ops_case *c, xst_tensor t, uint32_t limit);
void ops_copy(ops_case *c, xst_tensor t, const double *values);

/* The reference itself must give these values (to 2e-7 of the largest: their inputs are rounded to float). */
void ops_expect(ops_case *c, xst_tensor t, const double *values);
/* That this output is zero or empty is what the case is about. */
void ops_expect_zero(ops_case *c, xst_tensor t);

/* Runs the case everywhere, compares, and frees it. */
void ops_finish(ops_case *c);

#endif
