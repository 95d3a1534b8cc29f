#include "backend/cpu/channels.h"

cpu_channels xst_cpu_channels(const cpu_compiler *c, xst_tensor tensor)
{
    const xst_tensor_info *const info = xst_cpu_info(c, tensor);
    const int block = c->session->backend->channel_block;
    return (cpu_channels){.images = info->dim[0],
                          .channels = info->dim[1],
                          .blocks = (info->dim[1] + block - 1) / block,
                          .height = info->dim[2],
                          .width = info->dim[3],
                          .block = block};
}

xst_status xst_cpu_read_channels(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err)
{
    const cpu_layout layout = xst_cpu_layout_channels(xst_cpu_info(c, tensor), c->session->backend->channel_block);
    return xst_cpu_read(c, tensor, &layout, out, err);
}

xst_status xst_cpu_write_channels(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err)
{
    const cpu_layout layout = xst_cpu_layout_channels(xst_cpu_info(c, tensor), c->session->backend->channel_block);
    return xst_cpu_write(c, tensor, &layout, out, err);
}
