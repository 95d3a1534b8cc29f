#include "backend/cpu/linear.h"

#include "base/memory.h"

#include <omp.h>

/* The product for jobs of so many filters: [filters, in] = dy[batch, filters]^T x[batch, in]. */
typedef struct job_product {
    int64_t filters;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t dy, dw, scratch;
} job_product;

/* What each thread has of its own. Index 0: whole jobs; 1: the layer's last, shorter one. */
typedef struct worker {
    dnnl_stream_t stream;
    dnnl_memory_t x, dy[2], dw[2], scratch[2];
} worker;

typedef struct linear_gradient {
    cpu_gradient gradient;
    job_product product[2];
    worker *worker;
    int threads;
    int64_t in, batch;
    size_t scratch_bytes;
    const cpu_place *x, *dy, *dw, *scratch; /* dw, scratch: per thread */
} linear_gradient;

static dnnl_status_t run_product(const linear_gradient *v, const cpu_job *job, int thread)
{
    const int k = job->last - job->first == v->product[0].filters ? 0 : 1;
    const worker *const w = &v->worker[thread];
    float *const dy = (float *)v->dy->data + job->first;
    float *const dw = (float *)v->dw->data + thread * CPU_JOB_FILTERS * v->in;
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, w->dy[k]},
                                    {DNNL_ARG_WEIGHTS, w->x},
                                    {DNNL_ARG_DST, w->dw[k]},
                                    {DNNL_ARG_SCRATCHPAD, w->scratch[k]}};
    dnnl_status_t status = dnnl_memory_set_data_handle(w->dy[k], dy);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(w->x, v->x->data);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(w->dw[k], dw);
    if (status == dnnl_success)
        status =
            dnnl_memory_set_data_handle(w->scratch[k], (char *)v->scratch->data + (size_t)thread * v->scratch_bytes);
    return status == dnnl_success ? dnnl_primitive_execute(v->product[k].primitive, w->stream, 4, args) : status;
}

static xst_status linear_gradient_run(void *self, xst_error *err)
{
    const linear_gradient *const v = self;
    const cpu_adam_scalars scalars = xst_cpu_gradient_scalars(&v->gradient);
    const int64_t jobs = xst_cpu_jobs(&v->gradient.columns);
    int failed = dnnl_success;
#pragma omp parallel for schedule(static) reduction(max : failed)
    for (int64_t j = 0; j < jobs; j++) {
        const cpu_job job = xst_cpu_job(&v->gradient.columns, j);
        const int thread = omp_get_thread_num();
        const dnnl_status_t status = run_product(v, &job, thread);
        failed = (int)status > failed ? (int)status : failed;
        if (status == dnnl_success)
            xst_cpu_gradient_job(&v->gradient, &scalars, j,
                                 (const float *)v->dw->data + thread * CPU_JOB_FILTERS * v->in);
    }
    return xst_cpu_fail_dnnl((dnnl_status_t)failed, "weight gradient", err);
}

static void linear_gradient_release(void *self)
{
    linear_gradient *const v = self;
    for (int t = 0; v->worker && t < v->threads; t++) {
        worker *const w = &v->worker[t];
        const dnnl_memory_t all[] = {w->x, w->dy[0], w->dy[1], w->dw[0], w->dw[1], w->scratch[0], w->scratch[1]};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            dnnl_memory_destroy(all[i]);
        if (w->stream)
            dnnl_stream_destroy(w->stream);
    }
    for (int k = 0; k < 2; k++)
        dnnl_primitive_destroy(v->product[k].primitive);
    xst_free(v->worker);
    xst_cpu_gradient_free(&v->gradient);
}

static dnnl_status_t make_product(cpu_compiler *c, job_product *p, const dnnl_memory_desc_t *x, int64_t out)
{
    const dnnl_dims_t dy = {p->filters, x->dims[0]}, turned = {1, out}, dw = {p->filters, x->dims[1]};
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(&p->dy, 2, dy, dnnl_f32, turned);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&p->dw, 2, dw, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&desc, &p->dy, x, NULL, &p->dw);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    /* Each thread runs its own product: a primitive takes the number of threads at its making. */
    omp_set_num_threads(1);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&pd, &desc, attr, c->session->backend->engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&p->primitive, pd);
    omp_set_num_threads(c->session->backend->threads);
    if (status == dnnl_success)
        p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

static dnnl_status_t make_worker(cpu_compiler *c, const linear_gradient *v, worker *w, const dnnl_memory_desc_t *x)
{
    const dnnl_engine_t engine = c->session->backend->engine;
    dnnl_status_t status = dnnl_stream_create(&w->stream, engine, dnnl_stream_default_flags);
    if (status == dnnl_success)
        status = dnnl_memory_create(&w->x, x, engine, DNNL_MEMORY_NONE);
    for (int k = 0; k < 2 && status == dnnl_success; k++) {
        const job_product *const p = &v->product[k];
        if (p->filters == 0)
            continue;
        status = dnnl_memory_create(&w->dy[k], &p->dy, engine, DNNL_MEMORY_NONE);
        if (status == dnnl_success)
            status = dnnl_memory_create(&w->dw[k], &p->dw, engine, DNNL_MEMORY_NONE);
        if (status == dnnl_success)
            status = dnnl_memory_create(&w->scratch[k], &p->scratch, engine, DNNL_MEMORY_NONE);
    }
    return status;
}

static dnnl_status_t make_products(cpu_compiler *c, linear_gradient *v, int64_t out)
{
    const dnnl_dims_t dims = {v->batch, v->in};
    dnnl_memory_desc_t x;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&x, 2, dims, dnnl_f32, dnnl_ab);
    v->product[0].filters = out < CPU_JOB_FILTERS ? out : CPU_JOB_FILTERS;
    v->product[1].filters = out % v->product[0].filters;
    for (int k = 0; k < 2 && status == dnnl_success; k++) {
        if (v->product[k].filters == 0)
            continue;
        status = make_product(c, &v->product[k], &x, out);
        const size_t bytes = (dnnl_memory_desc_get_size(&v->product[k].scratch) + 127) / 128 * 128;
        if (status == dnnl_success && bytes > v->scratch_bytes)
            v->scratch_bytes = bytes;
    }
    for (int t = 0; t < v->threads && status == dnnl_success; t++)
        status = make_worker(c, v, &v->worker[t], &x);
    return status;
}

xst_status xst_cpu_linear_gradient(cpu_compiler *c, const xst_op *op, const cpu_readers *readers, const cpu_place *x,
                                   const cpu_place *dy, xst_error *err)
{
    void *self, *workers = NULL;
    cpu_place *dw = NULL, *scratch = NULL;
    const cpu_layout plain = xst_cpu_layout_plain(xst_cpu_info(c, op->out[0]));
    xst_status status =
        xst_cpu_step(c, sizeof(linear_gradient), linear_gradient_run, linear_gradient_release, &self, err);
    if (status != XST_OK)
        return status;
    linear_gradient *const v = self;
    *v = (linear_gradient){.threads = c->session->backend->threads,
                           .in = xst_cpu_info(c, op->in[0])->dim[1],
                           .batch = xst_cpu_info(c, op->in[0])->dim[0],
                           .x = x,
                           .dy = dy};
    c->exe->step[c->exe->steps - 1].op = readers->last;
    status = xst_alloc(&workers, (size_t)v->threads, sizeof *v->worker, "workers", err);
    v->worker = workers;
    if (status == XST_OK)
        status = xst_cpu_fail_dnnl(make_products(c, v, xst_cpu_info(c, op->in[1])->dim[1]), op->label, err);
    if (status == XST_OK)
        status = xst_cpu_scratch(c, (size_t)v->threads * v->scratch_bytes, &scratch, err);
    if (status == XST_OK)
        status = xst_cpu_scratch(c, (size_t)(v->threads * CPU_JOB_FILTERS * v->in) * sizeof(float), &dw, err);
    v->scratch = scratch;
    v->dw = dw;
    return status == XST_OK ? xst_cpu_gradient_create(c, readers, &plain, &v->gradient, err) : status;
}
