/* The command line of a command that has no options of a run: a few switches and values, and words. */
#ifndef XST_CLI_ARGUMENTS_H
#define XST_CLI_ARGUMENTS_H

#include "xst/status.h"

#include <stdbool.h>

/* --name (sets *flag) or --name VALUE, --name=VALUE (sets *value; the last one counts). One of the two pointers is set.
 */
typedef struct xst_cli_option {
    const char *name; /* "--json", "-v" */
    bool *flag;
    const char **value;
} xst_cli_option;

/* Reads argv[1..]. words[argc] gets the other arguments, in order; `--` ends the options. XST_ERROR_USAGE. */
xst_status xst_cli_arguments(int argc, char **argv, const xst_cli_option *options, int option_count, const char **words,
                             int *word_count, xst_error *err);

#endif
