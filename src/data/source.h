/* Where records come from: both data sets give records in CIFAR-100's binary layout, so that all else is written once.
 */
#ifndef XST_DATA_SOURCE_H
#define XST_DATA_SOURCE_H

#include "data/dataset.h"

#include <stdbool.h>

/* A record: coarse label, fine label, 1024 bytes each of red, green and blue. */
enum { XST_RECORD_BYTES = 2 + XST_IMAGE_BYTES };
/* Images of a class in a split. */
enum { XST_TRAIN_IMAGES = 500, XST_TEST_IMAGES = 100 };

typedef enum xst_part { XST_TRAIN, XST_TEST, XST_PARTS } xst_part;

/* The classes asked for, by fine label. */
typedef struct xst_class_set {
    bool has[XST_CLASSES_MAX];
} xst_class_set;

/* Records in file order; bytes is freed with xst_free. */
typedef struct xst_records {
    uint32_t count;
    uint8_t *bytes;
} xst_records;

#endif
