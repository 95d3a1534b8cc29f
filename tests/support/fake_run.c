#include "support/fake_run.h"

#include "base/memory.h"
#include "config/config.h"
#include "data/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS = 2, TENSORS = 7, CLASSES = 5, IMAGES = 500 };

static void must(xst_status status, const xst_error *err)
{
    if (status != XST_OK)
        fail_msg("%s", err->message);
}

static void *room(size_t count, size_t size)
{
    void *p = NULL;
    xst_error err = {0};
    must(xst_alloc(&p, count, size, "fake run", &err), &err);
    return p;
}

static xst_layer_record make_layer(int l, int position, bool whole)
{
    static const uint32_t first[LAYERS] = {2, 4}; /* columns of task 1: 0 .. first - 1; task 2 has the next one */
    xst_layer_record layer = {.geometry =
                                  l == 0 ? xst_geometry_make(4, 8, 3, 3, 4) : xst_geometry_make(4, 16, 1, 1, 4)};
    snprintf(layer.name, sizeof layer.name, "%s", l == 0 ? "features.0.weight" : "classifier.0.weight");
    layer.count = whole ? layer.geometry.columns : position == 1 ? first[l] : 1;
    layer.columns = room(layer.count, sizeof *layer.columns);
    layer.values = room(layer.count * (size_t)layer.geometry.longest, sizeof *layer.values);
    for (uint32_t i = 0; i < layer.count; i++)
        layer.columns[i] = whole || position == 1 ? i : first[l];
    if (!whole && position == 2) {
        layer.mask = room((layer.geometry.columns + 7) / 8, 1);
        layer.mask[0] = l == 0 ? 0x01 : 0x07;
    }
    return layer;
}

static xst_tensor_record make_tensor(const char *name, int rank, int64_t rows, int64_t columns)
{
    xst_tensor_record t = {.rank = rank, .dim = {rows, columns}};
    snprintf(t.name, sizeof t.name, "%s", name);
    t.values = room((size_t)(rows * (rank > 1 ? columns : 1)), sizeof *t.values);
    return t;
}

/* Logits that say the label where the image is to be right, else another class. */
static void make_logits(xst_task_record *record, const uint32_t *labels, int from, int right)
{
    record->logits = room((size_t)IMAGES * CLASSES, sizeof *record->logits);
    for (int i = 0; i < IMAGES; i++) {
        const bool is_right = i >= from && i < from + right;
        record->logits[i * CLASSES + (int)(is_right ? labels[i] : (labels[i] + 1) % CLASSES)] = 1.0f;
    }
}

static xst_task_record make_record(const fake_run *fake, int position, const xst_task_data *data)
{
    static const char *const bn[] = {"features.1.weight", "features.1.bias", "features.1.running_mean",
                                     "features.1.running_var"};
    xst_task_record record = {.position = position,
                              .whole = fake->whole,
                              .mean = {0.5, 0.5, 0.5},
                              .std = {0.25, 0.25, 0.25},
                              .images = IMAGES,
                              .classes = CLASSES,
                              .layer_count = LAYERS,
                              .tensor_count = TENSORS};
    snprintf(record.method, sizeof record.method, "%s", fake->method);
    snprintf(record.name, sizeof record.name, "%s", data->name);
    snprintf(record.data_sha256, sizeof record.data_sha256, "%s", data->test_sha256);
    record.layers = room(LAYERS, sizeof *record.layers);
    record.tensors = room(TENSORS, sizeof *record.tensors);
    for (int l = 0; l < LAYERS; l++)
        record.layers[l] = make_layer(l, position, fake->whole);
    for (int i = 0; i < 4; i++)
        record.tensors[i] = make_tensor(bn[i], 1, 4, 1);
    record.tensors[4] = make_tensor("classifier.0.bias", 1, 4, 1);
    record.tensors[5] = make_tensor("classifier.3.weight", 2, CLASSES, 4);
    record.tensors[6] = make_tensor("classifier.3.bias", 1, CLASSES, 1);
    make_logits(&record, data->test.labels, fake->from, fake->right[position - 1]);
    return record;
}

static void write_config(xst_run *run, const fake_run *fake)
{
    xst_config *config = NULL;
    xst_text text = {0};
    xst_error err = {0};
    char seed[16];
    must(xst_config_create(&config, &err), &err);
    must(xst_config_set(config, "method", fake->method, &err), &err);
    must(xst_config_set(config, "tasks", "2", &err), &err);
    snprintf(seed, sizeof seed, "%u", fake->seed);
    must(xst_config_set(config, "seed", seed, &err), &err);
    for (int i = 0; fake->options[i]; i += 2)
        must(xst_config_set(config, fake->options[i], fake->options[i + 1], &err), &err);
    xst_config_write(config, &text);
    must(xst_run_write_config(run, text.bytes, text.size, &err), &err);
    xst_text_free(&text);
    xst_config_destroy(config);
}

static void write_metrics(xst_run *run, const fake_run *fake, int task)
{
    xst_error err = {0};
    for (int e = 1; e <= fake->epochs; e++) {
        const xst_metrics_row row = {.task = task,
                                     .epoch = e,
                                     .step = 79u * (uint32_t)e,
                                     .train_loss = 1.0 / e,
                                     .train_accuracy = 10.0 + e,
                                     .test_accuracy = e == fake->epochs ? 50.0 : NAN,
                                     .images_per_s = 2500.0 / fake->epoch_seconds,
                                     .seconds = fake->epoch_seconds,
                                     .active_columns = 6,
                                     .mask_density = NAN};
        must(xst_run_append_metrics(run, &row, &err), &err);
    }
}

static void fill_manifest(xst_manifest *m, const fake_run *fake, xst_run_task *tasks)
{
    *m = (xst_manifest){.seed = fake->seed, .threads = 2, .task_count = FAKE_TASKS, .tasks = tasks};
    snprintf(m->version, sizeof m->version, "0");
    snprintf(m->git_commit, sizeof m->git_commit, "0");
    snprintf(m->method, sizeof m->method, "%s", fake->method);
    snprintf(m->backend, sizeof m->backend, "cpu");
    snprintf(m->precision, sizeof m->precision, "fp32");
    snprintf(m->cpu, sizeof m->cpu, "a processor");
    snprintf(m->started, sizeof m->started, "2026-01-01T00:00:00Z");
}

static void fill_task(xst_run_task *task, const fake_run *fake, int position, const xst_task_data *data)
{
    *task = (xst_run_task){
        .position = position, .class_count = data->classes, .accuracy = NAN, .mask_density = NAN, .goal = NAN};
    snprintf(task->name, sizeof task->name, "%s", data->name);
    memcpy(task->classes, data->fine, sizeof task->classes);
    snprintf(task->status, sizeof task->status, position <= fake->done ? "done" : "waiting");
    snprintf(task->file, sizeof task->file, "tasks/%02d.h5", position);
    task->seconds = position <= fake->done ? fake->epochs * fake->epoch_seconds : 0.0;
    task->accuracy = position <= fake->done ? 100.0 * fake->right[position - 1] / IMAGES : NAN;
}

static void write_tasks(xst_run *run, const fake_run *fake, xst_run_task *tasks)
{
    xst_dataset *dataset = NULL;
    xst_error err = {0};
    must(xst_dataset_open("synthetic", "superclass", &dataset, &err), &err);
    for (int i = 0; i < FAKE_TASKS; i++) {
        xst_task_data data = {0};
        must(xst_dataset_load_test(dataset, i, &data, &err), &err);
        fill_task(&tasks[i], fake, i + 1, &data);
        if (i < fake->done) {
            xst_task_record record = make_record(fake, i + 1, &data);
            must(xst_run_write_task(run, &record, tasks[i].xxh3, &err), &err);
            write_metrics(run, fake, i + 1);
            xst_task_record_free(&record);
        }
        xst_task_data_free(&data);
    }
    xst_dataset_close(dataset);
}

void fake_run_write(const char *path, const fake_run *fake)
{
    xst_run *run = NULL;
    xst_manifest manifest;
    xst_run_task tasks[FAKE_TASKS];
    xst_error err = {0};
    must(xst_run_open(path, XST_RUN_CREATE, &run, &err), &err);
    write_config(run, fake);
    fill_manifest(&manifest, fake, tasks);
    write_tasks(run, fake, tasks);
    const double first = fake->first_at_end > 0.0 ? fake->first_at_end : tasks[0].accuracy;
    const double matrix[] = {tasks[0].accuracy, NAN, first, tasks[1].accuracy};
    if (fake->done > 0)
        must(xst_run_write_accuracy(run, matrix, fake->done, FAKE_TASKS, &err), &err);
    if (fake->done == FAKE_TASKS)
        snprintf(manifest.ended, sizeof manifest.ended, "2026-01-01T01:00:00Z");
    must(xst_run_write_manifest(run, &manifest, &err), &err);
    xst_run_close(run);
}
