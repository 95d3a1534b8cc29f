/* What a command prints as its result. */
#ifndef XST_CLI_OUTPUT_H
#define XST_CLI_OUTPUT_H

#include "base/text.h"
#include "xst/status.h"

#include <jansson.h>

/* Print to stdout and release what was printed. A NULL document, or text that ran out of memory, is XST_ERROR_MEMORY;
 * XST_ERROR_IO where stdout takes no more. */
xst_status xst_cli_print_json(json_t *document, xst_error *err);
xst_status xst_cli_print_text(xst_text *text, xst_error *err);

#endif
