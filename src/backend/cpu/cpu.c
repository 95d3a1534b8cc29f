#include "backend/cpu/cpu.h"
#include "backend/builtin.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int threads_allowed(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

/* oneDNN knows what the machine has, and obeys its own environment variable that hides some of it. */
static xst_cpu_isa isa_of_machine(void)
{
    const unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core)
        return XST_CPU_AVX512;
    return (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2 ? XST_CPU_AVX2 : XST_CPU_PLAIN;
}

static void backend_close(xst_backend *backend)
{
    if (!backend)
        return;
    if (backend->stream)
        dnnl_stream_destroy(backend->stream);
    if (backend->engine)
        dnnl_engine_destroy(backend->engine);
    xst_free(backend);
}

static xst_status backend_open(const xst_backend_options *options, xst_backend **out, xst_error *err)
{
    void *p = NULL;
    *out = NULL;
    if (options->precision != XST_FP32)
        return xst_fail(err, XST_ERROR_CONFIG,
                        "precision %s: the cpu backend computes in fp32 only: use precision fp32",
                        options->precision == XST_TF32 ? "tf32" : "bf16");
    if (options->threads < 0)
        return xst_fail(err, XST_ERROR_CONFIG, "threads %d: must not be negative: use 0 for all cores",
                        options->threads);
    const xst_status status = xst_alloc(&p, 1, sizeof(xst_backend), "backend", err);
    if (status != XST_OK)
        return status;
    xst_backend *const b = p;
    b->api = &xst_cpu_backend;
    b->options = *options;
    b->threads = options->threads > 0 ? options->threads : threads_allowed();
    b->isa = isa_of_machine();
    b->channel_block = b->isa == XST_CPU_AVX512 ? 16 : 8;
    dnnl_status_t made = dnnl_engine_create(&b->engine, dnnl_cpu, 0);
    if (made == dnnl_success)
        made = dnnl_stream_create(&b->stream, b->engine, dnnl_stream_default_flags);
    if (made != dnnl_success) {
        backend_close(b);
        return xst_cpu_fail_dnnl(made, "starting", err);
    }
    *out = b;
    return XST_OK;
}

/* The machine's own name for its CPU, "CPU" where it gives none. */
static void cpu_name(char name[96])
{
    char line[256];
    snprintf(name, 96, "CPU");
    FILE *const f = fopen("/proc/cpuinfo", "r");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        const char *const colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon && colon[1]) {
            snprintf(name, 96, "%.90s", colon + 2);
            name[strcspn(name, "\n")] = 0;
            break;
        }
    }
    fclose(f);
}

static void backend_facts(const xst_backend *backend, xst_backend_facts *facts)
{
    static const char *const isa[XST_CPU_ISAS] = {"no AVX2", "AVX2", "AVX-512"};
    const dnnl_version_t *const version = dnnl_version();
    char name[96];
    cpu_name(name);
    *facts = (xst_backend_facts){.threads = backend->threads, .deterministic = true};
    snprintf(facts->device, sizeof facts->device, "%s (%d thread%s)", name, backend->threads,
             backend->threads == 1 ? "" : "s");
    snprintf(facts->libraries, sizeof facts->libraries, "oneDNN %d.%d.%d, %s", version->major, version->minor,
             version->patch, isa[backend->isa]);
}

static xst_status compile(xst_session *session, const xst_program *program, xst_executable **out, xst_error *err)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(session->backend->threads);
    const xst_status status = xst_cpu_compile(session, program, out, err);
    omp_set_num_threads(before);
    return status;
}

/* Runs every step; where ms is not NULL, adds the time of each to its operation. */
static xst_status run_steps(xst_executable *x, double *ms, xst_error *err)
{
    const int before = omp_get_max_threads();
    xst_status status = XST_OK;
    omp_set_num_threads(x->session->backend->threads);
    xst_cpu_bind(x);
    for (int32_t i = 0; i < x->steps && status == XST_OK; i++) {
        const double start = ms ? xst_clock_seconds() : 0.0;
        status = x->step[i].run(x->step[i].self, err);
        if (ms)
            ms[x->step[i].op] += 1000.0 * (xst_clock_seconds() - start);
    }
    for (int32_t i = 0; i < x->writtens; i++)
        ++*x->written[i];
    omp_set_num_threads(before);
    return status;
}

static xst_status run(xst_executable *x, xst_error *err)
{
    return run_steps(x, NULL, err);
}

static xst_status synchronise(xst_session *session, xst_error *err)
{
    (void)session;
    (void)err;
    return XST_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static xst_status profile(xst_executable *x, int repeats, double *ms, xst_error *err)
{
    void *p = NULL, *q = NULL;
    const size_t n = repeats > 0 ? (size_t)repeats : 1, ops = (size_t)x->ops;
    xst_status status = xst_alloc(&p, n * ops, sizeof(double), "profile", err);
    if (status == XST_OK)
        status = xst_alloc(&q, n, sizeof(double), "profile", err);
    double *const sample = p, *const one = q;
    for (size_t r = 0; r < n && status == XST_OK; r++)
        status = run_steps(x, sample + r * ops, err);
    for (size_t i = 0; i < ops && status == XST_OK; i++) {
        for (size_t r = 0; r < n; r++)
            one[r] = sample[r * ops + i];
        qsort(one, n, sizeof *one, compare_doubles);
        ms[i] = one[n / 2];
    }
    xst_free(one);
    xst_free(sample);
    return status;
}

const xst_backend_api xst_cpu_backend = {
    .version = XST_BACKEND_VERSION,
    .name = "cpu",
    .open = backend_open,
    .close = backend_close,
    .facts = backend_facts,
    .session_create = xst_cpu_session_create,
    .session_destroy = xst_cpu_session_destroy,
    .session_bytes = xst_cpu_session_bytes,
    .upload = xst_cpu_upload,
    .download = xst_cpu_download,
    .compile = compile,
    .run = run,
    .synchronise = synchronise,
    .profile = profile,
    .executable_destroy = xst_cpu_executable_destroy,
};
