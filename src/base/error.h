/* Filling an error. Messages read "what: where: what to do", one line, no trailing full stop or newline. */
#ifndef XST_BASE_ERROR_H
#define XST_BASE_ERROR_H

#include "xst/status.h"

/* Fills err (which may be NULL) and returns status, so that a failing function ends in `return xst_fail(...)`. */
__attribute__((format(printf, 3, 4))) xst_status xst_fail(xst_error *err, xst_status status, const char *format, ...);

/* Puts "text: " in front of the message of a failure that is on its way up; returns err's status. */
__attribute__((format(printf, 3, 4))) xst_status xst_fail_context(xst_error *err, xst_status status, const char *format,
                                                                  ...);

#endif
