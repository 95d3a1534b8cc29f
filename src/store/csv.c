#include "store/csv.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

char *xst_csv_line(xst_csv *csv)
{
    char *const line = csv->bytes + csv->at;
    char *const end = memchr(line, '\n', csv->size - csv->at);
    if (!end)
        return NULL;
    *end = 0;
    csv->at += (size_t)(end - line) + 1;
    csv->line++;
    return line;
}

char *xst_csv_field(char **rest)
{
    char *const field = *rest;
    if (!field)
        return NULL;
    char *const comma = strchr(field, ',');
    if (comma)
        *comma = 0;
    *rest = comma ? comma + 1 : NULL;
    return field;
}

bool xst_csv_number(const char *field, double *out)
{
    char *end = NULL;
    *out = (double)NAN;
    if (!*field)
        return true;
    *out = strtod(field, &end);
    return *end == 0 && isfinite(*out);
}

xst_status xst_csv_fail(const xst_csv *csv, const char *what, xst_error *err)
{
    return xst_fail(err, XST_ERROR_RUN, "'%s': line %d: %s: the file is damaged or not a run's", csv->path, csv->line,
                    what);
}
