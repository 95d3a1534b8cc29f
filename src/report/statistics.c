#include "report/statistics.h"

#include <math.h>

double xst_mean(const double *x, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

double xst_deviation(const double *x, int n)
{
    if (n < 2)
        return NAN;
    const double mean = xst_mean(x, n);
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (n - 1));
}

/* ln of the binomial probability of k heads in n throws of a fair coin. */
static double log_chance(uint64_t k, uint64_t n)
{
    return lgamma((double)n + 1.0) - lgamma((double)k + 1.0) - lgamma((double)(n - k) + 1.0) - (double)n * log(2.0);
}

xst_mcnemar xst_mcnemar_test(uint64_t only_a, uint64_t only_b)
{
    const uint64_t n = only_a + only_b, least = only_a < only_b ? only_a : only_b;
    xst_mcnemar test = {.only_a = only_a, .only_b = only_b, .exact = 1.0, .mid = 1.0};
    if (n == 0)
        return test;
    double tail = 0.0;
    for (uint64_t k = 0; k <= least; k++)
        tail += exp(log_chance(k, n));
    const double seen = exp(log_chance(least, n));
    test.exact = fmin(1.0, 2.0 * tail);
    test.mid = only_a == only_b ? 1.0 : 2.0 * tail - seen;
    return test;
}

xst_paired xst_paired_test(const double *difference, uint64_t n)
{
    double sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < n; i++)
        sum += difference[i];
    const double mean = sum / (double)n;
    for (uint64_t i = 0; i < n; i++)
        squares += (difference[i] - mean) * (difference[i] - mean);
    const double error = sqrt(squares / (double)(n - 1) / (double)n);
    xst_paired test = {.mean = mean, .error = error, .p = 1.0};
    if (error > 0.0)
        test.p = erfc(fabs(mean) / error / sqrt(2.0));
    else if (mean < 0.0 || mean > 0.0)
        test.p = 0.0;
    return test;
}
