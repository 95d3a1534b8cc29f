#include "cli/output.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static xst_status flush(xst_error *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return xst_fail(err, XST_ERROR_IO, "cannot write to standard output: %s", strerror(errno));
    return XST_OK;
}

xst_status xst_cli_print_json(json_t *document, xst_error *err)
{
    if (!document)
        return xst_fail(err, XST_ERROR_MEMORY, "no memory for the JSON document");
    const int failed = json_dumpf(document, stdout, JSON_INDENT(2));
    json_decref(document);
    if (failed)
        return xst_fail(err, XST_ERROR_IO, "cannot write JSON to standard output: %s", strerror(errno));
    putchar('\n');
    return flush(err);
}

xst_status xst_cli_print_text(xst_text *text, xst_error *err)
{
    xst_status status = xst_text_check(text, err);
    if (status == XST_OK) {
        fwrite(xst_text_string(text), 1, text->size, stdout);
        status = flush(err);
    }
    xst_text_free(text);
    return status;
}
