/* Moving STATE tensors in and out, and their shadows: the same values in the form that programs read. */
#include "cuda.h"

#include "base/error.h"

xst_status xst_cuda_synchronise(xst_session *s, xst_error *err)
{
    return xst_cuda_check(s, s->backend->cuda.cudaStreamSynchronize(s->queue.stream), "waiting for the device", err);
}

static xst_status check_whole(const xst_session *s, xst_tensor t, size_t bytes, xst_error *err)
{
    if (t < 0 || t >= s->tensors.count)
        return xst_fail(err, XST_ERROR_INTERNAL, "cuda: there is no tensor %d", (int)t);
    const xst_tensor_info *const info = &s->tensors.info[t];
    if (info->kind != XST_STATE || bytes != xst_tensor_bytes(info))
        return xst_fail(err, XST_ERROR_INTERNAL, "cuda: %s: only a whole STATE tensor can be moved, not %zu bytes",
                        info->name, bytes);
    return XST_OK;
}

/* Row-major N,C,H,W differs from channels last only where there are both channels and places. */
static bool is_transposed(const xst_tensor_info *info)
{
    return info->dtype == XST_F32 && info->rank == 4 && info->dim[1] > 1 && info->dim[2] * info->dim[3] > 1;
}

static xst_status transpose(xst_session *s, const xst_tensor_info *info, const void *from, void *to, bool in,
                            xst_error *err)
{
    const int64_t channels = info->dim[1], places = info->dim[2] * info->dim[3];
    const xst_cuda_transpose_args args = {.from = from,
                                          .to = to,
                                          .from_type = XST_CUDA_F32,
                                          .to_type = XST_CUDA_F32,
                                          .batch = info->dim[0],
                                          .rows = in ? channels : places,
                                          .columns = in ? places : channels};
    return xst_cuda_check(s, xst_cuda_transpose(&s->queue, &args), info->name, err);
}

xst_status xst_cuda_upload(xst_session *s, xst_tensor t, const void *from, size_t bytes, xst_error *err)
{
    xst_status status = check_whole(s, t, bytes, err);
    if (status != XST_OK || bytes == 0)
        return status;
    const xst_tensor_info *const info = &s->tensors.info[t];
    const bool transposed = is_transposed(info);
    status = xst_cuda_check(s,
                            s->backend->cuda.cudaMemcpyAsync(transposed ? s->staging : s->state[t].data, from, bytes,
                                                             cudaMemcpyHostToDevice, s->queue.stream),
                            info->name, err);
    if (status == XST_OK && transposed)
        status = transpose(s, info, s->staging, s->state[t].data, true, err);
    s->state[t].stale = true;
    /* `from` is the caller's again: from pageable memory it has been read by now, from pinned memory perhaps not */
    return status == XST_OK ? xst_cuda_synchronise(s, err) : status;
}

xst_status xst_cuda_download(xst_session *s, xst_tensor t, void *to, size_t bytes, xst_error *err)
{
    xst_status status = check_whole(s, t, bytes, err);
    if (status != XST_OK)
        return status;
    const xst_tensor_info *const info = &s->tensors.info[t];
    const bool transposed = is_transposed(info) && bytes > 0;
    if (transposed)
        status = transpose(s, info, s->state[t].data, s->staging, false, err);
    if (status == XST_OK && bytes > 0)
        status = xst_cuda_check(s,
                                s->backend->cuda.cudaMemcpyAsync(to, transposed ? s->staging : s->state[t].data, bytes,
                                                                 cudaMemcpyDeviceToHost, s->queue.stream),
                                info->name, err);
    return status == XST_OK ? xst_cuda_synchronise(s, err) : status;
}

xst_status xst_cuda_shadow(xst_session *s, xst_tensor t, cuda_form form, uint32_t columns, xst_error *err)
{
    cuda_state *const state = &s->state[t];
    const size_t bytes = form == CUDA_FORM_SLOTS ? (size_t)columns * sizeof(int32_t)
                                                 : (size_t)xst_tensor_elements(&s->tensors.info[t]) * sizeof(uint16_t);
    if (state->shadow)
        return state->shadow_form == form && state->shadow_columns == columns
                   ? XST_OK
                   : xst_fail(err, XST_ERROR_INTERNAL, "cuda: %s is wanted in two forms", s->tensors.info[t].name);
    state->shadow_form = form;
    state->shadow_columns = columns;
    state->stale = true;
    return xst_cuda_memory(s, bytes, true, s->tensors.info[t].name, &state->shadow, err);
}

xst_status xst_cuda_refresh(xst_session *s, xst_tensor t, xst_error *err)
{
    cuda_state *const state = &s->state[t];
    const xst_tensor_info *const info = &s->tensors.info[t];
    cudaError_t e = cudaSuccess;
    if (!state->shadow || !state->stale)
        return XST_OK;
    if (state->shadow_form == CUDA_FORM_SLOTS) {
        const xst_cuda_slots_args args = {
            .active = state->data, .slot = state->shadow, .a = (uint32_t)info->dim[0], .n = state->shadow_columns};
        e = xst_cuda_slots(&s->queue, &args);
    } else {
        const xst_cuda_transpose_args args = {.from = state->data,
                                              .to = state->shadow,
                                              .from_type = XST_CUDA_F32,
                                              .to_type = XST_CUDA_BF16,
                                              .batch = 1,
                                              .rows = 1,
                                              .columns = xst_tensor_elements(info)};
        e = xst_cuda_transpose(&s->queue, &args);
    }
    state->stale = e != cudaSuccess;
    return xst_cuda_check(s, e, info->name, err);
}
