/* A table of text cells, and three ways to write it. */
#ifndef XST_CROSSBAR_TABLE_H
#define XST_CROSSBAR_TABLE_H

#include "base/text.h"
#include "xst/energy.h"

enum { XST_TABLE_COLUMNS = 32, XST_TABLE_CELL = 80 };

typedef struct xst_table {
    int columns;
    char (*cells)[XST_TABLE_CELL]; /* rows * columns; the first row holds the headings */
    size_t count, capacity;
    bool failed;
} xst_table;

/* headings: separated by '|'. */
void xst_table_start(xst_table *table, const char *headings);
__attribute__((format(printf, 2, 3))) void xst_table_add(xst_table *table, const char *format, ...);
/* A number with four digits, in a unit: 1.234e-9 as "1.234" with unit 1e-9. */
void xst_table_number(xst_table *table, double value, double unit);
/* Text: aligned; CSV: as it is; Markdown: with bars. Frees the table. Failure is remembered in text. */
void xst_table_write(xst_table *table, xst_energy_format format, xst_text *text);

#endif
