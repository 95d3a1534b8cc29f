/* LINEAR_FORWARD and LINEAR_BACKWARD_DATA of program/ops.h for a masked FC layer, without its effective weights: bf16,
 * tensor cores, any number of rows.
 *
 *   forward         y [M][O]  = x [M][I] (gated w [O][I])^T + bias, relu      outputs O, depth I
 *   backward data   dx [M][I] = dy [M][O] (gated w [O][I])                    outputs I, depth O
 *
 * With a batch of 32 the product is bound by reading w. A column (8 weights at group 8: one pack of 16 bytes) whose bit
 * is 0 is not read: its copy to shared memory brings 0 of 16 bytes.
 *
 * A block makes 32 rows x 64 outputs over a share of the depth (split); its 4 warps have 16 outputs each. Slices of 64
 * depth are multiplied while the next two are on their way; the bits of the third are read while it is still far away,
 * so that no copy waits for a bit. Splits make enough blocks to keep all multiprocessors reading; their sums go to
 * scratch memory, and the last block of a tile adds them up in order.
 *
 *     w, forward:  outputs down, depth across: tiles are loaded as they stand
 *     w, backward: depth down, outputs across: tiles are turned while loading */
#include "krsc.h"
#include "split.h"
#include "tile.h"

namespace
{

constexpr int ROWS = 32, OUTPUTS = 64, DEPTH = 64, STAGES = 3, THREADS = 128;
constexpr int ROW_STEP = THREADS / SLICE_PACKS, PACKS = OUTPUTS / ROW_STEP; /* of a thread in a slice of w */
constexpr int TILE = ROWS * OUTPUTS;

struct slice {
    uint16_t x[ROWS * DEPTH], w[OUTPUTS * DEPTH];
};

struct product {
    const uint16_t *x, *w;
    const uint32_t *bits;
    const float *bias; /* or NULL */
    uint16_t *y;
    uint32_t *scratch;           /* split.h */
    int rows, out, in;           /* M, O, I */
    int outputs, depth;          /* O, I or I, O */
    int groups, group;           /* columns per filter, weights per column */
    int step_columns, step_rest; /* DEPTH weights in columns, and what is left */
    int splits, share;           /* share: slices of a split */
    bool relu;
};

/* What a thread copies of a slice of w: the pack at i of the rows o, o + ROW_STEP, .. */
struct packs {
    int o, i;
    int column, rest;     /* of i in its row: i = column * group + rest */
    uint32_t word[PACKS]; /* where the bits of their columns are; 0 for a pack that the block has no use for */
};

__device__ __forceinline__ uint32_t column_of(const product &p, const packs &a, int k)
{
    return uint32_t(a.o + k * ROW_STEP) * uint32_t(p.groups) + uint32_t(a.column);
}

/* Nobody waits for the words here: they are looked at when the copies start. depth_end: of the block. */
template <bool backward> __device__ __forceinline__ void read_bits(packs *a, const product &p, int depth_end)
{
    const int o_end = backward ? min(p.out, depth_end) : p.out, i_end = backward ? p.in : min(p.in, depth_end);
    for (int k = 0; k < PACKS; k++)
        a->word[k] = a->o + k * ROW_STEP < o_end && a->i < i_end ? p.bits[column_of(p, *a, k) / 32] : 0;
}

template <bool backward> __device__ __forceinline__ packs first_packs(const product &p, int depth0)
{
    const int output0 = int(blockIdx.x) * OUTPUTS;
    packs a = {};
    a.o = (backward ? depth0 : output0) + int(threadIdx.x) / SLICE_PACKS;
    a.i = (backward ? output0 : depth0) + int(threadIdx.x) % SLICE_PACKS * 8;
    a.column = a.i / p.group;
    a.rest = a.i % p.group;
    return a;
}

/* In the next slice; words are still to be read. */
template <bool backward> __device__ __forceinline__ packs next_packs(const product &p, packs a)
{
    if (backward) {
        a.o += DEPTH;
        return a;
    }
    a.i += DEPTH;
    a.column += p.step_columns;
    a.rest += p.step_rest;
    if (a.rest >= p.group) {
        a.rest -= p.group;
        a.column++;
    }
    return a;
}

__device__ __forceinline__ void fetch_weights(uint16_t *to, const product &p, const packs &a)
{
    const uint16_t *const from = p.w + size_t(a.o) * size_t(p.in) + size_t(a.i);
    for (int k = 0; k < PACKS; k++) {
        const int row = int(threadIdx.x) / SLICE_PACKS + k * ROW_STEP, pack = int(threadIdx.x) % SLICE_PACKS;
        const bool on = a.word[k] >> (column_of(p, a, k) % 32) & 1;
        copy16(&to[pack_at(row, pack)], on ? from + size_t(k * ROW_STEP) * size_t(p.in) : p.w, on ? 16 : 0);
    }
}

__device__ __forceinline__ void fetch(slice *to, const product &p, int depth0, const packs &a)
{
    fetch_slice<ROWS, THREADS>(to->x, p.x, int(blockIdx.z) * ROWS, p.rows, depth0, p.depth);
    fetch_weights(to->w, p, a);
}

/* sum[16 rows][8 outputs] += one slice. */
template <bool backward> __device__ __forceinline__ void multiply(float (&sum)[2][2][4], const slice *s)
{
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    for (int g = 0; g < DEPTH / 8; g += 2) {
        uint32_t b[4]; /* outputs 0-7: depth 0-7, 8-15; outputs 8-15: the same */
        if (backward)
            tile_load4_turned(b, &s->w[pack_at(g * 8 + lane % 16, warp * 2 + lane / 16)]);
        else
            tile_load4(b, &s->w[pack_at(warp * 16 + lane / 16 * 8 + lane % 8, g + lane / 8 % 2)]);
        for (int h = 0; h < 2; h++) {
            uint32_t a[4];
            tile_load4(a, &s->x[pack_at(h * 16 + lane % 16, g + lane / 16)]);
            tile_mma(sum[h][0], a, b[0], b[1]);
            tile_mma(sum[h][1], a, b[2], b[3]);
        }
    }
}

/* Bias, ReLU, and two neighbours at a time to y. */
__device__ __forceinline__ void finish(const product &p, const float (&sum)[2][2][4])
{
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    for (int h = 0; h < 2; h++)
        for (int j = 0; j < 2; j++)
            for (int r = 0; r < 2; r++) {
                const int m = int(blockIdx.z) * ROWS + h * 16 + r * 8 + lane / 4;
                const int n = int(blockIdx.x) * OUTPUTS + warp * 16 + j * 8 + lane % 4 * 2;
                if (m >= p.rows || n >= p.outputs)
                    continue;
                float v[2] = {sum[h][j][2 * r], sum[h][j][2 * r + 1]};
                for (int k = 0; k < 2; k++) {
                    v[k] += p.bias ? p.bias[n + k] : 0.0f;
                    v[k] = p.relu && !(v[k] > 0.0f) ? 0.0f : v[k];
                }
                store<2>(p.y + size_t(m) * size_t(p.outputs) + size_t(n), v);
            }
}

template <bool backward>
__global__ void __launch_bounds__(THREADS, 4) fc_product_kernel(const __grid_constant__ product p)
{
    DYNAMIC_SHARED(slice, slices); /* [STAGES], then the flag of last_block */
    float sum[2][2][4] = {};
    const int first = int(blockIdx.y) * p.share, end = min(first + p.share, (p.depth + DEPTH - 1) / DEPTH);
    packs ahead[STAGES]; /* of the first slices; later the last of them runs ahead of the loop */
    for (int s = 0; s < STAGES; s++) {
        ahead[s] = s == 0 ? first_packs<backward>(p, first * DEPTH) : next_packs<backward>(p, ahead[s - 1]);
        read_bits<backward>(&ahead[s], p, end * DEPTH);
    }
    for (int s = 0; s < STAGES - 1; s++) {
        if (first + s < end)
            fetch(&slices[s], p, (first + s) * DEPTH, ahead[s]);
        copy_commit(); /* a group each round, even an empty one, so that one wait serves every round */
    }
    packs &w = ahead[STAGES - 1];
    for (int s = first; s < end; s++) {
        copy_wait<STAGES - 2>();
        __syncthreads(); /* slice s is here, from every thread; and nobody needs slice s - 1 any more */
        const int next = s + STAGES - 1;
        if (next < end)
            fetch(&slices[(next - first) % STAGES], p, next * DEPTH, w);
        copy_commit();
        w = next_packs<backward>(p, w);
        read_bits<backward>(&w, p, end * DEPTH);
        multiply<backward>(sum, &slices[(s - first) % STAGES]);
    }
    if (p.splits == 1 || split_meet(p.scratch, sum, reinterpret_cast<int *>(&slices[STAGES])))
        finish(p, sum);
}

constexpr size_t SHARED = STAGES * sizeof(slice) + 16;

int slices_of(int depth)
{
    return int(blocks_for(uint64_t(depth), DEPTH));
}

unsigned tiles_of(int outputs, uint32_t rows)
{
    return blocks_for(uint64_t(outputs), OUTPUTS) * blocks_for(rows, ROWS);
}

/* No split has fewer than four slices. */
int splits_of(int outputs, int depth, uint32_t rows)
{
    const int tiles = int(tiles_of(outputs, rows)), most = max(1, slices_of(depth) / 4);
    return max(1, min(most, (SPLIT_WANTED_BLOCKS + tiles - 1) / tiles));
}

size_t scratch_of(int outputs, int depth, uint32_t rows)
{
    return split_scratch(tiles_of(outputs, rows), splits_of(outputs, depth, rows), TILE);
}

cudaError_t run(const xst_cuda_queue *q, const xst_geometry &g, product p, void *scratch, uint32_t rows, bool backward)
{
    if (!xst_cuda_fc_fits(&g) || rows > INT32_MAX - ROWS)
        return cudaErrorInvalidValue;
    if (rows == 0)
        return cudaSuccess;
    p.scratch = static_cast<uint32_t *>(scratch);
    p.rows = int(rows), p.out = g.out, p.in = g.in, p.groups = g.groups, p.group = g.group;
    p.step_columns = DEPTH / p.group, p.step_rest = DEPTH % p.group;
    p.outputs = backward ? g.in : g.out;
    p.depth = backward ? g.out : g.in;
    p.splits = splits_of(p.outputs, p.depth, rows);
    p.share = int(blocks_for(uint64_t(slices_of(p.depth)), unsigned(p.splits)));
    p.splits = int(blocks_for(uint64_t(slices_of(p.depth)), unsigned(p.share)));
    const dim3 blocks(blocks_for(uint64_t(p.outputs), OUTPUTS), unsigned(p.splits), blocks_for(rows, ROWS));
    if (blocks.z > 65535 || (p.splits > 1 && blocks.x * blocks.z > SPLIT_COUNTERS))
        return cudaErrorInvalidValue;
    return backward ? LAUNCH(q, fc_product_kernel<true>, blocks, THREADS, SHARED, p)
                    : LAUNCH(q, fc_product_kernel<false>, blocks, THREADS, SHARED, p);
}

} // namespace

extern "C" bool xst_cuda_fc_fits(const xst_geometry *g)
{
    return g->kh == 1 && g->kw == 1 && g->in % 8 == 0 && g->out % 8 == 0 && g->group > 0 && g->group % 8 == 0;
}

extern "C" size_t xst_cuda_fc_scratch(const xst_geometry *g, uint32_t rows)
{
    return max(scratch_of(g->out, g->in, rows), scratch_of(g->in, g->out, rows));
}

extern "C" cudaError_t xst_cuda_fc_forward(const xst_cuda_queue *q, const xst_cuda_fc_forward_args *args)
{
    product p = {};
    p.x = args->x, p.w = args->w, p.bits = args->bits, p.bias = args->bias, p.y = args->y, p.relu = args->relu;
    return run(q, args->geometry, p, args->scratch, args->rows, false);
}

extern "C" cudaError_t xst_cuda_fc_backward_data(const xst_cuda_queue *q, const xst_cuda_fc_backward_data_args *args)
{
    product p = {};
    p.x = args->dy, p.w = args->w, p.bits = args->bits, p.y = args->dx;
    return run(q, args->geometry, p, args->scratch, args->rows, true);
}
