/* Where the elements of a tensor lie: row-major, or one of oneDNN's blocked layouts.
 *
 * Both are separable: the offset of element (i0, i1, i2, i3) is a sum of one term per dimension. Tables of these terms
 * make one path through the code that is right for every layout; the kernels add fast paths for the layouts that
 * matter. */
#ifndef XST_BACKEND_CPU_LAYOUT_H
#define XST_BACKEND_CPU_LAYOUT_H

#include "program/tensors.h"

#include <dnnl.h>
#include <stdbool.h>

typedef struct cpu_layout {
    bool blocked;            /* false: row-major, any dtype */
    size_t bytes;            /* with the padding of blocked layouts */
    dnnl_memory_desc_t desc; /* f32 tensors without an empty dimension: always four dimensions */
} cpu_layout;

/* Offsets in elements: at(i) = of[0][i0] + of[1][i1] + of[2][i2] + of[3][i3]. Padded lengths run over the padding too.
 */
typedef struct cpu_offsets {
    int64_t dim[XST_RANK_MAX], padded[XST_RANK_MAX];
    int64_t *of[XST_RANK_MAX];
    int64_t *memory;
} cpu_offsets;

cpu_layout xst_cpu_layout_plain(const xst_tensor_info *info);
/* Activations N,C,H,W in blocks of 8 or 16 channels. */
cpu_layout xst_cpu_layout_channels(const xst_tensor_info *info, int block);
cpu_layout xst_cpu_layout_of(const dnnl_memory_desc_t *desc);
/* The same places for the same elements. */
bool xst_cpu_layout_same(const cpu_layout *a, const cpu_layout *b);

xst_status xst_cpu_offsets_create(cpu_offsets *out, const xst_tensor_info *info, const cpu_layout *layout,
                                  xst_error *err);
void xst_cpu_offsets_free(cpu_offsets *offsets);

/* Copies a tensor of 4-byte elements between row-major order and its layout; `to_plain` gives the direction. Padding is
 * set to 0 by the caller. */
void xst_cpu_layout_copy(const cpu_offsets *offsets, void *laid, void *plain, bool to_plain);

#endif
