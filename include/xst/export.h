/* One task's effective network for other programs. */
#ifndef XST_EXPORT_H
#define XST_EXPORT_H

#include "xst/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the effective weights, BN, biases and head of task `task` (from 1) under torchvision's names. The file's
 * ending says how: .safetensors or .h5. */
xst_status xst_export(const char *run, int task, const char *file, xst_error *err);

#ifdef __cplusplus
}
#endif
#endif
