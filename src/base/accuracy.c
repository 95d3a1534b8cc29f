#include "base/accuracy.h"

#include <math.h>

/* i and j from 1, as in the formulas. */
static double at(const double *r, int n, int i, int j)
{
    return r[(i - 1) * n + j - 1];
}

double xst_accuracy_after(const double *r, int n, int i)
{
    double sum = 0.0;
    for (int j = 1; j <= i; j++)
        sum += at(r, n, i, j);
    return sum / i;
}

double xst_accuracy_final(const double *r, int n)
{
    return xst_accuracy_after(r, n, n);
}

double xst_accuracy_incremental(const double *r, int n)
{
    double sum = 0.0;
    for (int i = 1; i <= n; i++)
        sum += xst_accuracy_after(r, n, i);
    return sum / n;
}

double xst_accuracy_diagonal(const double *r, int n)
{
    double sum = 0.0;
    for (int j = 1; j <= n; j++)
        sum += at(r, n, j, j);
    return sum / n;
}

double xst_accuracy_bwt(const double *r, int n)
{
    double sum = 0.0;
    for (int j = 1; j < n; j++)
        sum += at(r, n, n, j) - at(r, n, j, j);
    return n > 1 ? sum / (n - 1) : 0.0;
}

/* Mean over j < N of the best of rows j .. last, minus row N. */
static double below_best(const double *r, int n, int last)
{
    double sum = 0.0;
    for (int j = 1; j < n; j++) {
        double best = at(r, n, j, j);
        for (int i = j + 1; i <= last; i++)
            best = fmax(best, at(r, n, i, j));
        sum += best - at(r, n, n, j);
    }
    return n > 1 ? sum / (n - 1) : 0.0;
}

double xst_accuracy_forgetting(const double *r, int n)
{
    return below_best(r, n, n - 1);
}

double xst_accuracy_forgetting_clipped(const double *r, int n)
{
    return below_best(r, n, n);
}
