/* CONV_FORWARD and CONV_BACKWARD_DATA of program/ops.h for 3x3 windows on small maps: bf16, tensor cores.
 *
 *   forward         y [M][O]  = sum over taps t, i of  x [M + shift t][I] w [O][t][I]       outputs O, depth I
 *   backward data   dx [M][I] = sum over taps t, o of dy [M - shift t][O] w [O][t][I]       outputs I, depth O
 *
 * M = B*H*W rows. A block makes whole images, 128 rows at most, x 64, 32 or 16 outputs, over a share of the units
 * (split.h). A unit is one tap of one slice of 64 channels. What it needs of w comes from memory for it alone; the rows
 * of x are fetched once for the nine taps of a slice. So w, which is most of the data, is read by M / 128 blocks, and
 * there are splits enough to keep all multiprocessors reading.
 *
 *     w, forward:  outputs down, depth across: tiles are loaded as they stand
 *     w, backward: depth down, outputs across: tiles are turned while loading */
#include "small_conv.h"
#include "split.h"

namespace
{

constexpr int ROWS = 128, DEPTH = 64, THREADS = 128;
constexpr int SPLITS_MAX = 7; /* what the last block of a tile adds up; more would take longer than they save */
constexpr int UNITS_MIN = 5;  /* of a split */

struct product {
    const uint16_t *x, *w;
    uint16_t *y;
    uint32_t *scratch;
    int rows, height, width; /* M, H, W */
    int out, in;             /* O, I */
    int outputs, depth;      /* O, I or I, O */
    int block_rows, share;   /* rows of a block; units of a split */
};

/* How a block of four warps shares its outputs, and its shared memory. */
template <int outputs> struct block {
    static constexpr int stages = outputs == 64 ? 3 : 128 / outputs;
    static constexpr int across = outputs == 64 ? 2 : 1; /* warps side by side; the others are one below the other */
    static constexpr int warp_rows = ROWS * across / 4, warp_outputs = outputs / across;
    static constexpr int tall = warp_rows / 16, wide = warp_outputs / 16; /* tiles of a warp, 16 x 16 */

    uint16_t x[2][(ROWS + ZERO_ROWS) * DEPTH], w[stages][outputs * DEPTH];
    int flag;

    static_assert(stages <= TAPS + 1, "a slice of x is still read while the one after the next is on its way");
};

/* Where a pack stands in a tile of w, `width` numbers a row. */
template <int width> __device__ __forceinline__ int tile_at(int row, int pack)
{
    const int i = row * (width / 8) + pack;
    return pack_at(i / SLICE_PACKS, i % SLICE_PACKS);
}

template <bool backward, int outputs>
__device__ __forceinline__ void fetch_weights(uint16_t *to, const product &p, int tap, int depth0)
{
    constexpr int packs = (backward ? outputs : DEPTH) / 8;
    const int output0 = int(blockIdx.x) * outputs, o0 = backward ? depth0 : output0, i0 = backward ? output0 : depth0;
    for (int i = int(threadIdx.x); i < outputs * DEPTH / 8; i += THREADS) {
        const int o = o0 + i / packs, first = i0 + i % packs * 8;
        const bool exists = o < p.out && first < p.in;
        const size_t at = (size_t(o) * TAPS + size_t(tap)) * size_t(p.in) + size_t(first);
        copy16(&to[pack_at(i / SLICE_PACKS, i % SLICE_PACKS)], exists ? p.w + at : p.w, exists ? 16 : 0);
    }
}

template <bool backward, int outputs>
__device__ __forceinline__ void fetch(block<outputs> *b, const product &p, int first, int unit)
{
    const int slice = unit / TAPS, tap = unit % TAPS, row0 = int(blockIdx.z) * p.block_rows;
    if (unit == first || tap == 0)
        fetch_slice<ROWS, THREADS>(b->x[slice % 2], p.x, row0, min(row0 + p.block_rows, p.rows), slice * DEPTH,
                                   p.depth);
    fetch_weights<backward, outputs>(b->w[(unit - first) % block<outputs>::stages], p, tap, slice * DEPTH);
}

/* This warp's first row and first output in the block. */
template <int outputs> __device__ __forceinline__ int warp_row()
{
    return int(threadIdx.x) / 32 / block<outputs>::across * block<outputs>::warp_rows;
}
template <int outputs> __device__ __forceinline__ int warp_output()
{
    return int(threadIdx.x) / 32 % block<outputs>::across * block<outputs>::warp_outputs;
}

/* sum[16 rows][8 outputs] += one unit. bits: taps_of the rows that this lane gives the addresses of. */
template <bool backward, int outputs, int tall, int wide>
__device__ __forceinline__ void multiply(float (&sum)[tall][2 * wide][4], const product &p, const uint16_t *x,
                                         const uint16_t *w, int tap, const uint32_t (&bits)[tall])
{
    const int lane = int(threadIdx.x) % 32, output = warp_output<outputs>();
    int at[tall];
    for (int h = 0; h < tall; h++) {
        const int row = warp_row<outputs>() + h * 16 + lane % 16;
        at[h] = pack_at(tap_row(row, backward ? TAPS - 1 - tap : tap, bits[h], p.width, ROWS), lane / 16);
    }
    for (int g = 0; g < DEPTH / 8; g += 2) {
        uint32_t b[wide][4]; /* outputs 0-7: depth 0-7, 8-15; outputs 8-15: the same */
        for (int j = 0; j < wide; j++)
            if (backward)
                tile_load4_turned(b[j], &w[tile_at<outputs>(g * 8 + lane % 16, output / 8 + 2 * j + lane / 16)]);
            else
                tile_load4(b[j], &w[pack_at(output + j * 16 + lane / 16 * 8 + lane % 8, g + lane / 8 % 2)]);
        for (int h = 0; h < tall; h++) {
            uint32_t a[4];
            tile_load4(a, &x[at[h] ^ g * 8]); /* g packs further: g is even, packs are rotated by exclusive or */
            for (int j = 0; j < wide; j++) {
                tile_mma(sum[h][2 * j], a, b[j][0], b[j][1]);
                tile_mma(sum[h][2 * j + 1], a, b[j][2], b[j][3]);
            }
        }
    }
}

template <int outputs, int tall, int wide>
__device__ __forceinline__ void finish(const product &p, const float (&sum)[tall][2 * wide][4])
{
    const int lane = int(threadIdx.x) % 32;
    for (int h = 0; h < tall; h++)
        for (int j = 0; j < 2 * wide; j++)
            for (int r = 0; r < 2; r++) {
                const int row = warp_row<outputs>() + h * 16 + r * 8 + lane / 4;
                const int m = int(blockIdx.z) * p.block_rows + row;
                const int n = int(blockIdx.x) * outputs + warp_output<outputs>() + j * 8 + lane % 4 * 2;
                const float v[2] = {sum[h][j][2 * r], sum[h][j][2 * r + 1]};
                if (row < p.block_rows && m < p.rows && n < p.outputs)
                    store<2>(p.y + size_t(m) * size_t(p.outputs) + size_t(n), v);
            }
}

template <bool backward, int outputs>
__global__ void __launch_bounds__(THREADS, 2) small_conv_kernel(const __grid_constant__ product p)
{
    constexpr int stages = block<outputs>::stages, tall = block<outputs>::tall, wide = block<outputs>::wide;
    DYNAMIC_SHARED(block<outputs>, b);
    float sum[tall][2 * wide][4] = {};
    uint32_t bits[tall];
    for (int h = 0; h < tall; h++) { /* rows of no whole image would reach beyond the slice */
        const int row = warp_row<outputs>() + h * 16 + int(threadIdx.x) % 16;
        bits[h] = row < p.block_rows ? taps_of(row, p.height, p.width) : 0;
    }
    /* A warp without rows only fetches for the others. */
    const bool works = warp_row<outputs>() < min(p.block_rows, p.rows - int(blockIdx.z) * p.block_rows);
    clear_zero_rows(b->x[0], ROWS);
    clear_zero_rows(b->x[1], ROWS);
    const int units = (p.depth + DEPTH - 1) / DEPTH * TAPS;
    const int first = int(blockIdx.y) * p.share, end = min(first + p.share, units);
    for (int i = 0; i < stages - 1; i++) {
        if (first + i < end)
            fetch<backward>(b, p, first, first + i);
        copy_commit(); /* a group each round, even an empty one, so that one wait serves every round */
    }
    for (int unit = first; unit < end; unit++) {
        copy_wait<stages - 2>();
        __syncthreads(); /* this unit is here, from every thread; and nobody needs the one before any more */
        if (unit + stages - 1 < end)
            fetch<backward>(b, p, first, unit + stages - 1);
        copy_commit();
        if (works)
            multiply<backward, outputs, tall, wide>(sum, p, b->x[unit / TAPS % 2], b->w[(unit - first) % stages],
                                                    unit % TAPS, bits);
    }
    if (gridDim.y == 1 || split_meet(p.scratch, sum, &b->flag))
        finish<outputs, tall, wide>(p, sum);
}

/* ---- how the work is cut ----------------------------------------------------------------------------------------- */

struct cut {
    int outputs; /* of a block */
    unsigned blocks_x, blocks_z;
    int block_rows, splits, share;
};

cut cut_into(const xst_cuda_small_conv_args &a, int outputs, bool backward)
{
    const int places = a.height * a.width, units = int(blocks_for(uint64_t(backward ? a.out : a.in), DEPTH)) * TAPS;
    cut c = {};
    c.outputs = outputs;
    c.block_rows = ROWS / places * places;
    c.blocks_x = blocks_for(uint64_t(backward ? a.in : a.out), unsigned(outputs));
    c.blocks_z = blocks_for(uint64_t(a.batch) * uint64_t(places), unsigned(c.block_rows));
    const int wanted = SPLIT_WANTED_BLOCKS / int(c.blocks_x * c.blocks_z);
    c.splits = max(1, min(wanted, min(SPLITS_MAX, units / UNITS_MIN)));
    c.share = int(blocks_for(uint64_t(units), unsigned(c.splits)));
    c.splits = int(blocks_for(uint64_t(units), unsigned(c.share)));
    return c;
}

/* The widest blocks that can be made enough. It depends on nothing but the shape. */
cut cut_of(const xst_cuda_small_conv_args &a, bool backward)
{
    cut c = cut_into(a, a.tile ? a.tile : 64, backward);
    while (!a.tile && c.outputs > 16 && c.blocks_x * c.blocks_z * SPLITS_MAX < SPLIT_WANTED_BLOCKS)
        c = cut_into(a, c.outputs / 2, backward);
    return c;
}

size_t scratch_of(const xst_cuda_small_conv_args &a, bool backward)
{
    const cut c = cut_of(a, backward);
    return split_scratch(c.blocks_x * c.blocks_z, c.splits, ROWS * c.outputs);
}

template <bool backward> cudaError_t run(const xst_cuda_queue *q, const xst_cuda_small_conv_args &a, product p)
{
    if (!xst_cuda_small_conv_fits(&a))
        return cudaErrorInvalidValue;
    if (a.batch == 0)
        return cudaSuccess;
    const cut c = cut_of(a, backward);
    p.scratch = static_cast<uint32_t *>(a.scratch);
    p.w = a.w, p.rows = a.batch * a.height * a.width, p.height = a.height, p.width = a.width;
    p.out = a.out, p.in = a.in, p.outputs = backward ? a.in : a.out, p.depth = backward ? a.out : a.in;
    p.block_rows = c.block_rows, p.share = c.share;
    const dim3 blocks(c.blocks_x, unsigned(c.splits), c.blocks_z);
    if (blocks.z > 65535 || (c.splits > 1 && blocks.x * blocks.z > SPLIT_COUNTERS))
        return cudaErrorInvalidValue;
    switch (c.outputs) {
    case 64:
        return LAUNCH(q, (small_conv_kernel<backward, 64>), blocks, THREADS, sizeof(block<64>), p);
    case 32:
        return LAUNCH(q, (small_conv_kernel<backward, 32>), blocks, THREADS, sizeof(block<32>), p);
    case 16:
        return LAUNCH(q, (small_conv_kernel<backward, 16>), blocks, THREADS, sizeof(block<16>), p);
    default:
        return cudaErrorInvalidValue;
    }
}

} // namespace

extern "C" bool xst_cuda_small_conv_fits(const xst_cuda_small_conv_args *a)
{
    return a->batch >= 0 && a->height > 0 && a->width > 0 && a->height <= 64 && a->width <= 64 / a->height &&
           a->batch <= (INT32_MAX - ROWS) / (a->height * a->width) && a->in > 0 && a->in % 8 == 0 && a->out > 0 &&
           a->out % 8 == 0;
}

extern "C" size_t xst_cuda_small_conv_scratch(const xst_cuda_small_conv_args *a)
{
    return max(scratch_of(*a, false), scratch_of(*a, true));
}

extern "C" cudaError_t xst_cuda_small_conv_forward(const xst_cuda_queue *q, const xst_cuda_small_conv_args *a)
{
    product p = {};
    p.x = a->x, p.y = a->y;
    return run<false>(q, *a, p);
}

extern "C" cudaError_t xst_cuda_small_conv_backward_data(const xst_cuda_queue *q, const xst_cuda_small_conv_args *a)
{
    product p = {};
    p.x = a->y, p.y = a->x;
    return run<true>(q, *a, p);
}
