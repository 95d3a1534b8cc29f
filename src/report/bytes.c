/* What one task stores, and what it uses of the net. */
#include "report/report.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Bits of a coin that shows `on` of `n`. */
static double entropy(uint64_t on, uint64_t n)
{
    const double p = n > 0 ? (double)on / (double)n : 0.0;
    return p > 0.0 && p < 1.0 ? -(double)n * (p * log2(p) + (1.0 - p) * log2(1.0 - p)) : 0.0;
}

typedef struct preserved {
    uint64_t count, on;
} preserved;

/* The task's columns, and those of earlier tasks that its mask has on. */
static preserved account_layer(const xst_layer_record *layer, uint8_t *owned, xst_report_task *task)
{
    const xst_geometry *const g = &layer->geometry;
    preserved p = {0};
    task->bytes.weights += (uint64_t)layer->count * (uint64_t)g->longest * sizeof(float);
    task->bytes.columns += (uint64_t)layer->count * sizeof(uint32_t);
    task->weights_all += (uint64_t)xst_geometry_weights(g);
    for (uint32_t c = 0; c < g->columns; c++) {
        const bool on = owned[c] && layer->mask && (layer->mask[c / 8] >> c % 8 & 1) != 0;
        p.count += owned[c];
        p.on += on;
        task->weights_on += on ? (uint64_t)xst_column_length(g, c) : 0;
    }
    for (uint32_t i = 0; i < layer->count; i++) {
        task->weights_on += (uint64_t)xst_column_length(g, layer->columns[i]);
        owned[layer->columns[i]] = 1;
    }
    if (!layer->mask)
        return (preserved){0};
    task->bytes.mask += (g->columns + 7) / 8;
    task->bytes.mask_preserved += (p.count + 7) / 8;
    task->bytes.mask_entropy += entropy(p.on, p.count) / 8.0;
    return p;
}

/* The head is the one rank-2 tensor among the per-task ones; its bias goes by the same name. */
static size_t head_prefix(const xst_task_record *record, const char **name)
{
    for (int i = 0; i < record->tensor_count; i++)
        if (record->tensors[i].rank == 2) {
            *name = record->tensors[i].name;
            const char *const dot = strrchr(*name, '.');
            return dot ? (size_t)(dot - *name) + 1 : strlen(*name);
        }
    *name = "";
    return 0;
}

static void account_tensors(const xst_task_record *record, xst_task_bytes *bytes)
{
    const char *head = NULL;
    const size_t prefix = head_prefix(record, &head);
    for (int i = 0; i < record->tensor_count; i++) {
        const xst_tensor_record *const t = &record->tensors[i];
        uint64_t size = sizeof(float);
        for (int d = 0; d < t->rank; d++)
            size *= (uint64_t)t->dim[d];
        if (prefix > 0 && strncmp(t->name, head, prefix) == 0)
            bytes->head += size;
        else if (strncmp(t->name, "classifier.", 11) == 0)
            bytes->biases += size;
        else
            bytes->bn += size;
    }
}

static void predict(const xst_task_record *record, uint16_t *predicted)
{
    for (uint32_t i = 0; i < record->images; i++) {
        const float *const logit = record->logits + (size_t)i * record->classes;
        uint32_t best = 0;
        for (uint32_t k = 1; k < record->classes; k++)
            best = logit[k] > logit[best] ? k : best;
        predicted[i] = (uint16_t)best;
    }
}

xst_status xst_report_account(const xst_task_record *record, uint8_t *const *owned, xst_report_task *task,
                              xst_error *err)
{
    uint64_t count = 0, on = 0;
    void *predicted = NULL;
    for (int l = 0; l < record->layer_count; l++) {
        if (record->whole)
            memset(owned[l], 0, record->layers[l].geometry.columns);
        const preserved p = account_layer(&record->layers[l], owned[l], task);
        count += p.count;
        on += p.on;
    }
    task->mask_density = count > 0 ? (double)on / (double)count : NAN;
    account_tensors(record, &task->bytes);
    task->bytes.logits = (uint64_t)record->images * record->classes * sizeof(float);
    const uint64_t known = task->bytes.weights + task->bytes.columns + task->bytes.mask + task->bytes.bn +
                           task->bytes.biases + task->bytes.head + task->bytes.logits;
    task->bytes.other = task->bytes.file > known ? task->bytes.file - known : 0;
    memcpy(task->data_sha256, record->data_sha256, sizeof task->data_sha256);
    task->images = record->images;
    const xst_status status = xst_alloc(&predicted, record->images, sizeof *task->predicted, "predictions", err);
    task->predicted = predicted;
    if (status == XST_OK)
        predict(record, task->predicted);
    return status;
}
