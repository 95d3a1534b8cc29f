/* What the kernel tests share. Device memory is plain memory of the exact size, NaN until it is written; each case
 * compares with the reference backend's own functions (src/backend/ref) or plain loops in double. */
#ifndef XST_TESTS_CHECK_H
#define XST_TESTS_CHECK_H

#include "backend/ref/call.h"
#include "kernels.h"
#include "sim_control.h"

/* One per kernel file: its tests in sizes that take a moment (small) or a little longer. */
typedef struct check_suite {
    const char *file;
    void (*run)(bool small);
} check_suite;

void check_layout(bool small);
void check_batch(bool small);
void check_gates(bool small);
void check_effective(bool small);
void check_mask(bool small);
void check_update(bool small);
void check_drop_grow(bool small);
void check_prune(bool small);
void check_bn(bool small);
void check_bn_small(bool small);
void check_pool(bool small);
void check_linear(bool small);
void check_gemm(bool small);
void check_narrow(bool small);
void check_loss(bool small);
void check_fc_product(bool small);
void check_fc_gradient(bool small);
void check_small_conv(bool small);
void check_small_conv_weights(bool small);

extern const xst_cuda_queue check_queue;

/* Ends a case: counts it, says what failed and how, frees the case's memory. */
__attribute__((format(printf, 2, 3))) void check_case(bool ok, const char *name, ...);

/* Numbers as if at random; the same in every run. */
uint32_t check_dice(void);
double check_uniform(void); /* -1 .. 1, a multiple of 2^-23 */

/* Memory of the case: exactly that size, every byte 0xff (a NaN in every type). */
void *check_memory(size_t n, size_t size);
/* n numbers -1 .. 1 times scale, rounded to the type, in double. */
double *check_numbers(size_t n, xst_cuda_type type, double scale);

/* The type's rounding, storage and unit roundoff. */
double check_round(xst_cuda_type type, double x);
void *check_upload(const double *from, size_t n, xst_cuda_type type);
double check_read(const void *from, size_t i, xst_cuda_type type);
double check_epsilon(xst_cuda_type type);

/* from[b][r][s] -> [b][s][r]: NCHW to NHWC, OIHW to KRSC and back. */
double *check_turn(const double *from, size_t batch, size_t rows, size_t columns);

/* got[i] within allowed of want[i] for all i (equal if both are NaN). */
bool check_near(const void *got, xst_cuda_type type, const double *want, size_t n, double relative, double absolute);

xst_ref_tensor check_tensor(xst_dtype dtype, void *data, int64_t d0, int64_t d1, int64_t d2, int64_t d3);
static inline xst_ref_tensor check_reals(double *data, int64_t n)
{
    return check_tensor(XST_F32, data, n, 1, 1, 1);
}

/* a of n columns as an ascending list; the others are preserved one time in two. */
typedef struct check_columns {
    uint32_t *active;   /* [a] */
    int32_t *slot;      /* [n] */
    uint8_t *preserved; /* [n] */
} check_columns;
check_columns check_choose(uint32_t n, uint32_t a);

/* Layers that cover the geometry: 1x1, 3x3, short last groups, groups of 8, element granularity. */
enum { CHECK_GEOMETRIES = 9 };
xst_geometry check_geometry(int i);

#endif
