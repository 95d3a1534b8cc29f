/* xst export: one task's effective network under torchvision's names. */
#include "xst/export.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/version.h"
#include "store/effective.h"
#include "store/hdf5_export.h"
#include "store/safetensors.h"

#include <stdio.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Weights first, then per-task tensors; FC weights are matrices. */
static xst_status list_tensors(const xst_effective *e, xst_export_tensor **out, int *count, xst_error *err)
{
    const xst_task_record *const r = &e->record;
    void *memory = NULL;
    const xst_status status =
        xst_alloc(&memory, (size_t)(r->layer_count + r->tensor_count), sizeof **out, "exported tensors", err);
    *out = memory;
    *count = 0;
    if (status != XST_OK)
        return status;
    for (int l = 0; l < r->layer_count; l++) {
        const xst_geometry *const g = &r->layers[l].geometry;
        xst_export_tensor *const t = &(*out)[(*count)++];
        *t = (xst_export_tensor){.rank = strncmp(r->layers[l].name, "classifier.", 11) == 0 ? 2 : 4,
                                 .dim = {g->out, g->in, g->kh, g->kw},
                                 .values = e->weights[l]};
        snprintf(t->name, sizeof t->name, "%s", r->layers[l].name);
    }
    for (int i = 0; i < r->tensor_count; i++) {
        const xst_tensor_record *const from = &r->tensors[i];
        xst_export_tensor *const t = &(*out)[(*count)++];
        *t = (xst_export_tensor){.rank = from->rank, .values = from->values};
        memcpy(t->dim, from->dim, sizeof t->dim);
        snprintf(t->name, sizeof t->name, "%s", from->name);
    }
    return XST_OK;
}

static xst_status write_safetensors(const xst_effective *e, const xst_export_tensor *tensors, int count,
                                    const char *file, xst_error *err)
{
    char task[16], mean[96], std[96];
    const xst_task_record *const r = &e->record;
    snprintf(task, sizeof task, "%d", r->position);
    snprintf(mean, sizeof mean, "%.17g %.17g %.17g", r->mean[0], r->mean[1], r->mean[2]);
    snprintf(std, sizeof std, "%.17g %.17g %.17g", r->std[0], r->std[1], r->std[2]);
    const char *const metadata[] = {"producer", "xst",  "version", xst_version(), "method", r->method, "task",
                                    task,       "name", r->name,   "mean",        mean,     "std",     std};
    return xst_safetensors_write(file, tensors, count, metadata, sizeof metadata / sizeof metadata[0] / 2, err);
}

xst_status xst_export(const char *path, int task, const char *file, xst_error *err)
{
    xst_run *run = NULL;
    xst_manifest manifest = {0};
    xst_effective e = {0};
    xst_export_tensor *tensors = NULL;
    int count = 0;
    const bool safetensors = ends_with(file, ".safetensors");
    if (!safetensors && !ends_with(file, ".h5"))
        return xst_fail(err, XST_ERROR_USAGE, "'%s': the name must end in .safetensors or .h5", file);
    xst_status status = xst_run_open(path, XST_RUN_READ, &run, err);
    if (status == XST_OK)
        status = xst_run_read_manifest(run, &manifest, err);
    if (status == XST_OK)
        status = xst_effective_read(run, &manifest, task, &e, err);
    if (status == XST_OK)
        status = list_tensors(&e, &tensors, &count, err);
    if (status == XST_OK)
        status = safetensors ? write_safetensors(&e, tensors, count, file, err)
                             : xst_hdf5_export(file, tensors, count, &e.record, err);
    xst_free(tensors);
    xst_effective_free(&e);
    xst_manifest_free(&manifest);
    xst_run_close(run);
    return status;
}
