/* narrow.cu: products with few outputs. */
#include "check.h"

typedef struct narrow_case {
    uint32_t rows, in, out;
    xst_cuda_type type;
    bool relu;
} narrow_case;

static xst_ref_tensor matrix(double *data, uint32_t rows, uint32_t columns)
{
    return check_tensor(XST_F32, data, rows, columns, 1, 1);
}

static size_t bytes_of(xst_cuda_type type)
{
    return type == XST_CUDA_F32 ? 4 : 2;
}

static void forward(const narrow_case *n)
{
    const size_t outputs = (size_t)n->rows * n->out, inputs = (size_t)n->rows * n->in, weights = (size_t)n->out * n->in;
    double *const x = check_numbers(inputs, n->type, 1), *const w = check_numbers(weights, XST_CUDA_F32, 1);
    double *const bias = check_numbers(n->out, XST_CUDA_F32, 1), *const y = check_memory(outputs, sizeof(double));
    const xst_ref_tensor xt = matrix(x, n->rows, n->in), wt = matrix(w, n->out, n->in), bt = check_reals(bias, n->out),
                         yt = matrix(y, n->rows, n->out);
    const xst_op op = {.p.linear.relu = n->relu};
    xst_ref_linear_forward(&(xst_ref_call){.op = &op, .in = {&xt, &wt, &bt}, .out = {&yt}});
    const xst_cuda_narrow_args a = {.x = check_upload(x, inputs, n->type),
                                    .w = check_upload(w, weights, XST_CUDA_F32),
                                    .bias = check_upload(bias, n->out, XST_CUDA_F32),
                                    .y = check_memory(outputs, 4),
                                    .type = n->type,
                                    .relu = n->relu,
                                    .rows = n->rows,
                                    .in = n->in,
                                    .out = n->out};
    const bool ok = xst_cuda_narrow_forward(&check_queue, &a) == cudaSuccess &&
                    check_near(a.y, XST_CUDA_F32, y, outputs, 0, (n->in + 1) * 0x1p-23);
    check_case(ok, "narrow forward %u x %u x %u type %d relu %d", n->rows, n->in, n->out, n->type, n->relu);
}

/* Both products at once, or one of them: what is not asked for is not touched. */
static void backward(const narrow_case *n, bool data, bool gradient)
{
    const size_t outputs = (size_t)n->rows * n->out, inputs = (size_t)n->rows * n->in, weights = (size_t)n->out * n->in;
    double *const x = check_numbers(inputs, n->type, 1), *const w = check_numbers(weights, XST_CUDA_F32, 1);
    double *const dy = check_numbers(outputs, XST_CUDA_F32, 1), *const dx = check_memory(inputs, sizeof(double));
    double *const dw = check_memory(weights, sizeof(double)), *const dbias = check_memory(n->out, sizeof(double));
    const xst_ref_tensor xt = matrix(x, n->rows, n->in), wt = matrix(w, n->out, n->in),
                         dyt = matrix(dy, n->rows, n->out), dxt = matrix(dx, n->rows, n->in),
                         dwt = matrix(dw, n->out, n->in), dbt = check_reals(dbias, n->out);
    xst_ref_linear_backward_data(&(xst_ref_call){.in = {&dyt, &wt}, .out = {&dxt}});
    xst_ref_linear_backward_weights(&(xst_ref_call){.in = {&xt, &dyt}, .out = {&dwt, &dbt}});
    const xst_cuda_narrow_args a = {.x = gradient ? check_upload(x, inputs, n->type) : NULL,
                                    .w = data ? check_upload(w, weights, XST_CUDA_F32) : NULL,
                                    .dy = check_upload(dy, outputs, XST_CUDA_F32),
                                    .dx = data ? check_memory(inputs, bytes_of(n->type)) : NULL,
                                    .dw = gradient ? check_memory(weights, 4) : NULL,
                                    .dbias = gradient ? check_memory(n->out, 4) : NULL,
                                    .type = n->type,
                                    .rows = n->rows,
                                    .in = n->in,
                                    .out = n->out};
    bool ok = xst_cuda_narrow_backward(&check_queue, &a) == cudaSuccess;
    ok = ok && (!data || check_near(a.dx, n->type, dx, inputs, check_epsilon(n->type), n->out * 0x1p-23));
    ok = ok && (!gradient || (check_near(a.dw, XST_CUDA_F32, dw, weights, 0, n->rows * 0x1p-23) &&
                              check_near(a.dbias, XST_CUDA_F32, dbias, n->out, 0, n->rows * 0x1p-22)));
    check_case(ok, "narrow backward %u x %u x %u type %d, data %d gradient %d", n->rows, n->in, n->out, n->type, data,
               gradient);
}

static void refusals(void)
{
    float number = 0;
    const xst_cuda_narrow_args wide = {.rows = 1, .in = 1, .out = XST_CUDA_NARROW_MAX + 1, .dx = &number};
    const xst_cuda_narrow_args nothing = {.rows = 1, .in = 1, .out = 1}, empty = {.in = 1, .out = 1};
    const xst_cuda_narrow_args no_bias = {.rows = 1, .in = 1, .out = 1, .dw = &number};
    check_case(xst_cuda_narrow_forward(&check_queue, &wide) == cudaErrorInvalidValue &&
                   xst_cuda_narrow_backward(&check_queue, &wide) == cudaErrorInvalidValue &&
                   xst_cuda_narrow_backward(&check_queue, &nothing) == cudaErrorInvalidValue &&
                   xst_cuda_narrow_backward(&check_queue, &no_bias) == cudaErrorInvalidValue &&
                   xst_cuda_narrow_forward(&check_queue, &empty) == cudaSuccess,
               "narrow: refusals");
}

void check_narrow(bool small)
{
    static const uint32_t sizes[][3] = {{1, 1, 1},     {31, 33, 5},   {32, 40, 20},
                                        {33, 2056, 5}, {1, 2060, 1},  {100, 31, XST_CUDA_NARROW_MAX},
                                        {32, 5016, 5}, {100, 264, 33}};
    for (int i = 0; i < (small ? 5 : 8); i++)
        for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++) {
            const narrow_case n = {sizes[i][0], sizes[i][1], sizes[i][2], type, i % 2};
            forward(&n);
            backward(&n, true, true);
            backward(&n, true, false);
            backward(&n, false, true);
        }
    refusals();
}
