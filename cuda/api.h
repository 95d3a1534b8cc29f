/* Every function of the CUDA libraries that this backend calls, kernel launches included, in one table.
 *
 * There are three tables: the real one (api_real.c: static runtime; cuDNN and cuBLASLt opened at run time), and for
 * tests one that computes on the CPU (tests/cuda_fake/) and one that wraps it and makes call number n fail. So the
 * whole backend runs, and fails, without a GPU. Plain C and C++. */
#ifndef XST_CUDA_API_H
#define XST_CUDA_API_H

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "xst/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(type, name, (parameters), (arguments)) */
#define XST_CUDA_RUNTIME(X)                                                                                            \
    X(cudaError_t, cudaGetDeviceCount, (int *n), (n))                                                                  \
    X(cudaError_t, cudaSetDevice, (int device), (device))                                                              \
    X(cudaError_t, cudaGetDeviceProperties, (struct cudaDeviceProp * p, int device), (p, device))                      \
    X(cudaError_t, cudaDriverGetVersion, (int *version), (version))                                                    \
    X(cudaError_t, cudaRuntimeGetVersion, (int *version), (version))                                                   \
    X(cudaError_t, cudaMalloc, (void **p, size_t n), (p, n))                                                           \
    X(cudaError_t, cudaFree, (void *p), (p))                                                                           \
    X(cudaError_t, cudaMemcpyAsync, (void *to, const void *from, size_t n, enum cudaMemcpyKind kind, cudaStream_t s),  \
      (to, from, n, kind, s))                                                                                          \
    X(cudaError_t, cudaMemsetAsync, (void *p, int value, size_t n, cudaStream_t s), (p, value, n, s))                  \
    X(cudaError_t, cudaStreamCreateWithFlags, (cudaStream_t * s, unsigned flags), (s, flags))                          \
    X(cudaError_t, cudaStreamDestroy, (cudaStream_t s), (s))                                                           \
    X(cudaError_t, cudaStreamSynchronize, (cudaStream_t s), (s))                                                       \
    X(cudaError_t, cudaStreamBeginCapture, (cudaStream_t s, enum cudaStreamCaptureMode mode), (s, mode))               \
    X(cudaError_t, cudaStreamEndCapture, (cudaStream_t s, cudaGraph_t * graph), (s, graph))                            \
    X(cudaError_t, cudaGraphInstantiate, (cudaGraphExec_t * exec, cudaGraph_t graph, unsigned long long flags),        \
      (exec, graph, flags))                                                                                            \
    X(cudaError_t, cudaGraphLaunch, (cudaGraphExec_t exec, cudaStream_t s), (exec, s))                                 \
    X(cudaError_t, cudaGraphExecDestroy, (cudaGraphExec_t exec), (exec))                                               \
    X(cudaError_t, cudaGraphDestroy, (cudaGraph_t graph), (graph))                                                     \
    X(cudaError_t, cudaEventCreateWithFlags, (cudaEvent_t * e, unsigned flags), (e, flags))                            \
    X(cudaError_t, cudaEventRecord, (cudaEvent_t e, cudaStream_t s), (e, s))                                           \
    X(cudaError_t, cudaEventRecordWithFlags, (cudaEvent_t e, cudaStream_t s, unsigned flags), (e, s, flags))           \
    X(cudaError_t, cudaStreamWaitEvent, (cudaStream_t s, cudaEvent_t e, unsigned flags), (s, e, flags))                \
    X(cudaError_t, cudaEventSynchronize, (cudaEvent_t e), (e))                                                         \
    X(cudaError_t, cudaEventElapsedTime, (float *ms, cudaEvent_t from, cudaEvent_t to), (ms, from, to))                \
    X(cudaError_t, cudaEventDestroy, (cudaEvent_t e), (e))                                                             \
    X(cudaError_t, cudaFuncSetAttribute, (const void *kernel, enum cudaFuncAttribute attribute, int value),            \
      (kernel, attribute, value))                                                                                      \
    X(cudaError_t, cudaLaunchKernel,                                                                                   \
      (const void *kernel, dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t s),                    \
      (kernel, grid, block, arguments, shared, s))                                                                     \
    X(cudaError_t, cudaGetLastError, (void), ())

/* Not counted among the calls that may fail: they only name an error. */
#define XST_CUDA_TEXTS(X)                                                                                              \
    X(const char *, cudaGetErrorString, (cudaError_t e), (e))                                                          \
    X(const char *, cudnnGetErrorString, (cudnnStatus_t e), (e))                                                       \
    X(const char *, cublasLtGetStatusString, (cublasStatus_t e), (e))                                                  \
    X(size_t, cudnnGetVersion, (void), ())                                                                             \
    X(size_t, cublasLtGetVersion, (void), ())

#define XST_CUDA_DNN(X)                                                                                                \
    X(cudnnStatus_t, cudnnCreate, (cudnnHandle_t * h), (h))                                                            \
    X(cudnnStatus_t, cudnnDestroy, (cudnnHandle_t h), (h))                                                             \
    X(cudnnStatus_t, cudnnSetStream, (cudnnHandle_t h, cudaStream_t s), (h, s))                                        \
    X(cudnnStatus_t, cudnnCreateTensorDescriptor, (cudnnTensorDescriptor_t * d), (d))                                  \
    X(cudnnStatus_t, cudnnSetTensor4dDescriptor,                                                                       \
      (cudnnTensorDescriptor_t d, cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h, int w),       \
      (d, format, type, n, c, h, w))                                                                                   \
    X(cudnnStatus_t, cudnnDestroyTensorDescriptor, (cudnnTensorDescriptor_t d), (d))                                   \
    X(cudnnStatus_t, cudnnCreateFilterDescriptor, (cudnnFilterDescriptor_t * d), (d))                                  \
    X(cudnnStatus_t, cudnnSetFilter4dDescriptor,                                                                       \
      (cudnnFilterDescriptor_t d, cudnnDataType_t type, cudnnTensorFormat_t format, int k, int c, int h, int w),       \
      (d, type, format, k, c, h, w))                                                                                   \
    X(cudnnStatus_t, cudnnDestroyFilterDescriptor, (cudnnFilterDescriptor_t d), (d))                                   \
    X(cudnnStatus_t, cudnnCreateConvolutionDescriptor, (cudnnConvolutionDescriptor_t * d), (d))                        \
    X(cudnnStatus_t, cudnnSetConvolution2dDescriptor,                                                                  \
      (cudnnConvolutionDescriptor_t d, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,               \
       int dilation_w, cudnnConvolutionMode_t mode, cudnnDataType_t compute),                                          \
      (d, pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, mode, compute))                                    \
    X(cudnnStatus_t, cudnnSetConvolutionMathType, (cudnnConvolutionDescriptor_t d, cudnnMathType_t math), (d, math))   \
    X(cudnnStatus_t, cudnnDestroyConvolutionDescriptor, (cudnnConvolutionDescriptor_t d), (d))                         \
    X(cudnnStatus_t, cudnnFindConvolutionForwardAlgorithmEx,                                                           \
      (cudnnHandle_t h, const cudnnTensorDescriptor_t xd, const void *x, const cudnnFilterDescriptor_t wd,             \
       const void *w, const cudnnConvolutionDescriptor_t cd, const cudnnTensorDescriptor_t yd, void *y, int asked,     \
       int *given, cudnnConvolutionFwdAlgoPerf_t *perf, void *work, size_t bytes),                                     \
      (h, xd, x, wd, w, cd, yd, y, asked, given, perf, work, bytes))                                                   \
    X(cudnnStatus_t, cudnnFindConvolutionBackwardDataAlgorithmEx,                                                      \
      (cudnnHandle_t h, const cudnnFilterDescriptor_t wd, const void *w, const cudnnTensorDescriptor_t yd,             \
       const void *dy, const cudnnConvolutionDescriptor_t cd, const cudnnTensorDescriptor_t xd, void *dx, int asked,   \
       int *given, cudnnConvolutionBwdDataAlgoPerf_t *perf, void *work, size_t bytes),                                 \
      (h, wd, w, yd, dy, cd, xd, dx, asked, given, perf, work, bytes))                                                 \
    X(cudnnStatus_t, cudnnFindConvolutionBackwardFilterAlgorithmEx,                                                    \
      (cudnnHandle_t h, const cudnnTensorDescriptor_t xd, const void *x, const cudnnTensorDescriptor_t yd,             \
       const void *dy, const cudnnConvolutionDescriptor_t cd, const cudnnFilterDescriptor_t wd, void *dw, int asked,   \
       int *given, cudnnConvolutionBwdFilterAlgoPerf_t *perf, void *work, size_t bytes),                               \
      (h, xd, x, yd, dy, cd, wd, dw, asked, given, perf, work, bytes))                                                 \
    X(cudnnStatus_t, cudnnGetConvolutionForwardWorkspaceSize,                                                          \
      (cudnnHandle_t h, const cudnnTensorDescriptor_t xd, const cudnnFilterDescriptor_t wd,                            \
       const cudnnConvolutionDescriptor_t cd, const cudnnTensorDescriptor_t yd, cudnnConvolutionFwdAlgo_t a,           \
       size_t *bytes),                                                                                                 \
      (h, xd, wd, cd, yd, a, bytes))                                                                                   \
    X(cudnnStatus_t, cudnnGetConvolutionBackwardDataWorkspaceSize,                                                     \
      (cudnnHandle_t h, const cudnnFilterDescriptor_t wd, const cudnnTensorDescriptor_t yd,                            \
       const cudnnConvolutionDescriptor_t cd, const cudnnTensorDescriptor_t xd, cudnnConvolutionBwdDataAlgo_t a,       \
       size_t *bytes),                                                                                                 \
      (h, wd, yd, cd, xd, a, bytes))                                                                                   \
    X(cudnnStatus_t, cudnnGetConvolutionBackwardFilterWorkspaceSize,                                                   \
      (cudnnHandle_t h, const cudnnTensorDescriptor_t xd, const cudnnTensorDescriptor_t yd,                            \
       const cudnnConvolutionDescriptor_t cd, const cudnnFilterDescriptor_t wd, cudnnConvolutionBwdFilterAlgo_t a,     \
       size_t *bytes),                                                                                                 \
      (h, xd, yd, cd, wd, a, bytes))                                                                                   \
    X(cudnnStatus_t, cudnnConvolutionForward,                                                                          \
      (cudnnHandle_t h, const void *alpha, const cudnnTensorDescriptor_t xd, const void *x,                            \
       const cudnnFilterDescriptor_t wd, const void *w, const cudnnConvolutionDescriptor_t cd,                         \
       cudnnConvolutionFwdAlgo_t a, void *work, size_t bytes, const void *beta, const cudnnTensorDescriptor_t yd,      \
       void *y),                                                                                                       \
      (h, alpha, xd, x, wd, w, cd, a, work, bytes, beta, yd, y))                                                       \
    X(cudnnStatus_t, cudnnConvolutionBackwardData,                                                                     \
      (cudnnHandle_t h, const void *alpha, const cudnnFilterDescriptor_t wd, const void *w,                            \
       const cudnnTensorDescriptor_t yd, const void *dy, const cudnnConvolutionDescriptor_t cd,                        \
       cudnnConvolutionBwdDataAlgo_t a, void *work, size_t bytes, const void *beta, const cudnnTensorDescriptor_t xd,  \
       void *dx),                                                                                                      \
      (h, alpha, wd, w, yd, dy, cd, a, work, bytes, beta, xd, dx))                                                     \
    X(cudnnStatus_t, cudnnConvolutionBackwardFilter,                                                                   \
      (cudnnHandle_t h, const void *alpha, const cudnnTensorDescriptor_t xd, const void *x,                            \
       const cudnnTensorDescriptor_t yd, const void *dy, const cudnnConvolutionDescriptor_t cd,                        \
       cudnnConvolutionBwdFilterAlgo_t a, void *work, size_t bytes, const void *beta,                                  \
       const cudnnFilterDescriptor_t wd, void *dw),                                                                    \
      (h, alpha, xd, x, yd, dy, cd, a, work, bytes, beta, wd, dw))

#define XST_CUDA_BLAS(X)                                                                                               \
    X(cublasStatus_t, cublasLtCreate, (cublasLtHandle_t * h), (h))                                                     \
    X(cublasStatus_t, cublasLtDestroy, (cublasLtHandle_t h), (h))                                                      \
    X(cublasStatus_t, cublasLtMatmulDescCreate,                                                                        \
      (cublasLtMatmulDesc_t * d, cublasComputeType_t compute, cudaDataType_t scale), (d, compute, scale))              \
    X(cublasStatus_t, cublasLtMatmulDescSetAttribute,                                                                  \
      (cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, const void *value, size_t bytes),                     \
      (d, a, value, bytes))                                                                                            \
    X(cublasStatus_t, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t d), (d))                                        \
    X(cublasStatus_t, cublasLtMatrixLayoutCreate,                                                                      \
      (cublasLtMatrixLayout_t * l, cudaDataType type, uint64_t rows, uint64_t columns, int64_t leading),               \
      (l, type, rows, columns, leading))                                                                               \
    X(cublasStatus_t, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t l), (l))                                    \
    X(cublasStatus_t, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t * p), (p))                           \
    X(cublasStatus_t, cublasLtMatmulPreferenceSetAttribute,                                                            \
      (cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t a, const void *value, size_t bytes),         \
      (p, a, value, bytes))                                                                                            \
    X(cublasStatus_t, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t p), (p))                            \
    X(cublasStatus_t, cublasLtMatmulAlgoGetHeuristic,                                                                  \
      (cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,                 \
       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t e, cublasLtMatmulPreference_t p, int asked,                    \
       cublasLtMatmulHeuristicResult_t *results, int *given),                                                          \
      (h, d, a, b, c, e, p, asked, results, given))                                                                    \
    X(cublasStatus_t, cublasLtMatmul,                                                                                  \
      (cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha, const void *a, cublasLtMatrixLayout_t al,        \
       const void *b, cublasLtMatrixLayout_t bl, const void *beta, const void *c, cublasLtMatrixLayout_t cl, void *e,  \
       cublasLtMatrixLayout_t el, const cublasLtMatmulAlgo_t *algorithm, void *work, size_t bytes, cudaStream_t s),    \
      (h, d, alpha, a, al, b, bl, beta, c, cl, e, el, algorithm, work, bytes, s))

/* Those that do something, and can fail. */
#define XST_CUDA_CALLS(X) XST_CUDA_RUNTIME(X) XST_CUDA_DNN(X) XST_CUDA_BLAS(X)

typedef struct xst_cuda_api xst_cuda_api;

struct xst_cuda_api {
#define XST_CUDA_FIELD(type, name, parameters, arguments) type(*name) parameters;
    XST_CUDA_CALLS(XST_CUDA_FIELD)
    XST_CUDA_TEXTS(XST_CUDA_FIELD)
#undef XST_CUDA_FIELD
};

/* Fills the table, or says with XST_ERROR_NO_DEVICE what is missing or too old: driver, device, cuDNN, cuBLASLt. One
 * of these is linked into a module: api_real.c or the stand-in of the tests. The table stays valid for good. */
xst_status xst_cuda_api_open(xst_cuda_api *api, xst_error *err);

#ifdef __cplusplus
}
#endif
#endif
