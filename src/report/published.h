/* Accuracies that others published, task by task (percent), for columns beside our own. They are copied, not measured
 * here. */
#ifndef XST_REPORT_PUBLISHED_H
#define XST_REPORT_PUBLISHED_H

#include <math.h>

enum { XST_PUBLISHED_TASKS = 20 };

typedef struct xst_published {
    const char *name;
    const char *source;                   /* where it was printed, and what is known to be wrong with it */
    double mean;                          /* as printed */
    double accuracy[XST_PUBLISHED_TASKS]; /* by superclass of CIFAR-100 in the order of its labels; 0: not printed */
} xst_published;

int xst_published_count(void);
const xst_published *xst_published_at(int index);

/* The figure for a superclass of CIFAR-100 by name; NaN where there is none. */
double xst_published_accuracy(const xst_published *published, const char *task);
/* Mean of the numbers printed; NaN where none is. */
double xst_published_mean(const xst_published *published);

#endif
