/* A table before it is written as text, CSV or Markdown: title, columns, rows of cells, notes below.
 *
 * Adding never fails on the spot: trouble is remembered, and xst_sheet_check tells at the end. */
#ifndef XST_REPORT_SHEET_H
#define XST_REPORT_SHEET_H

#include "base/text.h"

typedef enum xst_cell_format {
    XST_CELL_TEXT,       /* left-aligned words; numbers are to the right */
    XST_CELL_FIXED,      /* `decimals` digits after the point */
    XST_CELL_COUNT,      /* whole number, thousands apart: 1 234 567 */
    XST_CELL_BYTES,      /* with KiB, MiB for people; CSV has bytes */
    XST_CELL_SIGNIFICANT /* `decimals` significant digits: p-values */
} xst_cell_format;

typedef struct xst_sheet_column {
    char heading[96];
    xst_cell_format format;
    int decimals;
} xst_sheet_column;

/* A cell is a number (NaN: not known, shown as "-") or a text that starts at `text` of the table's words. */
typedef struct xst_cell {
    double number;
    size_t text; /* offset + 1; 0: a number */
} xst_cell;

typedef struct xst_sheet {
    char id[32]; /* file name without ending */
    char title[160];
    int keys;    /* columns that name a row: repeated where a table is cut to fit a screen */
    bool detail; /* too long for a screen when it has many rows */
    xst_sheet_column *columns;
    size_t column_count, column_capacity;
    xst_cell *cells; /* row by row; the last row may be incomplete */
    size_t cell_count, cell_capacity;
    size_t *notes; /* offsets into words */
    size_t note_count, note_capacity;
    xst_text words; /* NUL-separated */
    bool failed;
} xst_sheet;

typedef struct xst_sheets {
    xst_sheet *sheet;
    size_t count, capacity;
    xst_sheet lost; /* takes what is added to a table that there was no memory for */
    bool failed;
} xst_sheets;

/* A new table at the end of the list, never NULL. The pointer holds until the next call. */
xst_sheet *xst_sheets_add(xst_sheets *tables, const char *id, int keys);
void xst_sheets_free(xst_sheets *tables);
xst_status xst_sheets_check(const xst_sheets *tables, xst_error *err);

__attribute__((format(printf, 2, 3))) void xst_sheet_title(xst_sheet *table, const char *format, ...);
__attribute__((format(printf, 4, 5))) void xst_sheet_column_add(xst_sheet *table, xst_cell_format format, int decimals,
                                                                const char *heading, ...);
/* Cells fill the rows from left to right. */
void xst_sheet_number(xst_sheet *table, double number);
__attribute__((format(printf, 2, 3))) void xst_sheet_text(xst_sheet *table, const char *format, ...);
/* A line below the table. */
__attribute__((format(printf, 2, 3))) void xst_sheet_note(xst_sheet *table, const char *format, ...);

size_t xst_sheet_rows(const xst_sheet *table);
const char *xst_sheet_note_at(const xst_sheet *table, size_t i);
/* A cell as people read it. */
void xst_sheet_show(const xst_sheet *table, size_t row, size_t column, xst_text *text);
/* A cell as programs read it: plain numbers, empty where not known. */
void xst_sheet_plain(const xst_sheet *table, size_t row, size_t column, xst_text *text);

/* ---- writers --------------------------------------------------------------------------------------------------------
 */

/* For a screen of `width` characters; wider tables are cut into pieces, and one with detail and more than
 * XST_DETAIL_ROWS rows is left out, its place saying where to find it. */
enum { XST_DETAIL_ROWS = 48 };
void xst_sheet_write_text(const xst_sheet *table, int width, xst_text *text);
void xst_sheet_write_csv(const xst_sheet *table, xst_text *text);
void xst_sheet_write_markdown(const xst_sheet *table, xst_text *text);

#endif
