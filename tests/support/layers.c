#include "support/layers.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Goes through the columns in an order that mixes them, first the preserved, then the active. */
void test_columns_make(test_columns *columns, const test_layer *layer, const test_division *division)
{
    const xst_geometry g = xst_geometry_make(layer->out, layer->in, layer->k, layer->k, layer->group);
    *columns = (test_columns){.geometry = g};
    columns->preserved = calloc(g.columns, 1);
    columns->active = calloc(g.columns, sizeof *columns->active);
    uint32_t *const order = calloc(g.columns, sizeof *order);
    assert_true(columns->preserved && columns->active && order);
    for (uint32_t c = 0; c < g.columns; c++) {
        uint32_t word[4];
        xst_random_block(word, (xst_random_key){1, 2}, c, 0, 0, 0);
        const uint32_t other = word[0] % (c + 1);
        order[c] = order[other];
        order[other] = c;
    }
    const uint32_t preserved = (g.columns * (uint32_t)division->preserved + 99) / 100;
    const uint32_t active = (g.columns * (uint32_t)division->active + 99) / 100;
    const uint32_t end = preserved + active < g.columns ? preserved + active : g.columns;
    for (uint32_t i = 0; i < preserved; i++)
        columns->preserved[order[i]] = 1;
    for (uint32_t c = 0; c < g.columns; c++)
        for (uint32_t i = preserved; i < end; i++)
            if (order[i] == c)
                columns->active[columns->a++] = c;
    free(order);
}

void test_columns_clear(const test_columns *columns, double *weights)
{
    const xst_geometry *const g = &columns->geometry;
    for (uint32_t c = 0; c < g->columns; c++)
        for (int64_t i = 0; i < xst_column_length(g, c) && !columns->preserved[c]; i++)
            weights[xst_column_start(g, c) + i] = 0.0;
}

void test_columns_free(test_columns *columns)
{
    free(columns->preserved);
    free(columns->active);
    *columns = (test_columns){0};
}
