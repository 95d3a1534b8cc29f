#include "crossbar/shape.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS = 8, LAYERS_MAX = 1000 };

static const char *const field_names[FIELDS] = {"IFM rows",       "IFM columns", "IFM channels", "kernel rows",
                                                "kernel columns", "outputs",     "pooling",      "stride"};

/* Splits a line into its eight whole numbers. */
static xst_status parse_line(const char *path, int line, char *text, int64_t value[FIELDS], xst_error *err)
{
    int count = 0;
    for (char *field = text, *end = NULL; field; field = end) {
        end = strchr(field, ',');
        if (end)
            *end++ = '\0';
        field += strspn(field, " \t");
        field[strcspn(field, " \t")] = '\0';
        if (count == FIELDS)
            return xst_fail(err, XST_ERROR_DATA, "%s:%d: more than %d fields", path, line, FIELDS);
        if (!xst_number_parse_int(field, &value[count]) || value[count] < 0 || value[count] > 1000000)
            return xst_fail(err, XST_ERROR_DATA, "%s:%d: %s must be a whole number, 0 to 1000000, not '%s'", path, line,
                            field_names[count], field);
        count++;
    }
    if (count != FIELDS)
        return xst_fail(err, XST_ERROR_DATA, "%s:%d: %d fields instead of %d (%s, ..., %s)", path, line, count, FIELDS,
                        field_names[0], field_names[FIELDS - 1]);
    return XST_OK;
}

static xst_status check_layer(const char *path, int line, const int64_t v[FIELDS], xst_error *err)
{
    for (int i = 0; i < FIELDS; i++)
        if (v[i] < 1 && i != 6)
            return xst_fail(err, XST_ERROR_DATA, "%s:%d: %s must be at least 1", path, line, field_names[i]);
    if (v[6] > 1)
        return xst_fail(err, XST_ERROR_DATA, "%s:%d: pooling must be 0 or 1", path, line);
    if (v[3] > v[0] || v[4] > v[1])
        return xst_fail(err, XST_ERROR_DATA,
                        "%s:%d: the kernel is larger than the input (no padding: enlarge the input instead)", path,
                        line);
    return XST_OK;
}

static xst_shape make_shape(int index, const int64_t v[FIELDS], int cells)
{
    xst_shape s = {.feature_map = (double)(v[0] * v[1] * v[2]),
                   .rows = (double)(v[2] * v[3] * v[4]),
                   .outputs = (double)v[5],
                   .columns = (double)(cells * v[5]),
                   .pooled = v[6] == 1,
                   .output_share = 1};
    const double stride = (double)v[7];
    s.vectors = floor((double)(v[0] - v[3] + 1) / stride * ((double)(v[1] - v[4] + 1) / stride));
    if (s.vectors < 1)
        s.vectors = 1;
    snprintf(s.name, sizeof s.name, "layer %d", index + 1);
    return s;
}

static xst_status parse_layers(const char *path, char *bytes, int cells, xst_shape **shapes, int *count, xst_error *err)
{
    void *array = NULL;
    size_t capacity = 0;
    int layers = 0, line = 0;
    xst_status status = XST_OK;
    for (char *text = bytes, *end = NULL; text && status == XST_OK; text = end) {
        end = strchr(text, '\n');
        if (end)
            *end++ = '\0';
        line++;
        text[strcspn(text, "\r")] = '\0';
        if (text[strspn(text, " \t")] == '\0')
            continue;
        int64_t v[FIELDS] = {0};
        if ((status = parse_line(path, line, text, v, err)) != XST_OK ||
            (status = check_layer(path, line, v, err)) != XST_OK)
            break;
        if (layers == LAYERS_MAX)
            status = xst_fail(err, XST_ERROR_DATA, "%s:%d: more than %d layers", path, line, LAYERS_MAX);
        else if ((status = xst_grow(&array, &capacity, (size_t)layers + 1, sizeof(xst_shape), "layers", err)) ==
                 XST_OK) {
            ((xst_shape *)array)[layers] = make_shape(layers, v, cells);
            layers++;
        }
    }
    if (status == XST_OK && layers == 0)
        status = xst_fail(err, XST_ERROR_DATA, "%s: no layers: one line per layer, %d numbers each", path, FIELDS);
    if (status != XST_OK) {
        xst_free(array);
        return status;
    }
    *shapes = array;
    *count = layers;
    return XST_OK;
}

xst_status xst_network_read(const char *path, int cells_per_weight, xst_shape **shapes, int *count, xst_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    xst_status status = xst_file_read(path, &bytes, &size, err);
    if (status == XST_OK && strlen(bytes) != size)
        status = xst_fail(err, XST_ERROR_DATA, "%s: not a text file", path);
    if (status == XST_OK)
        status = parse_layers(path, bytes, cells_per_weight, shapes, count, err);
    xst_free(bytes);
    return status;
}
