/* Masked layers to test on: shapes that matter, and a division of their columns into preserved, active and free. */
#ifndef XST_TESTS_SUPPORT_LAYERS_H
#define XST_TESTS_SUPPORT_LAYERS_H

#include "columns/geometry.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct test_layer {
    const char *name;
    int32_t out, in, k, group;
} test_layer;

/* Groups of 1, 8 and all inputs, cut to the inputs, with a short last one; 3x3 and 1x1; element granularity. */
static const test_layer test_layers[] = {
    {"first conv", 5, 3, 3, 8},    {"short group", 4, 20, 3, 8}, {"group 1", 16, 16, 3, 1},
    {"group in", 3, 5, 3, 5},      {"fc", 31, 33, 1, 8},         {"conv elements", 5, 7, 3, 0},
    {"fc elements", 16, 31, 1, 0}, {"one column", 1, 1, 1, 1},
};
enum { TEST_LAYERS = sizeof test_layers / sizeof test_layers[0] };

typedef struct test_division {
    const char *name;
    int preserved, active; /* percent of the columns */
} test_division;

static const test_division test_divisions[] = {
    {"some", 30, 30}, {"first task", 0, 40}, {"none active", 50, 0}, {"all active", 0, 100}, {"full", 60, 40}};
enum { TEST_DIVISIONS = sizeof test_divisions / sizeof test_divisions[0] };

typedef struct test_columns {
    xst_geometry geometry;
    uint8_t *preserved; /* [columns] */
    uint32_t *active;   /* [a], ascending */
    int64_t a;
} test_columns;

void test_columns_make(test_columns *columns, const test_layer *layer, const test_division *division);
/* Sets the weights [O,I,kh,kw] that are not preserved to 0: nothing else is frozen. */
void test_columns_clear(const test_columns *columns, double *weights);
void test_columns_free(test_columns *columns);

#endif
