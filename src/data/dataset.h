/* Images of one task at a time: CIFAR-100 in its official binary layout, or the built-in synthetic set of the same
 * shape (method.md section 3). */
#ifndef XST_DATA_DATASET_H
#define XST_DATA_DATASET_H

#include "xst/status.h"

#include <stddef.h>
#include <stdint.h>

enum { XST_CHANNELS = 3, XST_SIDE = 32, XST_IMAGE_BYTES = 3072, XST_CLASSES_MAX = 100, XST_TASK_NAME = 64 };

typedef struct xst_dataset xst_dataset;

/* Images of one split of a task: u8[count][3][32][32], labels 0..classes-1 = rank of the fine label. File order. */
typedef struct xst_images {
    uint32_t count;
    uint8_t *pixels;
    uint32_t *labels;
} xst_images;

typedef struct xst_task_data {
    char name[XST_TASK_NAME]; /* "aquatic_mammals"; "classes 0-4"; the names joined by + for a split file's line */
    int classes;
    int fine[XST_CLASSES_MAX];                       /* the fine labels, ascending */
    char class_name[XST_CLASSES_MAX][XST_TASK_NAME]; /* their names */
    xst_images train, valid, test; /* valid: the held-out share, taken from the end of each class in file order */
    double mean[XST_CHANNELS], std[XST_CHANNELS]; /* of x/255 over `train` and `valid`; population std */
    char test_sha256[65];                         /* of the task's test records (3074 bytes each) in file order */
} xst_task_data;

/* path: folder with train.bin and test.bin, or "synthetic". split: "superclass", "class-order", or a text file with one
 * line per task: fine labels as numbers or names, separated by blanks or commas; # starts a comment. Checks that the
 * files hold whole records, and every label of every record; images are read later. XST_ERROR_DATA, naming file, record
 * and what to do. */
xst_status xst_dataset_open(const char *path, const char *split, xst_dataset **out, xst_error *err);
void xst_dataset_close(xst_dataset *dataset);
int xst_dataset_tasks(const xst_dataset *dataset);
const char *xst_dataset_task_name(const xst_dataset *dataset, int task);
int xst_dataset_task_classes(const xst_dataset *dataset, int task);
/* fine[classes]: the fine labels of a task, ascending. */
void xst_dataset_task_fine(const xst_dataset *dataset, int task, int *fine);

/* Training images of each class that valid_share leaves to training: any share above 0 holds at least one back. */
uint32_t xst_dataset_train_images(double valid_share);
/* Reads task `task` (0-based index of the split). Refuses a task whose classes have not exactly 500 training and 100
 * test images each, or whose channel std is 0. valid_share 0..0.5. */
xst_status xst_dataset_load(xst_dataset *dataset, int task, double valid_share, xst_task_data *out, xst_error *err);
/* The same without the training images: name, classes, test and test_sha256. */
xst_status xst_dataset_load_test(xst_dataset *dataset, int task, xst_task_data *out, xst_error *err);
void xst_task_data_free(xst_task_data *data);

#endif
