// cuDNN's convolutions as plain loops, channels last, sums in double.
#include "fake.hpp"

#include <cstring>
#include <vector>

namespace
{

struct Handle {
    cudaStream_t stream;
};
struct Tensor {
    bool bf16;
    int n, c, h, w;
};
struct Filter {
    bool bf16;
    int k, c, h, w;
};
struct Convolution {
    int pad_h, pad_w;
    cudnnMathType_t math;
};

// The only ones that work: forward not the first that the backend would like, so that it has to look further.
enum { FORWARD_WORKS = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, BACKWARD_WORKS = 1 };
constexpr size_t WORKSPACE = 96;

template <class T, class H> T *as(H handle)
{
    return reinterpret_cast<T *>(handle);
}

bool known(cudnnTensorFormat_t format, cudnnDataType_t type)
{
    return format == CUDNN_TENSOR_NHWC && (type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_BFLOAT16);
}

struct Shapes {
    Tensor x, y;
    Filter w;
    Convolution c;
    bool fit() const
    {
        return x.n == y.n && x.c == w.c && y.c == w.k && x.h == y.h && x.w == y.w && 2 * c.pad_h == w.h - 1 &&
               2 * c.pad_w == w.w - 1 && x.bf16 == y.bf16 && x.bf16 == w.bf16;
    }
};

// Calls f(x index, w index, y index) for every multiply-add.
template <class F> void each(const Shapes &s, F f)
{
    for (int n = 0; n < s.x.n; n++)
        for (int h = 0; h < s.y.h; h++)
            for (int v = 0; v < s.y.w; v++)
                for (int k = 0; k < s.w.k; k++)
                    for (int r = 0; r < s.w.h; r++)
                        for (int q = 0; q < s.w.w; q++) {
                            const int from_h = h + r - s.c.pad_h, from_w = v + q - s.c.pad_w;
                            if (from_h < 0 || from_h >= s.x.h || from_w < 0 || from_w >= s.x.w)
                                continue;
                            const size_t x = size_t((n * s.x.h + from_h) * s.x.w + from_w) * size_t(s.x.c);
                            const size_t w = size_t((k * s.w.h + r) * s.w.w + q) * size_t(s.w.c);
                            f(x, w, size_t((n * s.y.h + h) * s.y.w + v) * size_t(s.y.c) + size_t(k));
                        }
}

struct Operands {
    const void *x, *w, *y; // the one that is written is given as null
    void *out;
};

void run(const Shapes &s, const Operands &o)
{
    const size_t sizes[] = {size_t(s.x.n * s.x.h * s.x.w) * size_t(s.x.c),
                            size_t(s.w.k * s.w.h * s.w.w) * size_t(s.w.c),
                            size_t(s.y.n * s.y.h * s.y.w) * size_t(s.y.c)};
    const void *const from[] = {o.x, o.w, o.y};
    std::vector<double> data[3];
    int written = 0;
    for (int i = 0; i < 3; i++) {
        data[i].resize(sizes[i]);
        if (!from[i])
            written = i;
        for (size_t k = 0; from[i] && k < sizes[i]; k++)
            data[i][k] = double(fake_load(from[i], k, s.x.bf16));
    }
    double *const x = data[0].data(), *const w = data[1].data(), *const y = data[2].data();
    each(s, [&](size_t ix, size_t iw, size_t iy) {
        for (size_t c = 0; c < size_t(s.x.c); c++) {
            if (written == 0)
                x[ix + c] += y[iy] * w[iw + c];
            else if (written == 1)
                w[iw + c] += y[iy] * x[ix + c];
            else
                y[iy] += x[ix + c] * w[iw + c];
        }
    });
    for (size_t k = 0; k < sizes[written]; k++)
        fake_store(o.out, k, s.x.bf16, data[written][k]);
}

cudnnStatus_t convolve(cudnnHandle_t h, const void *alpha, const void *beta, const Shapes &s, bool works, void *work,
                       size_t bytes, const Operands &o)
{
    if (*static_cast<const float *>(alpha) != 1.0f || *static_cast<const float *>(beta) != 0.0f)
        return CUDNN_STATUS_NOT_SUPPORTED;
    if (!s.fit() || !works || !work || bytes < WORKSPACE)
        return CUDNN_STATUS_BAD_PARAM;
    const cudaError_t e = fake_enqueue(as<Handle>(h)->stream, [=] {
        fake_state()->launches++;
        fake_state()->convolutions++;
        fake_state()->clock_ms += fake_state()->conv_ms;
        memset(work, 0xff, bytes);
        run(s, o);
        return cudaSuccess;
    });
    return e == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

// The fastest wants too much memory; the next does not work, or (no_rules) gives other bits each time and is none to
// take by rule; the third is the one to take. Measuring spoils `out`.
template <class Perf>
cudnnStatus_t find(int works, const Shapes &s, void *out, size_t size, int asked, int *given, Perf *perf)
{
    if (!s.fit() || asked < 3)
        return CUDNN_STATUS_BAD_PARAM;
    const cudnnStatus_t status[] = {CUDNN_STATUS_SUCCESS,
                                    fake_state()->no_rules ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED,
                                    CUDNN_STATUS_SUCCESS};
    const size_t memory[] = {size_t(1) << 40, WORKSPACE, WORKSPACE};
    for (int i = 0; i < 3; i++) {
        perf[i] = {};
        perf[i].algo = decltype(perf[i].algo)(i == 2 ? works : 1 - works);
        perf[i].status = status[i];
        perf[i].determinism = i == 1 ? CUDNN_NON_DETERMINISTIC : CUDNN_DETERMINISTIC;
        perf[i].memory = memory[i];
        perf[i].mathType = s.c.math;
    }
    *given = 3;
    memset(out, 0xff, size * (s.x.bf16 ? 2 : 4));
    return CUDNN_STATUS_SUCCESS;
}

Shapes shapes(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t c,
              cudnnTensorDescriptor_t y)
{
    return {*as<Tensor>(x), *as<Tensor>(y), *as<Filter>(w), *as<Convolution>(c)};
}

cudnnStatus_t workspace(bool works, size_t *bytes)
{
    *bytes = WORKSPACE;
    return works && !fake_state()->no_rules ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED_SHAPE;
}

size_t size_of(const Tensor &t)
{
    return size_t(t.n * t.h * t.w) * size_t(t.c);
}

} // namespace

cudnnStatus_t fake_cudnnCreate(cudnnHandle_t *h)
{
    fake_make(h, new Handle{});
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnDestroy(cudnnHandle_t h)
{
    fake_drop<Handle>(h);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnSetStream(cudnnHandle_t h, cudaStream_t s)
{
    as<Handle>(h)->stream = s;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *d)
{
    fake_make(d, new Tensor{});
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format,
                                              cudnnDataType_t type, int n, int c, int h, int w)
{
    *as<Tensor>(d) = {type == CUDNN_DATA_BFLOAT16, n, c, h, w};
    return known(format, type) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED;
}

cudnnStatus_t fake_cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t d)
{
    fake_drop<Tensor>(d);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *d)
{
    fake_make(d, new Filter{});
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type,
                                              cudnnTensorFormat_t format, int k, int c, int h, int w)
{
    *as<Filter>(d) = {type == CUDNN_DATA_BFLOAT16, k, c, h, w};
    return known(format, type) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED;
}

cudnnStatus_t fake_cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t d)
{
    fake_drop<Filter>(d);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *d)
{
    fake_make(d, new Convolution{});
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t d, int pad_h, int pad_w, int stride_h,
                                                   int stride_w, int dilation_h, int dilation_w,
                                                   cudnnConvolutionMode_t mode, cudnnDataType_t compute)
{
    *as<Convolution>(d) = {pad_h, pad_w, CUDNN_DEFAULT_MATH};
    const bool plain = stride_h == 1 && stride_w == 1 && dilation_h == 1 && dilation_w == 1;
    return plain && mode == CUDNN_CROSS_CORRELATION && compute == CUDNN_DATA_FLOAT ? CUDNN_STATUS_SUCCESS
                                                                                   : CUDNN_STATUS_NOT_SUPPORTED;
}

cudnnStatus_t fake_cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t d, cudnnMathType_t math)
{
    as<Convolution>(d)->math = math;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t d)
{
    fake_drop<Convolution>(d);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnFindConvolutionForwardAlgorithmEx(cudnnHandle_t, const cudnnTensorDescriptor_t xd, const void *,
                                                          const cudnnFilterDescriptor_t wd, const void *,
                                                          const cudnnConvolutionDescriptor_t cd,
                                                          const cudnnTensorDescriptor_t yd, void *y, int asked,
                                                          int *given, cudnnConvolutionFwdAlgoPerf_t *perf, void *,
                                                          size_t)
{
    return find(FORWARD_WORKS, shapes(xd, wd, cd, yd), y, size_of(*as<Tensor>(yd)), asked, given, perf);
}

cudnnStatus_t fake_cudnnFindConvolutionBackwardDataAlgorithmEx(cudnnHandle_t, const cudnnFilterDescriptor_t wd,
                                                               const void *, const cudnnTensorDescriptor_t yd,
                                                               const void *, const cudnnConvolutionDescriptor_t cd,
                                                               const cudnnTensorDescriptor_t xd, void *dx, int asked,
                                                               int *given, cudnnConvolutionBwdDataAlgoPerf_t *perf,
                                                               void *, size_t)
{
    return find(BACKWARD_WORKS, shapes(xd, wd, cd, yd), dx, size_of(*as<Tensor>(xd)), asked, given, perf);
}

cudnnStatus_t fake_cudnnFindConvolutionBackwardFilterAlgorithmEx(cudnnHandle_t, const cudnnTensorDescriptor_t xd,
                                                                 const void *, const cudnnTensorDescriptor_t yd,
                                                                 const void *, const cudnnConvolutionDescriptor_t cd,
                                                                 const cudnnFilterDescriptor_t wd, void *dw, int asked,
                                                                 int *given, cudnnConvolutionBwdFilterAlgoPerf_t *perf,
                                                                 void *, size_t)
{
    const Filter &w = *as<Filter>(wd);
    return find(BACKWARD_WORKS, shapes(xd, wd, cd, yd), dw, size_t(w.k * w.h * w.w) * size_t(w.c), asked, given, perf);
}

cudnnStatus_t fake_cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t,
                                                           const cudnnFilterDescriptor_t,
                                                           const cudnnConvolutionDescriptor_t,
                                                           const cudnnTensorDescriptor_t, cudnnConvolutionFwdAlgo_t a,
                                                           size_t *bytes)
{
    return workspace(int(a) == FORWARD_WORKS, bytes);
}

cudnnStatus_t fake_cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t, const cudnnFilterDescriptor_t,
                                                                const cudnnTensorDescriptor_t,
                                                                const cudnnConvolutionDescriptor_t,
                                                                const cudnnTensorDescriptor_t,
                                                                cudnnConvolutionBwdDataAlgo_t a, size_t *bytes)
{
    return workspace(int(a) == BACKWARD_WORKS, bytes);
}

cudnnStatus_t fake_cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t,
                                                                  const cudnnTensorDescriptor_t,
                                                                  const cudnnConvolutionDescriptor_t,
                                                                  const cudnnFilterDescriptor_t,
                                                                  cudnnConvolutionBwdFilterAlgo_t a, size_t *bytes)
{
    return workspace(int(a) == BACKWARD_WORKS, bytes);
}

cudnnStatus_t fake_cudnnConvolutionForward(cudnnHandle_t h, const void *alpha, const cudnnTensorDescriptor_t xd,
                                           const void *x, const cudnnFilterDescriptor_t wd, const void *w,
                                           const cudnnConvolutionDescriptor_t cd, cudnnConvolutionFwdAlgo_t a,
                                           void *work, size_t bytes, const void *beta, const cudnnTensorDescriptor_t yd,
                                           void *y)
{
    return convolve(h, alpha, beta, shapes(xd, wd, cd, yd), int(a) == FORWARD_WORKS, work, bytes, {x, w, nullptr, y});
}

cudnnStatus_t fake_cudnnConvolutionBackwardData(cudnnHandle_t h, const void *alpha, const cudnnFilterDescriptor_t wd,
                                                const void *w, const cudnnTensorDescriptor_t yd, const void *dy,
                                                const cudnnConvolutionDescriptor_t cd, cudnnConvolutionBwdDataAlgo_t a,
                                                void *work, size_t bytes, const void *beta,
                                                const cudnnTensorDescriptor_t xd, void *dx)
{
    return convolve(h, alpha, beta, shapes(xd, wd, cd, yd), int(a) == BACKWARD_WORKS, work, bytes,
                    {nullptr, w, dy, dx});
}

cudnnStatus_t fake_cudnnConvolutionBackwardFilter(cudnnHandle_t h, const void *alpha, const cudnnTensorDescriptor_t xd,
                                                  const void *x, const cudnnTensorDescriptor_t yd, const void *dy,
                                                  const cudnnConvolutionDescriptor_t cd,
                                                  cudnnConvolutionBwdFilterAlgo_t a, void *work, size_t bytes,
                                                  const void *beta, const cudnnFilterDescriptor_t wd, void *dw)
{
    return convolve(h, alpha, beta, shapes(xd, wd, cd, yd), int(a) == BACKWARD_WORKS, work, bytes,
                    {x, nullptr, dy, dw});
}

const char *fake_cudnnGetErrorString(cudnnStatus_t)
{
    return "failed in the stand-in for cuDNN";
}

size_t fake_cudnnGetVersion(void)
{
    return CUDNN_VERSION;
}
