/* Activations in channel blocks: for each image and block of 8 or 16 channels a plane [H*W][block]. */
#ifndef XST_BACKEND_CPU_CHANNELS_H
#define XST_BACKEND_CPU_CHANNELS_H

#include "backend/cpu/cpu.h"

typedef struct cpu_channels {
    int64_t images, channels, blocks, height, width;
    int block;
} cpu_channels;

cpu_channels xst_cpu_channels(const cpu_compiler *c, xst_tensor tensor);

/* Reads or writes a tensor in channel blocks. */
xst_status xst_cpu_read_channels(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err);
xst_status xst_cpu_write_channels(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err);

/* Offset of the plane of a channel block in an image, in floats. */
static inline int64_t xst_cpu_plane(const cpu_channels *s, int64_t image, int64_t block)
{
    return (image * s->blocks + block) * s->height * s->width * s->block;
}

#endif
