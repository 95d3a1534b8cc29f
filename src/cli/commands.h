/* The commands of the program: `xst NAME ...`. Each lives in the file of its name. */
#ifndef XST_CLI_COMMANDS_H
#define XST_CLI_COMMANDS_H

#include "base/text.h"
#include "xst/status.h"

/* argv[0] is the command's name. --help never gets here. Results go to stdout, progress and messages to stderr; the
 * caller prints the error and turns the status into the exit code. */
typedef xst_status xst_cli_run(int argc, char **argv, xst_error *err);

xst_cli_run xst_cli_train, xst_cli_eval, xst_cli_compare, xst_cli_energy, xst_cli_export, xst_cli_bench, xst_cli_info;

typedef struct xst_cli_command {
    const char *name, *summary;
    const char *usage;   /* lines of "xst NAME ...", each ending in a newline */
    const char *details; /* what its own options mean, lines */
    xst_cli_run *run;
} xst_cli_command;

int xst_cli_command_count(void);
const xst_cli_command *xst_cli_command_at(int index);
/* The command called name; XST_ERROR_USAGE names the nearest. */
xst_status xst_cli_command_find(const char *name, const xst_cli_command **out, xst_error *err);
/* The help page of a command, or of the program (NULL). */
void xst_cli_help(const xst_cli_command *command, xst_text *text);

#endif
