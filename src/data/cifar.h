/* A folder with CIFAR-100 in its official binary layout. */
#ifndef XST_DATA_CIFAR_H
#define XST_DATA_CIFAR_H

#include "data/labels.h"
#include "data/source.h"

typedef struct xst_cifar xst_cifar;

/* Opens train.bin and test.bin, and checks their sizes and every label. Keeps the labels; images are read when asked
 * for. A set that holds some of the classes only is fine. XST_ERROR_DATA. */
xst_status xst_cifar_open(const char *folder, const xst_labels *labels, xst_cifar **out, xst_error *err);
void xst_cifar_close(xst_cifar *cifar);
const char *xst_cifar_folder(const xst_cifar *cifar);
/* Number of records of one class. */
uint32_t xst_cifar_count(const xst_cifar *cifar, xst_part part, int fine);
/* All records of the classes asked for. */
xst_status xst_cifar_read(const xst_cifar *cifar, xst_part part, const xst_class_set *classes, xst_records *out,
                          xst_error *err);

#endif
