/* Inside of store: reading the plain CSV files of a run (numbers, no quotes, one header line). */
#ifndef XST_STORE_CSV_H
#define XST_STORE_CSV_H

#include "xst/status.h"

#include <stdbool.h>
#include <stddef.h>

/* A whole file, walked line by line. */
typedef struct xst_csv {
    const char *path; /* for messages */
    char *bytes;
    size_t size, at; /* at: start of the next line */
    int line;        /* of the last line taken, from 1 */
} xst_csv;

/* The next line that ends in a newline, without it, NUL-terminated in place; NULL at the end. What stands after the
 * last newline is a row that was being written: it is not given. */
char *xst_csv_line(xst_csv *csv);
/* Takes the next field off *rest (NULL after the last). NULL where there is none. */
char *xst_csv_field(char **rest);
/* A field as a number: an empty one is NaN. False where it is no number. */
bool xst_csv_number(const char *field, double *out);
/* XST_ERROR_RUN naming file and line. */
xst_status xst_csv_fail(const xst_csv *csv, const char *what, xst_error *err);

#endif
