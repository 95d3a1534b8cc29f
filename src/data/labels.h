/* The labels of a data set: what its 100 classes and 20 superclasses are called, and which belongs to which. */
#ifndef XST_DATA_LABELS_H
#define XST_DATA_LABELS_H

#include "data/dataset.h"

enum { XST_SUPERCLASSES = 20, XST_LABEL_NAME = 32 };

typedef struct xst_labels {
    char fine[XST_CLASSES_MAX][XST_LABEL_NAME];
    char coarse[XST_SUPERCLASSES][XST_LABEL_NAME];
    uint8_t coarse_of[XST_CLASSES_MAX];
} xst_labels;

/* CIFAR-100: the names of its label files, and the coarse label that every record of a fine label carries. */
void xst_labels_cifar100(xst_labels *labels);
/* The synthetic set: superclass k is "synthetic_kk" with the fine labels 5k .. 5k+4, "skk_c0" .. "skk_c4". */
void xst_labels_synthetic(xst_labels *labels);

#endif
