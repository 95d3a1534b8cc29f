#include "train/reopen.h"

#include "base/error.h"
#include "base/file.h"

#include <stdio.h>

/* The run's options, with what the caller wants otherwise. */
static xst_status configure(const xst_run *run, const xst_eval_options *o, xst_config **out, xst_error *err)
{
    char path[XST_PATH_MAX], threads[16];
    xst_status status = xst_run_config_path(run, path, err);
    if (status == XST_OK)
        status = xst_config_create(out, err);
    if (status == XST_OK)
        status = xst_config_load(*out, path, err);
    if (status == XST_OK && o->data)
        status = xst_config_set(*out, "data", o->data, err);
    if (status == XST_OK && o->backend)
        status = xst_config_set(*out, "backend", o->backend, err);
    if (status == XST_OK && o->precision)
        status = xst_config_set(*out, "precision", o->precision, err);
    snprintf(threads, sizeof threads, "%d", o->threads);
    return status == XST_OK && o->threads > 0 ? xst_config_set(*out, "threads", threads, err) : status;
}

xst_status xst_reopen(const char *path, const xst_eval_options *options, xst_reopened *out, xst_error *err)
{
    static const xst_eval_options as_trained = {0};
    xst_manifest manifest = {0};
    *out = (xst_reopened){0};
    xst_status status = xst_run_open(path, XST_RUN_READ, &out->run, err);
    if (status == XST_OK)
        status = xst_run_read_manifest(out->run, &manifest, err);
    if (status == XST_OK && (out->done = xst_manifest_done(&manifest)) == 0)
        status = xst_fail(err, XST_ERROR_RUN, "%s: no task is finished yet: nothing to evaluate", path);
    if (status == XST_OK)
        status = configure(out->run, options ? options : &as_trained, &out->config, err);
    if (status == XST_OK)
        status = xst_trainer_open(&out->trainer, out->config, err);
    out->trainer.manifest = manifest; /* freed with the trainer */
    if (status == XST_OK && manifest.task_count != out->trainer.tasks)
        status = xst_fail(err, XST_ERROR_RUN, "%s: manifest.json and config.yaml do not belong together", path);
    return status;
}

void xst_reopened_close(xst_reopened *reopened)
{
    xst_trainer_close(&reopened->trainer);
    xst_run_close(reopened->run);
    xst_config_destroy(reopened->config);
    *reopened = (xst_reopened){0};
}
