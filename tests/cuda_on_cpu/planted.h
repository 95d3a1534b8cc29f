/* Kernels with one fault each, to see that the checks find it. */
#ifndef XST_TESTS_PLANTED_H
#define XST_TESTS_PLANTED_H

#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef cudaError_t planted(const xst_cuda_queue *q, float *out, int n);
planted *planted_find(const char *name); /* NULL: there is none */

#ifdef __cplusplus
}
#endif
#endif
