/* One task's effective network for other programs. */
#ifndef XST_EXPORT_H
#define XST_EXPORT_H

#include "xst/eval.h"
#include "xst/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the effective weights, BN, biases and head of task `task` (from 1) under torchvision's names. The file's
 * ending says how: .safetensors or .h5. */
xst_status xst_export(const char *run, int task, const char *file, xst_error *err);

typedef struct xst_neurosim_options {
    xst_eval_options run; /* where data, backend and threads are not those of the run */
    const char *quant;    /* how float weights are stored: "apot4" where NULL */
    int image;            /* which test image is traced, from 1, in file order; 0: the first */
} xst_neurosim_options;

/* Writes what NeuroSim (DNN+NeuroSim V1, inference) reads of task `task`: NetWork.csv, weightLAYER.csv and
 * inputLAYER.csv of each masked layer, trace_command.sh that starts it, and README.md. Weights are quantised after
 * training, inputs to 8 bits, as for the run's activity.csv. The folder appears whole or not at all; one that is there
 * and not empty is refused. */
xst_status xst_export_neurosim(const char *run, int task, const char *folder, const xst_neurosim_options *options,
                               xst_error *err);

#ifdef __cplusplus
}
#endif
#endif
