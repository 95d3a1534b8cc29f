#include "report/sheet.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

xst_sheet *xst_sheets_add(xst_sheets *tables, const char *id, int keys)
{
    void *list = tables->sheet;
    if (xst_grow(&list, &tables->capacity, tables->count + 1, sizeof *tables->sheet, "tables", NULL) != XST_OK) {
        tables->failed = true;
        return &tables->lost;
    }
    tables->sheet = list;
    xst_sheet *const table = &tables->sheet[tables->count++];
    *table = (xst_sheet){.keys = keys};
    snprintf(table->id, sizeof table->id, "%s", id);
    return table;
}

static void free_table(xst_sheet *table)
{
    xst_free(table->columns);
    xst_free(table->cells);
    xst_free(table->notes);
    xst_text_free(&table->words);
}

void xst_sheets_free(xst_sheets *tables)
{
    for (size_t i = 0; i < tables->count; i++)
        free_table(&tables->sheet[i]);
    free_table(&tables->lost);
    xst_free(tables->sheet);
    *tables = (xst_sheets){0};
}

xst_status xst_sheets_check(const xst_sheets *tables, xst_error *err)
{
    bool failed = tables->failed;
    for (size_t i = 0; i < tables->count; i++)
        failed = failed || tables->sheet[i].failed || tables->sheet[i].words.failed;
    return failed ? xst_fail(err, XST_ERROR_MEMORY, "tables: no memory") : XST_OK;
}

void xst_sheet_title(xst_sheet *table, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(table->title, sizeof table->title, format, args);
    va_end(args);
}

void xst_sheet_column_add(xst_sheet *table, xst_cell_format format, int decimals, const char *heading, ...)
{
    void *columns = table->columns;
    if (xst_grow(&columns, &table->column_capacity, table->column_count + 1, sizeof *table->columns, "columns", NULL) !=
        XST_OK) {
        table->failed = true;
        return;
    }
    table->columns = columns;
    xst_sheet_column *const column = &table->columns[table->column_count++];
    *column = (xst_sheet_column){.format = format, .decimals = decimals};
    va_list args;
    va_start(args, heading);
    vsnprintf(column->heading, sizeof column->heading, heading, args);
    va_end(args);
}

static void add_cell(xst_sheet *table, xst_cell cell)
{
    void *cells = table->cells;
    if (xst_grow(&cells, &table->cell_capacity, table->cell_count + 1, sizeof *table->cells, "cells", NULL) != XST_OK) {
        table->failed = true;
        return;
    }
    table->cells = cells;
    table->cells[table->cell_count++] = cell;
}

void xst_sheet_number(xst_sheet *table, double number)
{
    add_cell(table, (xst_cell){.number = number});
}

/* Formats into words and returns the offset. */
static size_t add_words(xst_sheet *table, const char *format, va_list args)
{
    char line[2048];
    const size_t offset = table->words.size;
    vsnprintf(line, sizeof line, format, args);
    xst_text_add_bytes(&table->words, line, strlen(line) + 1);
    return offset;
}

void xst_sheet_text(xst_sheet *table, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const size_t offset = add_words(table, format, args);
    va_end(args);
    add_cell(table, (xst_cell){.text = offset + 1});
}

void xst_sheet_note(xst_sheet *table, const char *format, ...)
{
    void *notes = table->notes;
    va_list args;
    va_start(args, format);
    const size_t offset = add_words(table, format, args);
    va_end(args);
    if (xst_grow(&notes, &table->note_capacity, table->note_count + 1, sizeof *table->notes, "notes", NULL) != XST_OK) {
        table->failed = true;
        return;
    }
    table->notes = notes;
    table->notes[table->note_count++] = offset;
}

size_t xst_sheet_rows(const xst_sheet *table)
{
    return table->column_count > 0 ? (table->cell_count + table->column_count - 1) / table->column_count : 0;
}

static const char *words_at(const xst_sheet *table, size_t offset)
{
    return offset < table->words.size ? table->words.bytes + offset : "";
}

const char *xst_sheet_note_at(const xst_sheet *table, size_t i)
{
    return words_at(table, table->notes[i]);
}

/* NULL beyond the last cell. */
static const xst_cell *cell_at(const xst_sheet *table, size_t row, size_t column)
{
    const size_t i = row * table->column_count + column;
    return i < table->cell_count ? &table->cells[i] : NULL;
}

static void show_count(double number, xst_text *text)
{
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%.0f", number);
    for (int i = 0; i < n; i++)
        xst_text_add(text, "%s%c", i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-' ? " " : "", digits[i]);
}

static void show_bytes(double number, xst_text *text)
{
    static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB"};
    int power = 0;
    double shown = number / 1024.0;
    for (; power < 3 && shown >= 1000.0; power++)
        shown /= 1024.0;
    if (number <= 0.0)
        xst_text_add(text, "0");
    else if (number < 1000.0)
        xst_text_add(text, "%.0f B", number);
    else
        xst_text_add(text, "%.*f %s", shown < 10.0 ? 2 : 1, shown, unit[power]);
}

void xst_sheet_show(const xst_sheet *table, size_t row, size_t column, xst_text *text)
{
    const xst_cell *const cell = cell_at(table, row, column);
    const xst_sheet_column *const c = &table->columns[column];
    if (!cell)
        return;
    if (cell->text > 0)
        xst_text_add(text, "%s", words_at(table, cell->text - 1));
    else if (isnan(cell->number))
        xst_text_add(text, "-");
    else if (c->format == XST_CELL_COUNT)
        show_count(cell->number, text);
    else if (c->format == XST_CELL_BYTES)
        show_bytes(cell->number, text);
    else if (c->format == XST_CELL_SIGNIFICANT)
        xst_text_add(text, "%.*g", c->decimals, cell->number);
    else /* + 0.0: no "-0.00" */
        xst_text_add(text, "%.*f", c->decimals,
                     fabs(cell->number) < 0.5 * pow(10.0, -c->decimals) ? 0.0 : cell->number);
}

void xst_sheet_plain(const xst_sheet *table, size_t row, size_t column, xst_text *text)
{
    const xst_cell *const cell = cell_at(table, row, column);
    if (cell && cell->text > 0)
        xst_text_add(text, "%s", words_at(table, cell->text - 1));
    else if (cell && !isnan(cell->number))
        xst_text_add(text, "%.10g", cell->number);
}
