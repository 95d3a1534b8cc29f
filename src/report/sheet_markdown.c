/* Markdown: a heading, a pipe table, the notes as a list. */
#include "report/sheet.h"

#include <string.h>

/* Characters that would end a cell or begin markup are escaped. */
static void add_escaped(const char *words, xst_text *text)
{
    for (const char *p = words; *p; p++)
        xst_text_add(text, "%s%c", strchr("|*_`<\\", *p) ? "\\" : "", *p);
}

void xst_sheet_write_markdown(const xst_sheet *table, xst_text *text)
{
    xst_text_add(text, "## ");
    add_escaped(table->title, text);
    xst_text_add(text, "\n\n");
    for (size_t c = 0; c < table->column_count; c++) {
        xst_text_add(text, "| ");
        add_escaped(table->columns[c].heading, text);
        xst_text_add(text, " ");
    }
    xst_text_add(text, "|\n");
    for (size_t c = 0; c < table->column_count; c++)
        xst_text_add(text, "| %s ", table->columns[c].format == XST_CELL_TEXT ? "---" : "---:");
    xst_text_add(text, "|\n");
    for (size_t r = 0; r < xst_sheet_rows(table); r++) {
        for (size_t c = 0; c < table->column_count; c++) {
            xst_text cell = {0};
            xst_sheet_show(table, r, c, &cell);
            text->failed = text->failed || cell.failed;
            xst_text_add(text, "| ");
            add_escaped(xst_text_string(&cell), text);
            xst_text_add(text, " ");
            xst_text_free(&cell);
        }
        xst_text_add(text, "|\n");
    }
    xst_text_add(text, "\n");
    for (size_t i = 0; i < table->note_count; i++) {
        xst_text_add(text, "- ");
        add_escaped(xst_sheet_note_at(table, i), text);
        xst_text_add(text, "\n");
    }
    xst_text_add(text, "%s", table->note_count > 0 ? "\n" : "");
}
