/* What the kernels of batch normalisation share (bn.cu, bn_small.cu).
 *
 * A thread takes four rows of a pack of n channels at a time, so that their loads are under way together. The map's
 * groups = blocks_for(rows, 4); group j has the rows j + k * groups, k < 4, of which the last may be missing. `pooled`:
 * a 2x2 maximum belongs to it (POOL_FORWARD of y, POOL_BACKWARD to dy), and a group is one of its windows. */
#ifndef XST_CUDA_BN_H
#define XST_CUDA_BN_H

#include "device.h"

constexpr unsigned FOUR = 4;

template <bool pooled> __device__ __forceinline__ uint32_t row_of(const xst_cuda_bn_args &p, uint32_t group, unsigned k)
{
    if (!pooled)
        return group + k * blocks_for(p.rows, FOUR);
    const uint32_t side = p.width / 2;
    return (group / side * 2 + k / 2) * p.width + group % side * 2 + k % 2;
}

/* n neighbours as they stand in memory: two bf16 to a register. */
template <class T, int n> struct bits {
    uint32_t word[(n * sizeof(T) + 3) / 4];

    __device__ __forceinline__ float at(int i) const
    {
        if (sizeof(T) == 4)
            return __uint_as_float(word[i]);
        return __uint_as_float(i % 2 ? word[i / 2] & 0xffff0000u : word[i / 2] << 16);
    }
    __device__ __forceinline__ void clear(int i)
    {
        if (sizeof(T) == 4)
            word[i] = 0;
        else
            word[i / 2] &= i % 2 ? 0x0000ffffu : 0xffff0000u;
    }
};

template <class T, int n> __device__ __forceinline__ bits<T, n> read_bits(const void *map, size_t at)
{
    bits<T, n> b = {};
    const pack<T, n> p = *reinterpret_cast<const pack<T, n> *>(static_cast<const T *>(map) + at);
    memcpy(b.word, &p, sizeof p);
    return b;
}

/* A group's rows; for one that is missing, the group's first: a load without a condition is not put off, and no other
 * thread writes there. */
template <bool pooled, class T, int n>
__device__ __forceinline__ void read_rows(bits<T, n> (&out)[FOUR], const xst_cuda_bn_args &p, const void *map,
                                          uint32_t group, uint32_t channel)
{
    for (unsigned k = 0; k < FOUR; k++) {
        const uint32_t row = row_of<pooled>(p, group, k);
        out[k] = read_bits<T, n>(map, size_t(pooled || row < p.rows ? row : group) * p.channels + channel);
    }
}

/* g = dy*[y > 0] of a group's rows; 0 where a row is missing. */
template <bool pooled, class T, int n>
__device__ __forceinline__ void read_gradient(bits<T, n> (&g)[FOUR], const xst_cuda_bn_args &p, uint32_t group,
                                              uint32_t channel)
{
    bits<T, n> y[FOUR];
    read_rows<pooled>(y, p, p.y, group, channel);
    if (pooled)
        g[0] = g[1] = g[2] = g[3] = read_bits<T, n>(p.dy, size_t(group) * p.channels + channel);
    else
        read_rows<pooled>(g, p, p.dy, group, channel);
    for (int i = 0; i < n; i++) {
        float most = y[0].at(i);
        unsigned which = 0; /* of a window: the first of the largest, as in pool.cu */
        for (unsigned k = 1; k < FOUR && pooled; k++)
            if (y[k].at(i) > most) {
                most = y[k].at(i);
                which = k;
            }
        for (unsigned k = 0; k < FOUR; k++)
            if (pooled ? which != k || !(most > 0.0f) : row_of<pooled>(p, group, k) >= p.rows || !(y[k].at(i) > 0.0f))
                g[k].clear(i);
    }
}

/* ---- the two passes over the rows: add() sums, write() makes ----------------------------------------------------- */

/* sum[i] and sum[n + i] are of channel i of the pack. */

/* What finish() makes of a channel's two sums: mean and inverse_std, or dgamma and dbeta. */
struct of_channel {
    float a, b;
};

/* Of x - x0 and its square; x0 = the channel's first value, so that a large mean does not cancel the variance away. */
template <class T, int n, bool pooled> struct forward_terms {
    struct rows {
        bits<T, n> x[FOUR];
    };
    bits<T, n> first;
    float gamma[n], beta[n];
    __device__ forward_terms(const xst_cuda_bn_args &p, uint32_t channel) : first(read_bits<T, n>(p.x, channel))
    {
        load<n>(gamma, p.gamma + channel);
        load<n>(beta, p.beta + channel);
    }
    __device__ rows read(const xst_cuda_bn_args &p, uint32_t group, uint32_t channel) const
    {
        rows r;
        read_rows<pooled>(r.x, p, p.x, group, channel);
        for (unsigned k = 1; k < FOUR && !pooled; k++)
            if (row_of<pooled>(p, group, k) >= p.rows)
                r.x[k] = first; /* adds nothing */
        return r;
    }
    __device__ void add(const rows &r, float (&sum)[2 * n]) const
    {
        for (unsigned k = 0; k < FOUR; k++)
            for (int i = 0; i < n; i++) {
                const float d = r.x[k].at(i) - first.at(i);
                sum[i] += d;
                sum[n + i] = fmaf(d, d, sum[n + i]);
            }
    }
    /* From the sums of all rows; in double, for there are few of them. Gives what write() wants. */
    __device__ static of_channel finish(const xst_cuda_bn_args &p, uint32_t c, double s, double t)
    {
        const double share = 1.0 / p.rows, mean = double(widen(static_cast<const T *>(p.x)[c])) + s * share;
        const double var = max((t - s * s * share) * share, 0.0);
        const double f = p.counter ? 1.0 / (*p.counter + 1.0) : double(p.momentum);
        const of_channel made = {float(mean), float(1.0 / sqrt(var + double(p.eps)))};
        p.mean[c] = made.a;
        p.inverse_std[c] = made.b;
        p.running_mean[c] = float((1.0 - f) * double(p.running_mean[c]) + f * mean);
        p.running_var[c] = float((1.0 - f) * double(p.running_var[c]) + f * (var / (1.0 - share)));
        return made;
    }
    /* y = relu((x - mean) * (gamma * inverse_std) + beta), and the largest of a window. */
    __device__ void write(const xst_cuda_bn_args &p, uint32_t group, uint32_t channel, const rows &r,
                          const float (&mean)[n], const float (&inverse_std)[n]) const
    {
        float most[n] = {};
        for (unsigned k = 0; k < FOUR; k++) {
            const uint32_t row = row_of<pooled>(p, group, k);
            float y[n];
            for (int i = 0; i < n; i++) {
                const float v = fmaf(r.x[k].at(i) - mean[i], gamma[i] * inverse_std[i], beta[i]);
                y[i] = v > 0.0f ? v : 0.0f;
                most[i] = max(most[i], y[i]);
            }
            if (pooled || row < p.rows)
                store<n>(static_cast<T *>(p.y) + size_t(row) * p.channels + channel, y);
        }
        if (pooled)
            store<n>(static_cast<T *>(p.pooled) + size_t(group) * p.channels + channel, most);
    }
};

/* Of g and g*xh, xh = (x - mean)*inverse_std. */
template <class T, int n, bool pooled> struct backward_terms {
    struct rows {
        bits<T, n> x[FOUR], g[FOUR];
    };
    float mean[n], inverse_std[n], gamma[n];
    __device__ backward_terms(const xst_cuda_bn_args &p, uint32_t channel)
    {
        load<n>(mean, static_cast<const float *>(p.mean) + channel);
        load<n>(inverse_std, static_cast<const float *>(p.inverse_std) + channel);
        load<n>(gamma, p.gamma + channel);
    }
    __device__ rows read(const xst_cuda_bn_args &p, uint32_t group, uint32_t channel) const
    {
        rows r;
        read_rows<pooled>(r.x, p, p.x, group, channel);
        read_gradient<pooled>(r.g, p, group, channel);
        return r;
    }
    __device__ void add(const rows &r, float (&sum)[2 * n]) const
    {
        for (unsigned k = 0; k < FOUR; k++)
            for (int i = 0; i < n; i++) {
                const float g = r.g[k].at(i);
                sum[i] += g;
                sum[n + i] = fmaf(g, (r.x[k].at(i) - mean[i]) * inverse_std[i], sum[n + i]);
            }
    }
    __device__ static of_channel finish(const xst_cuda_bn_args &p, uint32_t c, double s, double t)
    {
        const of_channel made = {float(t), float(s)};
        p.dgamma[c] = made.a;
        p.dbeta[c] = made.b;
        return made;
    }
    /* dx = gamma*inverse_std * (g - dbeta/rows - xh*dgamma/rows). */
    __device__ void write(const xst_cuda_bn_args &p, uint32_t group, uint32_t channel, const rows &r,
                          const float (&dgamma)[n], const float (&dbeta)[n]) const
    {
        const float share = 1.0f / float(p.rows);
        for (unsigned k = 0; k < FOUR; k++) {
            const uint32_t row = row_of<pooled>(p, group, k);
            float dx[n];
            for (int i = 0; i < n; i++) {
                const float xh = (r.x[k].at(i) - mean[i]) * inverse_std[i];
                dx[i] = gamma[i] * inverse_std[i] * (r.g[k].at(i) - dbeta[i] * share - xh * (dgamma[i] * share));
            }
            if (pooled || row < p.rows)
                store<n>(static_cast<T *>(p.dx) + size_t(row) * p.channels + channel, dx);
        }
    }
};

/* Of 2 * half values each lane keeps half, its own and those of the lane that differs in `bit`, added up: the first
 * half where its bit is 0. */
template <int half, int n> __device__ __forceinline__ void fold(float (&v)[n], unsigned bit)
{
    const bool second = threadIdx.x & bit;
    for (int i = 0; i < half; i++) {
        const float keep = second ? v[half + i] : v[i], give = second ? v[i] : v[half + i];
        v[i] = keep + __shfl_xor_sync(ALL_LANES, give, int(bit));
    }
}

/* ---- small maps, in one launch (bn_small.cu) --------------------------------------------------------------------- */

bool bn_is_small(const xst_cuda_bn_args &p);
cudaError_t bn_small_forward(const xst_cuda_queue *q, const xst_cuda_bn_args &p);
cudaError_t bn_small_backward(const xst_cuda_queue *q, const xst_cuda_bn_args &p);

#endif
