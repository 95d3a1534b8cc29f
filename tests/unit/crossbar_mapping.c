/* Cell codes, and where weights stand on arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crossbar/codes.h"
#include "crossbar/layout.h"

#include <math.h>
#include <string.h>

static xst_device device;

static int setup(void **state)
{
    (void)state;
    return xst_device_read("hfo2-32nm", &device, NULL) == XST_OK ? 0 : -1;
}

/* The 15 masked layers of VGG16 at 1.5 times the parameters: widths 80 160 312 624, hidden 5016. */
static int32_t full_width(int layer, int group, int group_fc, xst_geometry *out)
{
    static const int32_t size[] = {32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2, 1, 1};
    static const int32_t width[] = {3, 80, 80, 160, 160, 312, 312, 312, 624, 624, 624, 624, 624, 624, 5016, 5016};
    const int32_t k = layer < 13 ? 3 : 1;
    *out = xst_geometry_make(width[layer + 1], width[layer], k, k, layer < 13 ? group : group_fc);
    return size[layer] * size[layer];
}

static void sum(xst_mapping mapping, int group_fc, double *arrays, double *utilisation, double *conversions)
{
    double weights = 0;
    *arrays = *conversions = 0;
    for (int l = 0; l < 15; l++) {
        xst_geometry g;
        xst_layout layout;
        const int32_t positions = full_width(l, 8, group_fc, &g);
        xst_layout_make(mapping, &g, 128, 64, &layout);
        *arrays += (double)layout.block_rows * layout.block_columns;
        weights += (double)xst_geometry_weights(&g);
        *conversions += positions * xst_layout_conversions(&layout, 2);
    }
    *utilisation = weights / (*arrays * 128 * 64);
    assert_true(weights == 50171184);
}

static void full_width_figures(void **state)
{
    (void)state;
    double arrays, utilisation, conversions;
    sum(XST_MAPPING_DENSE, 8, &arrays, &utilisation, &conversions);
    assert_true(arrays == 6323 && conversions == 8164720);
    assert_true(fabs(utilisation - 0.969) < 0.0005);
    sum(XST_MAPPING_COLUMN, 8, &arrays, &utilisation, &conversions);
    assert_true(arrays == 8447 && conversions == 20308016);
    assert_true(fabs(utilisation - 0.725) < 0.0005);
    sum(XST_MAPPING_COLUMN, 128, &arrays, &utilisation, &conversions);
    assert_true(arrays == 8447 && conversions == 13686896);
}

/* Every weight has a place of its own inside its array, and a column's weights share one array where they fit. */
static void places_do_not_collide(void **state)
{
    (void)state;
    static const int shapes[][4] = {{8, 16, 3, 8},    {8, 20, 3, 8},  {8, 300, 1, 8},
                                    {8, 300, 1, 200}, {4, 40, 3, 32}, {4, 3, 3, 8}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int mapping = 0; mapping < 2; mapping++) {
            const xst_geometry g =
                xst_geometry_make(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][2], shapes[s][3]);
            xst_layout layout;
            xst_layout_make((xst_mapping)mapping, &g, 128, 64, &layout);
            unsigned char used[8192] = {0};
            assert_true(layout.block_rows * 128 <= (int)sizeof used);
            for (int group = 0; group < g.groups; group++) {
                const int32_t first = xst_layout_row(&layout, group), n = xst_column_length(&g, (uint32_t)group);
                for (int32_t i = first; i < first + n; i++) {
                    assert_true(i < layout.block_rows * 128);
                    assert_false(used[i]);
                    used[i] = 1;
                }
                if (mapping == XST_MAPPING_COLUMN && n <= 128)
                    assert_int_equal(first / 128, (first + n - 1) / 128);
            }
        }
}

static void whole_filters_as_columns_are_the_dense_mapping(void **state)
{
    (void)state;
    const xst_geometry g = xst_geometry_make(100, 50, 3, 3, 50);
    xst_layout dense, column;
    xst_layout_make(XST_MAPPING_DENSE, &g, 128, 64, &dense);
    xst_layout_make(XST_MAPPING_COLUMN, &g, 128, 64, &column);
    assert_int_equal(dense.block_rows, column.block_rows);
    assert_true(xst_layout_utilisation(&dense) == xst_layout_utilisation(&column));
    assert_true(xst_layout_conversions(&dense, 2) == xst_layout_conversions(&column, 2));
}

static void exact_codes_are_the_levels(void **state)
{
    (void)state;
    xst_quant quant;
    xst_codes codes;
    assert_int_equal(xst_quant_parse("apot4", &quant, NULL), XST_OK);
    xst_codes_make(&device, &quant, &codes);
    assert_true(codes.exact);
    assert_int_equal(codes.count, 15);
    for (int code = -7; code <= 7; code++) {
        const double *const share = codes.share[code + codes.zero];
        const double tenths = 14 * share[0] + 6 * share[1] - 10;
        assert_true(fabs(tenths - 10 * xst_quant_value(&quant, 1, code)) < 1e-12);
    }
    /* Zero is (2, 1): it conducts. */
    assert_true(fabs(codes.share[codes.zero][0] - 4 / 7.) < 1e-15 && fabs(codes.share[codes.zero][1] - 1 / 3.) < 1e-15);
}

static void offset_codes_are_digits(void **state)
{
    (void)state;
    xst_quant quant;
    xst_codes codes;
    assert_int_equal(xst_quant_parse("uniform4", &quant, NULL), XST_OK);
    xst_codes_make(&device, &quant, &codes);
    assert_false(codes.exact);
    for (int code = -7; code <= 7; code++) {
        const double *const share = codes.share[code + codes.zero];
        assert_true(fabs(4 * 3 * share[0] + 3 * share[1] - 8 - code) < 1e-12);
    }
    assert_true(fabs(codes.share[codes.zero][0] - 2 / 3.) < 1e-15 && codes.share[codes.zero][1] == 0);
    assert_int_equal(xst_quant_parse("apot8", &quant, NULL), XST_OK);
    xst_codes_make(&device, &quant, &codes);
    assert_int_equal(codes.cells, 4);
    assert_int_equal(codes.count, 255);
    xst_device one = device;
    one.cell.bits = 1;
    assert_int_equal(xst_quant_parse("apot4", &quant, NULL), XST_OK);
    xst_codes_make(&one, &quant, &codes);
    assert_false(codes.exact);
    assert_int_equal(codes.cells, 4);
    assert_true(codes.share[codes.zero][0] == 1 && codes.share[codes.zero][3] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_width_figures),
        cmocka_unit_test(places_do_not_collide),
        cmocka_unit_test(whole_filters_as_columns_are_the_dense_mapping),
        cmocka_unit_test(exact_codes_are_the_levels),
        cmocka_unit_test(offset_codes_are_digits),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
