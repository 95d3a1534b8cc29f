/* A session: the device memory of one table of tensors, a stream, and the libraries' handles. */
#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { ALIGNMENT = 256 };

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

xst_status xst_cuda_memory(xst_session *s, size_t bytes, bool zero, const char *what, void **out, xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    void *list = s->memory, *sizes = s->memory_bytes;
    *out = NULL;
    xst_status status =
        xst_grow(&list, &s->memory_capacity, (size_t)s->memories + 1, sizeof *s->memory, "device memory", err);
    s->memory = list;
    if (status == XST_OK)
        status = xst_grow(&sizes, &s->memory_bytes_capacity, (size_t)s->memories + 1, sizeof *s->memory_bytes,
                          "device memory", err);
    s->memory_bytes = sizes;
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaMalloc(out, bytes > 0 ? bytes : 1), what, err);
    if (status != XST_OK)
        return status;
    s->memory[s->memories] = *out;
    s->memory_bytes[s->memories++] = bytes;
    return zero ? xst_cuda_check(s, cuda->cudaMemsetAsync(*out, 0, bytes, s->queue.stream), what, err) : XST_OK;
}

xst_status xst_cuda_memory_return(xst_session *s, void *memory, xst_error *err)
{
    for (int32_t i = 0; memory && i < s->memories; i++)
        if (s->memory[i] == memory) {
            s->memories--;
            s->memory[i] = s->memory[s->memories];
            s->memory_bytes[i] = s->memory_bytes[s->memories];
            return xst_cuda_check(s, s->backend->cuda.cudaFree(memory), "giving back memory", err);
        }
    return XST_OK;
}

static xst_status copy_table(xst_session *s, const xst_tensors *tensors, xst_error *err)
{
    void *info = NULL, *state = NULL;
    xst_status status = xst_alloc(&info, (size_t)tensors->count, sizeof *tensors->info, "tensors", err);
    s->tensors.info = info;
    if (status == XST_OK)
        status = xst_alloc(&state, (size_t)tensors->count, sizeof *s->state, "tensors", err);
    s->state = state;
    if (status != XST_OK)
        return status;
    if (tensors->count > 0)
        memcpy(info, tensors->info, (size_t)tensors->count * sizeof *tensors->info);
    s->tensors.count = tensors->count;
    s->tensors.capacity = (size_t)tensors->count;
    return XST_OK;
}

/* One block holds every STATE tensor; another the largest one that has to be transposed on its way. */
static xst_status make_state(xst_session *s, xst_error *err)
{
    size_t staging = 0;
    void *block = NULL;
    for (int32_t t = 0; t < s->tensors.count; t++) {
        const xst_tensor_info *const info = &s->tensors.info[t];
        const size_t bytes = xst_tensor_bytes(info);
        if (info->kind != XST_STATE)
            continue;
        s->block_bytes += rounded(bytes);
        if (info->dtype == XST_F32 && info->rank == 4 && bytes > staging)
            staging = bytes;
    }
    xst_status status = xst_cuda_memory(s, s->block_bytes, true, "memory of the tensors", &block, err);
    s->block = block;
    for (int32_t t = 0; t < s->tensors.count && status == XST_OK; t++) {
        if (s->tensors.info[t].kind != XST_STATE)
            continue;
        s->state[t].data = block;
        block = (char *)block + rounded(xst_tensor_bytes(&s->tensors.info[t]));
    }
    if (status == XST_OK && staging > 0)
        status = xst_cuda_memory(s, staging, false, "memory of transfers", &s->staging, err);
    return status;
}

/* What the second branch of a graph is recorded on. */
static xst_status open_branch(xst_session *s, xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    xst_status status = xst_cuda_check(s, cuda->cudaStreamCreateWithFlags(&s->side_stream, cudaStreamNonBlocking),
                                       "creating a stream", err);
    if (status == XST_OK)
        status = xst_cuda_check_dnn(s, cuda->cudnnCreate(&s->side_dnn), "starting cuDNN", err);
    if (status == XST_OK)
        status = xst_cuda_check_dnn(s, cuda->cudnnSetStream(s->side_dnn, s->side_stream), "starting cuDNN", err);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaEventCreateWithFlags(&s->fork, cudaEventDisableTiming), "branching", err);
    if (status == XST_OK)
        status = xst_cuda_check(s, cuda->cudaEventCreateWithFlags(&s->join, cudaEventDisableTiming), "branching", err);
    return status;
}

static xst_status open_libraries(xst_session *s, xst_error *err)
{
    const xst_cuda_api *const cuda = &s->backend->cuda;
    xst_status status = xst_cuda_check(s, cuda->cudaStreamCreateWithFlags(&s->queue.stream, cudaStreamNonBlocking),
                                       "creating a stream", err);
    if (status == XST_OK)
        status = xst_cuda_check_dnn(s, cuda->cudnnCreate(&s->dnn), "starting cuDNN", err);
    if (status == XST_OK)
        status = xst_cuda_check_dnn(s, cuda->cudnnSetStream(s->dnn, s->queue.stream), "starting cuDNN", err);
    if (status == XST_OK)
        status = open_branch(s, err);
    if (status == XST_OK)
        status = xst_cuda_check_blas(s, cuda->cublasLtCreate(&s->blas), "starting cuBLASLt", err);
    return status;
}

xst_status xst_cuda_session_create(xst_backend *backend, const xst_tensors *tensors, xst_session **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_session), "session", err);
    if (status != XST_OK)
        return status;
    xst_session *const s = memory;
    s->api = backend->api;
    s->backend = backend;
    s->queue.api = &backend->cuda;
    status = copy_table(s, tensors, err);
    if (status == XST_OK)
        status = open_libraries(s, err);
    if (status == XST_OK)
        status = make_state(s, err);
    if (status == XST_OK)
        status = xst_cuda_synchronise(s, err);
    if (status != XST_OK)
        xst_cuda_session_destroy(s);
    else
        *out = s;
    return status;
}

/* What cannot be given back is lost with the process; there is nobody left to tell. */
void xst_cuda_session_destroy(xst_session *s)
{
    if (!s)
        return;
    const xst_cuda_api *const cuda = &s->backend->cuda;
    if (s->queue.stream)
        (void)cuda->cudaStreamSynchronize(s->queue.stream);
    for (int32_t i = 0; i < s->memories; i++)
        (void)cuda->cudaFree(s->memory[i]);
    if (s->blas)
        (void)cuda->cublasLtDestroy(s->blas);
    if (s->dnn)
        (void)cuda->cudnnDestroy(s->dnn);
    if (s->side_dnn)
        (void)cuda->cudnnDestroy(s->side_dnn);
    if (s->fork)
        (void)cuda->cudaEventDestroy(s->fork);
    if (s->join)
        (void)cuda->cudaEventDestroy(s->join);
    if (s->side_stream)
        (void)cuda->cudaStreamDestroy(s->side_stream);
    if (s->queue.stream)
        (void)cuda->cudaStreamDestroy(s->queue.stream);
    xst_free(s->memory_bytes);
    xst_free(s->memory);
    xst_free(s->state);
    xst_tensors_free(&s->tensors);
    xst_free(s);
}

size_t xst_cuda_session_bytes(const xst_session *s)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < s->memories; i++)
        bytes += s->memory_bytes[i];
    return bytes;
}
