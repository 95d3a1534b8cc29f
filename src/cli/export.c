/* xst export */
#include "xst/export.h"

#include "base/error.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "config/number.h"

typedef struct request {
    const char *task, *out, *neurosim, *image, *quant, *data, *backend, *precision, *threads;
} request;

static xst_status take_number(const char *name, const char *text, int *out, xst_error *err)
{
    int64_t value = 0;
    if (text && (!xst_number_parse_int(text, &value) || value < 1 || value > 1000000))
        return xst_fail(err, XST_ERROR_USAGE, "%s: '%s' is not a whole number from 1", name, text);
    *out = (int)value;
    return XST_OK;
}

static xst_status check(const request *r, int runs, xst_error *err)
{
    if (runs != 1)
        return xst_fail(err, XST_ERROR_USAGE, "export: name one run folder");
    if (!r->task)
        return xst_fail(err, XST_ERROR_USAGE, "export: say which task with --task N (1 = the first learnt)");
    if (!r->out && !r->neurosim)
        return xst_fail(err, XST_ERROR_USAGE,
                        "export: say where to with --out FILE.safetensors or FILE.h5, or --neurosim DIR");
    if (r->out && r->neurosim)
        return xst_fail(err, XST_ERROR_USAGE, "export: give --out or --neurosim, not both");
    if (r->out && (r->image || r->quant || r->data || r->backend || r->precision || r->threads))
        return xst_fail(err, XST_ERROR_USAGE,
                        "export: --image, --quant, --data, --backend, --precision and --threads go with --neurosim");
    return XST_OK;
}

xst_status xst_cli_export(int argc, char **argv, xst_error *err)
{
    const char *words[argc > 0 ? argc : 1];
    request r = {0};
    int count = 0, task = 0;
    const xst_cli_option list[] = {
        {"--task", NULL, &r.task},       {"--out", NULL, &r.out},         {"--neurosim", NULL, &r.neurosim},
        {"--image", NULL, &r.image},     {"--quant", NULL, &r.quant},     {"--data", NULL, &r.data},
        {"--backend", NULL, &r.backend}, {"--threads", NULL, &r.threads}, {"--precision", NULL, &r.precision},
    };
    xst_status status = xst_cli_arguments(argc, argv, list, sizeof list / sizeof list[0], words, &count, err);
    if (status == XST_OK)
        status = check(&r, count, err);
    if (status == XST_OK)
        status = take_number("--task", r.task, &task, err);
    xst_neurosim_options options = {.run = {r.data, r.backend, r.precision, 0}, .quant = r.quant};
    if (status == XST_OK)
        status = take_number("--image", r.image, &options.image, err);
    if (status == XST_OK)
        status = take_number("--threads", r.threads, &options.run.threads, err);
    if (status != XST_OK)
        return status;
    return r.neurosim ? xst_export_neurosim(words[0], task, r.neurosim, &options, err)
                      : xst_export(words[0], task, r.out, err);
}
