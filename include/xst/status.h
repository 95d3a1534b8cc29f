/* Statuses and errors. Every function that can fail returns an xst_status and, where it is not XST_OK, fills an
 * xst_error: one line that says what went wrong, where, and what to do. Nothing in the library prints or exits. */
#ifndef XST_STATUS_H
#define XST_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, exit code of the program, what it means). Exit 2: refused before anything was written; 1: failed while
 * running. */
#define XST_STATUSES(X)                                                                                                \
    X(XST_OK, 0, "done")                                                                                               \
    X(XST_ERROR_USAGE, 2, "bad use of a command or function")                                                          \
    X(XST_ERROR_CONFIG, 2, "bad option or configuration file")                                                         \
    X(XST_ERROR_DATA, 2, "bad or missing input data")                                                                  \
    X(XST_ERROR_RUN, 2, "bad, foreign, busy or damaged run folder")                                                    \
    X(XST_ERROR_MEMORY, 1, "out of memory")                                                                            \
    X(XST_ERROR_IO, 1, "reading or writing failed")                                                                    \
    X(XST_ERROR_NUMERIC, 1, "a loss is not finite")                                                                    \
    X(XST_ERROR_MISMATCH, 1, "a result differs from the stored one")                                                   \
    X(XST_ERROR_BACKEND, 1, "a backend or its library failed")                                                         \
    X(XST_ERROR_NO_DEVICE, 2, "the device asked for is not there")                                                     \
    X(XST_ERROR_INTERNAL, 1, "a bug in xst")                                                                           \
    X(XST_INTERRUPTED, 130, "stopped by SIGINT after saving")                                                          \
    X(XST_TERMINATED, 143, "stopped by SIGTERM after saving")

typedef enum xst_status {
#define XST_STATUS_NAME(name, code, text) name,
    XST_STATUSES(XST_STATUS_NAME)
#undef XST_STATUS_NAME
} xst_status;

/* The last failure. Callers own it, start with {0}, and may pass NULL where they do not care. */
typedef struct xst_error {
    xst_status status;
    char message[1024];
} xst_error;

const char *xst_status_text(xst_status status);
int xst_status_exit_code(xst_status status);

#ifdef __cplusplus
}
#endif
#endif
