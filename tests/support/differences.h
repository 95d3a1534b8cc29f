/* Gradients of the reference backend against finite differences, all in double.
 *
 * A forward program computes y from tensors, a backward program their gradients from dy. The objective is sum(dy * y)
 * with a fixed dy, or another function of y. Its central difference must be what the backward program gives. */
#ifndef XST_TESTS_SUPPORT_DIFFERENCES_H
#define XST_TESTS_SUPPORT_DIFFERENCES_H

#include "support/harness.h"

enum { FORWARD, BACKWARD };

typedef struct differences differences;
struct differences {
    ops_harness *harness;
    const char *name;
    double (*objective)(const differences *d);
    double tolerance; /* of the larger of an element and the root mean square of its tensor; 1e-7 */
    xst_tensors tensors;
    xst_program program[2];
    xst_session *session;
    xst_executable *executable[2];
    xst_tensor y, dy; /* set by the test */
    xst_error err;
};

void diff_begin(differences *d, void **state, const char *name);
/* A new tensor, or one of the same type and shape as another. The reference backend keeps temps, so all may be read. */
xst_tensor diff_add(differences *d, xst_dtype dtype, int32_t rank, const int64_t *dim);
xst_tensor diff_add_like(differences *d, xst_tensor t);
/* Operands past those that the operation has need not be set. */
void diff_op(differences *d, int program, const xst_op *op);
/* All is declared: makes the session. Then values are set. */
void diff_ready(differences *d);
void diff_end(differences *d);

int64_t diff_elements(const differences *d, xst_tensor t);
/* The tensor's values, for the caller to free. */
double *diff_get(const differences *d, xst_tensor t);
void diff_normal(differences *d, xst_tensor t, double centre, double deviation);
void diff_zero(differences *d, xst_tensor t);
void diff_words(differences *d, xst_tensor t, const uint32_t *words);
void diff_bytes(differences *d, xst_tensor t, const uint8_t *bytes);
void diff_run(differences *d, int program);

/* Asserts that dx, as the backward program writes it, is d objective / d x, and not 0. Steps get smaller until the
 * difference fits: one may lead across a corner of a ReLU or a maximum, where it means nothing. */
void diff_compare(differences *d, xst_tensor x, xst_tensor dx);

#endif
