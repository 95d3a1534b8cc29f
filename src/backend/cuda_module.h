/* The CUDA backend: a shared object of its own, looked for when it is asked for, so that the program starts on machines
 * without a driver or toolkit. */
#ifndef XST_BACKEND_CUDA_MODULE_H
#define XST_BACKEND_CUDA_MODULE_H

#include "backend/backend.h"

/* The module's one function, "xst_backend_module": the backend's table for a program of this XST_BACKEND_VERSION;
 * XST_ERROR_NO_DEVICE says what is missing or too old on this machine. */
typedef xst_status xst_backend_module_function(int version, const xst_backend_api **out, xst_error *err);

/* Opens xst_cuda.so: the file that XST_CUDA_MODULE names, or the one beside the program or in ../lib/xst from there.
 * The module stays open as long as the process. */
xst_status xst_cuda_module_find(const xst_backend_api **out, xst_error *err);

#endif
