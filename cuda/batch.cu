/* COUNT, SHUFFLE, TRAIN_BATCH and EVAL_BATCH of program/ops.h: an epoch's order and its batches, from data that stays
 * on the device. */
#include "words.h"

namespace
{

constexpr unsigned THREADS = 256;

__global__ void count_kernel(uint32_t *counter)
{
    *counter += 1;
}

/* order[r] = the image whose key (word, index) has r smaller ones. Each thread has an image and compares its key with
 * all, a tile of 4 * THREADS keys at a time: n^2 steps in all (2500 images: 6 million, some microseconds, once per
 * epoch), no workspace, any n. */
__global__ void shuffle_kernel(const __grid_constant__ xst_cuda_shuffle_args p)
{
    __shared__ uint64_t tile[4 * THREADS];
    const uint32_t epoch = *p.t / p.steps, image = blockIdx.x * THREADS + threadIdx.x;
    const uint64_t mine = uint64_t(random_word(p.key, image, 0, epoch, p.stage)) << 32 | image;
    uint32_t rank = 0;
    for (uint32_t first = 0; first < p.n; first += 4 * THREADS) {
        const uint32_t element = first + 4 * threadIdx.x;
        const uint4 w = random_words(p.key, element / 4, 0, epoch, p.stage);
        const uint32_t word[4] = {w.x, w.y, w.z, w.w};
        for (uint32_t i = 0; i < 4; i++)
            tile[4 * threadIdx.x + i] = element + i < p.n ? uint64_t(word[i]) << 32 | (element + i) : ~uint64_t(0);
        __syncthreads();
        for (uint32_t i = 0; i < 4 * THREADS && image < p.n; i++)
            rank += tile[i] < mine ? 1 : 0;
        __syncthreads(); // all have read the tile; the next round writes it
    }
    if (image < p.n)
        p.order[rank] = image;
}

struct crop {
    int dy, dx;
    bool flip;
};

__device__ crop crop_of(const xst_cuda_batch_args &p, uint32_t image, uint32_t epoch)
{
    const uint32_t w = random_word(p.key, image, 0, epoch, p.stage);
    return {int(((w & 0xffff) * 9) >> 16), int((((w >> 16) & 0x7fff) * 9) >> 15), (w >> 31) != 0};
}

/* The image of a row, and where in the padded image its first pixel lies. Without augmentation: its own corner. */
__device__ uint32_t image_of(const xst_cuda_batch_args &p, uint32_t row, crop *cut)
{
    *cut = {4, 4, false};
    if (!p.order)
        return uint32_t(min(uint64_t(*p.t) * p.batch + row, uint64_t(p.n - 1)));
    const uint32_t done = *p.t - 1, at = min(done % p.steps * p.batch + row, p.n - 1);
    const uint32_t image = min(p.order[at], p.n - 1);
    if (p.augment)
        *cut = crop_of(p, image, done / p.steps);
    return image;
}

/* A thread makes all channels of one pixel. `affine`: scale and shift of each channel. */
template <class T> __device__ __forceinline__ void write_pixel(const xst_cuda_batch_args &p, const float *affine)
{
    const uint32_t pixels = p.height * p.width, at = blockIdx.x * THREADS + threadIdx.x;
    const uint32_t row = at / pixels, pixel = at % pixels;
    if (row >= p.rows)
        return;
    crop cut;
    const uint32_t image = image_of(p, row, &cut);
    const int W = int(p.width), H = int(p.height), h = int(pixel / p.width), w = int(pixel % p.width);
    const int from_h = h + cut.dy - 4, from_w = (cut.flip ? W - 1 - w : w) + cut.dx - 4;
    const bool inside = from_h >= 0 && from_h < H && from_w >= 0 && from_w < W;
    for (uint32_t c = 0; c < p.channels; c++) {
        float v = 0.0f;
        if (inside)
            v = p.images[(size_t(image) * p.channels + c) * pixels + uint32_t(from_h) * p.width + uint32_t(from_w)];
        const float x = !inside && p.pad_mean ? 0.0f : fmaf(v, affine[2 * c], affine[2 * c + 1]);
        static_cast<T *>(p.x)[size_t(at) * p.channels + c] = narrow<T>(x);
    }
    if (pixel == 0)
        p.y[row] = p.labels[image];
}

__global__ void batch_kernel(const __grid_constant__ xst_cuda_batch_args p)
{
    DYNAMIC_SHARED(float, affine);
    for (uint32_t c = threadIdx.x; c < p.channels; c += THREADS) {
        const double mean = double(p.norm[c]), std = double(p.norm[p.channels + c]);
        affine[2 * c] = float(1.0 / (255.0 * std));
        affine[2 * c + 1] = float(-mean / std);
    }
    __syncthreads();
    if (p.type == XST_CUDA_F32)
        write_pixel<float>(p, affine);
    else
        write_pixel<uint16_t>(p, affine);
}

} // namespace

extern "C" cudaError_t xst_cuda_count(const xst_cuda_queue *q, const xst_cuda_count_args *args)
{
    return LAUNCH(q, count_kernel, 1, 1, 0, args->counter);
}

extern "C" cudaError_t xst_cuda_shuffle(const xst_cuda_queue *q, const xst_cuda_shuffle_args *args)
{
    if (args->steps == 0)
        return cudaErrorInvalidValue;
    return args->n == 0 ? cudaSuccess : LAUNCH(q, shuffle_kernel, blocks_for(args->n, THREADS), THREADS, 0, *args);
}

extern "C" cudaError_t xst_cuda_batch(const xst_cuda_queue *q, const xst_cuda_batch_args *args)
{
    const uint64_t pixels = uint64_t(args->rows) * args->height * args->width;
    const size_t shared = 2 * sizeof(float) * args->channels;
    if (args->n == 0 || (args->order && args->steps == 0) || shared > 48 * 1024 || pixels > UINT32_MAX - THREADS)
        return cudaErrorInvalidValue;
    return pixels == 0 ? cudaSuccess : LAUNCH(q, batch_kernel, blocks_for(pixels, THREADS), THREADS, shared, *args);
}
