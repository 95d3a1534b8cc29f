/* The comparison as the program and C callers see it. */
#include "xst/compare.h"

#include "base/error.h"
#include "base/memory.h"
#include "report/report.h"

#include <string.h>

static xst_status read_runs(const char *const *paths, int count, xst_comparison *c, xst_error *err)
{
    void *runs = NULL;
    xst_status status = xst_alloc(&runs, (size_t)count, sizeof *c->runs, "runs", err);
    c->runs = runs;
    for (int i = 0; i < count && status == XST_OK; i++) {
        c->count = i + 1;
        status = xst_report_read(paths[i], &c->runs[i], err);
        if (status != XST_OK)
            return xst_fail_context(err, status, "compare");
    }
    return status;
}

static xst_status evaluate(xst_comparison *c, const char *data, xst_error *err)
{
    xst_status status = xst_report_label(c, err);
    if (status != XST_OK)
        return status;
    xst_report_check(c);
    status = xst_report_group_runs(c, err);
    if (status != XST_OK)
        return status;
    xst_report_relate(c);
    status = xst_report_test_pairs(c, data, err);
    if (status != XST_OK)
        return status;
    xst_report_tables_accuracy(c, &c->tables);
    xst_report_tables_seeds(c, &c->tables);
    xst_report_tables_time(c, &c->tables);
    xst_report_tables_phases(c, &c->tables);
    xst_report_tables_bytes(c, &c->tables);
    return xst_sheets_check(&c->tables, err);
}

xst_status xst_compare(const char *const *runs, int count, const xst_compare_options *options, xst_comparison **out,
                       xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    if (count < 1 || count > XST_REPORT_RUNS)
        return xst_fail(err, XST_ERROR_USAGE, "compare: name 1 to %d run folders", XST_REPORT_RUNS);
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_comparison), "comparison", err);
    if (status != XST_OK)
        return status;
    xst_comparison *const c = memory;
    status = read_runs(runs, count, c, err);
    if (status == XST_OK)
        status = evaluate(c, options ? options->data : NULL, err);
    if (status != XST_OK) {
        xst_comparison_free(c);
        return status;
    }
    *out = c;
    return XST_OK;
}

void xst_comparison_free(xst_comparison *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->count; i++)
        xst_report_run_free(&c->runs[i]);
    for (int g = 0; g < c->group_count; g++)
        xst_free(c->groups[g].run);
    xst_free(c->runs);
    xst_free(c->groups);
    xst_free(c->tests);
    xst_sheets_free(&c->tables);
    xst_text_free(&c->text);
    xst_text_free(&c->json);
    xst_text_free(&c->said);
    xst_free(c);
}

int xst_comparison_runs(const xst_comparison *c)
{
    return c->count;
}

const xst_compared_run *xst_comparison_run(const xst_comparison *c, int index)
{
    return index >= 0 && index < c->count ? &c->runs[index].public : NULL;
}

xst_status xst_comparison_text(xst_comparison *c, int width, const char **text, xst_error *err)
{
    xst_text_free(&c->text);
    for (size_t i = 0; i < c->tables.count; i++) {
        xst_text_add(&c->text, "%s", i > 0 ? "\n" : "");
        xst_sheet_write_text(&c->tables.sheet[i], width, &c->text);
    }
    *text = xst_text_string(&c->text);
    return xst_text_check(&c->text, err);
}

xst_status xst_comparison_json(xst_comparison *c, const char **json, xst_error *err)
{
    xst_text_free(&c->json);
    const xst_status status = xst_report_document(c, &c->json, err);
    *json = xst_text_string(&c->json);
    return status;
}

static xst_status write_text(const char *folder, const char *name, const char *ending, xst_text *text, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_text_check(text, err);
    if (status == XST_OK)
        status = xst_path(path, err, "%s/%s%s", folder, name, ending);
    if (status == XST_OK)
        status = xst_file_write(path, xst_text_string(text), text->size, err);
    xst_text_free(text);
    return status;
}

static xst_status write_tables(const xst_comparison *c, const char *folder, xst_error *err)
{
    xst_text markdown = {0};
    xst_status status = XST_OK;
    xst_text_add(&markdown, "# Comparison of %d run%s\n\n", c->count, c->count == 1 ? "" : "s");
    for (size_t i = 0; i < c->tables.count && status == XST_OK; i++) {
        xst_text csv = {0};
        xst_sheet_write_markdown(&c->tables.sheet[i], &markdown);
        xst_sheet_write_csv(&c->tables.sheet[i], &csv);
        status = write_text(folder, c->tables.sheet[i].id, ".csv", &csv, err);
    }
    if (status != XST_OK) {
        xst_text_free(&markdown);
        return status;
    }
    return write_text(folder, "compare", ".md", &markdown, err);
}

xst_status xst_comparison_write(xst_comparison *c, const char *folder, const char **said, xst_error *err)
{
    char manifest[XST_PATH_MAX];
    xst_text json = {0};
    xst_text_free(&c->said);
    xst_status status = xst_path(manifest, err, "%s/manifest.json", folder);
    if (status == XST_OK && xst_path_exists(manifest))
        status = xst_fail(err, XST_ERROR_USAGE,
                          "'%s' is a run folder: write the tables into another one, such as "
                          "%s/report",
                          folder, folder);
    if (status == XST_OK)
        status = xst_folder_make(folder, err);
    if (status == XST_OK)
        status = write_tables(c, folder, err);
    if (status == XST_OK)
        status = xst_report_document(c, &json, err);
    if (status == XST_OK)
        status = write_text(folder, "compare", ".json", &json, err);
    xst_text_free(&json);
    xst_text_add(&c->said, "%s: compare.md, compare.json, %zu tables as CSV, ", folder, c->tables.count);
    if (status == XST_OK)
        status = xst_report_plots(c, folder, &c->said, err);
    *said = xst_text_string(&c->said);
    return status == XST_OK ? xst_text_check(&c->said, err) : status;
}
