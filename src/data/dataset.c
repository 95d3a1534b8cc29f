#include "data/dataset.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "data/cifar.h"
#include "data/labels.h"
#include "data/normalise.h"
#include "data/source.h"
#include "data/split.h"
#include "data/synthetic.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct xst_dataset {
    xst_cifar *cifar; /* NULL: synthetic */
    xst_labels labels;
    xst_split split;
};

xst_status xst_dataset_open(const char *path, const char *split, xst_dataset **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_dataset), "data set", err);
    if (status != XST_OK)
        return status;
    xst_dataset *const dataset = memory;
    const bool synthetic = strcmp(path, "synthetic") == 0;
    if (synthetic)
        xst_labels_synthetic(&dataset->labels);
    else
        xst_labels_cifar100(&dataset->labels);
    status = xst_split_read(split, &dataset->labels, &dataset->split, err);
    if (status == XST_OK && !synthetic)
        status = xst_cifar_open(path, &dataset->labels, &dataset->cifar, err);
    if (status != XST_OK) {
        xst_dataset_close(dataset);
        return status;
    }
    *out = dataset;
    return XST_OK;
}

void xst_dataset_close(xst_dataset *dataset)
{
    if (!dataset)
        return;
    xst_cifar_close(dataset->cifar);
    xst_free(dataset);
}

int xst_dataset_tasks(const xst_dataset *dataset)
{
    return dataset->split.tasks;
}

const char *xst_dataset_task_name(const xst_dataset *dataset, int task)
{
    return dataset->split.task[task].name;
}

int xst_dataset_task_classes(const xst_dataset *dataset, int task)
{
    return dataset->split.task[task].classes;
}

void xst_dataset_task_fine(const xst_dataset *dataset, int task, int *fine)
{
    memcpy(fine, dataset->split.task[task].fine, (size_t)dataset->split.task[task].classes * sizeof *fine);
}

static xst_status check_counts(const xst_dataset *dataset, const xst_split_task *task, xst_error *err)
{
    for (int i = 0; dataset->cifar && i < task->classes; i++) {
        const int fine = task->fine[i];
        const uint32_t train = xst_cifar_count(dataset->cifar, XST_TRAIN, fine);
        const uint32_t test = xst_cifar_count(dataset->cifar, XST_TEST, fine);
        if (train != XST_TRAIN_IMAGES || test != XST_TEST_IMAGES)
            return xst_fail(
                err, XST_ERROR_DATA,
                "data '%.400s': class %d (%s) of task '%s' has %u training and %u test images, not %d and %d: "
                "the set is incomplete; scripts/get_cifar100.sh DIR fetches a whole one, or choose other tasks",
                xst_cifar_folder(dataset->cifar), fine, dataset->labels.fine[fine], task->name, train, test,
                XST_TRAIN_IMAGES, XST_TEST_IMAGES);
    }
    return XST_OK;
}

/* rank[fine] of the task's classes. */
static void ranks(const xst_split_task *task, int rank[XST_CLASSES_MAX])
{
    for (int i = 0; i < task->classes; i++)
        rank[task->fine[i]] = i;
}

static xst_status images_create(xst_images *images, uint32_t count, xst_error *err)
{
    void *pixels = NULL, *labels = NULL;
    xst_status status = xst_alloc(&pixels, count, XST_IMAGE_BYTES, "images", err);
    images->pixels = pixels;
    if (status == XST_OK)
        status = xst_alloc(&labels, count, sizeof *images->labels, "labels", err);
    images->labels = labels;
    return status;
}

static void images_free(xst_images *images)
{
    xst_free(images->pixels);
    xst_free(images->labels);
    *images = (xst_images){0};
}

static void images_add(xst_images *images, const uint8_t *record, int label)
{
    memcpy(images->pixels + (size_t)images->count * XST_IMAGE_BYTES, record + 2, XST_IMAGE_BYTES);
    images->labels[images->count++] = (uint32_t)label;
}

/* The first `keep` records of each class go to `first`, the others to `rest`, both in file order. */
static xst_status share_out(const xst_records *records, const xst_split_task *task, uint32_t keep, xst_images *first,
                            xst_images *rest, xst_error *err)
{
    int rank[XST_CLASSES_MAX] = {0};
    uint32_t seen[XST_CLASSES_MAX] = {0};
    ranks(task, rank);
    const uint32_t kept = keep * (uint32_t)task->classes;
    xst_status status = images_create(first, kept, err);
    if (status == XST_OK)
        status = images_create(rest, records->count - kept, err);
    if (status != XST_OK)
        return status;
    for (uint32_t i = 0; i < records->count; i++) {
        const uint8_t *const record = records->bytes + (size_t)i * XST_RECORD_BYTES;
        const int label = rank[record[1]];
        images_add(seen[label]++ < keep ? first : rest, record, label);
    }
    return XST_OK;
}

static xst_status read_records(const xst_dataset *dataset, xst_part part, const xst_split_task *task, xst_records *out,
                               xst_error *err)
{
    xst_class_set classes = {{false}};
    for (int i = 0; i < task->classes; i++)
        classes.has[task->fine[i]] = true;
    return dataset->cifar ? xst_cifar_read(dataset->cifar, part, &classes, out, err)
                          : xst_synthetic_read(part, &classes, out, err);
}

uint32_t xst_dataset_train_images(double valid_share)
{
    const uint32_t held = (uint32_t)(XST_TRAIN_IMAGES * valid_share + 0.5);
    return XST_TRAIN_IMAGES - (valid_share > 0.0 && held == 0 ? 1 : held);
}

static xst_status load_train(const xst_dataset *dataset, const xst_split_task *task, double valid_share,
                             xst_task_data *out, xst_error *err)
{
    xst_records records = {0};
    xst_status status = read_records(dataset, XST_TRAIN, task, &records, err);
    if (status == XST_OK)
        status = share_out(&records, task, xst_dataset_train_images(valid_share), &out->train, &out->valid, err);
    if (status == XST_OK)
        xst_channel_statistics(&records, out->mean, out->std);
    for (int c = 0; status == XST_OK && c < XST_CHANNELS; c++)
        if (!(out->std[c] > 0))
            status = xst_fail(err, XST_ERROR_DATA,
                              "task '%s': all training pixels of channel %d are equal, so they cannot be normalised: "
                              "these are no photographs",
                              task->name, c);
    xst_free(records.bytes);
    return status;
}

static xst_status load_test(const xst_dataset *dataset, const xst_split_task *task, xst_task_data *out, xst_error *err)
{
    xst_records records = {0};
    xst_images none = {0};
    xst_status status = read_records(dataset, XST_TEST, task, &records, err);
    if (status == XST_OK)
        status = xst_sha256(records.bytes, (size_t)records.count * XST_RECORD_BYTES, out->test_sha256, err);
    if (status == XST_OK)
        status = share_out(&records, task, XST_TEST_IMAGES, &out->test, &none, err);
    images_free(&none);
    xst_free(records.bytes);
    return status;
}

/* Name and classes of a task whose images are all there. */
static xst_status start_load(const xst_dataset *dataset, int task, xst_task_data *out, xst_error *err)
{
    memset(out, 0, sizeof *out);
    if (task < 0 || task >= dataset->split.tasks)
        return xst_fail(err, XST_ERROR_DATA, "task %d: the split has tasks 0..%d", task, dataset->split.tasks - 1);
    const xst_split_task *const chosen = &dataset->split.task[task];
    snprintf(out->name, sizeof out->name, "%s", chosen->name);
    out->classes = chosen->classes;
    for (int i = 0; i < chosen->classes; i++) {
        out->fine[i] = chosen->fine[i];
        snprintf(out->class_name[i], XST_TASK_NAME, "%s", dataset->labels.fine[chosen->fine[i]]);
    }
    return check_counts(dataset, chosen, err);
}

xst_status xst_dataset_load(xst_dataset *dataset, int task, double valid_share, xst_task_data *out, xst_error *err)
{
    xst_status status = start_load(dataset, task, out, err);
    if (status == XST_OK && !(valid_share >= 0 && valid_share <= 0.5))
        status = xst_fail(err, XST_ERROR_USAGE, "valid_share %g is not in 0..0.5", valid_share);
    if (status == XST_OK)
        status = load_train(dataset, &dataset->split.task[task], valid_share, out, err);
    if (status == XST_OK)
        status = load_test(dataset, &dataset->split.task[task], out, err);
    if (status != XST_OK)
        xst_task_data_free(out);
    return status;
}

xst_status xst_dataset_load_test(xst_dataset *dataset, int task, xst_task_data *out, xst_error *err)
{
    xst_status status = start_load(dataset, task, out, err);
    if (status == XST_OK)
        status = load_test(dataset, &dataset->split.task[task], out, err);
    if (status != XST_OK)
        xst_task_data_free(out);
    return status;
}

void xst_task_data_free(xst_task_data *data)
{
    images_free(&data->train);
    images_free(&data->valid);
    images_free(&data->test);
}
