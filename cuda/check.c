/* Failures of the three libraries in words. */
#include "cuda.h"

#include "base/error.h"

xst_status xst_cuda_check(const xst_session *session, cudaError_t e, const char *what, xst_error *err)
{
    if (e == cudaSuccess)
        return XST_OK;
    (void)session->backend->cuda.cudaGetLastError(); /* forget it, where it is one that can be forgotten */
    if (e == cudaErrorMemoryAllocation)
        return xst_fail(err, XST_ERROR_MEMORY, "cuda: %s: out of device memory: use a smaller batch or network", what);
    return xst_fail(err, XST_ERROR_BACKEND, "cuda: %s: %s", what, session->backend->cuda.cudaGetErrorString(e));
}

xst_status xst_cuda_check_dnn(const xst_session *session, cudnnStatus_t e, const char *what, xst_error *err)
{
    return e == CUDNN_STATUS_SUCCESS
               ? XST_OK
               : xst_fail(err, XST_ERROR_BACKEND, "cuda: %s: %s", what, session->backend->cuda.cudnnGetErrorString(e));
}

xst_status xst_cuda_check_blas(const xst_session *session, cublasStatus_t e, const char *what, xst_error *err)
{
    return e == CUBLAS_STATUS_SUCCESS ? XST_OK
                                      : xst_fail(err, XST_ERROR_BACKEND, "cuda: %s: %s", what,
                                                 session->backend->cuda.cublasLtGetStatusString(e));
}
