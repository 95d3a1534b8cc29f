/* xst export */
#include "xst/export.h"

#include "base/error.h"
#include "cli/arguments.h"
#include "cli/commands.h"

#include <stdlib.h>

xst_status xst_cli_export(int argc, char **argv, xst_error *err)
{
    const char *words[argc > 0 ? argc : 1], *task = NULL, *out = NULL;
    int count = 0;
    const xst_cli_option list[] = {{"--task", NULL, &task}, {"--out", NULL, &out}};
    const xst_status status = xst_cli_arguments(argc, argv, list, sizeof list / sizeof list[0], words, &count, err);
    if (status != XST_OK)
        return status;
    if (count != 1)
        return xst_fail(err, XST_ERROR_USAGE, "export: name one run folder");
    const int position = task ? (int)strtol(task, NULL, 10) : 0;
    if (position < 1)
        return xst_fail(err, XST_ERROR_USAGE, "export: say which task with --task N (1 = the first learnt)");
    if (!out)
        return xst_fail(err, XST_ERROR_USAGE, "export: say where to with --out FILE.safetensors or FILE.h5");
    return xst_export(words[0], position, out, err);
}
