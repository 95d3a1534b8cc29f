#include "backend/builtin.h"
#include "backend/cuda_module.h"

#include "base/error.h"

#include <string.h>

const char *const *xst_backend_names(void)
{
    static const char *const names[] = {"cpu", "ref", "cuda", NULL};
    return names;
}

xst_status xst_backend_find(const char *name, const xst_backend_api **out, xst_error *err)
{
    *out = NULL;
    if (strcmp(name, "cuda") == 0)
        return xst_cuda_module_find(out, err);
    if (strcmp(name, "auto") == 0 && xst_cuda_module_find(out, NULL) == XST_OK)
        return XST_OK;
    if (strcmp(name, "auto") == 0 || strcmp(name, xst_cpu_backend.name) == 0)
        *out = &xst_cpu_backend;
    else if (strcmp(name, xst_ref_backend.name) == 0)
        *out = &xst_ref_backend;
    else
        return xst_fail(err, XST_ERROR_CONFIG,
                        "backend '%.40s': there is none of this name: use auto, cpu, cuda or ref", name);
    return XST_OK;
}
