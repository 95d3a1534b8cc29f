/* Means over seeds and paired tests over images. */
#ifndef XST_REPORT_STATISTICS_H
#define XST_REPORT_STATISTICS_H

#include <stdint.h>

double xst_mean(const double *x, int n);
/* Sample standard deviation, divisor n - 1; NaN for n < 2. */
double xst_deviation(const double *x, int n);

/* McNemar's test of two classifiers on the same images: under "no difference" each image that only one of them has
 * right is a fair coin. Two-sided. */
typedef struct xst_mcnemar {
    uint64_t only_a, only_b; /* images that only A, only B has right */
    double exact;            /* binomial p: 2 P(X <= min), at most 1 */
    double mid;              /* mid-p: the outcome seen counts half; less conservative */
} xst_mcnemar;

xst_mcnemar xst_mcnemar_test(uint64_t only_a, uint64_t only_b);

/* Paired test of n differences against 0 by the normal approximation. n >= 2. */
typedef struct xst_paired {
    double mean, error; /* of the mean: standard deviation / sqrt(n) */
    double p;           /* two-sided; 1 where all differences are 0 */
} xst_paired;

xst_paired xst_paired_test(const double *difference, uint64_t n);

#endif
