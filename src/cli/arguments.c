#include "cli/arguments.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

enum { OPTIONS_MAX = 32 };

static xst_status unknown(const char *argument, const xst_cli_option *options, int count, xst_error *err)
{
    const char *names[OPTIONS_MAX];
    for (int i = 0; i < count && i < OPTIONS_MAX; i++)
        names[i] = options[i].name;
    const int nearest = xst_text_nearest(argument, names, count < OPTIONS_MAX ? count : OPTIONS_MAX);
    if (nearest < 0)
        return xst_fail(err, XST_ERROR_USAGE, "unknown option '%.100s': --help lists them", argument);
    return xst_fail(err, XST_ERROR_USAGE, "unknown option '%.100s': did you mean '%s'?", argument, names[nearest]);
}

/* Takes the option at argv[*i], and its value. */
static xst_status take_option(int argc, char **argv, int *i, const xst_cli_option *options, int count, xst_error *err)
{
    const char *const argument = argv[(*i)++];
    const char *const equals = strchr(argument, '=');
    const size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    for (int k = 0; k < count; k++) {
        const xst_cli_option *const option = &options[k];
        if (strlen(option->name) != length || strncmp(option->name, argument, length) != 0)
            continue;
        if (option->flag && equals)
            return xst_fail(err, XST_ERROR_USAGE, "%s takes no value", option->name);
        if (option->flag)
            *option->flag = true;
        else if (equals)
            *option->value = equals + 1;
        else if (*i < argc && strncmp(argv[*i], "--", 2) != 0)
            *option->value = argv[(*i)++];
        else
            return xst_fail(err, XST_ERROR_USAGE, "%s: a value is missing", option->name);
        return XST_OK;
    }
    return unknown(argument, options, count, err);
}

xst_status xst_cli_arguments(int argc, char **argv, const xst_cli_option *options, int option_count, const char **words,
                             int *word_count, xst_error *err)
{
    bool ended = false;
    *word_count = 0;
    for (int i = 1; i < argc;) {
        if (!ended && strcmp(argv[i], "--") == 0) {
            ended = true;
            i++;
        } else if (ended || argv[i][0] != '-' || !argv[i][1]) {
            words[(*word_count)++] = argv[i++];
        } else {
            const xst_status status = take_option(argc, argv, &i, options, option_count, err);
            if (status != XST_OK)
                return status;
        }
    }
    return XST_OK;
}
