/* How many columns each task may own in each layer (method.md section 4; paper III-B "the same sparsity ratio"). */
#ifndef XST_COLUMNS_BUDGET_H
#define XST_COLUMNS_BUDGET_H

#include "columns/geometry.h"
#include "xst/status.h"

#include <stdbool.h>

typedef struct xst_budget_rule {
    double s1;    /* share left free by task 1 */
    int capacity; /* T: number of tasks that fill the net */
    bool literal; /* b = (1-s1)/(T-1) as printed, instead of s1/(T-1) */
    bool erk;     /* densities by the Erdos-Renyi kernel rule, else uniform */
} xst_budget_rule;

/* density[l] = share of layer l's columns for task 1 (1 - s1, or by ERK with the mean over all weights kept). */
xst_status xst_budget_densities(const xst_budget_rule *rule, const xst_geometry *layer, int layers, double *density,
                                xst_error *err);

/* N(i): columns owned after task i (from 1) of a layer of n columns whose first-task density is d1. N(0) = 0. */
uint32_t xst_budget_owned(const xst_budget_rule *rule, double d1, uint32_t n, int i);

/* Columns that task i draws when `free` are left: min(N(i) - N(i-1), free); 0 past the capacity. */
uint32_t xst_budget_draw(const xst_budget_rule *rule, double d1, uint32_t n, int i, uint32_t free);

#endif
