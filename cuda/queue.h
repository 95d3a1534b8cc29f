/* Where a kernel is launched, and through which table of library functions. */
#ifndef XST_CUDA_QUEUE_H
#define XST_CUDA_QUEUE_H

#include <cuda_runtime_api.h>

typedef struct xst_cuda_api xst_cuda_api; /* api.h */

typedef struct xst_cuda_queue {
    const xst_cuda_api *api; /* launchers use cudaLaunchKernel and cudaFuncSetAttribute only */
    cudaStream_t stream;
} xst_cuda_queue;

#endif
