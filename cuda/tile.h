/* The few tensor-core and copy instructions that the matrix kernels use, each as one small function, for the GPU and
 * for the CPU side by side.
 *
 * A warp computes D += A B with A 16x16, B 16x8, D 16x8. Lane l holds, with g = l / 4 and t = l % 4 (PTX manual,
 * mma.m16n8k16):
 *   A[0]: (g, 2t..2t+1)  A[1]: (g+8, 2t..)  A[2]: (g, 2t+8..)  A[3]: (g+8, 2t+8..)      two bf16 each
 *   B[0]: (2t..2t+1, g)  B[1]: (2t+8.., g)                      D[0..1]: (g, 2t..2t+1)  D[2..3]: (g+8, 2t..2t+1) */
#ifndef XST_CUDA_TILE_H
#define XST_CUDA_TILE_H

#include "device.h"

#ifdef __CUDACC__

/* Loads four 8x8 matrices of bf16; lane l gives the address of row l % 8 of matrix l / 8, and gets elements 2t, 2t+1 of
 * row g of each. */
__device__ __forceinline__ void tile_load4(uint32_t (&out)[4], const uint16_t *row)
{
    const uint32_t at = uint32_t(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
}

/* The same of the matrices turned: elements 2t, 2t+1 of column g of each. */
__device__ __forceinline__ void tile_load4_turned(uint32_t (&out)[4], const uint16_t *row)
{
    const uint32_t at = uint32_t(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
}

__device__ __forceinline__ void tile_mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Starts a copy of 16 bytes to shared memory; the last 16 - bytes arrive as zeros, and those of the source are not
 * read. */
__device__ __forceinline__ void copy16(void *to_shared, const void *from, int bytes)
{
    const uint32_t at = uint32_t(__cvta_generic_to_shared(to_shared));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes) : "memory");
}
__device__ __forceinline__ void copy_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/* Waits until at most `left` of this thread's newest groups are under way; other threads see the bytes after a
 * barrier. */
template <int left> __device__ __forceinline__ void copy_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

#else

inline void tile_load4(uint32_t (&out)[4], const uint16_t *row, SIM_HERE)
{
    const int lane = sim_lane();
    for (int i = 0; i < 4; i++) {
        const uint16_t *const from = sim_shuffle_value(SIM_SITE("tile_load4"), ALL_LANES, row, 8 * i + lane / 4);
        memcpy(&out[i], from + lane % 4 * 2, 4);
    }
}
inline void tile_load4_turned(uint32_t (&out)[4], const uint16_t *row, SIM_HERE)
{
    const int lane = sim_lane();
    for (int i = 0; i < 4; i++) {
        uint16_t pair[2];
        for (int k = 0; k < 2; k++) {
            const int source = 8 * i + lane % 4 * 2 + k;
            const uint16_t *const from = sim_shuffle_value(SIM_SITE("tile_load4_turned"), ALL_LANES, row, source);
            pair[k] = from[lane / 4];
        }
        memcpy(&out[i], pair, 4);
    }
}
inline void tile_mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, SIM_HERE)
{
    const uint32_t b[2] = {b0, b1};
    sim_mma(SIM_SITE("tile_mma"), d, a, b);
}
inline void copy16(void *to_shared, const void *from, int bytes)
{
    sim_copy_async(to_shared, from, 16, bytes);
}
inline void copy_commit()
{
    sim_copy_commit();
}
template <int left> void copy_wait(SIM_HERE)
{
    sim_copy_wait(left, SIM_SITE("copy_wait"));
}

#endif

/* ---- slices in shared memory: rows of 64 bf16, eight packs of 16 bytes ----------------------------------------------
 */

constexpr int SLICE_WIDTH = 64, SLICE_PACKS = SLICE_WIDTH / 8;

/* Where a pack stands. Rotated by row, so that the eight rows of a tile_load4 matrix fall into different banks. */
__device__ __forceinline__ int pack_at(int row, int pack)
{
    return row * SLICE_WIDTH + (pack ^ (row & 7)) * 8;
}

/* Starts copying rows row0 .. row0 + count - 1, columns column0 .. + 8 packs - 1, of matrix [rows][columns];
 * columns % 8 = 0. What lies outside arrives as zeros. threads: of the block. */
template <int count, int threads, int packs = SLICE_PACKS>
__device__ __forceinline__ void fetch_slice(uint16_t *slice, const uint16_t *from, int row0, int rows, int column0,
                                            int columns)
{
    for (int k = 0; k * threads < count * packs; k++) {
        const int i = int(threadIdx.x) + k * threads;
        if (count * packs % threads != 0 && i >= count * packs)
            break;
        const int row = row0 + i / packs, column = column0 + i % packs * 8;
        const bool exists = row < rows && column < columns;
        const uint16_t *const source = exists ? from + size_t(row) * size_t(columns) + size_t(column) : from;
        copy16(&slice[pack_at(i / packs, i % packs)], source, exists ? 16 : 0);
    }
}

#endif
