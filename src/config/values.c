#include "config/options.h"

#include "base/error.h"
#include "config/number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Everything a parser of one value needs. */
typedef struct value_context {
    const xst_option *option;
    const char *label;
    xst_error *err;
} value_context;

__attribute__((format(printf, 2, 3))) static xst_status refuse(const value_context *v, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return xst_fail(v->err, XST_ERROR_CONFIG, "%s: %s", v->label, reason);
}

void xst_option_range(const xst_option *option, char text[128])
{
    char low[XST_NUMBER_TEXT], high[XST_NUMBER_TEXT];
    text[0] = 0;
    if (option->low == option->high || (option->choices && option->type != XST_OPTION_REAL))
        return;
    xst_number_text(option->low, low);
    xst_number_text(option->high, high);
    snprintf(text, 128, "%s to %s%s%s", low, high, option->unit ? " " : "", option->unit ? option->unit : "");
}

static xst_status check_range(const value_context *v, double value, const char *text)
{
    char range[128];
    if (value >= v->option->low && value <= v->option->high)
        return XST_OK;
    xst_option_range(v->option, range);
    return refuse(v, "%.100s is out of range: %s", text, range);
}

static xst_status parse_int(const value_context *v, const char *text, int64_t *out)
{
    if (!xst_number_parse_int(text, out))
        return refuse(v, "'%.100s' is not a whole number", text);
    return check_range(v, (double)*out, text);
}

static xst_status parse_real(const value_context *v, const char *text, double *out)
{
    if (!xst_number_parse(text, out))
        return refuse(v, "'%.100s' is not a number", text);
    return check_range(v, *out, text);
}

/* Index of text in the option's choices; else the message names the nearest and lists all. */
static xst_status parse_choice(const value_context *v, const char *text, int *out)
{
    const char *const *const choices = v->option->choices;
    char list[256] = "", guess[80] = "";
    int n = 0;
    for (; choices[n]; n++) {
        if (strcmp(choices[n], text) == 0) {
            *out = n;
            return XST_OK;
        }
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", n > 0 ? ", " : "", choices[n]);
    }
    const int nearest = v->option->type == XST_OPTION_INT ? -1 : xst_text_nearest(text, choices, n);
    if (nearest >= 0)
        snprintf(guess, sizeof guess, ": did you mean '%s'?", choices[nearest]);
    return refuse(v, "'%.100s' is not one of %s%s", text, list, guess);
}

bool xst_flag_parse(const char *text, bool *out)
{
    static const char *const words[] = {"0", "off", "false", "1", "on", "true"};
    for (int i = 0; i < 6; i++)
        if (strcmp(words[i], text) == 0) {
            *out = i >= 3;
            return true;
        }
    return false;
}

/* One line of UTF-8 whose characters YAML takes as they are, so that config.yaml can hold the text. */
static bool is_plain_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        const int more = *p < 0x80 ? 0 : *p < 0xc2 ? -1 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : *p < 0xf5 ? 3 : -1;
        uint32_t c = more > 0 ? *p & (0x3fu >> more) : *p;
        if (more < 0)
            return false;
        p++;
        for (int i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80)
                return false;
            c = c << 6 | (*p & 0x3fu);
        }
        const bool overlong = (more == 2 && c < 0x800) || (more == 3 && c < 0x10000);
        const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff;
        if (overlong || control || (c >= 0xd800 && c < 0xe000) || (c & 0xfffe) == 0xfffe || c > 0x10ffff)
            return false;
    }
    return true;
}

static xst_status parse_text(const value_context *v, const char *text, char *out)
{
    int index = 0;
    if (v->option->choices && parse_choice(v, text, &index) != XST_OK)
        return XST_ERROR_CONFIG;
    if (strlen(text) >= XST_TEXT_MAX)
        return refuse(v, "text of more than %d bytes", XST_TEXT_MAX - 1);
    if (!is_plain_utf8(text))
        return refuse(v, "text must be one line of printable UTF-8");
    snprintf(out, XST_TEXT_MAX, "%s", text);
    return XST_OK;
}

/* Item number `count` of a list: a scalar, and there is room for it. */
static xst_status check_item(const value_context *v, const xst_yaml_node *item, int count, int max)
{
    if (item->kind != XST_YAML_SCALAR)
        return refuse(v, "a list or map stands inside the list");
    return count < max ? XST_OK : refuse(v, "more than %d items", max);
}

static xst_status parse_reals(const value_context *v, const xst_yaml_node *list, xst_reals *out)
{
    xst_reals reals = {0};
    for (const xst_yaml_node *item = list->child; item; item = item->next) {
        double *const x = &reals.at[reals.count];
        if (check_item(v, item, reals.count, XST_LIST_MAX) != XST_OK || parse_real(v, item->text, x) != XST_OK)
            return XST_ERROR_CONFIG;
        if (reals.count > 0 && *x <= x[-1])
            return refuse(v, "%.100s does not ascend from the value before it", item->text);
        reals.count++;
    }
    *out = reals;
    return XST_OK;
}

/* Pools are allowed among the convs (`net`), not among the FC layers. */
static xst_status parse_widths(const value_context *v, const xst_yaml_node *list, xst_widths *out)
{
    const bool pools = strcmp(v->option->name, "net") == 0;
    xst_widths widths = {0};
    for (const xst_yaml_node *item = list->child; item; item = item->next) {
        int64_t n = 0;
        if (check_item(v, item, widths.count, XST_LIST_MAX) != XST_OK)
            return XST_ERROR_CONFIG;
        if (!(pools && strcmp(item->text, "M") == 0) && parse_int(v, item->text, &n) != XST_OK)
            return XST_ERROR_CONFIG;
        widths.at[widths.count++] = (int)n;
    }
    *out = widths;
    return XST_OK;
}

static xst_status parse_task_items(const value_context *v, const xst_yaml_node *list, xst_task_list *out)
{
    bool seen[XST_TASKS_MAX] = {false};
    xst_task_list tasks = {.listed = true};
    for (const xst_yaml_node *item = list->child; item; item = item->next) {
        int64_t n = 0;
        if (check_item(v, item, tasks.count, XST_TASKS_MAX) != XST_OK)
            return XST_ERROR_CONFIG;
        if (!xst_number_parse_int(item->text, &n) || n < 0 || n >= XST_TASKS_MAX)
            return refuse(v, "'%.100s' is not the index of a task: 0 is the first", item->text);
        if (seen[n])
            return refuse(v, "task %d is listed twice", (int)n);
        seen[n] = true;
        tasks.at[tasks.count++] = (int)n;
    }
    if (tasks.count == 0)
        return refuse(v, "the list is empty");
    *out = tasks;
    return XST_OK;
}

static xst_status parse_task_count(const value_context *v, const char *text, xst_task_list *out)
{
    int64_t n = 0;
    if (parse_int(v, text, &n) != XST_OK)
        return XST_ERROR_CONFIG;
    *out = (xst_task_list){.count = (int)n};
    for (int i = 0; i < out->count; i++)
        out->at[i] = i;
    return XST_OK;
}

static xst_status set_int(const value_context *v, const char *text, int *out)
{
    int64_t n = 0;
    int index = 0;
    xst_status status = XST_OK;
    if (v->option->choices)
        status = parse_choice(v, text, &index);
    if (status == XST_OK)
        status = parse_int(v, text, &n);
    if (status == XST_OK)
        *out = (int)n;
    return status;
}

static xst_status set_uint(const value_context *v, const char *text, uint32_t *out)
{
    int64_t n = 0;
    const xst_status status = parse_int(v, text, &n);
    if (status == XST_OK)
        *out = (uint32_t)n;
    return status;
}

/* A word in place of a number is NaN. */
static xst_status set_real(const value_context *v, const char *text, double *out)
{
    double x = NAN;
    if (v->option->choices && strcmp(v->option->choices[0], text) == 0) {
        *out = x;
        return XST_OK;
    }
    if (v->option->choices && !xst_number_parse(text, &x))
        return refuse(v, "'%.100s' is neither a number nor '%s'", text, v->option->choices[0]);
    const xst_status status = parse_real(v, text, &x);
    if (status == XST_OK)
        *out = x;
    return status;
}

static xst_status set_choice(const value_context *v, const char *text, void *out)
{
    int index = 0;
    const xst_status status = parse_choice(v, text, &index);
    if (status == XST_OK)
        memcpy(out, &index, sizeof index);
    return status;
}

static xst_status set_scalar(const value_context *v, const char *text, void *at)
{
    switch (v->option->type) {
    case XST_OPTION_INT:
        return set_int(v, text, at);
    case XST_OPTION_UINT:
        return set_uint(v, text, at);
    case XST_OPTION_REAL:
        return set_real(v, text, at);
    case XST_OPTION_CHOICE:
        return set_choice(v, text, at);
    case XST_OPTION_TEXT:
        return parse_text(v, text, at);
    case XST_OPTION_TASKS:
        return parse_task_count(v, text, at);
    case XST_OPTION_FLAG:
        return xst_flag_parse(text, at) ? XST_OK : refuse(v, "'%.100s' is not one of 0, 1, off, on", text);
    default:
        return refuse(v, "'%.100s' is not a list: write it in brackets, as [1, 2]", text);
    }
}

static bool takes_list(xst_option_type type)
{
    return type == XST_OPTION_REALS || type == XST_OPTION_WIDTHS || type == XST_OPTION_TASKS;
}

xst_status xst_value_from_node(xst_config *config, const xst_option *option, const char *label,
                               const xst_yaml_node *node, xst_error *err)
{
    const value_context v = {option, label, err};
    void *const at = (char *)config + option->offset;
    if (node->kind == XST_YAML_SCALAR)
        return set_scalar(&v, node->text, at);
    if (node->kind == XST_YAML_MAP || !takes_list(option->type))
        return refuse(&v, "a %s stands where a single value is expected", node->kind == XST_YAML_MAP ? "map" : "list");
    if (option->type == XST_OPTION_REALS)
        return parse_reals(&v, node, at);
    return option->type == XST_OPTION_WIDTHS ? parse_widths(&v, node, at) : parse_task_items(&v, node, at);
}

xst_status xst_value_from_text(xst_config *config, const xst_option *option, const char *label, const char *text,
                               xst_error *err)
{
    xst_yaml *yaml = NULL;
    /* Only lists are written in YAML's notation; a path keeps every character. */
    if (!takes_list(option->type) || !strchr(text, '['))
        return xst_value_from_node(config, option, label, &(xst_yaml_node){.kind = XST_YAML_SCALAR, .text = text}, err);
    const value_context v = {option, label, err};
    xst_status status = xst_yaml_parse(label, text, strlen(text), &yaml, err);
    if (status == XST_ERROR_CONFIG) /* line and column say nothing in a single word of the command line */
        return refuse(&v, "'%.100s' is not a list: write it in brackets, as [1, 2]", text);
    if (status == XST_OK)
        status = xst_value_from_node(config, option, label, xst_yaml_root(yaml), err);
    xst_yaml_destroy(yaml);
    return status;
}

/* Appends to text[XST_VALUE_TEXT], which is large enough for every value. */
__attribute__((format(printf, 2, 3))) static void put(char *text, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, XST_VALUE_TEXT - used, format, args);
    va_end(args);
}

static void put_reals(char *text, const xst_reals *reals)
{
    for (int i = 0; i < reals->count; i++) {
        char number[XST_NUMBER_TEXT];
        xst_number_text(reals->at[i], number);
        put(text, "%s%s", i > 0 ? ", " : "", number);
    }
}

static void put_ints(char *text, const int *at, int count, bool pools)
{
    for (int i = 0; i < count; i++) {
        put(text, i > 0 ? ", " : "");
        if (pools && at[i] == 0)
            put(text, "M");
        else
            put(text, "%d", at[i]);
    }
}

static void put_list(char *text, const xst_option *option, const void *at)
{
    const xst_widths *const widths = at;
    const xst_task_list *const tasks = at;
    put(text, "[");
    if (option->type == XST_OPTION_REALS)
        put_reals(text, at);
    else if (option->type == XST_OPTION_WIDTHS)
        put_ints(text, widths->at, widths->count, true);
    else
        put_ints(text, tasks->at, tasks->count, false);
    put(text, "]");
}

void xst_value_text(const xst_config *config, const xst_option *option, char text[XST_VALUE_TEXT])
{
    const void *const at = (const char *)config + option->offset;
    const bool words = option->type == XST_OPTION_FLAG && option->fallback[0] == 'o';
    int index = 0;
    text[0] = 0;
    switch (option->type) {
    case XST_OPTION_INT:
        put(text, "%d", option->scaled ? xst_config_epochs(config, at) : *(const int *)at);
        return;
    case XST_OPTION_UINT:
        put(text, "%u", *(const uint32_t *)at);
        return;
    case XST_OPTION_REAL:
        if (option->choices && isnan(*(const double *)at))
            put(text, "%s", option->choices[0]);
        else
            xst_number_text(*(const double *)at, text);
        return;
    case XST_OPTION_FLAG:
        put(text, "%s", *(const bool *)at ? (words ? "on" : "1") : (words ? "off" : "0"));
        return;
    case XST_OPTION_CHOICE:
        memcpy(&index, at, sizeof index);
        put(text, "%s", option->choices[index]);
        return;
    case XST_OPTION_TEXT:
        put(text, "%s", (const char *)at);
        return;
    case XST_OPTION_TASKS:
        if (!((const xst_task_list *)at)->listed) {
            put(text, "%d", ((const xst_task_list *)at)->count);
            return;
        }
        put_list(text, option, at);
        return;
    default:
        put_list(text, option, at);
    }
}
