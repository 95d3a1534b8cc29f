/* cuBLASLt sees a row-major matrix as the transpose of a column-major one, so it is asked for c^T = b^T a^T. The
 * algorithm is the first of its heuristic, which depends on shape and version alone; the workspace is the program's
 * own. */
#include "gemm.h"

#include "base/error.h"

enum { SMALLEST = 8 };
static const size_t WORKSPACE_MAX = (size_t)32 << 20;

typedef struct gemm_args {
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t al, bl, cl;
    cublasLtMatmulAlgo_t algorithm;
    void *a, *b, *c, *workspace;
    size_t workspace_bytes;
} gemm_args;

bool xst_cuda_gemm_fits(const cuda_gemm_shape *s)
{
    return s->m >= 1 && s->n >= SMALLEST && s->k >= SMALLEST && s->n % SMALLEST == 0 && s->k % SMALLEST == 0 &&
           (!s->a_transposed || s->m % SMALLEST == 0);
}

static xst_status run_gemm(const xst_session *s, const void *args, xst_error *err)
{
    static const float one = 1.0f, zero = 0.0f;
    const gemm_args *const g = args;
    return xst_cuda_check_blas(s,
                               s->backend->cuda.cublasLtMatmul(s->blas, g->product, &one, g->b, g->bl, g->a, g->al,
                                                               &zero, g->c, g->cl, g->c, g->cl, &g->algorithm,
                                                               g->workspace, g->workspace_bytes, s->queue.stream),
                               "matrix product", err);
}

static void release_gemm(const xst_session *s, void *args)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    const gemm_args *const g = args;
    if (g->al)
        (void)cuda->cublasLtMatrixLayoutDestroy(g->al);
    if (g->bl)
        (void)cuda->cublasLtMatrixLayoutDestroy(g->bl);
    if (g->cl)
        (void)cuda->cublasLtMatrixLayoutDestroy(g->cl);
    if (g->product)
        (void)cuda->cublasLtMatmulDescDestroy(g->product);
}

/* Layout of a row-major matrix of this many rows and columns. */
static cublasStatus_t lay_out(const xst_cuda_api *cuda, cublasLtMatrixLayout_t *layout, cuda_form form, int64_t rows,
                              int64_t columns)
{
    return cuda->cublasLtMatrixLayoutCreate(layout, form == CUDA_FORM_BF16 ? CUDA_R_16BF : CUDA_R_32F,
                                            (uint64_t)columns, (uint64_t)rows, columns);
}

static cublasStatus_t describe(const xst_session *s, gemm_args *g, const cuda_gemm_shape *shape)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    const bool tf32 = s->backend->options.precision == XST_TF32;
    const cublasOperation_t first = shape->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                            second = shape->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const int64_t m = shape->m, n = shape->n, k = shape->k;
    cublasStatus_t e = cuda->cublasLtMatmulDescCreate(
        &g->product, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (e == CUBLAS_STATUS_SUCCESS)
        e = cuda->cublasLtMatmulDescSetAttribute(g->product, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
    if (e == CUBLAS_STATUS_SUCCESS)
        e = cuda->cublasLtMatmulDescSetAttribute(g->product, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
    if (e == CUBLAS_STATUS_SUCCESS)
        e = lay_out(cuda, &g->al, shape->form, shape->a_transposed ? k : m, shape->a_transposed ? m : k);
    if (e == CUBLAS_STATUS_SUCCESS)
        e = lay_out(cuda, &g->bl, shape->form, shape->b_transposed ? n : k, shape->b_transposed ? k : n);
    return e == CUBLAS_STATUS_SUCCESS ? lay_out(cuda, &g->cl, shape->c_form, m, n) : e;
}

static cublasStatus_t choose(const xst_session *s, gemm_args *g)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    cublasLtMatmulPreference_t wish = NULL;
    cublasLtMatmulHeuristicResult_t result;
    int given = 0;
    cublasStatus_t e = cuda->cublasLtMatmulPreferenceCreate(&wish);
    if (e == CUBLAS_STATUS_SUCCESS)
        e = cuda->cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &WORKSPACE_MAX,
                                                       sizeof WORKSPACE_MAX);
    if (e == CUBLAS_STATUS_SUCCESS)
        e = cuda->cublasLtMatmulAlgoGetHeuristic(s->blas, g->product, g->bl, g->al, g->cl, g->cl, wish, 1, &result,
                                                 &given);
    if (wish) {
        const cublasStatus_t destroyed = cuda->cublasLtMatmulPreferenceDestroy(wish);
        e = e == CUBLAS_STATUS_SUCCESS ? destroyed : e;
    }
    if (e != CUBLAS_STATUS_SUCCESS)
        return e;
    if (given < 1)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    g->algorithm = result.algo;
    g->workspace_bytes = result.workspaceSize;
    return result.state;
}

cuda_gemm_operands xst_cuda_gemm_step(cuda_compiler *c, const cuda_gemm_shape *shape)
{
    gemm_args *const g = xst_cuda_step(c, run_gemm, sizeof *g);
    if (!g)
        return (cuda_gemm_operands){0};
    c->main[c->mains - 1].release = release_gemm;
    c->status = xst_cuda_check_blas(c->session, describe(c->session, g, shape), "describing a matrix product", c->err);
    if (c->status == XST_OK)
        c->status = xst_cuda_check_blas(c->session, choose(c->session, g), "choosing a matrix product", c->err);
    xst_cuda_scratch(c, &g->workspace, g->workspace_bytes);
    return (cuda_gemm_operands){&g->a, &g->b, &g->c};
}
