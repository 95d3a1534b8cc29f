#include "crossbar/table.h"

#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *next_cell(xst_table *table)
{
    void *cells = table->cells;
    if (table->failed ||
        xst_grow(&cells, &table->capacity, table->count + 1, XST_TABLE_CELL, "table", NULL) != XST_OK) {
        table->failed = true;
        return NULL;
    }
    table->cells = cells;
    return table->cells[table->count++];
}

void xst_table_start(xst_table *table, const char *headings)
{
    *table = (xst_table){0};
    for (const char *at = headings; *at;) {
        const size_t length = strcspn(at, "|");
        char *const cell = next_cell(table);
        if (cell)
            snprintf(cell, XST_TABLE_CELL, "%.*s", (int)length, at);
        table->columns++;
        at += length + (at[length] == '|');
    }
}

void xst_table_add(xst_table *table, const char *format, ...)
{
    char *const cell = next_cell(table);
    if (!cell)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(cell, XST_TABLE_CELL, format, args);
    va_end(args);
}

void xst_table_number(xst_table *table, double value, double unit)
{
    xst_table_add(table, "%.5g", value / unit);
}

static int width_of(const xst_table *table, int column)
{
    size_t width = 0;
    for (size_t i = (size_t)column; i < table->count; i += (size_t)table->columns)
        if (strlen(table->cells[i]) > width)
            width = strlen(table->cells[i]);
    return (int)width;
}

static void write_row(const xst_table *table, size_t row, xst_energy_format format, xst_text *text)
{
    for (int c = 0; c < table->columns; c++) {
        const char *const cell = table->cells[row * (size_t)table->columns + (size_t)c];
        if (format == XST_ENERGY_CSV)
            xst_text_add(text, "%s%s", c ? "," : "", cell);
        else if (format == XST_ENERGY_MARKDOWN)
            xst_text_add(text, "| %s ", cell);
        else
            xst_text_add(text, c ? "  %*s" : "%-*s", width_of(table, c), cell);
    }
    xst_text_add(text, format == XST_ENERGY_MARKDOWN ? "|\n" : "\n");
    if (format == XST_ENERGY_MARKDOWN && row == 0) {
        for (int c = 0; c < table->columns; c++)
            xst_text_add(text, "|---");
        xst_text_add(text, "|\n");
    }
}

void xst_table_write(xst_table *table, xst_energy_format format, xst_text *text)
{
    const size_t rows = table->columns ? table->count / (size_t)table->columns : 0;
    for (size_t row = 0; row < rows && !table->failed; row++)
        write_row(table, row, format, text);
    text->failed = text->failed || table->failed;
    xst_free(table->cells);
    *table = (xst_table){0};
}
