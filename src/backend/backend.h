/* A backend turns programs into work on some device. The trainer sees only this.
 *
 * Order of use: open a backend; make a session for a table of tensors; compile every program that will run in it; then
 * upload, run, download. Compiling before uploading lets a backend choose each tensor's layout by the programs that use
 * it. Work is queued: run returns at once where it can; download and synchronise wait. One thread uses a session at a
 * time; several sessions may live side by side. */
#ifndef XST_BACKEND_BACKEND_H
#define XST_BACKEND_BACKEND_H

#include "program/program.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct xst_backend xst_backend;
typedef struct xst_session xst_session;
typedef struct xst_executable xst_executable;

typedef enum xst_precision { XST_FP32, XST_TF32, XST_BF16 } xst_precision;

typedef struct xst_backend_options {
    xst_precision precision;
    int threads; /* 0: all cores the process may use */
    bool deterministic;
} xst_backend_options;

typedef struct xst_backend_facts {
    char device[128];    /* "AMD EPYC ... (2 threads)", "NVIDIA H100 80GB HBM3" */
    char libraries[256]; /* "oneDNN 2.6.3", "CUDA 13.0, cuDNN 9.19" */
    int threads;
    bool deterministic;
} xst_backend_facts;

/* What a backend is: a table of functions. Each xst_backend, xst_session and xst_executable starts with a pointer to
 * it. */
typedef struct xst_backend_api {
    int version; /* XST_BACKEND_VERSION of the header it was built with */
    const char *name;
    xst_status (*open)(const xst_backend_options *options, xst_backend **out, xst_error *err);
    void (*close)(xst_backend *backend);
    void (*facts)(const xst_backend *backend, xst_backend_facts *facts);
    xst_status (*session_create)(xst_backend *backend, const xst_tensors *tensors, xst_session **out, xst_error *err);
    void (*session_destroy)(xst_session *session);
    size_t (*session_bytes)(const xst_session *session); /* device memory held */
    /* bytes must be the tensor's whole size in the logical layout; STATE tensors only. */
    xst_status (*upload)(xst_session *session, xst_tensor tensor, const void *from, size_t bytes, xst_error *err);
    xst_status (*download)(xst_session *session, xst_tensor tensor, void *to, size_t bytes, xst_error *err);
    xst_status (*compile)(xst_session *session, const xst_program *program, xst_executable **out, xst_error *err);
    xst_status (*run)(xst_executable *executable, xst_error *err);
    xst_status (*synchronise)(xst_session *session, xst_error *err);
    /* Runs the program `repeats` times, timing each operation: ms[i] = median time of operation i. Operations that the
     * backend fused report their time at the last of them, 0 at the others. */
    xst_status (*profile)(xst_executable *executable, int repeats, double *ms, xst_error *err);
    void (*executable_destroy)(xst_executable *executable);
    /* For a profiler: what is run from begin to end belongs to `name` ("task 3", "epoch 12"). They nest. Both NULL
     * where nobody could see it. */
    void (*range_begin)(const char *name);
    void (*range_end)(void);
} xst_backend_api;

enum { XST_BACKEND_VERSION = 2 };

/* Every backend there can be: "cpu", "ref", "cuda" (a module; found or not). NULL-terminated name list. */
const char *const *xst_backend_names(void);
/* The table of a backend by name; "auto" takes the best that opens. XST_ERROR_NO_DEVICE says what is missing. */
xst_status xst_backend_find(const char *name, const xst_backend_api **out, xst_error *err);

#endif
