#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

enum { MEMORY_MAX = 256 };

static struct {
    void *memory[MEMORY_MAX];
    int memories;
    uint32_t dice;
    check_counts counts;
    bool quiet;
} state = {.dice = 1};

check_counts check_counted(void)
{
    const check_counts counts = state.counts;
    state.counts = (check_counts){0};
    return counts;
}

void check_quietly(bool quiet)
{
    state.quiet = quiet;
}

void check_case(bool ok, const char *name, ...)
{
    ok = ok && !sim_error();
    if (ok)
        state.counts.passed++;
    else
        state.counts.failed++;
    if (!ok && !state.quiet) {
        va_list list;
        va_start(list, name);
        printf("FAILED ");
        vprintf(name, list);
        printf(", order %u, fill %#x: %s\n", sim_settings()->order, sim_settings()->fill,
               sim_error() ? sim_error() : "wrong result");
        va_end(list);
    }
    sim_clear_error();
    while (state.memories > 0)
        free(state.memory[--state.memories]);
}

uint32_t check_dice(void)
{
    state.dice = state.dice * 1664525u + 1013904223u;
    return state.dice >> 8;
}

double check_uniform(void)
{
    return (double)check_dice() / 8388608.0 - 1.0;
}

void *check_memory(size_t n, size_t size)
{
    const size_t bytes = n * size;
    void *const p = malloc(bytes ? bytes : 1);
    if (!p || state.memories == MEMORY_MAX)
        abort();
    state.memory[state.memories++] = p;
    return memset(p, 0xff, bytes);
}

static uint16_t bf16_of(double x)
{
    const float f = (float)x;
    uint32_t u;
    memcpy(&u, &f, 4);
    if (isnan(x))
        return 0x7fff;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static double of_bf16(uint16_t bits)
{
    const uint32_t u = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &u, 4);
    return (double)f;
}

double check_round(xst_cuda_type type, double x)
{
    return type == XST_CUDA_F32 ? (double)(float)x : of_bf16(bf16_of(x));
}

double check_epsilon(xst_cuda_type type)
{
    return type == XST_CUDA_F32 ? 0x1p-24 : 0x1p-8;
}

double *check_numbers(size_t n, xst_cuda_type type, double scale)
{
    double *const p = check_memory(n, sizeof(double));
    for (size_t i = 0; i < n; i++)
        p[i] = check_round(type, scale * check_uniform());
    return p;
}

void *check_upload(const double *from, size_t n, xst_cuda_type type)
{
    void *const p = check_memory(n, type == XST_CUDA_F32 ? 4 : 2);
    for (size_t i = 0; i < n; i++)
        if (type == XST_CUDA_F32)
            ((float *)p)[i] = (float)from[i];
        else
            ((uint16_t *)p)[i] = bf16_of(from[i]);
    return p;
}

double check_read(const void *from, size_t i, xst_cuda_type type)
{
    return type == XST_CUDA_F32 ? (double)((const float *)from)[i] : of_bf16(((const uint16_t *)from)[i]);
}

double *check_turn(const double *from, size_t batch, size_t rows, size_t columns)
{
    double *const to = check_memory(batch * rows * columns, sizeof(double));
    for (size_t b = 0; b < batch; b++)
        for (size_t r = 0; r < rows; r++)
            for (size_t s = 0; s < columns; s++)
                to[(b * columns + s) * rows + r] = from[(b * rows + r) * columns + s];
    return to;
}

bool check_near(const void *got, xst_cuda_type type, const double *want, size_t n, double relative, double absolute)
{
    for (size_t i = 0; i < n; i++) {
        const double x = check_read(got, i, type);
        if (isnan(x) && isnan(want[i]))
            continue;
        if (!(fabs(x - want[i]) <= relative * fabs(want[i]) + absolute)) {
            if (!state.quiet)
                printf("element %zu is %.9g, not %.9g\n", i, x, want[i]);
            return false;
        }
    }
    return true;
}

xst_ref_tensor check_tensor(xst_dtype dtype, void *data, int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
    const xst_ref_tensor t = {
        .info = {.dtype = dtype, .rank = 4, .dim = {d0, d1, d2, d3}}, .data = data, .elements = d0 * d1 * d2 * d3};
    return t;
}

check_columns check_choose(uint32_t n, uint32_t a)
{
    const check_columns c = {.active = check_memory(a, sizeof(uint32_t)),
                             .slot = check_memory(n, sizeof(int32_t)),
                             .preserved = check_memory(n, 1)};
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < n; i++) {
        const bool active = check_dice() % (n - i) < a - chosen;
        c.slot[i] = active ? (int32_t)chosen : -1;
        c.preserved[i] = !active && check_dice() % 2;
        if (active)
            c.active[chosen++] = i;
    }
    return c;
}

xst_geometry check_geometry(int i)
{
    static const int32_t list[CHECK_GEOMETRIES][5] = {/* out, in, kh, kw, group */
                                                      {1, 1, 1, 1, 8},  {5, 3, 3, 3, 8},      {4, 16, 3, 3, 8},
                                                      {3, 13, 3, 3, 4}, {33, 31, 1, 1, 8},    {7, 40, 1, 1, 16},
                                                      {5, 7, 3, 3, 0},  {2, 1025, 1, 1, 600}, {31, 33, 1, 1, 0}};
    return xst_geometry_make(list[i][0], list[i][1], list[i][2], list[i][3], list[i][4]);
}
