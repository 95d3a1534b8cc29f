/* What the CUDA module exports: the one function that the program looks up in it (src/backend/cuda_module.h has its
 * type). */
#ifndef XST_CUDA_MODULE_H
#define XST_CUDA_MODULE_H

#include "backend/backend.h"

__attribute__((visibility("default"))) xst_status xst_backend_module(int version, const xst_backend_api **out,
                                                                     xst_error *err);

#endif
