/* 2x2 maximum pooling of single planes, for whoever has the plane in the cache. */
#ifndef XST_BACKEND_CPU_POOL_H
#define XST_BACKEND_CPU_POOL_H

#include "backend/cpu/channels.h"

/* shape: of the plane before pooling. */
void xst_cpu_pool_plane(const cpu_channels *shape, xst_cpu_isa isa, const float *x, float *y);
void xst_cpu_pool_plane_backward(const cpu_channels *shape, xst_cpu_isa isa, const float *x, const float *dy,
                                 float *dx);

/* Offset of the pooled plane, in floats. */
static inline int64_t xst_cpu_pooled_plane(const cpu_channels *s, int64_t image, int64_t block)
{
    return (image * s->blocks + block) * (s->height / 2) * (s->width / 2) * s->block;
}

/* Whether operation `index` is a POOL_BACKWARD whose dx only the BN_RELU_BACKWARD right after it reads, of the pool
 * that read that BN's y: the BN then does both. */
bool xst_cpu_pool_joins(const cpu_compiler *c, int32_t index);

#endif
