/* The real table. The runtime is linked in statically, so that a module opens without a driver; cuBLASLt and cuDNN are
 * looked for when a backend is asked for: where the loader looks, in the toolkit, and in Python's packages (PyTorch
 * brings both). */
#include "api.h"

#include "base/error.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OLDEST_CUDNN = 90000, PATH_LENGTH = 1024 };

typedef struct symbol {
    const char *name;
    size_t offset;
} symbol;

#define SYMBOL(type, name, parameters, arguments) {#name, offsetof(xst_cuda_api, name)},
static const symbol dnn_symbols[] = {
    XST_CUDA_DNN(SYMBOL){"cudnnGetErrorString", offsetof(xst_cuda_api, cudnnGetErrorString)},
    {"cudnnGetVersion", offsetof(xst_cuda_api, cudnnGetVersion)},
};
static const symbol blas_symbols[] = {
    XST_CUDA_BLAS(SYMBOL){"cublasLtGetStatusString", offsetof(xst_cuda_api, cublasLtGetStatusString)},
    {"cublasLtGetVersion", offsetof(xst_cuda_api, cublasLtGetVersion)},
};
#undef SYMBOL

/* A library: its names, the variable with a folder of the user's, and its folder inside Python's packages. */
typedef struct library {
    const char *title, *variable;
    const char *names[3];
    const char *package[3];
    const symbol *symbols;
    size_t count;
} library;

static const library cublas = {"cuBLASLt",
                               "XST_CUBLAS_PATH",
                               {"libcublasLt.so.13", "libcublasLt.so.12"},
                               {"nvidia/cu13/lib", "nvidia/cublas/lib"},
                               blas_symbols,
                               sizeof blas_symbols / sizeof blas_symbols[0]};
static const library cudnn = {"cuDNN",           "XST_CUDNN_PATH",
                              {"libcudnn.so.9"}, {"nvidia/cudnn/lib"},
                              dnn_symbols,       sizeof dnn_symbols / sizeof dnn_symbols[0]};

static void *open_in(const char *folder, const library *l)
{
    void *handle = NULL;
    for (int i = 0; l->names[i] && !handle; i++) {
        char path[PATH_LENGTH];
        const int n = snprintf(path, sizeof path, "%s/%s", folder, l->names[i]);
        if (n > 0 && n < (int)sizeof path)
            handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return handle;
}

/* The library in a package of any Python under `root` (an installation or a virtual environment). */
static void *open_in_python(const char *root, const library *l)
{
    static const char *const layout[] = {"lib/python3*/site-packages", "lib64/python3*/site-packages",
                                         "lib/python3*/dist-packages", "lib/python3/dist-packages"};
    void *handle = NULL;
    for (size_t i = 0; root && i < sizeof layout / sizeof layout[0]; i++)
        for (int k = 0; l->package[k] && !handle; k++) {
            char pattern[PATH_LENGTH];
            glob_t found;
            const int n = snprintf(pattern, sizeof pattern, "%s/%s/%s", root, layout[i], l->package[k]);
            if (n <= 0 || n >= (int)sizeof pattern || glob(pattern, 0, NULL, &found) != 0)
                continue;
            for (size_t g = 0; g < found.gl_pathc && !handle; g++)
                handle = open_in(found.gl_pathv[g], l);
            globfree(&found);
        }
    return handle;
}

/* In the packages of the Pythons that PATH finds: each X/bin with a python3 in it has them under X. */
static void *open_on_path(const library *l)
{
    const char *at = getenv("PATH");
    void *handle = NULL;
    while (at && *at && !handle) {
        const size_t n = strcspn(at, ":");
        char path[PATH_LENGTH];
        if (n > 4 && n + sizeof "/python3" <= sizeof path && strncmp(at + n - 4, "/bin", 4) == 0) {
            snprintf(path, sizeof path, "%.*s/python3", (int)n, at);
            const bool there = access(path, X_OK) == 0;
            snprintf(path, sizeof path, "%.*s", (int)(n - 4), at);
            handle = there ? open_in_python(path, l) : NULL;
        }
        at += n + (at[n] == ':');
    }
    return handle;
}

static void *open_library(const library *l)
{
    void *handle = getenv(l->variable) ? open_in(getenv(l->variable), l) : NULL;
    for (int i = 0; l->names[i] && !handle; i++)
        handle = dlopen(l->names[i], RTLD_NOW | RTLD_LOCAL);
    const char *const toolkits[] = {getenv("CUDA_HOME"), getenv("CUDA_PATH"), "/usr/local/cuda"};
    for (size_t i = 0; i < sizeof toolkits / sizeof toolkits[0] && !handle; i++)
        for (int k = 0; toolkits[i] && k < 2 && !handle; k++) {
            char folder[PATH_LENGTH];
            const int n = snprintf(folder, sizeof folder, "%s/%s", toolkits[i], k ? "lib" : "lib64");
            if (n > 0 && n < (int)sizeof folder)
                handle = open_in(folder, l);
        }
    char own[PATH_LENGTH];
    snprintf(own, sizeof own, "%.900s/.local", getenv("HOME") ? getenv("HOME") : "");
    const char *const pythons[] = {getenv("VIRTUAL_ENV"), getenv("CONDA_PREFIX"), own, "/usr/local", "/usr",
                                   "/opt/conda"};
    for (size_t i = 0; i < sizeof pythons / sizeof pythons[0] && !handle; i++)
        handle = open_in_python(pythons[i], l);
    return handle ? handle : open_on_path(l);
}

static xst_status load(xst_cuda_api *api, const library *l, xst_error *err)
{
    void *const handle = open_library(l);
    if (!handle)
        return xst_fail(err, XST_ERROR_NO_DEVICE,
                        "backend cuda: %s is missing (%s): install it or name its folder in %s, or use --backend cpu",
                        l->title, l->names[0], l->variable);
    for (size_t i = 0; i < l->count; i++) {
        void *const found = dlsym(handle, l->symbols[i].name);
        if (!found)
            return xst_fail(err, XST_ERROR_NO_DEVICE,
                            "backend cuda: %s has no %s, it is too old or too new: install version 9 (cuDNN) or 13 "
                            "(cuBLASLt), or use --backend cpu",
                            l->title, l->symbols[i].name);
        memcpy((char *)api + l->symbols[i].offset, &found, sizeof found);
    }
    return XST_OK;
}

static xst_status look_for_device(xst_error *err)
{
    int driver = 0, runtime = 0, devices = 0;
    (void)cudaRuntimeGetVersion(&runtime);
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
        return xst_fail(err, XST_ERROR_NO_DEVICE,
                        "backend cuda: there is no NVIDIA driver on this machine: install one, or use --backend cpu");
    const cudaError_t e = cudaGetDeviceCount(&devices);
    if (e == cudaErrorInsufficientDriver)
        return xst_fail(err, XST_ERROR_NO_DEVICE,
                        "backend cuda: the NVIDIA driver is too old: it serves CUDA %d.%d, %d.%d is needed: update the "
                        "driver, or use --backend cpu",
                        driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    if (e == cudaErrorNoDevice || (e == cudaSuccess && devices == 0))
        return xst_fail(err, XST_ERROR_NO_DEVICE,
                        "backend cuda: there is a driver but no GPU: check CUDA_VISIBLE_DEVICES, or use --backend cpu");
    return e == cudaSuccess ? XST_OK
                            : xst_fail(err, XST_ERROR_NO_DEVICE,
                                       "backend cuda: looking for a GPU: %s: check nvidia-smi, or use --backend cpu",
                                       cudaGetErrorString(e));
}

xst_status xst_cuda_api_open(xst_cuda_api *api, xst_error *err)
{
    *api = (xst_cuda_api){0};
#define FROM_RUNTIME(type, name, parameters, arguments) api->name = name;
    XST_CUDA_RUNTIME(FROM_RUNTIME)
#undef FROM_RUNTIME
    api->cudaGetErrorString = cudaGetErrorString;
    xst_status status = look_for_device(err);
    if (status == XST_OK)
        status = load(api, &cublas, err);
    if (status == XST_OK)
        status = load(api, &cudnn, err);
    if (status == XST_OK && api->cudnnGetVersion() < OLDEST_CUDNN)
        return xst_fail(err, XST_ERROR_NO_DEVICE,
                        "backend cuda: cuDNN %zu is too old: install version 9, or use --backend cpu",
                        api->cudnnGetVersion());
    return status;
}
