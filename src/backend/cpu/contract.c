#include "backend/cpu/contract.h"

static void contract_any(const cpu_columns *c, const float *a, const float *b, float *out)
{
    const int64_t groups = c->geometry.groups;
    for (int64_t g = 0; g < groups; g++) {
        const int64_t r = g * c->step, end = r + xst_column_length(&c->geometry, (uint32_t)g);
        float sum = 0.0f;
        for (int64_t k = r; k < end; k++)
            sum += a[c->weight[k]] * b[c->weight[k]];
        out[g] = sum;
    }
}

/* One column of any length. */
XST_CPU_BODY float contract_stretch(const float *a, const float *b, int32_t length)
{
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int32_t k = 0; k < length; k++)
        sum += a[k] * b[k];
    return sum;
}

/* out[i] = x[2i] + x[2i+1] over the 32 lanes of low and high. */
XST_CPU_BODY void add_neighbours(const cpu_v16 *low, const cpu_v16 *high, cpu_v16 *out)
{
    *out = __builtin_shufflevector(*low, *high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           __builtin_shufflevector(*low, *high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

/* 16 columns of 8 weights: the products, then three rounds of adding neighbours. */
XST_CPU_BODY void contract_16_of_8(const float *a, const float *b, float *out)
{
    cpu_v16 sum[8];
    for (int i = 0; i < 8; i++)
        sum[i] = *(const cpu_v16u *)(a + 16 * i) * *(const cpu_v16u *)(b + 16 * i);
    for (int n = 4; n >= 1; n /= 2)
        for (int i = 0; i < n; i++)
            add_neighbours(&sum[2 * i], &sum[2 * i + 1], &sum[i]);
    *(cpu_v16u *)out = sum[0];
}

XST_CPU_BODY void contract_row_body(const cpu_columns *c, const float *a, const float *b, float *out)
{
    const int64_t groups = c->geometry.groups;
    int64_t g = 0;
    if (c->step == 8)
        for (; (g + 16) * 8 <= c->filter_weights; g += 16)
            contract_16_of_8(a + g * 8, b + g * 8, out + g);
    if (c->step == 1) {
#pragma omp simd
        for (int64_t k = 0; k < groups; k++)
            out[k] = a[k] * b[k];
        return;
    }
    for (; g < groups; g++)
        out[g] = contract_stretch(a + g * c->step, b + g * c->step, xst_column_length(&c->geometry, (uint32_t)g));
}
XST_CPU_KERNEL(contract_row, (const cpu_columns *c, const float *a, const float *b, float *out), (c, a, b, out))

XST_CPU_BODY void contract_tile_body(const cpu_columns *c, int64_t lanes, const float *a, const float *b, float *out)
{
    const int64_t groups = c->geometry.groups;
    for (int64_t g = 0; g < groups; g++) {
        const int64_t r = g * c->step, end = r + xst_column_length(&c->geometry, (uint32_t)g);
        cpu_v16 even = {0}, odd = {0};
        int64_t k = r;
        for (; k + 1 < end; k += 2) {
            even += *(const cpu_v16 *)(a + c->weight[k]) * *(const cpu_v16 *)(b + c->weight[k]);
            odd += *(const cpu_v16 *)(a + c->weight[k + 1]) * *(const cpu_v16 *)(b + c->weight[k + 1]);
        }
        if (k < end)
            even += *(const cpu_v16 *)(a + c->weight[k]) * *(const cpu_v16 *)(b + c->weight[k]);
        even += odd;
        for (int64_t l = 0; l < lanes; l++)
            out[l * groups + g] = even[l];
    }
}
XST_CPU_KERNEL(contract_tile, (const cpu_columns *c, int64_t lanes, const float *a, const float *b, float *out),
               (c, lanes, a, b, out))

void xst_cpu_contract(const cpu_columns *c, xst_cpu_isa isa, int64_t first, int64_t last, const float *a,
                      const float *b, float *out)
{
    if (c->arrangement == CPU_TILES) {
        contract_tile[isa](c, last - first, a, b, out);
        return;
    }
    for (int64_t o = first; o < last; o++) {
        const int64_t at = c->filter[o] - c->filter[first];
        float *const sums = out + (o - first) * c->geometry.groups;
        if (c->arrangement == CPU_ROWS)
            contract_row[isa](c, a + at, b + at, sums);
        else
            contract_any(c, a + at, b + at, sums);
    }
}
