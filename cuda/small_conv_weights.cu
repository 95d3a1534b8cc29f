/* CONV_BACKWARD_WEIGHTS of program/ops.h for 3x3 windows on small maps: bf16, tensor cores.
 *
 *   dw [O][t][I] = sum over rows m of dy [m][O] x [m + shift t][I]
 *
 * A block makes 64 outputs x 48 or 32 channels x all nine taps, a warp for each tap, from the same rows of dy and x:
 * they are fetched once for the nine. Chunks are whole images, 64 rows at most; each number of dw is one sum over the
 * rows in order, whatever the width of the block. */
#include "small_conv.h"

namespace
{

constexpr int ROWS = 64, OUTPUTS = 64, STAGES = 3, THREADS = TAPS * 32;
constexpr unsigned PROCESSORS = 132; /* of a large GPU */

struct stage {
    uint16_t dy[ROWS * OUTPUTS], x[(ROWS + ZERO_ROWS) * SLICE_WIDTH];
};

template <int channels>
__device__ __forceinline__ void fetch(stage *to, const xst_cuda_small_conv_args &p, int row0, int chunk_rows)
{
    const int end = min(row0 + chunk_rows, p.batch * p.height * p.width);
    fetch_slice<ROWS, THREADS>(to->dy, p.y, row0, end, int(blockIdx.y) * OUTPUTS, p.out);
    fetch_slice<ROWS, THREADS, channels / 8>(to->x, p.x, row0, end, int(blockIdx.x) * channels, p.in);
}

/* sum[16 outputs][8 channels] += one chunk, for this warp's tap. at: of the rows of x that this lane gives the
 * addresses of. */
template <int wide>
__device__ __forceinline__ void multiply(float (&sum)[OUTPUTS / 16][2 * wide][4], const stage *s,
                                         const int (&at)[ROWS / 16])
{
    const int lane = int(threadIdx.x) % 32;
    for (int k = 0; k < ROWS / 16; k++) {
        uint32_t b[wide][4]; /* channels 0-7: rows 0-7, 8-15; channels 8-15: the same */
        for (int j = 0; j < wide; j++)
            tile_load4_turned(b[j], &s->x[at[k] ^ j * 16]);
        for (int h = 0; h < OUTPUTS / 16; h++) {
            uint32_t a[4];
            tile_load4_turned(a, &s->dy[pack_at(k * 16 + lane / 16 * 8 + lane % 8, h * 2 + lane / 8 % 2)]);
            for (int j = 0; j < wide; j++) {
                tile_mma(sum[h][2 * j], a, b[j][0], b[j][1]);
                tile_mma(sum[h][2 * j + 1], a, b[j][2], b[j][3]);
            }
        }
    }
}

template <int wide>
__device__ __forceinline__ void finish(const xst_cuda_small_conv_args &p, const float (&sum)[OUTPUTS / 16][2 * wide][4])
{
    const int lane = int(threadIdx.x) % 32, tap = int(threadIdx.x) / 32;
    for (int h = 0; h < OUTPUTS / 16; h++)
        for (int j = 0; j < 2 * wide; j++)
            for (int r = 0; r < 2; r++) {
                const int o = int(blockIdx.y) * OUTPUTS + h * 16 + r * 8 + lane / 4;
                const int i = (int(blockIdx.x) * 2 * wide + j) * 8 + lane % 4 * 2;
                const float v[2] = {sum[h][j][2 * r], sum[h][j][2 * r + 1]};
                if (o < p.out && i < p.in)
                    store<2>(p.w + (size_t(o) * TAPS + size_t(tap)) * size_t(p.in) + size_t(i), v);
            }
}

template <int wide>
__global__ void __launch_bounds__(THREADS)
    small_conv_weights_kernel(const __grid_constant__ xst_cuda_small_conv_args p, int chunk_rows)
{
    DYNAMIC_SHARED(stage, stages);
    const int lane = int(threadIdx.x) % 32, tap = int(threadIdx.x) / 32, rows = p.batch * p.height * p.width;
    float sum[OUTPUTS / 16][2 * wide][4] = {};
    int at[ROWS / 16];
    for (int k = 0; k < ROWS / 16; k++) {
        const int row = k * 16 + lane % 16;
        const uint32_t bits = row < chunk_rows ? taps_of(row, p.height, p.width) : 0;
        at[k] = pack_at(tap_row(row, tap, bits, p.width, ROWS), lane / 16);
    }
    for (int s = 0; s < STAGES; s++)
        clear_zero_rows(stages[s].x, ROWS);
    const int chunks = (rows + chunk_rows - 1) / chunk_rows;
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < chunks)
            fetch<wide * 16>(&stages[s], p, s * chunk_rows, chunk_rows);
        copy_commit(); /* a group each round, even an empty one, so that one wait serves every round */
    }
    for (int s = 0; s < chunks; s++) {
        copy_wait<STAGES - 2>();
        __syncthreads(); /* chunk s is here, from every thread; and nobody needs chunk s - 1 any more */
        const int next = s + STAGES - 1;
        if (next < chunks)
            fetch<wide * 16>(&stages[next % STAGES], p, next * chunk_rows, chunk_rows);
        copy_commit();
        multiply<wide>(sum, &stages[s % STAGES], at);
    }
    finish<wide>(p, sum);
}

dim3 blocks_of(const xst_cuda_small_conv_args &a, unsigned channels)
{
    return dim3(blocks_for(uint64_t(a.in), channels), blocks_for(uint64_t(a.out), OUTPUTS));
}

/* The width that keeps most multiprocessors busy to the end. */
int channels_of(const xst_cuda_small_conv_args &a)
{
    const dim3 wide = blocks_of(a, 48), narrow = blocks_of(a, 32);
    return blocks_for(wide.x * wide.y, PROCESSORS) * 48 <= blocks_for(narrow.x * narrow.y, PROCESSORS) * 32 ? 48 : 32;
}

} // namespace

extern "C" cudaError_t xst_cuda_small_conv_backward_weights(const xst_cuda_queue *q, const xst_cuda_small_conv_args *a)
{
    if (!xst_cuda_small_conv_fits(a))
        return cudaErrorInvalidValue;
    const int places = a->height * a->width, chunk_rows = ROWS / places * places;
    const int channels = a->tile ? a->tile : channels_of(*a);
    const dim3 blocks = blocks_of(*a, unsigned(channels));
    if (blocks.y > 65535 || (channels != 48 && channels != 32))
        return cudaErrorInvalidValue;
    return channels == 48
               ? LAUNCH(q, small_conv_weights_kernel<3>, blocks, THREADS, STAGES * sizeof(stage), *a, chunk_rows)
               : LAUNCH(q, small_conv_weights_kernel<2>, blocks, THREADS, STAGES * sizeof(stage), *a, chunk_rows);
}
