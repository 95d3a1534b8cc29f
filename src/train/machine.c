#include "train/machine.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

enum { SMALLEST_SIDE = 512, LARGEST_SIDE = 8192, SMALLEST_COPY = 1 << 20, LARGEST_COPY = 1 << 26 };
static const double ENOUGH_FOR_ONE = 5e-3, ENOUGH_FOR_ALL = 2e-2;

/* One operation on STATE tensors of its own, filled at random: equal bits would flatter a processor that saves power.
 */
typedef struct trial {
    const xst_backend_api *api;
    xst_tensors tensors;
    xst_program program;
    xst_session *session;
    xst_executable *executable;
} trial;

static xst_status add(trial *t, const char *name, xst_tensor_kind kind, int64_t d0, int64_t d1, xst_tensor *out,
                      xst_error *err)
{
    return xst_tensors_add(&t->tensors, name, XST_F32, kind, d1 > 0 ? 2 : 1, (const int64_t[]){d0, d1}, out, err);
}

static xst_status fill(trial *t, xst_error *err)
{
    xst_status status = XST_OK;
    for (int32_t i = 0; i < t->tensors.count && status == XST_OK; i++) {
        const size_t n = (size_t)xst_tensor_elements(&t->tensors.info[i]);
        void *values = NULL;
        if (t->tensors.info[i].kind != XST_STATE)
            continue;
        status = xst_alloc(&values, n, sizeof(float), "numbers to compute with", err);
        if (status == XST_OK) {
            xst_random_normal(values, 0, (uint32_t)n, 0.05f, (xst_random_key){7, 1}, (uint32_t)i, 0, 0);
            status = t->api->upload(t->session, i, values, n * sizeof(float), err);
        }
        xst_free(values);
    }
    return status;
}

/* Seconds of one run: rounds of more and more runs, until one takes long enough; the fastest round counts. */
static xst_status time_runs(trial *t, double *seconds, xst_error *err)
{
    xst_status status = t->api->run(t->executable, err);
    if (status == XST_OK)
        status = t->api->synchronise(t->session, err);
    double all = 0.0;
    *seconds = INFINITY;
    for (int next = 1; status == XST_OK && all < ENOUGH_FOR_ALL; next *= 2) {
        const double start = xst_clock_seconds();
        for (int i = 0; i < next && status == XST_OK; i++)
            status = t->api->run(t->executable, err);
        if (status == XST_OK)
            status = t->api->synchronise(t->session, err);
        all = xst_clock_seconds() - start;
        *seconds = fmin(*seconds, all / next);
    }
    return status;
}

static xst_status run_trial(trial *t, xst_backend *backend, const xst_op *op, double *seconds, xst_error *err)
{
    xst_status status = xst_program_add(&t->program, &t->tensors, op, err);
    if (status == XST_OK)
        status = t->api->session_create(backend, &t->tensors, &t->session, err);
    if (status == XST_OK)
        status = t->api->compile(t->session, &t->program, &t->executable, err);
    if (status == XST_OK)
        status = fill(t, err);
    if (status == XST_OK)
        status = time_runs(t, seconds, err);
    if (t->executable)
        t->api->executable_destroy(t->executable);
    if (t->session)
        t->api->session_destroy(t->session);
    xst_program_free(&t->program);
    xst_tensors_free(&t->tensors);
    return status;
}

static xst_status gemm(const xst_backend_api *api, xst_backend *backend, int64_t side, double *seconds, xst_error *err)
{
    trial t = {.api = api, .program.name = "gemm"};
    xst_op op = xst_op_make(XST_OP_LINEAR_BACKWARD_DATA, "gemm"); /* a product and nothing else */
    xst_status status = add(&t, "dy", XST_STATE, side, side, &op.in[0], err);
    if (status == XST_OK)
        status = add(&t, "w", XST_STATE, side, side, &op.in[1], err);
    if (status == XST_OK)
        status = add(&t, "dx", XST_TEMP, side, side, &op.out[0], err);
    return status == XST_OK ? run_trial(&t, backend, &op, seconds, err) : status;
}

static xst_status copy(const xst_backend_api *api, xst_backend *backend, int64_t n, double *seconds, xst_error *err)
{
    trial t = {.api = api, .program.name = "copy"};
    xst_op op = xst_op_make(XST_OP_RESHAPE, "copy");
    xst_status status = add(&t, "x", XST_STATE, n, 0, &op.in[0], err);
    if (status == XST_OK)
        status = add(&t, "y", XST_STATE, n, 0, &op.out[0], err);
    return status == XST_OK ? run_trial(&t, backend, &op, seconds, err) : status;
}

xst_status xst_machine_measure(const xst_backend_api *api, xst_backend *backend, xst_machine *out, xst_error *err)
{
    double seconds = 0.0;
    xst_status status = XST_OK;
    *out = (xst_machine){0};
    for (int64_t n = SMALLEST_SIDE; n <= LARGEST_SIDE && status == XST_OK && seconds < ENOUGH_FOR_ONE; n *= 2) {
        status = gemm(api, backend, n, &seconds, err);
        out->gemm_gflops = fmax(out->gemm_gflops, 2e-9 * pow((double)n, 3.0) / seconds);
    }
    seconds = 0.0;
    out->copy_gbytes_per_s = NAN;
    if (strcmp(api->name, "cuda") != 0) /* elements one by one, in whatever order they lie */
        return status;
    for (int64_t n = SMALLEST_COPY; n <= LARGEST_COPY && status == XST_OK && seconds < ENOUGH_FOR_ONE; n *= 2) {
        status = copy(api, backend, n, &seconds, err);
        out->copy_gbytes_per_s = 2e-9 * (double)n * sizeof(float) / seconds; /* the largest: least of it in a cache */
    }
    return status;
}
