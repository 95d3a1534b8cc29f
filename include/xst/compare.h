/* Comparing runs: accuracy, forgetting, time and bytes side by side, from their folders alone. */
#ifndef XST_COMPARE_H
#define XST_COMPARE_H

#include "xst/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xst_comparison xst_comparison;

typedef struct xst_compare_options {
    const char *data; /* where the images are now (paired tests need their labels); NULL: where the runs had them */
} xst_compare_options;

/* One run. Accuracies in percent, differences in points; NaN: not known. Formulas: R[i][j] = accuracy on task j after
 * learning task i, N tasks learnt. */
typedef struct xst_compared_run {
    const char *path, *label, *method;
    const char
        *excluded; /* why it takes no part in means over seeds, tests and ratios ("other net: ..."); "": it does */
    uint32_t seed;
    int tasks, planned;        /* learnt, and all */
    const double *accuracy;    /* [tasks][tasks], R; entries above the diagonal are NaN */
    double final_average;      /* ACC: mean over j of R[N][j] */
    double incremental;        /* mean over i of the mean over j <= i of R[i][j] */
    double diagonal;           /* mean over j of R[j][j] */
    double bwt;                /* mean over j < N of R[N][j] - R[j][j] */
    double forgetting;         /* F: mean over j < N of (max over j <= i < N of R[i][j]) - R[N][j] */
    double forgetting_clipped; /* the same, the maximum over j <= i <= N */
    double gain;               /* mean over j of R[j][j] - scratch[j], where a scratch run is among the runs */
    double seconds;            /* of training, all tasks learnt */
    double time_ratio;         /* seconds over those of the xst run of the same seed, else of the first one */
    uint64_t bytes;            /* of tasks/NN.h5, all tasks learnt, without the test logits */
} xst_compared_run;

/* Reads the runs. A folder that is no run, or is damaged, is XST_ERROR_RUN; one that cannot be compared with the
 * others (unfinished, other tasks, other images, other net, a repeat) stays, and says so in `excluded`. options may be
 * NULL. Freed with xst_comparison_free. */
xst_status xst_compare(const char *const *runs, int count, const xst_compare_options *options, xst_comparison **out,
                       xst_error *err);
void xst_comparison_free(xst_comparison *comparison);

int xst_comparison_runs(const xst_comparison *comparison);
/* index from 0, in the order given. Valid until the comparison is freed, as all below. */
const xst_compared_run *xst_comparison_run(const xst_comparison *comparison, int index);
/* All tables for a screen of `width` characters. */
xst_status xst_comparison_text(xst_comparison *comparison, int width, const char **text, xst_error *err);
/* Everything as one JSON document. */
xst_status xst_comparison_json(xst_comparison *comparison, const char **json, xst_error *err);
/* Writes into a folder, which is made: compare.md, compare.json, a CSV file for each table, and plots/ with data,
 * gnuplot scripts and, where gnuplot is installed, SVG. *said: one line about what was written and what was not. */
xst_status xst_comparison_write(xst_comparison *comparison, const char *folder, const char **said, xst_error *err);

#ifdef __cplusplus
}
#endif
#endif
