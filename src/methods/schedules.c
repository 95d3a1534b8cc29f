/* What changes with the step or the epoch: learning rates, exchanges of columns, gradual pruning. */
#include "methods/method.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double xst_rate_at(const xst_rate *rate, int epoch)
{
    double value = rate->base;
    if (rate->until > 0.0 && epoch >= rate->until)
        return 0.0;
    for (int i = 0; i < rate->at.count; i++)
        if (epoch >= rate->at.at[i] * rate->unit)
            value *= rate->gamma;
    return value;
}

xst_rate xst_rate_constant(double base)
{
    return (xst_rate){.base = base, .gamma = 1.0};
}

xst_rate xst_plan_lr(const xst_config *config, double base)
{
    return (xst_rate){.base = base, .gamma = config->lr_gamma, .at = config->lr_steps, .unit = config->epochs};
}

xst_rate xst_plan_mask_lr(const xst_config *config)
{
    return (xst_rate){
        .base = config->mask_lr, .gamma = config->lr_gamma, .at = config->mask_lr_steps, .unit = config->epochs};
}

uint32_t xst_schedule_end(const xst_config *config, uint32_t steps)
{
    return (uint32_t)floor(config->update_until * steps);
}

uint32_t xst_schedule_events(const xst_config *config, uint32_t steps)
{
    return xst_schedule_end(config, steps) / (uint32_t)config->update_every;
}

uint32_t xst_schedule_quota(const xst_config *config, uint32_t steps, uint32_t event, uint32_t active)
{
    const double t = ((double)event + 1.0) * config->update_every, end = xst_schedule_end(config, steps);
    const double alpha = config->drop_fraction / 2.0 * (1.0 + cos(M_PI * t / end));
    return (uint32_t)floor(alpha * active);
}

uint32_t xst_prune_events(uint32_t ramp)
{
    return ramp > 0 ? (ramp - 1) / XST_PRUNE_EVERY : 0;
}

uint32_t xst_prune_quota(double from, double to, uint32_t ramp, uint32_t event, uint32_t pool, uint32_t active)
{
    const double left = 1.0 - (double)(XST_PRUNE_EVERY * (event + 1)) / ramp;
    const double ratio = to + (from - to) * left * left * left;
    const double r = rint(ratio * pool), there = (double)pool - active;
    return r > there ? (uint32_t)(r - there) : 0;
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

xst_status xst_release_smallest(xst_layer_record *layer, double share, xst_error *err)
{
    const uint32_t n = layer->count, r = (uint32_t)rint(share * n);
    void *memory = NULL;
    if (r == 0)
        return XST_OK;
    const xst_status status = xst_alloc(&memory, n, sizeof(float), "magnitudes", err);
    if (status != XST_OK)
        return status;
    float *const magnitude = memory;
    for (uint32_t i = 0; i < n; i++)
        magnitude[i] = fabsf(layer->values[i]);
    qsort(magnitude, n, sizeof *magnitude, ascending);
    const float threshold = magnitude[r - 1];
    xst_free(memory);
    layer->count = 0;
    for (uint32_t i = 0; i < n; i++)
        if (fabsf(layer->values[i]) > threshold) {
            layer->columns[layer->count] = layer->columns[i];
            layer->values[layer->count++] = layer->values[i];
        }
    return XST_OK;
}
