/* Timing training steps on this machine, against a ceiling measured in the same run. */
#ifndef XST_BENCH_H
#define XST_BENCH_H

#include "xst/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One kind of step. Images per second count a step with drop and grow once in update_every; all times are medians. */
typedef struct xst_bench_step {
    char method[32], precision[8];
    int task, batch;
    double ms, images_per_s;
    double grow_ms;              /* a step that also exchanges columns; NaN where there is none */
    double ceiling_images_per_s; /* the bare library work of the step */
    double ratio;                /* images_per_s over the ceiling's, median of interleaved rounds */
    double peak_MiB;             /* memory when the step had run: of this process; cuda: of the device */
} xst_bench_step;

/* One operation of the first step. */
typedef struct xst_bench_operation {
    char layer[64], operation[32];
    double ms, gflops, gbytes_per_s; /* 0 where it does no multiply-adds */
    double share;                    /* of the step's time */
} xst_bench_operation;

typedef struct xst_bench_result {
    char machine[128], libraries[256];
    /* Of a large matrix product and a large copy by the same backend; NaN where it has no plain copy. */
    double gemm_gflops, copy_gbytes_per_s;
    int steps;
    xst_bench_step step[16];
    int operations;
    xst_bench_operation *operation;
    double outside_conv_gemm_share;
} xst_bench_result;

/* Times a step of task 1 and of task 2 at the configuration's batch, and of task 2 at batch 128; operations are those
 * of task 2 at the configuration's batch. rounds: interleaved rounds of each (0: enough for a stable median). Uses the
 * synthetic set. */
xst_status xst_bench(xst_config *config, int rounds, xst_bench_result *out, xst_error *err);
void xst_bench_free(xst_bench_result *result);

#ifdef __cplusplus
}
#endif
#endif
