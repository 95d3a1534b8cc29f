/* Device files: YAML as {section: {key: {value, unit, source}}}. */
#include "crossbar/device.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "config/yaml.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static xst_status refuse(const xst_yaml *yaml, const xst_yaml_node *node, xst_error *err, const char *what,
                         const char *detail)
{
    return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: %s%s", xst_yaml_name(yaml), node->line, node->column, what,
                    detail);
}

static xst_status want_kind(const xst_yaml *yaml, const xst_yaml_node *node, xst_yaml_kind kind, xst_error *err)
{
    static const char *const expected[] = {"expected one value", "expected a list", "expected a map"};
    if (node->kind == kind)
        return XST_OK;
    return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: %s for %s", xst_yaml_name(yaml), node->line, node->column,
                    expected[kind], node->key ? node->key : "the document");
}

static int find_field(const char *section, const char *key)
{
    for (int i = 0; i < xst_device_field_count(); i++) {
        const xst_device_field *const f = xst_device_field_at(i);
        if (strcmp(f->section, section) == 0 && strcmp(f->key, key) == 0)
            return i;
    }
    return -1;
}

/* An unknown section or key: names the nearest one there is. section NULL: among sections. */
static xst_status refuse_unknown(const xst_yaml *yaml, const xst_yaml_node *node, const char *section, xst_error *err)
{
    const char *known[XST_DEVICE_FIELDS];
    int count = 0;
    for (int i = 0; i < xst_device_field_count(); i++) {
        const xst_device_field *const f = xst_device_field_at(i);
        if (!section && (count == 0 || strcmp(known[count - 1], f->section) != 0))
            known[count++] = f->section;
        else if (section && strcmp(section, f->section) == 0)
            known[count++] = f->key;
    }
    const int nearest = xst_text_nearest(node->key, known, count);
    return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: unknown key '%s'%s%s%s%s%s", xst_yaml_name(yaml), node->line,
                    node->column, node->key, section ? " in " : "", section ? section : "",
                    nearest >= 0 ? "; did you mean '" : "", nearest >= 0 ? known[nearest] : "",
                    nearest >= 0 ? "'?" : "");
}

/* A scalar member of a constant; missing is an error that says what to write. */
static xst_status take_text(const xst_yaml *yaml, const xst_yaml_node *constant, const char *member, const char *hint,
                            const char **out, xst_error *err)
{
    const xst_yaml_node *const node = xst_yaml_member(constant, member);
    if (!node)
        return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: %s has no %s: write %s: %s", xst_yaml_name(yaml),
                        constant->line, constant->column, constant->key, member, member, hint);
    const xst_status status = want_kind(yaml, node, XST_YAML_SCALAR, err);
    if (status == XST_OK)
        *out = node->text;
    return status;
}

static xst_status check_range(const xst_yaml *yaml, const xst_yaml_node *node, const xst_device_field *f, double value,
                              xst_error *err)
{
    if (f->whole && (value != floor(value) || fabs(value) > 1e9))
        return refuse(yaml, node, err, f->key, " must be a whole number");
    if (value >= f->least && value <= f->most)
        return XST_OK;
    return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: %s = %g %s is out of range: %g to %g %s", xst_yaml_name(yaml),
                    node->line, node->column, f->key, value, f->unit, f->least, f->most, f->unit);
}

static xst_status read_constant(const xst_yaml *yaml, const xst_yaml_node *node, int index, xst_device *out,
                                xst_error *err)
{
    const xst_device_field *const f = xst_device_field_at(index);
    xst_status status = want_kind(yaml, node, XST_YAML_MAP, err);
    if (status != XST_OK)
        return status;
    for (const xst_yaml_node *m = node->child; m; m = m->next)
        if (strcmp(m->key, "value") != 0 && strcmp(m->key, "unit") != 0 && strcmp(m->key, "source") != 0)
            return refuse(yaml, m, err, "unknown key: a constant has value, unit and source, not ", m->key);
    const char *text = NULL, *unit = NULL, *source = NULL;
    if ((status = take_text(yaml, node, "value", "a number", &text, err)) != XST_OK ||
        (status = take_text(yaml, node, "unit", f->unit, &unit, err)) != XST_OK ||
        (status = take_text(yaml, node, "source", "where the value comes from", &source, err)) != XST_OK)
        return status;
    double value = 0;
    if ((status = xst_yaml_double(yaml, xst_yaml_member(node, "value"), &value, err)) != XST_OK)
        return status;
    if (!xst_device_unit(unit, f->unit, value, &value))
        return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: %s: unit '%s' does not measure it: use %s or a multiple",
                        xst_yaml_name(yaml), node->line, node->column, f->key, unit, f->unit);
    if ((status = check_range(yaml, node, f, value, err)) != XST_OK)
        return status;
    if (source[0] == '\0' || strlen(source) >= XST_DEVICE_SOURCE)
        return refuse(yaml, node, err, f->key, ": the source must have 1 to 255 characters");
    xst_device_set(out, index, value);
    snprintf(out->source[index], sizeof out->source[index], "%s", source);
    memcpy(out->from[index], out->name, sizeof out->name);
    return XST_OK;
}

static xst_status read_section(const xst_yaml *yaml, const xst_yaml_node *section, xst_device *out, xst_error *err)
{
    bool known = false;
    for (int i = 0; i < xst_device_field_count(); i++)
        known = known || strcmp(xst_device_field_at(i)->section, section->key) == 0;
    if (!known)
        return refuse_unknown(yaml, section, NULL, err);
    xst_status status = want_kind(yaml, section, XST_YAML_MAP, err);
    for (const xst_yaml_node *n = section->child; n && status == XST_OK; n = n->next) {
        const int index = find_field(section->key, n->key);
        if (index < 0)
            return refuse_unknown(yaml, n, section->key, err);
        status = read_constant(yaml, n, index, out, err);
    }
    return status;
}

/* name, description, based_on. */
static xst_status read_head(const xst_yaml *yaml, const xst_yaml_node *root, xst_device *out, xst_error *err)
{
    static const char *const keys[] = {"name", "description", "based_on"};
    for (int i = 0; i < 3; i++) {
        const xst_yaml_node *const node = xst_yaml_member(root, keys[i]);
        if (!node && i < 2)
            return xst_fail(err, XST_ERROR_CONFIG, "%s: the device has no %s: add %s: ...", xst_yaml_name(yaml),
                            keys[i], keys[i]);
        if (!node)
            continue;
        const xst_status status = want_kind(yaml, node, XST_YAML_SCALAR, err);
        if (status != XST_OK)
            return status;
        const size_t room = i == 1 ? sizeof out->description : sizeof out->name;
        if (node->text[0] == '\0' || strlen(node->text) >= room)
            return refuse(yaml, node, err, keys[i], " is empty or too long");
    }
    const xst_yaml_node *const base = xst_yaml_member(root, "based_on");
    if (base) {
        size_t size = 0;
        const char *const text = xst_device_ready(base->text, &size);
        if (!text || strcmp(base->text, xst_yaml_member(root, "name")->text) == 0)
            return refuse(yaml, base, err, "based_on names no other ready device: ", base->text);
        const xst_status status = xst_device_parse(base->text, text, size, out, err);
        if (status != XST_OK)
            return status;
    }
    snprintf(out->name, sizeof out->name, "%s", xst_yaml_member(root, "name")->text);
    snprintf(out->description, sizeof out->description, "%s", xst_yaml_member(root, "description")->text);
    return XST_OK;
}

static xst_status read_document(const xst_yaml *yaml, xst_device *out, xst_error *err)
{
    const xst_yaml_node *const root = xst_yaml_root(yaml);
    xst_status status = want_kind(yaml, root, XST_YAML_MAP, err);
    if (status != XST_OK || (status = read_head(yaml, root, out, err)) != XST_OK)
        return status;
    for (const xst_yaml_node *n = root->child; n; n = n->next) {
        if (strcmp(n->key, "name") == 0 || strcmp(n->key, "description") == 0 || strcmp(n->key, "based_on") == 0)
            continue;
        if ((status = read_section(yaml, n, out, err)) != XST_OK)
            return status;
    }
    for (int i = 0; i < xst_device_field_count(); i++)
        if (out->source[i][0] == '\0')
            return xst_fail(err, XST_ERROR_CONFIG,
                            "%s: no value for %s.%s (%s): add it, or name a ready device with based_on",
                            xst_yaml_name(yaml), xst_device_field_at(i)->section, xst_device_field_at(i)->key,
                            xst_device_field_at(i)->meaning);
    status = xst_device_finish(out, err);
    return status == XST_OK ? XST_OK : xst_fail_context(err, status, "%s", xst_yaml_name(yaml));
}

xst_status xst_device_parse(const char *name, const char *bytes, size_t size, xst_device *out, xst_error *err)
{
    *out = (xst_device){0};
    xst_yaml *yaml = NULL;
    xst_status status = xst_yaml_parse(name, bytes, size, &yaml, err);
    if (status == XST_OK)
        status = read_document(yaml, out, err);
    xst_yaml_destroy(yaml);
    return status;
}

xst_status xst_device_read(const char *name_or_path, xst_device *out, xst_error *err)
{
    const size_t length = strlen(name_or_path);
    const bool path = strchr(name_or_path, '/') || (length > 5 && strcmp(name_or_path + length - 5, ".yaml") == 0);
    if (!path) {
        size_t size = 0;
        const char *const text = xst_device_ready(name_or_path, &size);
        if (text)
            return xst_device_parse(name_or_path, text, size, out, err);
        xst_text list = {0};
        for (int i = 0; xst_device_ready_name(i); i++)
            xst_text_add(&list, "%s%s", i ? ", " : "", xst_device_ready_name(i));
        const xst_status status = xst_fail(err, XST_ERROR_CONFIG,
                                           "no ready device is called '%s': there are %s; "
                                           "or give a file (NAME.yaml)",
                                           name_or_path, xst_text_string(&list));
        xst_text_free(&list);
        return status;
    }
    char *bytes = NULL;
    size_t size = 0;
    xst_status status = xst_file_read(name_or_path, &bytes, &size, err);
    if (status == XST_OK)
        status = xst_device_parse(name_or_path, bytes, size, out, err);
    xst_free(bytes);
    return status;
}

/* What one constant alone cannot tell. */
static xst_status check_together(const xst_device *d, xst_error *err)
{
    if (d->cell.on_conductance <= d->cell.off_conductance)
        return xst_fail(err, XST_ERROR_CONFIG, "cell.on_conductance (%g S) must be above cell.off_conductance (%g S)",
                        d->cell.on_conductance, d->cell.off_conductance);
    const int m = (d->array.weight_bits + d->cell.bits - 1) / d->cell.bits;
    if (d->array.columns % d->array.adc_share != 0)
        return xst_fail(err, XST_ERROR_CONFIG, "array.adc_share (%d) must divide array.columns (%d)",
                        d->array.adc_share, d->array.columns);
    if (m > d->array.columns)
        return xst_fail(err, XST_ERROR_CONFIG, "a weight takes %d cells: more than array.columns (%d)", m,
                        d->array.columns);
    if (d->layout.cell_height <= d->layout.pn_gap + 2 * d->layout.end_gap)
        return xst_fail(err, XST_ERROR_CONFIG, "layout.cell_height leaves no room between its gaps");
    return XST_OK;
}

xst_status xst_device_finish(xst_device *device, xst_error *err)
{
    const xst_status status = check_together(device, err);
    if (status != XST_OK)
        return status;
    xst_text text = {0};
    for (int i = 0; i < xst_device_field_count(); i++) {
        const xst_device_field *const f = xst_device_field_at(i);
        xst_text_add(&text, "%s.%s=%.17g %s\n", f->section, f->key, xst_device_value(device, i), f->unit);
    }
    xst_status hashed = xst_text_check(&text, err);
    if (hashed == XST_OK)
        hashed = xst_sha256(xst_text_string(&text), text.size, device->hash, err);
    xst_text_free(&text);
    return hashed;
}
