/* A matrix product by cuBLASLt as a step of a program. */
#ifndef XST_CUDA_GEMM_H
#define XST_CUDA_GEMM_H

#include "cuda.h"

/* Row-major c[m][n] = sum over k of a(m, k) b(k, n); a_transposed: a is stored [k][m], b_transposed: b is stored
 * [n][k]. f32 sums in every precision. */
typedef struct cuda_gemm_shape {
    bool a_transposed, b_transposed;
    int64_t m, n, k;
    cuda_form form, c_form; /* of a and b; of c */
} cuda_gemm_shape;

/* Where a, b and c of the product go: fields for xst_cuda_in and xst_cuda_out. */
typedef struct cuda_gemm_operands {
    void *a, *b, *c;
} cuda_gemm_operands;

/* Does the library's product pay for this shape? Small and odd ones go to our own kernel. */
bool xst_cuda_gemm_fits(const cuda_gemm_shape *shape);

/* Adds the step; all NULL after a failure. */
cuda_gemm_operands xst_cuda_gemm_step(cuda_compiler *c, const cuda_gemm_shape *shape);

#endif
