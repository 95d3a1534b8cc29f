// cuBLASLt's product as plain loops, column-major, sums in double.
#include "fake.hpp"

#include <cstring>

namespace
{

struct Handle {
    int nothing;
};
struct Product {
    cublasOperation_t a, b;
};
struct Layout {
    bool bf16;
    size_t rows, columns, leading;
    double at(const void *p, size_t row, size_t column) const
    {
        return double(fake_load(p, row + column * leading, bf16));
    }
};
struct Preference {
    size_t workspace;
};

constexpr uint64_t ALGORITHM = 0x5eed;
constexpr size_t WORKSPACE = 160;

template <class T, class H> T *as(H handle)
{
    return reinterpret_cast<T *>(handle);
}

struct Sizes {
    size_t m, n, k;
    bool fit;
};

Sizes sizes_of(const Product &d, const Layout &a, const Layout &b, const Layout &c)
{
    const bool ta = d.a == CUBLAS_OP_T, tb = d.b == CUBLAS_OP_T;
    const size_t k = ta ? a.rows : a.columns;
    return {c.rows, c.columns, k,
            (ta ? a.columns : a.rows) == c.rows && (tb ? b.rows : b.columns) == c.columns &&
                (tb ? b.columns : b.rows) == k && a.bf16 == b.bf16};
}

} // namespace

cublasStatus_t fake_cublasLtCreate(cublasLtHandle_t *h)
{
    fake_make(h, new Handle{});
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtDestroy(cublasLtHandle_t h)
{
    fake_drop<Handle>(h);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t, cudaDataType_t scale)
{
    fake_make(d, new Product{CUBLAS_OP_N, CUBLAS_OP_N});
    return scale == CUDA_R_32F ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t fake_cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a,
                                                   const void *value, size_t bytes)
{
    if (bytes != sizeof(cublasOperation_t) || (a != CUBLASLT_MATMUL_DESC_TRANSA && a != CUBLASLT_MATMUL_DESC_TRANSB))
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(a == CUBLASLT_MATMUL_DESC_TRANSA ? &as<Product>(d)->a : &as<Product>(d)->b, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    fake_drop<Product>(d);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows,
                                               uint64_t columns, int64_t leading)
{
    fake_make(l, new Layout{type == CUDA_R_16BF, size_t(rows), size_t(columns), size_t(leading)});
    return type == CUDA_R_16BF || type == CUDA_R_32F ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t fake_cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    fake_drop<Layout>(l);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    fake_make(p, new Preference{});
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                         cublasLtMatmulPreferenceAttributes_t a, const void *value,
                                                         size_t bytes)
{
    if (a != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES || bytes != sizeof(size_t))
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(&as<Preference>(p)->workspace, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    fake_drop<Preference>(p);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                                   cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                                   cublasLtMatrixLayout_t, cublasLtMatmulPreference_t p, int asked,
                                                   cublasLtMatmulHeuristicResult_t *results, int *given)
{
    if (asked < 1 || as<Preference>(p)->workspace < WORKSPACE ||
        !sizes_of(*as<Product>(d), *as<Layout>(a), *as<Layout>(b), *as<Layout>(c)).fit)
        return CUBLAS_STATUS_INVALID_VALUE;
    *results = {};
    results->algo.data[0] = ALGORITHM;
    results->workspaceSize = WORKSPACE;
    results->state = CUBLAS_STATUS_SUCCESS;
    *given = 1;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void *alpha, const void *a,
                                   cublasLtMatrixLayout_t al, const void *b, cublasLtMatrixLayout_t bl,
                                   const void *beta, const void *, cublasLtMatrixLayout_t cl, void *c,
                                   cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *algorithm, void *work,
                                   size_t bytes, cudaStream_t s)
{
    const Layout la = *as<Layout>(al), lb = *as<Layout>(bl), lc = *as<Layout>(cl);
    const Product product = *as<Product>(d);
    const Sizes sizes = sizes_of(product, la, lb, lc);
    if (!sizes.fit || algorithm->data[0] != ALGORITHM || !work || bytes < WORKSPACE ||
        *static_cast<const float *>(alpha) != 1.0f || *static_cast<const float *>(beta) != 0.0f)
        return CUBLAS_STATUS_INVALID_VALUE;
    const cudaError_t e = fake_enqueue(s, [=] {
        fake_state()->launches++;
        memset(work, 0xff, bytes);
        for (size_t j = 0; j < sizes.n; j++)
            for (size_t i = 0; i < sizes.m; i++) {
                double sum = 0.0;
                for (size_t l = 0; l < sizes.k; l++)
                    sum += (product.a == CUBLAS_OP_T ? la.at(a, l, i) : la.at(a, i, l)) *
                           (product.b == CUBLAS_OP_T ? lb.at(b, j, l) : lb.at(b, l, j));
                fake_store(c, i + j * lc.leading, lc.bf16, sum);
            }
        return cudaSuccess;
    });
    return e == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

const char *fake_cublasLtGetStatusString(cublasStatus_t)
{
    return "failed in the stand-in for cuBLASLt";
}

size_t fake_cublasLtGetVersion(void)
{
    return 130000;
}
