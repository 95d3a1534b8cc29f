#include "crossbar/activity.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/csv.h"

#include <math.h>
#include <string.h>

static const char header[] = "task,layer,input_bits,plane,ones,bits";

/* "features.0.weight", also without its last word. */
static bool is_name(const char *known, const char *name)
{
    const size_t length = strlen(name);
    return strcmp(known, name) == 0 || (strncmp(known, name, length) == 0 && strcmp(known + length, ".weight") == 0);
}

static int layer_of(const xst_task_record *record, const char *name)
{
    for (int l = 0; l < record->layer_count; l++)
        if (is_name(record->layers[l].name, name))
            return l;
    const xst_tensor_record *const head = xst_task_record_head(record);
    return head && is_name(head->name, name) ? record->layer_count : -1;
}

static bool whole(double x, double least, double most)
{
    return x == floor(x) && x >= least && x <= most;
}

static xst_status take_row(const xst_csv *csv, char *line, const xst_task_record *record, xst_activity *out,
                           xst_error *err)
{
    double value[6];
    int layer = -1;
    for (int i = 0; i < 6; i++) {
        const char *const field = xst_csv_field(&line);
        if (!field)
            return xst_csv_fail(csv, "fewer than 6 fields", err);
        if (i == 1 && (layer = layer_of(record, field)) < 0)
            return xst_csv_fail(csv, "a layer that the run does not have", err);
        if (i != 1 && (!xst_csv_number(field, &value[i]) || !isfinite(value[i])))
            return xst_csv_fail(csv, "a field is not a number", err);
    }
    if (!whole(value[0], 1, 1e6) || (value[2] != 4 && value[2] != 8) || !whole(value[3], 0, XST_PLANES_MAX - 1) ||
        !whole(value[5], 1, 9e15) || !whole(value[4], 0, value[5]))
        return xst_csv_fail(csv, "a number is out of range", err);
    if (value[0] > out->tasks)
        return XST_OK; /* of a task that is not finished */
    const int task = (int)value[0] - 1;
    xst_activity_entry *const entry = &out->entries[(task * out->layers + layer) * 2 + (value[2] == 8)];
    if (entry->planes == XST_PLANES_MAX || (entry->planes && entry->bits != value[5]))
        return xst_csv_fail(csv, "planes of one layer do not agree", err);
    entry->share[entry->planes++] = value[4] / value[5];
    entry->bits = value[5];
    return XST_OK;
}

static xst_status read_rows(xst_csv *csv, const xst_task_record *record, xst_activity *out, xst_error *err)
{
    char *line = xst_csv_line(csv);
    if (!line || strcmp(line, header) != 0)
        return xst_csv_fail(csv, "the first line is not that of activity.csv", err);
    xst_status status = XST_OK;
    while (status == XST_OK && (line = xst_csv_line(csv)))
        status = take_row(csv, line, record, out, err);
    return status;
}

xst_status xst_activity_read(const xst_run *run, const xst_task_record *record, int tasks, xst_activity *out,
                             xst_error *err)
{
    char path[XST_PATH_MAX];
    *out = (xst_activity){.tasks = tasks, .layers = record->layer_count + 1};
    xst_status status = xst_path(path, err, "%s/activity.csv", xst_run_path(run));
    if (status != XST_OK)
        return status;
    if (!xst_path_exists(path))
        return xst_fail(err, XST_ERROR_RUN, "%s is not there: `xst eval %s` measures the inputs and writes it", path,
                        xst_run_path(run));
    xst_csv csv = {.path = path};
    void *entries = NULL;
    status = xst_file_read(path, &csv.bytes, &csv.size, err);
    if (status == XST_OK)
        status =
            xst_alloc(&entries, (size_t)tasks * (size_t)out->layers * 2, sizeof(xst_activity_entry), "activity", err);
    out->entries = entries;
    if (status == XST_OK)
        status = read_rows(&csv, record, out, err);
    xst_free(csv.bytes);
    if (status != XST_OK)
        xst_activity_free(out);
    return status;
}

void xst_activity_free(xst_activity *activity)
{
    xst_free(activity->entries);
    *activity = (xst_activity){0};
}

xst_status xst_activity_find(const xst_activity *activity, const xst_run *run, int task, int layer, int input_bits,
                             const xst_activity_entry **out, xst_error *err)
{
    const xst_activity_entry *const entry =
        &activity->entries[((task - 1) * activity->layers + layer) * 2 + (input_bits == 8)];
    if (entry->planes != input_bits)
        return xst_fail(err, XST_ERROR_RUN,
                        "%s/activity.csv: %d of %d bit planes for task %d, layer %d: `xst eval %s` writes it anew",
                        xst_run_path(run), entry->planes, input_bits, task, layer + 1, xst_run_path(run));
    *out = entry;
    return XST_OK;
}
