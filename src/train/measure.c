#include "train/measure.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

void xst_test_set_free(xst_test_set *test)
{
    xst_free(test->images.pixels);
    xst_free(test->images.labels);
    *test = (xst_test_set){0};
}

typedef struct measuring {
    const xst_measure *m;
    xst_model *model;
    xst_evaluator *evaluator;
    bool loaded; /* the evaluator has the model's weights */
    int n;
    double *matrix;
    xst_logit_check *check;
} measuring;

xst_status xst_record_fits(const xst_net *net, const xst_task_record *record, xst_error *err)
{
    if (record->layer_count != net->masked_count)
        return xst_fail(err, XST_ERROR_RUN, "task %d has %d masked layers, the run's network has %d", record->position,
                        record->layer_count, net->masked_count);
    for (int l = 0; l < record->layer_count; l++) {
        const xst_layer *const layer = xst_net_masked(net, l);
        const xst_geometry *const a = &record->layers[l].geometry, *const b = &layer->geometry;
        if (strcmp(record->layers[l].name, layer->weight) != 0 || memcmp(a, b, sizeof *a) != 0)
            return xst_fail(err, XST_ERROR_RUN, "task %d: layer '%s' does not fit the run's network ('%s')",
                            record->position, record->layers[l].name, layer->weight);
    }
    return XST_OK;
}

static xst_status read_task(const measuring *s, int position, xst_task_record *record, xst_error *err)
{
    const xst_status status =
        xst_run_read_task(s->m->run, position, s->m->manifest->tasks[position - 1].xxh3, record, err);
    return status == XST_OK ? xst_record_fits(s->m->net, record, err) : status;
}

static xst_status own(measuring *s, const xst_task_record *record, xst_error *err)
{
    xst_status status = XST_OK;
    s->loaded = false;
    for (int l = 0; l < record->layer_count && status == XST_OK; l++) {
        const xst_layer_record *const layer = &record->layers[l];
        status = xst_model_own(s->model, l, record->position, layer->columns, layer->values, layer->count,
                               record->whole, err);
    }
    return status;
}

/* What the model has taken over. */
static void drop_columns(xst_task_record *record)
{
    for (int l = 0; l < record->layer_count; l++) {
        xst_free(record->layers[l].columns);
        xst_free(record->layers[l].values);
        record->layers[l].columns = NULL;
        record->layers[l].values = NULL;
    }
}

static void compare(const xst_task_record *record, const float *logits, xst_logit_check *check)
{
    const size_t n = (size_t)record->images * record->classes;
    check->identical = memcmp(logits, record->logits, n * sizeof *logits) == 0;
    check->max_difference = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)logits[i] - (double)record->logits[i]);
        if (!(d <= check->max_difference)) /* NaN counts */
            check->max_difference = d;
    }
}

/* Accuracy on the task of `head` with the weights that are set and the BN and biases of `tensors`. */
static xst_status measure_one(measuring *s, const xst_task_record *tensors, const xst_task_record *head,
                              double *accuracy, xst_error *err)
{
    const xst_test_set *const test = &s->m->tests[head->position - 1];
    void *logits = NULL;
    if (test->images.count != head->images || test->classes != (int)head->classes ||
        strcmp(test->sha256, head->data_sha256) != 0)
        return xst_fail(err, XST_ERROR_DATA,
                        "task %d (%s): these test images are not those it was trained and measured on: give the same "
                        "data set with --data",
                        head->position, head->name);
    xst_status status = xst_evaluator_set_tensors(s->evaluator, tensors, head, err);
    if (status == XST_OK)
        status = xst_alloc(&logits, (size_t)head->images * head->classes, sizeof(float), "logits", err);
    if (status == XST_OK)
        status = xst_evaluator_run(s->evaluator, &test->images, head->mean, head->std, logits, accuracy, err);
    if (status == XST_OK && s->check && tensors == head)
        compare(head, logits, &s->check[head->position - 1]);
    xst_free(logits);
    return status;
}

/* Makes the evaluator fit the task's head and number of images. */
static xst_status prepare(measuring *s, const xst_task_record *head, xst_error *err)
{
    if (xst_evaluator_fits(s->evaluator, (int)head->classes, head->images))
        return XST_OK;
    xst_evaluator_destroy(s->evaluator);
    s->evaluator = NULL;
    s->loaded = false;
    return xst_evaluator_create(s->m->api, s->m->backend, s->m->net, (int)head->classes, head->images, &s->evaluator,
                                err);
}

/* Prepares for `head` and sets the net of `record`; the weights are moved only if the model has changed. */
static xst_status set_net(measuring *s, const xst_task_record *record, const xst_task_record *head, xst_error *err)
{
    xst_status status = prepare(s, head, err);
    if (status == XST_OK && !s->loaded)
        status = xst_evaluator_set_weights(s->evaluator, s->model, err);
    s->loaded = status == XST_OK;
    return status == XST_OK ? xst_evaluator_set_columns(s->evaluator, s->model, record, err) : status;
}

/* Earlier tasks under the newest weights, BN and biases: row i of a method that replays. */
static xst_status measure_replayed(measuring *s, const xst_task_record *record, xst_error *err)
{
    const int i = record->position;
    xst_status status = set_net(s, record, record, err);
    if (status == XST_OK)
        status = measure_one(s, record, record, &s->matrix[(i - 1) * s->n + i - 1], err);
    for (int j = 1; j < i && status == XST_OK; j++) {
        xst_task_record head = {0};
        status = read_task(s, j, &head, err);
        if (status == XST_OK)
            status = set_net(s, record, &head, err);
        if (status == XST_OK)
            status = measure_one(s, record, &head, &s->matrix[(i - 1) * s->n + j - 1], err);
        xst_task_record_free(&head);
    }
    return status;
}

/* The task's accuracy in its own row and all below. */
static xst_status measure_task(measuring *s, const xst_task_record *record, int first_row, int rows, xst_error *err)
{
    const int position = record->position;
    double accuracy = NAN;
    xst_status status = set_net(s, record, record, err);
    if (status == XST_OK)
        status = measure_one(s, record, record, &accuracy, err);
    for (int i = position > first_row ? position : first_row; i <= rows && status == XST_OK; i++)
        s->matrix[(i - 1) * s->n + position - 1] = accuracy;
    return status;
}

/* Task by task, where each replaces the net of the one before. */
static xst_status measure_in_turn(measuring *s, int first_row, int rows, xst_error *err)
{
    xst_status status = XST_OK;
    for (int j = 1; j <= rows && status == XST_OK; j++) {
        xst_task_record record = {0};
        status = read_task(s, j, &record, err);
        if (status == XST_OK)
            status = own(s, &record, err);
        if (status == XST_OK && s->m->method->replays)
            status = j >= first_row ? measure_replayed(s, &record, err) : XST_OK;
        else if (status == XST_OK)
            status = measure_task(s, &record, first_row, rows, err);
        xst_task_record_free(&record);
    }
    return status;
}

/* All tasks' columns first, where no task touches another's: their weights are moved once. */
static xst_status measure_together(measuring *s, int first_row, int rows, xst_error *err)
{
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, (size_t)rows, sizeof(xst_task_record), "tasks", err);
    xst_task_record *const record = memory;
    for (int j = 0; j < rows && status == XST_OK; j++) {
        status = read_task(s, j + 1, &record[j], err);
        if (status == XST_OK)
            status = own(s, &record[j], err);
        drop_columns(&record[j]);
    }
    for (int j = 0; j < rows && status == XST_OK; j++)
        status = measure_task(s, &record[j], first_row, rows, err);
    for (int j = 0; j < rows && record; j++)
        xst_task_record_free(&record[j]);
    xst_free(record);
    return status;
}

xst_status xst_measure_rows(const xst_measure *measure, int first_row, int rows, int n, double *matrix,
                            xst_logit_check *check, xst_error *err)
{
    measuring s = {.m = measure, .n = n, .matrix = matrix, .check = check};
    const bool in_turn = measure->method->whole || measure->method->replays;
    xst_status status = xst_model_create(measure->net, &s.model, err);
    if (status == XST_OK)
        status = in_turn ? measure_in_turn(&s, first_row, rows, err) : measure_together(&s, first_row, rows, err);
    xst_evaluator_destroy(s.evaluator);
    xst_model_destroy(s.model);
    return status;
}
