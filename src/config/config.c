#include "config/config.h"

#include "base/error.h"
#include "base/memory.h"
#include "config/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void mark_given(xst_config *config, int index)
{
    config->given[index / 64] |= (uint64_t)1 << index % 64;
}

static bool is_given(const xst_config *config, int index)
{
    return config->given[index / 64] >> index % 64 & 1;
}

xst_status xst_config_create(xst_config **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_config), "configuration", err);
    for (int i = 0; status == XST_OK && i < xst_option_count(); i++) {
        const xst_option *const option = xst_option_at(i);
        status = xst_value_from_text(memory, option, option->name, option->fallback, err);
    }
    if (status != XST_OK) {
        xst_free(memory);
        return status;
    }
    *out = memory;
    return XST_OK;
}

void xst_config_destroy(xst_config *config)
{
    xst_free(config);
}

static xst_status set_text(xst_config *config, int index, const char *label, const char *text, xst_error *err)
{
    const xst_status status = xst_value_from_text(config, xst_option_at(index), label, text, err);
    if (status == XST_OK)
        mark_given(config, index);
    return status;
}

int xst_config_epochs(const xst_config *config, const int *count)
{
    const size_t offset = (size_t)((const char *)count - (const char *)config);
    for (int i = 0; i < xst_option_count(); i++)
        if (xst_option_at(i)->offset == offset && is_given(config, i))
            return *count;
    const int scaled = (int)rint((double)*count * config->epochs / 100.0);
    return scaled > 1 ? scaled : 1;
}

xst_status xst_config_set(xst_config *config, const char *key, const char *value, xst_error *err)
{
    const int index = xst_option_find(key);
    return index < 0 ? xst_option_unknown(key, err) : set_text(config, index, key, value, err);
}

static xst_status load_member(xst_config *config, const xst_yaml_node *member, xst_error *err)
{
    const int index = xst_option_find(member->key);
    if (index < 0)
        return xst_option_unknown(member->key, err);
    const xst_status status = xst_value_from_node(config, xst_option_at(index), member->key, member, err);
    if (status == XST_OK)
        mark_given(config, index);
    return status;
}

xst_status xst_config_load(xst_config *config, const char *path, xst_error *err)
{
    const xst_config before = *config;
    xst_yaml *yaml = NULL;
    xst_status status = xst_yaml_read(path, &yaml, err);
    if (status != XST_OK)
        return status;
    const xst_yaml_node *const root = xst_yaml_root(yaml);
    if (root->kind != XST_YAML_MAP)
        status = xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: a configuration is lines of `key: value`", path, root->line,
                          root->column);
    else
        for (const xst_yaml_node *member = root->child; status == XST_OK && member; member = member->next) {
            status = load_member(config, member, err);
            if (status != XST_OK)
                status = xst_fail_context(err, status, "%s:%d:%d", path, member->line, member->column);
        }
    if (status != XST_OK)
        *config = before;
    xst_yaml_destroy(yaml);
    return status;
}

_Static_assert(sizeof((xst_config *)0)->scratch >= XST_VALUE_TEXT, "scratch holds any value");

const char *xst_config_get(xst_config *config, const char *key)
{
    const int index = xst_option_find(key);
    if (index < 0)
        return NULL;
    xst_value_text(config, xst_option_at(index), config->scratch);
    return config->scratch;
}

const char *xst_config_conflict(xst_config *config, xst_config *other)
{
    for (int i = 0; i < xst_option_count(); i++) {
        const char *const name = xst_option_name(i);
        if (is_given(other, i) && strcmp(name, "out") != 0 &&
            strcmp(xst_config_get(config, name), xst_config_get(other, name)) != 0)
            return name;
    }
    return NULL;
}

static xst_status check_net(const xst_config *config, xst_error *err)
{
    enum { IMAGE_SIDE = 32 };
    int pools = 0;
    if (config->net.count == 0 || config->net.at[0] == 0)
        return xst_fail(err, XST_ERROR_CONFIG, "net: the list must begin with the width of a conv");
    for (int i = 0; i < config->net.count; i++)
        pools += config->net.at[i] == 0;
    if (IMAGE_SIDE >> pools == 0)
        return xst_fail(err, XST_ERROR_CONFIG, "net: %d pools (M) leave nothing of a %d x %d image: use at most 5",
                        pools, IMAGE_SIDE, IMAGE_SIDE);
    return XST_OK;
}

/* With round_channels = 1 a scaled width is truncated, and could vanish. */
static xst_status check_scaled(const xst_config *config, const char *name, const xst_widths *widths, xst_error *err)
{
    const double scale = sqrt(config->expand) * config->width;
    for (int i = 0; config->round_channels == 1 && i < widths->count; i++)
        if (widths->at[i] > 0 && widths->at[i] * scale < 1.0)
            return xst_fail(err, XST_ERROR_CONFIG,
                            "%s: width %d times sqrt(expand) * width = %.3g leaves no channel: use round_channels 8 or "
                            "larger widths",
                            name, widths->at[i], scale);
    return XST_OK;
}

static xst_status check_cpg(const xst_config *config, xst_error *err)
{
    const int ramp = xst_config_epochs(config, &config->cpg_ramp_epochs),
              stage = xst_config_epochs(config, &config->cpg_prune_epochs);
    if (config->cpg_grow)
        return xst_fail(err, XST_ERROR_CONFIG, "cpg_grow: growing is not there yet: use 0");
    if (config->cpg_goals[0] == 0)
        return xst_fail(
            err, XST_ERROR_CONFIG,
            "cpg_goals: method cpg needs accuracies to reach: train `--method scratch --expand 1` and give its "
            "run folder, or a file with a percentage on each line");
    if (ramp > stage)
        return xst_fail(err, XST_ERROR_CONFIG,
                        "cpg_ramp_epochs: a ramp of %d epochs is longer than the stage, %d: lower it, or raise "
                        "cpg_prune_epochs",
                        ramp, stage);
    return XST_OK;
}

xst_status xst_config_check(const xst_config *config, xst_error *err)
{
    xst_status status = check_net(config, err);
    if (status == XST_OK)
        status = check_scaled(config, "net", &config->net, err);
    if (status == XST_OK)
        status = check_scaled(config, "fc", &config->fc, err);
    if (status == XST_OK && config->budget == XST_BUDGET_LITERAL && config->s1 < 0.5)
        return xst_fail(
            err, XST_ERROR_CONFIG,
            "budget: literal needs s1 of at least 0.5, and s1 is %g: later tasks would take more than there is",
            config->s1);
    if (status == XST_OK && config->method == XST_METHOD_CPG)
        status = check_cpg(config, err);
    if (status == XST_OK && config->data[0] == 0)
        return xst_fail(err, XST_ERROR_CONFIG, "data: empty: give a folder, or synthetic");
    if (status == XST_OK && config->task_split[0] == 0)
        return xst_fail(err, XST_ERROR_CONFIG, "task_split: empty: give superclass, class-order or a file");
    return status;
}

xst_status xst_config_argument(xst_config *config, int argc, char **argv, int *i, xst_error *err)
{
    char label[64], key[64];
    const char *const argument = argv[*i];
    const char *const equals = strchr(argument, '=');
    const int length = (int)(equals ? equals - argument : (ptrdiff_t)strlen(argument));
    if (strncmp(argument, "--", 2) != 0)
        return xst_fail(err, XST_ERROR_USAGE, "'%.100s' is not an option", argument);
    snprintf(label, sizeof label, "%.*s", length, argument);
    snprintf(key, sizeof key, "%s", label + 2);
    for (char *p = key; *p; p++)
        if (*p == '-')
            *p = '_';
    const int index = xst_option_find(key);
    if (index < 0)
        return xst_option_unknown(label, err);
    const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[*i + 1] : NULL;
    bool on = false, lone = false;
    if (!equals && xst_option_at(index)->type == XST_OPTION_FLAG && (!value || !xst_flag_parse(value, &on))) {
        lone = true;
        value = "on";
    }
    if (!value || (!equals && !lone && strncmp(value, "--", 2) == 0))
        return xst_fail(err, XST_ERROR_USAGE, "%s: a value is missing", label);
    const xst_status status = set_text(config, index, label, value, err);
    if (status == XST_OK)
        *i += equals || lone ? 1 : 2;
    return status;
}
