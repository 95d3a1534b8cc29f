/* What a machine's arithmetic and memory give at best, by a backend's own means. */
#ifndef XST_TRAIN_MACHINE_H
#define XST_TRAIN_MACHINE_H

#include "backend/backend.h"

typedef struct xst_machine {
    double gemm_gflops; /* of a large matrix product (LINEAR_FORWARD, square), in the backend's precision */
    double
        copy_gbytes_per_s; /* of a large copy (RESHAPE), read and written bytes; NaN: the backend has no plain copy */
} xst_machine;

/* Sizes grow until one run takes milliseconds; the best counts. */
xst_status xst_machine_measure(const xst_backend_api *api, xst_backend *backend, xst_machine *out, xst_error *err);

#endif
