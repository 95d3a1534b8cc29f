#include "columns/budget.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>

/* p_l of RigL: (Cin + Cout + kh + kw) / (Cin Cout kh kw) in convs, (Cin + Cout) / (Cin Cout) in FC layers. */
static double erk_probability(const xst_geometry *g)
{
    const double sum = (double)g->in + g->out + (g->kh * g->kw > 1 ? g->kh + g->kw : 0);
    return sum / (double)xst_geometry_weights(g);
}

/* Solves sum over layers of min(1, e p_l) n_l = d1 sum n_l for e: layers that would exceed 1 are made dense, largest p
 * first, until e times the largest p of the rest is at most 1. */
static void erk_densities(double d1, const xst_geometry *layer, int layers, double *density)
{
    for (int l = 0; l < layers; l++)
        density[l] = 0.0;
    for (;;) {
        double wanted = 0.0, scale = 0.0, largest = 0.0;
        for (int l = 0; l < layers; l++) {
            const double n = (double)xst_geometry_weights(&layer[l]), p = erk_probability(&layer[l]);
            wanted += d1 * n - (density[l] == 1.0 ? n : 0.0);
            scale += density[l] == 1.0 ? 0.0 : p * n;
            largest = density[l] != 1.0 && p > largest ? p : largest;
        }
        const double e = scale > 0.0 ? wanted / scale : 0.0;
        if (e * largest <= 1.0) {
            for (int l = 0; l < layers; l++)
                density[l] = density[l] == 1.0 ? 1.0 : e * erk_probability(&layer[l]);
            return;
        }
        for (int l = 0; l < layers; l++)
            if (density[l] != 1.0 && erk_probability(&layer[l]) >= largest)
                density[l] = 1.0;
    }
}

xst_status xst_budget_densities(const xst_budget_rule *rule, const xst_geometry *layer, int layers, double *density,
                                xst_error *err)
{
    if (rule->literal && rule->s1 < 0.5)
        return xst_fail(err, XST_ERROR_CONFIG,
                        "budget: literal needs s1 >= 0.5 (got %g), else later tasks ask for more than the net has: "
                        "raise s1 or use budget: fill",
                        rule->s1);
    if (rule->erk)
        erk_densities(1.0 - rule->s1, layer, layers, density);
    else
        for (int l = 0; l < layers; l++)
            density[l] = 1.0 - rule->s1;
    return XST_OK;
}

uint32_t xst_budget_owned(const xst_budget_rule *rule, double d1, uint32_t n, int i)
{
    if (i <= 0)
        return 0;
    if (rule->capacity == 1)
        return (uint32_t)rint((double)n * d1);
    if (i >= rule->capacity && !rule->literal)
        return n;
    const int last = i < rule->capacity ? i : rule->capacity;
    double b = (rule->literal ? 1.0 - rule->s1 : rule->s1) / (rule->capacity - 1);
    if (rule->erk)
        b = rule->s1 > 0.0 ? (1.0 - d1) * b / rule->s1 : 0.0;
    const double share = d1 + (last - 1) * b;
    return (uint32_t)rint((double)n * (share < 1.0 ? share : 1.0));
}

uint32_t xst_budget_draw(const xst_budget_rule *rule, double d1, uint32_t n, int i, uint32_t free)
{
    if (i > rule->capacity)
        return 0;
    const uint32_t before = xst_budget_owned(rule, d1, n, i - 1), after = xst_budget_owned(rule, d1, n, i);
    const uint32_t wanted = after > before ? after - before : 0;
    return wanted < free ? wanted : free;
}
