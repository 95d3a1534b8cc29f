/* linear.cu, gemm.cu and loss.cu. */
#include "check.h"

#include <math.h>
#include <string.h>

/* ---- linear.cu --------------------------------------------------------------------------------------------------- */

static double *column_sums(const double *from, uint32_t rows, uint32_t n)
{
    double *const sum = check_memory(n, sizeof(double));
    for (uint32_t o = 0; o < n; o++) {
        sum[o] = 0;
        for (uint32_t b = 0; b < rows; b++)
            sum[o] += from[(size_t)b * n + o];
    }
    return sum;
}

static void relu(uint32_t rows, uint32_t n, xst_cuda_type type, bool sums)
{
    const size_t all = (size_t)rows * n;
    double *const y = check_numbers(all, type, 1), *const dy = check_numbers(all, type, 1);
    double *const dx = check_memory(all, sizeof(double));
    for (size_t i = 0; i < all; i++)
        y[i] = y[i] > 0 ? y[i] : 0;
    const xst_ref_tensor yt = check_reals(y, (int64_t)all), dyt = check_reals(dy, (int64_t)all);
    const xst_ref_tensor dxt = check_reals(dx, (int64_t)all);
    xst_ref_relu_backward(&(xst_ref_call){.in = {&dyt, &yt}, .out = {&dxt}});
    void *const got = check_upload(dy, all, type); /* in place */
    const xst_cuda_relu_args a = {.type = type,
                                  .dy = got,
                                  .y = check_upload(y, all, type),
                                  .dx = got,
                                  .dbias = sums ? check_memory(n, 4) : NULL,
                                  .rows = rows,
                                  .n = n};
    bool ok = xst_cuda_relu_backward(&check_queue, &a) == cudaSuccess && check_near(got, type, dx, all, 0, 0);
    ok = ok && (!sums || check_near(a.dbias, XST_CUDA_F32, column_sums(dx, rows, n), n, 0, rows * 0x1p-22));
    check_case(ok, "relu_backward %u x %u type %d sums %d", rows, n, type, sums);
}

static void bias(uint32_t rows, uint32_t n, xst_cuda_type from_type, xst_cuda_type type, bool with_relu)
{
    const size_t all = (size_t)rows * n;
    const double *const x = check_numbers(all, from_type, 1), *const b = check_numbers(n, XST_CUDA_F32, 1);
    double *const want = check_memory(all, sizeof(double));
    for (size_t i = 0; i < all; i++)
        want[i] = with_relu && !(x[i] + b[i % n] > 0) ? 0 : x[i] + b[i % n];
    const xst_cuda_bias_args a = {.from = check_upload(x, all, from_type),
                                  .y = check_memory(all, type == XST_CUDA_F32 ? 4 : 2),
                                  .bias = check_upload(b, n, XST_CUDA_F32),
                                  .from_type = from_type,
                                  .type = type,
                                  .relu = with_relu,
                                  .rows = rows,
                                  .n = n};
    const bool ok = xst_cuda_bias(&check_queue, &a) == cudaSuccess &&
                    check_near(a.y, type, want, all, check_epsilon(type), 0x1p-23);
    check_case(ok, "bias %u x %u types %d %d", rows, n, from_type, type);
}

static void bias_gradient(uint32_t rows, uint32_t n, xst_cuda_type type)
{
    const size_t all = (size_t)rows * n;
    const double *const dy = check_numbers(all, type, 1);
    const xst_cuda_relu_args a = {
        .dy = check_upload(dy, all, type), .dbias = check_memory(n, 4), .type = type, .rows = rows, .n = n};
    const bool ok = xst_cuda_relu_backward(&check_queue, &a) == cudaSuccess &&
                    check_near(a.dbias, XST_CUDA_F32, column_sums(dy, rows, n), n, 0, rows * 0x1p-22);
    check_case(ok, "bias_gradient %u x %u type %d", rows, n, type);
}

void check_linear(bool small)
{
    static const uint32_t sizes[] = {1, 31, 33, 257, 1025};
    for (int i = 0; i < (small ? 3 : 5); i++)
        for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++) {
            relu(1, sizes[i], type, false);
            relu(32, sizes[i], type, true);
            relu(33, sizes[i], type, true);
            bias_gradient(32, sizes[i], type);
            bias_gradient(1, sizes[i], type);
            bias(3, sizes[i], type, XST_CUDA_F32, i % 2);
            bias(3, sizes[i], type, XST_CUDA_BF16, !(i % 2));
        }
}

/* ---- gemm.cu ----------------------------------------------------------------------------------------------------- */

typedef struct gemm_case {
    uint32_t m, n, k;
    bool a_transposed, b_transposed, bias, relu;
    xst_cuda_type type, c_type;
} gemm_case;

static void gemm(const gemm_case *g)
{
    const size_t m = g->m, n = g->n, k = g->k;
    const double *const a = check_numbers(m * k, g->type, 1), *const b = check_numbers(k * n, g->type, 1);
    const double *const bias = check_numbers(n, XST_CUDA_F32, 1);
    double *const want = check_memory(m * n, sizeof(double));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = g->bias ? bias[j] : 0;
            for (size_t l = 0; l < k; l++)
                sum += a[i * k + l] * b[l * n + j];
            want[i * n + j] = g->relu && !(sum > 0) ? 0 : sum;
        }
    const xst_cuda_gemm_args args = {.a = check_upload(g->a_transposed ? check_turn(a, 1, m, k) : a, m * k, g->type),
                                     .b = check_upload(g->b_transposed ? check_turn(b, 1, k, n) : b, k * n, g->type),
                                     .c = check_memory(m * n, g->c_type == XST_CUDA_F32 ? 4 : 2),
                                     .bias = g->bias ? check_upload(bias, n, XST_CUDA_F32) : NULL,
                                     .type = g->type,
                                     .c_type = g->c_type,
                                     .a_transposed = g->a_transposed,
                                     .b_transposed = g->b_transposed,
                                     .relu = g->relu,
                                     .m = g->m,
                                     .n = g->n,
                                     .k = g->k};
    const bool ok = xst_cuda_gemm(&check_queue, &args) == cudaSuccess &&
                    check_near(args.c, g->c_type, want, m * n, check_epsilon(g->c_type), (double)(k + 1) * 0x1p-23);
    check_case(ok, "gemm %u x %u x %u turned %d %d types %d %d", g->m, g->n, g->k, g->a_transposed, g->b_transposed,
               g->type, g->c_type);
}

void check_gemm(bool small)
{
    static const uint32_t sizes[][3] = {{1, 1, 1}, {32, 31, 33}, {65, 66, 17}, {3, 130, 128}};
    for (int i = 0; i < (small ? 3 : 4); i++)
        for (unsigned way = 0; way < 4; way++)
            for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++) {
                gemm(&(gemm_case){sizes[i][0], sizes[i][1], sizes[i][2], way & 1, way & 2, way == 2, way == 2, type,
                                  type});
                gemm(&(gemm_case){sizes[i][0], sizes[i][1], sizes[i][2], way & 1, way & 2, way == 1, false, type,
                                  XST_CUDA_F32});
            }
}

/* ---- loss.cu ----------------------------------------------------------------------------------------------------- */

static void loss(uint32_t rows, uint32_t classes, xst_cuda_type type, double scale, bool ties)
{
    const size_t n = (size_t)rows * classes;
    double *const logits = check_numbers(n, type, scale), *const dlogits = check_memory(n, sizeof(double));
    double *const metrics = check_memory(2, sizeof(double)), *const got = check_memory(2, sizeof(double));
    uint32_t *const y = check_memory(rows, 4);
    for (size_t i = 0; i < n && ties; i++)
        logits[i] = 1.0;
    for (uint32_t b = 0; b < rows; b++)
        y[b] = check_dice() % classes;
    metrics[0] = got[0] = 3.5, metrics[1] = got[1] = 7;
    const xst_ref_tensor lt = check_tensor(XST_F32, logits, rows, classes, 1, 1),
                         yt = check_tensor(XST_U32, y, rows, 1, 1, 1);
    const xst_ref_tensor dt = check_tensor(XST_F32, dlogits, rows, classes, 1, 1),
                         mt = check_tensor(XST_F64, metrics, 2, 1, 1, 1);
    xst_ref_loss(&(xst_ref_call){.in = {&lt, &yt}, .out = {&dt, &mt}});
    const xst_cuda_loss_args a = {.logits = check_upload(logits, n, type),
                                  .y = y,
                                  .dlogits = check_memory(n, type == XST_CUDA_F32 ? 4 : 2),
                                  .metrics = got,
                                  .type = type,
                                  .rows = rows,
                                  .classes = classes};
    const bool ok = xst_cuda_loss(&check_queue, &a) == cudaSuccess &&
                    check_near(a.dlogits, type, dlogits, n, check_epsilon(type) + 4e-7, 8 * 0x1p-24 / rows) &&
                    fabs(got[0] - metrics[0]) <= rows * (1 + scale) * 1e-6 && got[1] == metrics[1];
    check_case(ok, "loss %u x %u type %d scale %g", rows, classes, type, scale);
}

static void eval_loss(uint32_t rows, uint32_t classes, uint32_t total, uint32_t batch_index, xst_cuda_type type)
{
    const size_t n = (size_t)rows * classes, whole = (size_t)total * classes;
    double *const logits = check_numbers(n, type, 4), *const all = check_memory(whole, sizeof(double));
    double *const metrics = check_memory(2, sizeof(double)), *const got = check_memory(2, sizeof(double));
    uint32_t *const y = check_memory(rows, 4), *const cursor = check_memory(1, 4);
    for (uint32_t b = 0; b < rows; b++)
        y[b] = check_dice() % classes;
    metrics[0] = got[0] = 0, metrics[1] = got[1] = 0, *cursor = batch_index;
    const xst_ref_tensor lt = check_tensor(XST_F32, logits, rows, classes, 1, 1),
                         yt = check_tensor(XST_U32, y, rows, 1, 1, 1);
    const xst_ref_tensor ct = check_tensor(XST_U32, cursor, 1, 1, 1, 1),
                         mt = check_tensor(XST_F64, metrics, 2, 1, 1, 1);
    const xst_ref_tensor at = check_tensor(XST_F32, all, total, classes, 1, 1);
    xst_ref_eval_loss(&(xst_ref_call){.in = {&lt, &yt, &ct}, .out = {&at, &mt}});
    const xst_cuda_loss_args a = {.logits = check_upload(logits, n, type),
                                  .y = y,
                                  .metrics = got,
                                  .all = check_memory(whole, 4),
                                  .cursor = cursor,
                                  .type = type,
                                  .rows = rows,
                                  .classes = classes,
                                  .total = total};
    const bool ok = xst_cuda_loss(&check_queue, &a) == cudaSuccess &&
                    check_near(a.all, XST_CUDA_F32, all, whole, 0, 0) && fabs(got[0] - metrics[0]) <= rows * 5e-6 &&
                    got[1] == metrics[1];
    check_case(ok, "eval_loss %u x %u of %u type %d", rows, classes, total, type);
}

void check_loss(bool small)
{
    for (xst_cuda_type type = XST_CUDA_F32; type <= XST_CUDA_BF16; type++) {
        loss(1, 1, type, 1, false);
        loss(32, 5, type, 3, false);
        loss(33, 5, type, 3, true); /* all ties: the first class is the answer */
        loss(31, 100, type, 80, false);
        if (!small)
            loss(1025, 5, type, 3, false);
        eval_loss(31, 5, 70, 1, type);
        eval_loss(31, 5, 70, 2, type); /* rows past the end do not count */
    }
}
