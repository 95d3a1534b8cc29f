/* Figures of merit of an accuracy matrix, one name per formula.
 *
 * r is [n][n], row-major: R[i][j] = test accuracy in percent on task j right after task i was learnt, i and j from 1 in
 * the formulas below; entries with j > i are never read. n >= 1. Differences are in points. What is a mean over the
 * tasks before the last is 0 where there is one task only. */
#ifndef XST_BASE_ACCURACY_H
#define XST_BASE_ACCURACY_H

/* Final average accuracy (ACC): mean over j of R[N][j]. */
double xst_accuracy_final(const double *r, int n);
/* Average incremental accuracy: mean over i of the mean over j <= i of R[i][j]. */
double xst_accuracy_incremental(const double *r, int n);
/* Learning accuracy (diagonal): mean over j of R[j][j]. */
double xst_accuracy_diagonal(const double *r, int n);
/* BWT (GEM): mean over j < N of R[N][j] - R[j][j]; negative where tasks were forgotten. */
double xst_accuracy_bwt(const double *r, int n);
/* Forgetting F (Chaudhry 2018): mean over j < N of (max over j <= i < N of R[i][j]) - R[N][j]; negative where a task
 * ended better than it ever was. */
double xst_accuracy_forgetting(const double *r, int n);
/* The same, but the maximum includes row N, so that it is never negative. */
double xst_accuracy_forgetting_clipped(const double *r, int n);
/* Mean accuracy after task i (from 1) over the tasks learnt so far. */
double xst_accuracy_after(const double *r, int n, int i);

#endif
