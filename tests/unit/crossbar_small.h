/* A small run and what tests of its energies share. Include after cmocka.h. */
#ifndef XST_TESTS_CROSSBAR_SMALL_H
#define XST_TESTS_CROSSBAR_SMALL_H

#include "crossbar/codes.h"
#include "crossbar_fixture.h"
#include "quant/levels.h"
#include "xst/energy.h"

#include <unistd.h>

enum { TASKS = 3, PLANES = 8 };

static xst_device *device;
static char folder[64], other_folder[64];

static inline int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "crossbar_run_%d_a", (int)getpid());
    snprintf(other_folder, sizeof other_folder, "crossbar_run_%d_b", (int)getpid());
    return xst_device_open("hfo2-32nm", &device, NULL) == XST_OK ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    fixture_remove(folder);
    fixture_remove(other_folder);
    xst_device_close(device);
    return 0;
}

/* Some free, the rest spread over the tasks; most preserved columns on. */
static inline int mixed_owner(int l, uint32_t c)
{
    return (int)(4 * fixture_random((uint32_t)l, c, 1)) % (TASKS + 1);
}

static inline int mixed_on(int task, int l, uint32_t c)
{
    return fixture_random((uint32_t)(task * 64 + l), c, 2) < 0.7;
}

static inline int first_owns_all(int l, uint32_t c)
{
    (void)l;
    (void)c;
    return 1;
}

static inline int always(int task, int l, uint32_t c)
{
    (void)task;
    (void)l;
    (void)c;
    return 1;
}

static inline int only_under_task_3(int task, int l, uint32_t c)
{
    (void)l;
    (void)c;
    return task == 3;
}

static inline fixture small(const char *method, int group)
{
    return (fixture){.method = method,
                     .layers = 3,
                     .tasks = TASKS,
                     .layer = {{"features.0.weight", 24, 3, 3, 64},
                               {"features.3.weight", 70, 24, 3, 64},
                               {"classifier.0.weight", 40, 70 * 16, 1, 1}},
                     .group = group,
                     .owner = mixed_owner,
                     .on = mixed_on};
}

static inline void run(const char *path, xst_mapping mapping, int bits, xst_energy_run *out)
{
    const xst_energy_run_options options = {.mapping = mapping, .input_bits = bits};
    xst_error err = {0};
    if (xst_energy_of_run(device, path, &options, out, &err) != XST_OK)
        fail_msg("%s", err.message);
}

static inline void assert_near(double value, double expected, double relative, const char *what)
{
    if (fabs(value - expected) > relative * fabs(expected))
        fail_msg("%s: %.9g instead of %.9g", what, value, expected);
}

static inline void assert_same(const xst_energy_figures *a, const xst_energy_figures *b, double relative)
{
    for (int p = 0; p < XST_PARTS; p++)
        assert_near(a->energy[p], b->energy[p], relative, xst_part_name((xst_energy_part)p));
}

/* Codes of a layer of the fixture, by weight, with each owner's own scale; 255 where nobody owns. */
static inline void codes_of(const fixture *f, int l, const xst_quant *q, int8_t *code, uint8_t *owner)
{
    const xst_geometry g = fixture_geometry(f, l);
    for (int t = 1; t <= f->tasks; t++) {
        float *const values = calloc((size_t)xst_geometry_weights(&g), sizeof(float));
        size_t n = 0;
        double scale = 0;
        assert_non_null(values);
        for (uint32_t c = 0; c < g.columns; c++)
            for (int i = 0; f->owner(l, c) == t && i < xst_column_length(&g, c); i++)
                values[n++] = fixture_weight(t, l, xst_column_start(&g, c) + i);
        assert_int_equal(xst_quant_scale(q, values, n, &scale, NULL), XST_OK);
        for (uint32_t c = 0; c < g.columns; c++)
            for (int i = 0; f->owner(l, c) == t && i < xst_column_length(&g, c); i++) {
                const int64_t at = xst_column_start(&g, c) + i;
                code[at] = (int8_t)xst_quant_code(q, scale, (double)fixture_weight(t, l, at));
                owner[at] = (uint8_t)t;
            }
        free(values);
    }
}

#endif
