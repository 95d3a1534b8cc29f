/* The program: finds the command, runs it, prints its error, turns its status into the exit code. */
#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static xst_status print_help(const xst_cli_command *command, xst_error *err)
{
    xst_text text = {0};
    xst_cli_help(command, &text);
    return xst_cli_print_text(&text, err);
}

static xst_status print_version(xst_error *err)
{
    xst_text text = {0};
    xst_text_add(&text, "xst %s (%s)\n", xst_version(), xst_git_commit());
    return xst_cli_print_text(&text, err);
}

/* `xst help`, `xst help COMMAND` */
static xst_status help_command(int argc, char **argv, xst_error *err)
{
    const xst_cli_command *command = NULL;
    const xst_status status = argc > 2 ? xst_cli_command_find(argv[2], &command, err) : XST_OK;
    return status == XST_OK ? print_help(command, err) : status;
}

static xst_status dispatch(int argc, char **argv, xst_error *err)
{
    const xst_cli_command *command = NULL;
    if (argc < 2)
        return xst_fail(err, XST_ERROR_USAGE, "a command is missing: `xst --help` lists them");
    if (is_help(argv[1]))
        return print_help(NULL, err);
    if (strcmp(argv[1], "help") == 0)
        return help_command(argc, argv, err);
    if (strcmp(argv[1], "--version") == 0)
        return print_version(err);
    const xst_status status = xst_cli_command_find(argv[1], &command, err);
    if (status != XST_OK)
        return status;
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return print_help(command, err);
    return command->run(argc - 1, argv + 1, err);
}

/* One line, whatever a file name or a library put into the message. */
static void print_error(xst_error *err)
{
    for (char *p = err->message; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    fprintf(stderr, "xst: %s\n", err->message);
}

int main(int argc, char **argv)
{
    xst_error err = {0};
    const xst_status status = dispatch(argc, argv, &err);
    if (status != XST_OK) {
        if (!err.message[0])
            xst_fail(&err, status, "%s", xst_status_text(status));
        print_error(&err);
    }
    return xst_status_exit_code(status);
}
