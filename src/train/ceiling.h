/* The ceiling of a training step: its bare library work. */
#ifndef XST_TRAIN_CEILING_H
#define XST_TRAIN_CEILING_H

#include "backend/backend.h"
#include "net/net.h"

/* A program of every conv (forward, both backwards), every FC product and every BN of a step, in step order, each on
 * data in the backend's own layout, nothing between. */
typedef struct xst_ceiling {
    const xst_backend_api *api;
    xst_tensors tensors;
    xst_program program;
    xst_session *session;
    xst_executable *executable;
} xst_ceiling;

/* Freed by xst_ceiling_free whatever the outcome. */
xst_status xst_ceiling_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net, int batch,
                              int classes, xst_ceiling *out, xst_error *err);
void xst_ceiling_free(xst_ceiling *ceiling);

#endif
