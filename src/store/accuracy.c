#include "store/run.h"

#include "base/error.h"
#include "base/memory.h"
#include "store/csv.h"
#include "store/folder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TASKS_MAX = 1000 };

static const char file_name[] = "accuracy.csv";

xst_status xst_run_write_accuracy(xst_run *run, const double *matrix, int rows, int n, xst_error *err)
{
    xst_text text = {0};
    for (int j = 0; j < n; j++)
        xst_text_add(&text, "%stask_%d", j > 0 ? "," : "", j + 1);
    xst_text_add(&text, "\n");
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < n; j++) {
            const double value = matrix[(size_t)i * (size_t)n + (size_t)j];
            xst_text_add(&text, "%s", j > 0 ? "," : "");
            if (j <= i && isfinite(value))
                xst_text_add(&text, "%.2f", value);
        }
        xst_text_add(&text, "\n");
    }
    xst_status status = xst_text_check(&text, err);
    if (status == XST_OK)
        status = xst_run_write_file(run, file_name, text.bytes, text.size, err);
    xst_text_free(&text);
    return status;
}

/* task_1,task_2,..: how many, or 0 where it is not that. */
static int count_columns(char *header)
{
    char expected[32];
    int n = 0;
    for (char *rest = header, *field; (field = xst_csv_field(&rest));) {
        snprintf(expected, sizeof expected, "task_%d", ++n);
        if (strcmp(field, expected) != 0 || n > TASKS_MAX)
            return 0;
    }
    return n;
}

static xst_status read_row(const xst_csv *csv, char *line, double *row, int n, xst_error *err)
{
    char *rest = line;
    for (int j = 0; j < n; j++) {
        const char *const field = xst_csv_field(&rest);
        if (!field || !xst_csv_number(field, &row[j]) || row[j] < 0 || row[j] > 100)
            return xst_csv_fail(csv, "not a row of percents", err);
    }
    return rest ? xst_csv_fail(csv, "more fields than the header has", err) : XST_OK;
}

static xst_status parse(xst_csv *csv, double **matrix, int *rows, int *n, xst_error *err)
{
    void *memory = NULL;
    char *const header = xst_csv_line(csv);
    *rows = 0;
    *n = header ? count_columns(header) : 0;
    if (*n == 0)
        return xst_csv_fail(csv, "the header is not task_1,task_2,..", err);
    const size_t size = (size_t)*n;
    xst_status status = xst_alloc(&memory, size * size, sizeof(double), "accuracies", err);
    if (status != XST_OK)
        return status;
    double *const values = memory;
    for (size_t i = 0; i < size * size; i++)
        values[i] = (double)NAN;
    for (char *line; status == XST_OK && (line = xst_csv_line(csv)); ++*rows)
        status = *rows < *n ? read_row(csv, line, values + (size_t)*rows * size, *n, err)
                            : xst_csv_fail(csv, "more rows than tasks", err);
    if (status != XST_OK) {
        xst_free(values);
        return status;
    }
    *matrix = values;
    return XST_OK;
}

xst_status xst_run_read_accuracy(const xst_run *run, double **matrix, int *rows, int *n, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_csv csv = {.path = path};
    *matrix = NULL;
    xst_status status = xst_run_read_file(run, file_name, path, &csv.bytes, &csv.size, err);
    if (status == XST_OK)
        status = parse(&csv, matrix, rows, n, err);
    xst_free(csv.bytes);
    return status;
}
