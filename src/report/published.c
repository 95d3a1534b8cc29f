#include "report/published.h"

#include "data/labels.h"

#include <string.h>

static const xst_published published[] = {
    {.name = "CPG",
     .source = "README of CPG's repository (Hung et al., NeurIPS 2019), 1.5x VGG16-BN; the mean printed is not that of "
               "the numbers printed, so one at least is off (suspect: reptiles, 75.4 in the net they released)",
     .mean = 80.9,
     .accuracy = {65.2, 76.6, 79.8, 81.4, 86.6, 84.8, 83.4, 85.0, 84.2, 89.2,
                  90.8, 82.4, 85.6, 85.2, 53.2, 84.4, 70.0, 73.4, 88.8, 94.8}},
    {.name = "PackNet",
     .source = "the same README, 1x VGG16-BN",
     .mean = 67.5,
     .accuracy = {66.4, 80.0, 76.2, 78.4, 80.0, 79.8, 67.8, 61.4, 68.8, 77.2,
                  79.0, 59.4, 66.4, 57.2, 36.0, 54.2, 51.6, 58.8, 67.8, 83.2}},
    {.name = "PAE", .source = "the same README, the mean alone", .mean = 77.1},
};

int xst_published_count(void)
{
    return sizeof published / sizeof published[0];
}

const xst_published *xst_published_at(int index)
{
    return &published[index];
}

double xst_published_accuracy(const xst_published *p, const char *task)
{
    xst_labels labels;
    xst_labels_cifar100(&labels);
    for (int k = 0; k < XST_PUBLISHED_TASKS; k++)
        if (strcmp(labels.coarse[k], task) == 0)
            return p->accuracy[k] > 0.0 ? p->accuracy[k] : NAN;
    return NAN;
}

double xst_published_mean(const xst_published *p)
{
    double sum = 0.0;
    int n = 0;
    for (int k = 0; k < XST_PUBLISHED_TASKS; k++)
        if (p->accuracy[k] > 0.0) {
            sum += p->accuracy[k];
            n++;
        }
    return n > 0 ? sum / n : NAN;
}
