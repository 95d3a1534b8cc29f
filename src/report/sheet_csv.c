/* CSV (RFC 4180): a header and a row per row; numbers unrounded, empty where not known. Notes are left out. */
#include "report/sheet.h"

#include <string.h>

static void add_field(const char *field, xst_text *text)
{
    if (!strpbrk(field, ",\"\r\n")) {
        xst_text_add(text, "%s", field);
        return;
    }
    xst_text_add(text, "\"");
    for (const char *p = field; *p; p++)
        xst_text_add(text, "%s%c", *p == '"' ? "\"" : "", *p);
    xst_text_add(text, "\"");
}

void xst_sheet_write_csv(const xst_sheet *table, xst_text *text)
{
    for (size_t c = 0; c < table->column_count; c++) {
        xst_text_add(text, "%s", c > 0 ? "," : "");
        add_field(table->columns[c].heading, text);
    }
    xst_text_add(text, "\n");
    for (size_t r = 0; r < xst_sheet_rows(table); r++)
        for (size_t c = 0; c < table->column_count; c++) {
            xst_text field = {0};
            xst_sheet_plain(table, r, c, &field);
            text->failed = text->failed || field.failed;
            add_field(xst_text_string(&field), text);
            xst_text_add(text, c + 1 < table->column_count ? "," : "\n");
            xst_text_free(&field);
        }
}
