#include "backend/cuda_module.h"

#include "base/error.h"
#include "base/file.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the running program. */
static xst_status program_folder(char folder[XST_PATH_MAX], xst_error *err)
{
    const ssize_t n = readlink("/proc/self/exe", folder, XST_PATH_MAX - 1);
    if (n <= 0)
        return xst_fail(err, XST_ERROR_NO_DEVICE, "backend cuda: /proc/self/exe cannot be read: set XST_CUDA_MODULE");
    folder[n] = 0;
    char *const slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    return XST_OK;
}

static xst_status find_file(char path[XST_PATH_MAX], xst_error *err)
{
    static const char *const places[] = {"xst_cuda.so", "../lib/xst/xst_cuda.so", "../xst_cuda.so"};
    const char *const named = getenv("XST_CUDA_MODULE");
    char folder[XST_PATH_MAX];
    if (named && *named)
        return xst_path(path, err, "%s", named);
    xst_status status = program_folder(folder, err);
    for (size_t i = 0; i < sizeof places / sizeof places[0] && status == XST_OK; i++) {
        status = xst_path(path, err, "%s/%s", folder, places[i]);
        if (status == XST_OK && xst_path_exists(path))
            return XST_OK;
    }
    return status != XST_OK ? status
                            : xst_fail(err, XST_ERROR_NO_DEVICE,
                                       "backend cuda: xst_cuda.so is not there (looked beside the program): build it "
                                       "with the CUDA toolkit, or use --backend cpu");
}

xst_status xst_cuda_module_find(const xst_backend_api **out, xst_error *err)
{
    char path[XST_PATH_MAX];
    *out = NULL;
    const xst_status status = find_file(path, err);
    if (status != XST_OK)
        return status;
    void *const module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        return xst_fail(err, XST_ERROR_NO_DEVICE, "backend cuda: %s: rebuild the module, or use --backend cpu",
                        dlerror());
    void *const symbol = dlsym(module, "xst_backend_module");
    xst_backend_module_function *function = NULL;
    if (!symbol)
        return xst_fail(err, XST_ERROR_NO_DEVICE, "backend cuda: %.200s is no module of xst: check XST_CUDA_MODULE",
                        path);
    memcpy(&function, &symbol, sizeof function);
    return function(XST_BACKEND_VERSION, out, err);
}
