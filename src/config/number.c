#include "config/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strtod and printf follow the thread's locale, whose decimal point may be a comma. (In glibc the "C" locale is a
 * constant object: newlocale neither allocates nor fails, and freelocale does nothing.) */
static locale_t enter_c_locale(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

bool xst_number_parse(const char *text, double *out)
{
    if (!*text || text[strspn(text, "0123456789+-.eE")])
        return false;
    const locale_t before = enter_c_locale();
    char *end = NULL;
    const double value = strtod(text, &end);
    uselocale(before);
    if (end == text || *end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool xst_number_parse_int(const char *text, int64_t *out)
{
    if (!*text || text[strspn(text, "0123456789+-")])
        return false;
    char *end = NULL;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno != 0)
        return false;
    *out = value;
    return true;
}

void xst_number_text(double value, char text[XST_NUMBER_TEXT])
{
    if (value == 0.0)
        value = 0.0; /* drops the sign of -0 */
    const locale_t before = enter_c_locale();
    const bool whole = fabs(value) < 1e15 && value == trunc(value);
    if (whole)
        snprintf(text, XST_NUMBER_TEXT, "%.0f", value);
    for (int digits = 1; !whole && digits <= 17; digits++) {
        snprintf(text, XST_NUMBER_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    uselocale(before);
}
