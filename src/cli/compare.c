/* xst compare */
#include "xst/compare.h"
#include "base/error.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"

#include <stdio.h>

enum { SCREEN = 100 };

/* The comparison keeps what it gives out: a copy is printed. */
static xst_status print(const char *what, xst_error *err)
{
    xst_text text = {0};
    xst_text_add(&text, "%s", what);
    return xst_cli_print_text(&text, err);
}

xst_status xst_cli_compare(int argc, char **argv, xst_error *err)
{
    const char *words[argc > 0 ? argc : 1], *out = NULL, *result = "", *said = "";
    xst_compare_options compare = {0};
    xst_comparison *comparison = NULL;
    bool json = false;
    int count = 0;
    const xst_cli_option options[] = {
        {"--json", .flag = &json}, {"--out", .value = &out}, {"--data", .value = &compare.data}};
    xst_status status = xst_cli_arguments(argc, argv, options, sizeof options / sizeof options[0], words, &count, err);
    if (status == XST_OK && count == 0)
        status = xst_fail(err, XST_ERROR_USAGE, "compare: name at least one run folder");
    if (status == XST_OK)
        status = xst_compare(words, count, &compare, &comparison, err);
    if (status == XST_OK && out)
        status = xst_comparison_write(comparison, out, &said, err);
    if (status == XST_OK)
        status = json ? xst_comparison_json(comparison, &result, err)
                      : xst_comparison_text(comparison, SCREEN, &result, err);
    if (status == XST_OK)
        status = print(result, err);
    if (status == XST_OK && out)
        fprintf(stderr, "%s\n", said);
    xst_comparison_free(comparison);
    return status;
}
