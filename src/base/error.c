#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int exit_code;
    const char *text;
} statuses[] = {
#define STATUS_ROW(name, code, text) [name] = {code, text},
    XST_STATUSES(STATUS_ROW)
#undef STATUS_ROW
};

const char *xst_status_text(xst_status status)
{
    return status < sizeof statuses / sizeof statuses[0] ? statuses[status].text : "unknown status";
}

int xst_status_exit_code(xst_status status)
{
    return status < sizeof statuses / sizeof statuses[0] ? statuses[status].exit_code : 1;
}

xst_status xst_fail(xst_error *err, xst_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}

xst_status xst_fail_context(xst_error *err, xst_status status, const char *format, ...)
{
    if (err) {
        char before[sizeof err->message], old[sizeof err->message];
        va_list args;
        va_start(args, format);
        vsnprintf(before, sizeof before, format, args);
        va_end(args);
        memcpy(old, err->message, sizeof old);
        snprintf(err->message, sizeof err->message, "%.400s: %.600s", before, old);
        err->status = status;
    }
    return status;
}
