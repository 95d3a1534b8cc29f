/* The backend's table of functions, and the module's door. */
#include "module.h"

#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const xst_backend_api xst_cuda_backend;

static void backend_close(xst_backend *b)
{
    if (!b)
        return;
    (void)pthread_mutex_destroy(&b->lock);
    xst_free(b->choice);
    xst_free(b);
}

static xst_status look_at_device(xst_backend *b, xst_error *err)
{
    struct cudaDeviceProp device = {0};
    int runtime = 0;
    cudaError_t e = b->cuda.cudaSetDevice(0);
    if (e == cudaSuccess)
        e = b->cuda.cudaGetDeviceProperties(&device, 0);
    if (e == cudaSuccess)
        e = b->cuda.cudaRuntimeGetVersion(&runtime);
    if (e != cudaSuccess)
        return xst_fail(err, XST_ERROR_NO_DEVICE, "backend cuda: starting the GPU: %s: check nvidia-smi",
                        b->cuda.cudaGetErrorString(e));
    if (device.major < 8)
        return xst_fail(err, XST_ERROR_NO_DEVICE,
                        "backend cuda: %.100s has compute capability %d.%d: 8.0 (A100) or newer is needed", device.name,
                        device.major, device.minor);
    snprintf(b->facts.device, sizeof b->facts.device, "%.120s", device.name);
    const size_t cudnn = b->cuda.cudnnGetVersion(), blas = b->cuda.cublasLtGetVersion();
    snprintf(b->facts.libraries, sizeof b->facts.libraries, "CUDA %d.%d, cuDNN %zu.%zu.%zu, cuBLASLt %zu",
             runtime / 1000, runtime % 1000 / 10, cudnn / 10000, cudnn / 100 % 100, cudnn % 100, blas);
    return XST_OK;
}

static xst_status backend_open(const xst_backend_options *options, xst_backend **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_backend), "backend", err);
    if (status != XST_OK)
        return status;
    xst_backend *const b = memory;
    const char *const graphs = getenv("XST_CUDA_GRAPHS"), *const fc = getenv("XST_CUDA_FC"),
                      *const branches = getenv("XST_CUDA_BRANCHES"), *const conv = getenv("XST_CUDA_CONV");
    b->api = &xst_cuda_backend;
    b->options = *options;
    b->compute = options->precision == XST_BF16 ? CUDA_FORM_BF16 : CUDA_FORM_F32;
    b->fused = b->compute == CUDA_FORM_BF16 && (!fc || strcmp(fc, "general") != 0);
    b->own_convs = !conv || strcmp(conv, "cudnn") != 0;
    b->graphs = !graphs || strcmp(graphs, "0") != 0;
    b->branches = b->graphs && (!branches || strcmp(branches, "0") != 0);
    b->facts.threads = 1;
    b->facts.deterministic = options->deterministic;
    if (pthread_mutex_init(&b->lock, NULL) != 0) {
        xst_free(b);
        return xst_fail(err, XST_ERROR_INTERNAL, "backend cuda: no lock");
    }
    status = xst_cuda_api_open(&b->cuda, err);
    if (status == XST_OK)
        status = look_at_device(b, err);
    if (status != XST_OK)
        backend_close(b);
    else
        *out = b;
    return status;
}

static void backend_facts(const xst_backend *b, xst_backend_facts *facts)
{
    *facts = b->facts;
}

static void range_begin(const char *name)
{
    nvtxRangePushA(name);
}

static void range_end(void)
{
    nvtxRangePop();
}

static const xst_backend_api xst_cuda_backend = {
    .version = XST_BACKEND_VERSION,
    .name = "cuda",
    .open = backend_open,
    .close = backend_close,
    .facts = backend_facts,
    .session_create = xst_cuda_session_create,
    .session_destroy = xst_cuda_session_destroy,
    .session_bytes = xst_cuda_session_bytes,
    .upload = xst_cuda_upload,
    .download = xst_cuda_download,
    .compile = xst_cuda_compile,
    .run = xst_cuda_run,
    .synchronise = xst_cuda_synchronise,
    .profile = xst_cuda_profile,
    .executable_destroy = xst_cuda_executable_destroy,
    .range_begin = range_begin,
    .range_end = range_end,
};

xst_status xst_backend_module(int version, const xst_backend_api **out, xst_error *err)
{
    xst_cuda_api cuda;
    *out = NULL;
    if (version != XST_BACKEND_VERSION)
        return xst_fail(err, XST_ERROR_NO_DEVICE,
                        "backend cuda: the module is of another build (interface %d, not %d): install both together",
                        XST_BACKEND_VERSION, version);
    const xst_status status = xst_cuda_api_open(&cuda, err);
    if (status == XST_OK)
        *out = &xst_cuda_backend;
    return status;
}
