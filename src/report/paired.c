/* Paired tests over test images between groups of runs. Run folders hold logits, not labels, so these come from the
 * data set, which must still be there. */
#include "report/report.h"

#include "base/error.h"
#include "base/memory.h"
#include "data/dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- right or wrong, image by image ---------------------------------------------------------------------------------
 */

static xst_status mark_task(xst_report_run *run, int j, const xst_task_data *data, xst_error *err)
{
    xst_report_task *const task = &run->tasks[j];
    const double stated = run->accuracy[j * run->done + j];
    uint32_t count = 0;
    void *right = NULL;
    if (strcmp(task->data_sha256, data->test_sha256) != 0 || task->images != data->test.count)
        return xst_fail(err, XST_ERROR_DATA,
                        "task %d (%s) has other test images than the runs: give theirs with --data", j + 1, data->name);
    const xst_status status = xst_alloc(&right, task->images, 1, "test of images", err);
    if (status != XST_OK)
        return status;
    task->right = right;
    for (uint32_t i = 0; i < task->images; i++)
        count += task->right[i] = task->predicted[i] == data->test.labels[i];
    const double accuracy = 100.0 * count / task->images;
    if (fabs(accuracy - stated) > 0.0051)
        return xst_fail(err, XST_ERROR_RUN,
                        "%s: task %d: the logits in %s give %.2f %%, accuracy.csv says %.2f: the folder is damaged",
                        run->path, j + 1, run->manifest.tasks[j].file, accuracy, stated);
    return XST_OK;
}

/* All runs of groups have the same tasks: one look at the data serves them all. */
static xst_status mark_images(xst_comparison *c, const char *path, xst_error *err)
{
    const xst_report_run *const first = &c->runs[c->groups[0].run[0]];
    xst_dataset *dataset = NULL;
    xst_status status = xst_dataset_open(path ? path : first->config->data, first->config->task_split, &dataset, err);
    for (int j = 0; j < first->done && status == XST_OK; j++) {
        xst_task_data data = {0};
        status = xst_dataset_load_test(dataset, first->config->tasks.at[j], &data, err);
        for (int i = 0; i < c->count && status == XST_OK; i++)
            if (c->runs[i].group >= 0)
                status = mark_task(&c->runs[i], j, &data, err);
        xst_task_data_free(&data);
    }
    xst_dataset_close(dataset);
    return status;
}

/* ---- the tests ------------------------------------------------------------------------------------------------------
 */

static int run_of_seed(const xst_comparison *c, int g, uint32_t seed)
{
    for (int k = 0; k < c->groups[g].count; k++)
        if (c->runs[c->groups[g].run[k]].manifest.seed == seed)
            return c->groups[g].run[k];
    return -1;
}

static uint64_t images_of(const xst_report_run *run)
{
    uint64_t n = 0;
    for (int j = 0; j < run->done; j++)
        n += run->tasks[j].images;
    return n;
}

/* Adds A right - B right of each image to difference[], and counts the images on which they differ. */
static xst_mcnemar add_differences(const xst_report_run *a, const xst_report_run *b, double *difference)
{
    uint64_t n = 0, only_a = 0, only_b = 0;
    for (int j = 0; j < a->done; j++)
        for (uint32_t i = 0; i < a->tasks[j].images; i++) {
            const int d = a->tasks[j].right[i] - b->tasks[j].right[i];
            difference[n++] += d;
            only_a += d > 0;
            only_b += d < 0;
        }
    return xst_mcnemar_test(only_a, only_b);
}

static void add_test(xst_comparison *c, xst_report_test test, const double *difference)
{
    const xst_paired paired = xst_paired_test(difference, test.images);
    test.difference = 100.0 * paired.mean;
    test.error = 100.0 * paired.error;
    test.p = test.seeds == 1 ? test.mcnemar.mid : paired.p;
    c->tests[c->test_count++] = test;
}

/* A row for each seed that both groups have, and one for the mean over these seeds. */
static xst_status test_groups(xst_comparison *c, int a, int b, xst_error *err)
{
    const uint64_t images = images_of(&c->runs[c->groups[a].run[0]]);
    void *memory = NULL, *sums = NULL;
    int seeds = 0;
    xst_status status = xst_alloc(&memory, images, sizeof(double), "differences", err);
    if (status == XST_OK)
        status = xst_alloc(&sums, images, sizeof(double), "differences", err);
    double *const one = memory, *const all = sums;
    for (int k = 0; k < c->groups[a].count && status == XST_OK; k++) {
        const xst_report_run *const run = &c->runs[c->groups[a].run[k]];
        const int other = run_of_seed(c, b, run->manifest.seed);
        if (other < 0)
            continue;
        memset(one, 0, images * sizeof *one);
        const xst_mcnemar m = add_differences(run, &c->runs[other], one);
        add_test(c, (xst_report_test){a, b, 1, run->manifest.seed, images, 0.0, 0.0, 0.0, m}, one);
        for (uint64_t i = 0; i < images; i++)
            all[i] += one[i];
        seeds++;
    }
    for (uint64_t i = 0; i < images && seeds > 1; i++)
        all[i] /= seeds;
    if (seeds > 1)
        add_test(c, (xst_report_test){.a = a, .b = b, .seeds = seeds, .images = images}, all);
    xst_free(memory);
    xst_free(sums);
    return status;
}

static int pairs_of_seeds(const xst_comparison *c)
{
    int n = 0;
    for (int a = 0; a < c->group_count; a++)
        for (int b = a + 1; b < c->group_count; b++)
            for (int k = 0; k < c->groups[a].count; k++)
                n += run_of_seed(c, b, c->runs[c->groups[a].run[k]].manifest.seed) >= 0;
    return n;
}

xst_status xst_report_test_pairs(xst_comparison *c, const char *data, xst_error *err)
{
    const int pairs = pairs_of_seeds(c);
    xst_error trouble = {0};
    void *tests = NULL;
    if (pairs == 0) {
        snprintf(c->untested, sizeof c->untested, "no two of these methods (or settings) ran with the same seed");
        return XST_OK;
    }
    xst_status status = mark_images(c, data, &trouble);
    if (status == XST_ERROR_DATA || status == XST_ERROR_IO) {
        snprintf(c->untested, sizeof c->untested, "the labels of the test images are needed, and %s", trouble.message);
        return XST_OK;
    }
    if (status != XST_OK)
        return xst_fail(err, status, "%s", trouble.message);
    status = xst_alloc(&tests, 2 * (size_t)pairs, sizeof *c->tests, "paired tests", err);
    c->tests = tests;
    for (int a = 0; a < c->group_count && status == XST_OK; a++)
        for (int b = a + 1; b < c->group_count && status == XST_OK; b++)
            status = test_groups(c, a, b, err);
    return status;
}
