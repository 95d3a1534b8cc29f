/* What a person reads of the options: the help page and the resolved configuration. */
#include "config/config.h"

#include "config/options.h"

#include <string.h>

enum { HELP_INDENT = 31, HELP_WIDTH = 100, VALUE_WIDTH = 32 };

/* Text that YAML takes without quotes, whatever reads it. */
static bool is_plain(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    return *text && *text != '-' && !text[strspn(text, safe)];
}

static void add_quoted(xst_text *text, const char *value)
{
    xst_text_add(text, "\"");
    for (const char *p = value; *p; p++)
        xst_text_add(text, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    xst_text_add(text, "\"");
}

static bool is_default(const xst_config *config, const xst_option *option, const char *value)
{
    xst_config plain;
    char fallback[XST_VALUE_TEXT];
    memset(&plain, 0, sizeof plain);
    /* Not the table's text itself: 4e-5 is printed as 4e-05. */
    if (xst_value_from_text(&plain, option, option->name, option->fallback, NULL) != XST_OK)
        return false;
    plain.epochs = config->epochs;
    xst_value_text(&plain, option, fallback);
    return strcmp(fallback, value) == 0;
}

void xst_config_write(const xst_config *config, xst_text *text)
{
    char value[XST_VALUE_TEXT];
    xst_text_add(text,
                 "# Every option of this run, valid as input of `xst train`. \"default\" marks a value that is the\n"
                 "# program's own, \"given\" one that a file or the command line has changed.\n");
    for (int i = 0; i < xst_option_count(); i++) {
        const xst_option *const option = xst_option_at(i);
        const char *const heading = xst_option_heading(i);
        if (heading)
            xst_text_add(text, "\n# %s\n", heading);
        xst_value_text(config, option, value);
        const size_t begin = text->size;
        xst_text_add(text, "%s: ", option->name);
        if (option->type == XST_OPTION_TEXT && !is_plain(value))
            add_quoted(text, value);
        else
            xst_text_add(text, "%s", value);
        const size_t used = text->size - begin;
        xst_text_add(text, "%*s # %s\n", used < VALUE_WIDTH ? (int)(VALUE_WIDTH - used) : 0, "",
                     is_default(config, option, value) ? "default" : "given");
    }
}

static const char *placeholder(const xst_option *option)
{
    switch (option->type) {
    case XST_OPTION_INT:
    case XST_OPTION_UINT:
        return "N";
    case XST_OPTION_REAL:
        return "X";
    case XST_OPTION_FLAG:
        return "[on|off]";
    case XST_OPTION_CHOICE:
        return "NAME";
    case XST_OPTION_TEXT:
        return option->choices ? "NAME" : "TEXT";
    case XST_OPTION_TASKS:
        return "N|LIST";
    default:
        return "LIST";
    }
}

/* Adds text word by word in lines from column HELP_INDENT on; the first goes on at the end of what is there. */
static void add_wrapped(xst_text *out, const char *text)
{
    size_t column = HELP_INDENT;
    for (const char *p = text; *p;) {
        const size_t word = strcspn(p, " ");
        if (column > HELP_INDENT && column + 1 + word > HELP_WIDTH) {
            xst_text_add(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        }
        xst_text_add(out, "%s%.*s", column > HELP_INDENT ? " " : "", (int)word, p);
        column += word + (column > HELP_INDENT);
        p += word;
        p += strspn(p, " ");
    }
    xst_text_add(out, "\n");
}

/* "[1e-06 to 10; default 0.1; measured]" */
static void add_facts(xst_text *out, const xst_option *option)
{
    char range[128];
    xst_option_range(option, range);
    xst_text_add(out, "[%s", range);
    for (int i = 0; option->choices && option->choices[i]; i++)
        xst_text_add(out, "%s%s", i > 0 || *range ? ", " : "", option->choices[i]);
    xst_text_add(out, "%sdefault %s%s; %s]", *range || option->choices ? "; " : "",
                 *option->fallback ? option->fallback : "none", option->scaled ? " per 100 of `epochs`" : "",
                 option->source);
}

static void add_option(xst_text *out, const xst_option *option)
{
    xst_text facts = {0};
    const size_t begin = out->size;
    xst_text_add(out, "  --");
    for (const char *p = option->name; *p; p++)
        xst_text_add(out, "%c", *p == '_' ? '-' : *p);
    xst_text_add(out, " %s", placeholder(option));
    const size_t used = out->size - begin;
    xst_text_add(out, "%*s", used < HELP_INDENT ? (int)(HELP_INDENT - used) : 1, "");
    add_wrapped(out, option->help);
    add_facts(&facts, option);
    xst_text_add(out, "%*s", HELP_INDENT, "");
    add_wrapped(out, xst_text_string(&facts));
    out->failed = out->failed || facts.failed;
    xst_text_free(&facts);
}

void xst_config_help(xst_text *text)
{
    for (int i = 0; i < xst_option_count(); i++) {
        const char *const heading = xst_option_heading(i);
        if (heading)
            xst_text_add(text, "%s%s\n", i > 0 ? "\n" : "", heading);
        add_option(text, xst_option_at(i));
    }
}
