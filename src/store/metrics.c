#include "store/run.h"

#include "base/error.h"
#include "base/memory.h"
#include "store/csv.h"
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file_name[] = "metrics.csv";
static const char header[] =
    "task,epoch,step,train_loss,train_accuracy,test_accuracy,images_per_s,seconds,active_columns,mask_density";
/* Of methods that train a task in phases, all rows have one more field: the phase. */
static const char phase_field[] = ",phase";

enum { FIELDS = 10 };

static void add_row(xst_text *text, const xst_metrics_row *row)
{
    xst_text_add(text, "%d,%d,%" PRIu32 ",%.9g,%.2f,", row->task, row->epoch, row->step, row->train_loss,
                 row->train_accuracy);
    if (isfinite(row->test_accuracy))
        xst_text_add(text, "%.2f", row->test_accuracy);
    xst_text_add(text, ",%.1f,%.3f,%" PRIu64 ",", row->images_per_s, row->seconds, row->active_columns);
    if (isfinite(row->mask_density))
        xst_text_add(text, "%.6f", row->mask_density);
    xst_text_add(text, "%s%s\n", row->phase[0] ? "," : "", row->phase);
}

/* One write. A row that did not get whole to the file is taken back, so that the file stays one of whole rows. */
static xst_status append(const char *path, const xst_text *text, xst_error *err)
{
    struct stat st;
    xst_status status = XST_OK;
    const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        status = xst_fail(err, XST_ERROR_IO, "cannot open '%s': %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return status;
    }
    const ssize_t n = write(fd, text->bytes, text->size);
    if (n != (ssize_t)text->size) {
        status = xst_fail(err, XST_ERROR_IO, "cannot write '%s': %s; the rows before are kept", path,
                          n >= 0 ? "no room for a whole row" : strerror(errno));
        if (ftruncate(fd, st.st_size) != 0)
            status = xst_fail_context(err, status, "half a row is left");
    }
    if (close(fd) != 0 && status == XST_OK)
        status = xst_fail(err, XST_ERROR_IO, "cannot close '%s': %s", path, strerror(errno));
    return status;
}

xst_status xst_run_append_metrics(xst_run *run, const xst_metrics_row *row, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_text text = {0};
    xst_status status = xst_run_check_writable(run, err);
    if (status == XST_OK)
        status = xst_run_file(run, file_name, path, err);
    if (status == XST_OK && !xst_path_exists(path)) {
        xst_text_add(&text, "%s%s\n", header, row->phase[0] ? phase_field : "");
        status = xst_text_check(&text, err);
        if (status == XST_OK)
            status = xst_file_write(path, text.bytes, text.size, err);
        xst_text_free(&text);
    }
    if (status != XST_OK)
        return status;
    add_row(&text, row);
    status = xst_text_check(&text, err);
    if (status == XST_OK)
        status = append(path, &text, err);
    xst_text_free(&text);
    return status;
}

xst_status xst_run_flush_metrics(const xst_run *run, xst_error *err)
{
    char path[XST_PATH_MAX];
    const xst_status status = xst_run_file(run, file_name, path, err);
    if (status != XST_OK || !xst_path_exists(path))
        return status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool flushed = fd >= 0 && fsync(fd) == 0;
    const int reason = errno;
    if (fd >= 0)
        close(fd);
    return flushed ? XST_OK : xst_fail(err, XST_ERROR_IO, "cannot write '%s': %s", path, strerror(reason));
}

static xst_status parse_row(const xst_csv *csv, char *line, bool phases, xst_metrics_row *row, xst_error *err)
{
    double value[FIELDS];
    char *rest = line;
    for (int i = 0; i < FIELDS; i++) {
        const char *const field = xst_csv_field(&rest);
        const bool may_be_empty = i == 5 || i == 9; /* test_accuracy, mask_density */
        if (!field || !xst_csv_number(field, &value[i]) || (!may_be_empty && isnan(value[i])))
            return xst_csv_fail(csv, "not a row of metrics", err);
    }
    const char *const phase = phases ? xst_csv_field(&rest) : "";
    if (!phase || rest || strlen(phase) >= sizeof row->phase || value[0] < 1 || value[0] > 1e6 || value[1] < 1 ||
        value[1] > 1e9 || value[2] < 0 || value[2] > UINT32_MAX || value[8] < 0 || value[8] > 1e15)
        return xst_csv_fail(csv, "not a row of metrics", err);
    *row = (xst_metrics_row){
        .task = (int)value[0],
        .epoch = (int)value[1],
        .step = (uint32_t)value[2],
        .train_loss = value[3],
        .train_accuracy = value[4],
        .test_accuracy = value[5],
        .images_per_s = value[6],
        .seconds = value[7],
        .active_columns = (uint64_t)value[8],
        .mask_density = value[9],
    };
    snprintf(row->phase, sizeof row->phase, "%s", phase);
    return XST_OK;
}

static xst_status check_header(xst_csv *csv, bool *phases, xst_error *err)
{
    const char *const line = xst_csv_line(csv);
    const size_t n = sizeof header - 1;
    *phases = line && strncmp(line, header, n) == 0 && strcmp(line + n, phase_field) == 0;
    return *phases || (line && strcmp(line, header) == 0) ? XST_OK
                                                          : xst_csv_fail(csv, "not the header of metrics", err);
}

/* Start of what is to go: the first row beyond, or the rest of a row that was never finished. */
static xst_status find_cut(xst_csv *csv, int task, int epoch, size_t *cut, xst_error *err)
{
    bool phases;
    xst_status status = check_header(csv, &phases, err);
    *cut = csv->at;
    for (char *line; status == XST_OK && (line = xst_csv_line(csv));) {
        xst_metrics_row row;
        status = parse_row(csv, line, phases, &row, err);
        if (status == XST_OK && (row.task > task || (row.task == task && row.epoch > epoch)))
            break;
        *cut = csv->at;
    }
    return status;
}

xst_status xst_run_keep_metrics(xst_run *run, int task, int epoch, xst_error *err)
{
    char path[XST_PATH_MAX];
    char *bytes = NULL;
    void *copy = NULL;
    size_t cut = 0;
    xst_csv csv = {.path = path};
    xst_status status = xst_run_check_writable(run, err);
    if (status == XST_OK)
        status = xst_run_file(run, file_name, path, err);
    if (status != XST_OK || !xst_path_exists(path))
        return status;
    status = xst_file_read(path, &bytes, &csv.size, err);
    if (status == XST_OK)
        status = xst_alloc(&copy, csv.size + 1, 1, "metrics", err);
    if (status == XST_OK)
        csv.bytes = memcpy(copy, bytes, csv.size + 1); /* parsing puts zeros into it */
    if (status == XST_OK)
        status = find_cut(&csv, task, epoch, &cut, err);
    if (status == XST_OK && cut < csv.size)
        status = xst_file_write(path, bytes, cut, err);
    xst_free(copy);
    xst_free(bytes);
    return status;
}

static xst_status parse_rows(xst_csv *csv, xst_metrics_row **rows, size_t *count, xst_error *err)
{
    void *list = NULL;
    size_t capacity = 0;
    bool phases;
    xst_status status = check_header(csv, &phases, err);
    for (char *line; status == XST_OK && (line = xst_csv_line(csv)); ++*count) {
        status = xst_grow(&list, &capacity, *count + 1, sizeof(xst_metrics_row), "metrics", err);
        if (status == XST_OK)
            status = parse_row(csv, line, phases, (xst_metrics_row *)list + *count, err);
    }
    if (status != XST_OK) {
        xst_free(list);
        *count = 0;
        return status;
    }
    *rows = list;
    return XST_OK;
}

xst_status xst_run_read_metrics(const xst_run *run, xst_metrics_row **rows, size_t *count, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_csv csv = {.path = path};
    *rows = NULL;
    *count = 0;
    xst_status status = xst_run_read_file(run, file_name, path, &csv.bytes, &csv.size, err);
    if (status == XST_OK)
        status = parse_rows(&csv, rows, count, err);
    xst_free(csv.bytes);
    return status;
}
