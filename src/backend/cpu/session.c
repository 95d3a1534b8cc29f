#include "backend/cpu/cpu.h"
#include "backend/cpu/effective.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

size_t xst_cpu_memory_held(size_t bytes)
{
    return bytes < HUGE_PAGE ? bytes : (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

xst_status xst_cpu_memory_alloc(xst_session *session, void **out, size_t bytes, const char *what, xst_error *err)
{
    *out = NULL;
    if (bytes < HUGE_PAGE) {
        const xst_status status = xst_alloc(out, bytes, 1, what, err);
        if (status == XST_OK)
            session->bytes += bytes;
        return status;
    }
    const size_t rounded = xst_cpu_memory_held(bytes);
    void *const p = bytes <= SIZE_MAX - HUGE_PAGE ? aligned_alloc(HUGE_PAGE, rounded) : NULL;
    if (!p)
        return xst_fail(err, XST_ERROR_MEMORY, "%s: no memory for %.1f MiB", what, (double)bytes / 1048576.0);
    /* Advice only: where huge pages are not to be had, the kernel gives small ones. */
    (void)madvise(p, rounded, MADV_HUGEPAGE);
    memset(p, 0, rounded);
    session->bytes += rounded;
    *out = p;
    return XST_OK;
}

xst_status xst_cpu_session_create(xst_backend *backend, const xst_tensors *tensors, xst_session **out, xst_error *err)
{
    void *p = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&p, 1, sizeof(xst_session), "session", err);
    if (status != XST_OK)
        return status;
    xst_session *const s = p;
    const size_t count = (size_t)tensors->count;
    s->api = backend->api;
    s->backend = backend;
    s->tensors.count = tensors->count;
    status = xst_alloc(&p, count, sizeof *s->tensors.info, "session tensors", err);
    if (status == XST_OK) {
        s->tensors.info = p;
        memcpy(s->tensors.info, tensors->info, count * sizeof *s->tensors.info);
        status = xst_alloc(&p, count, sizeof *s->state, "session state", err);
        s->state = p;
    }
    if (status == XST_OK)
        *out = s;
    else
        xst_cpu_session_destroy(s);
    return status;
}

void xst_cpu_session_destroy(xst_session *session)
{
    if (!session)
        return;
    for (int32_t t = 0; session->state && t < session->tensors.count; t++)
        xst_free(session->state[t].data);
    xst_cpu_caches_free(session);
    xst_free(session->arena);
    xst_free(session->state);
    xst_free(session->tensors.info);
    xst_free(session);
}

size_t xst_cpu_session_bytes(const xst_session *session)
{
    return session->bytes;
}

xst_status xst_cpu_state_place(xst_session *session, xst_tensor tensor, const cpu_layout *layout, xst_error *err)
{
    cpu_state *const state = &session->state[tensor];
    if (state->placed)
        return XST_OK;
    const xst_tensor_info *const info = &session->tensors.info[tensor];
    const cpu_layout chosen = layout ? *layout : xst_cpu_layout_plain(info);
    const xst_status status = xst_cpu_memory_alloc(session, &state->data, chosen.bytes, info->name, err);
    if (status == XST_OK) {
        state->layout = chosen;
        state->placed = true;
    }
    return status;
}

/* Checks a transfer and gives the tensor its memory. */
static xst_status prepare(xst_session *session, xst_tensor tensor, size_t bytes, const char *verb, xst_error *err)
{
    if (tensor < 0 || tensor >= session->tensors.count)
        return xst_fail(err, XST_ERROR_INTERNAL, "%s: there is no tensor %d", verb, (int)tensor);
    const xst_tensor_info *const info = &session->tensors.info[tensor];
    if (info->kind != XST_STATE)
        return xst_fail(err, XST_ERROR_INTERNAL, "%s: %s is a temporary", verb, info->name);
    if (bytes != xst_tensor_bytes(info))
        return xst_fail(err, XST_ERROR_INTERNAL, "%s: %s has %zu bytes, not %zu", verb, info->name,
                        xst_tensor_bytes(info), bytes);
    return xst_cpu_state_place(session, tensor, NULL, err);
}

static xst_status convert(xst_session *session, xst_tensor tensor, void *plain, bool to_plain, xst_error *err)
{
    cpu_offsets offsets;
    const cpu_state *const state = &session->state[tensor];
    const xst_status status = xst_cpu_offsets_create(&offsets, &session->tensors.info[tensor], &state->layout, err);
    if (status == XST_OK)
        xst_cpu_layout_copy(&offsets, state->data, plain, to_plain);
    xst_cpu_offsets_free(&offsets);
    return status;
}

xst_status xst_cpu_upload(xst_session *session, xst_tensor tensor, const void *from, size_t bytes, xst_error *err)
{
    const xst_status status = prepare(session, tensor, bytes, "upload", err);
    if (status != XST_OK)
        return status;
    session->state[tensor].version++;
    if (session->state[tensor].layout.blocked)
        return convert(session, tensor, (void *)(uintptr_t)from, false, err);
    if (bytes > 0 && session->state[tensor].data)
        memcpy(session->state[tensor].data, from, bytes);
    return XST_OK;
}

xst_status xst_cpu_download(xst_session *session, xst_tensor tensor, void *to, size_t bytes, xst_error *err)
{
    const xst_status status = prepare(session, tensor, bytes, "download", err);
    if (status != XST_OK)
        return status;
    if (session->state[tensor].layout.blocked)
        return convert(session, tensor, to, true, err);
    if (bytes > 0 && session->state[tensor].data)
        memcpy(to, session->state[tensor].data, bytes);
    return XST_OK;
}
