/* Run folders made by hand through the store, for tests of the crossbar. */
#ifndef XST_TESTS_CROSSBAR_FIXTURE_H
#define XST_TESTS_CROSSBAR_FIXTURE_H

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXTURE_LAYERS = 20, FIXTURE_IMAGES = 10, FIXTURE_CLASSES = 5, FIXTURE_HEAD = 60 };

typedef struct fixture_layer {
    const char *name;
    int out, in, kernel, positions;
} fixture_layer;

typedef struct fixture {
    const char *method;
    int layers, tasks;
    fixture_layer layer[FIXTURE_LAYERS];
    int group; /* 0: element-wise; large: whole filters */
    int whole;
    /* Owner of column c of layer l, 0 free; whether task t has it on. */
    int (*owner)(int l, uint32_t c);
    int (*on)(int task, int l, uint32_t c);
    int quiet_activity; /* no activity.csv */
    int map_head;       /* of config.yaml */
} fixture;

/* A number in 0..1 from a few others. */
static inline double fixture_random(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t x = a * 2654435761u ^ b * 2246822519u ^ c * 3266489917u;
    x = (x ^ x >> 15) * 2246822519u;
    x = (x ^ x >> 13) * 3266489917u;
    return (x ^ x >> 16) * 0x1p-32;
}

static inline float fixture_weight(int task, int l, int64_t index)
{
    const double u = fixture_random((uint32_t)(task * 64 + l), (uint32_t)index, 7);
    const double v = fixture_random((uint32_t)(task * 64 + l), (uint32_t)index, 8);
    return (float)((u + v - 1) * 0.1);
}

static inline double fixture_share(int task, int l, int bits, int plane)
{
    return 0.05 + 0.3 * fixture_random((uint32_t)(task * 64 + l), (uint32_t)(bits * 8 + plane), 9);
}

static inline xst_geometry fixture_geometry(const fixture *f, int l)
{
    const fixture_layer *const s = &f->layer[l];
    return xst_geometry_make(s->out, s->in, s->kernel, s->kernel, f->group);
}

static inline void fixture_fill_layer(const fixture *f, int task, int l, xst_layer_record *out)
{
    const xst_geometry g = fixture_geometry(f, l);
    void *columns = NULL, *values = NULL, *mask = NULL;
    snprintf(out->name, sizeof out->name, "%s", f->layer[l].name);
    out->geometry = g;
    for (uint32_t c = 0; c < g.columns; c++)
        out->count += f->whole ? f->owner(l, c) > 0 : f->owner(l, c) == task;
    if (xst_alloc(&columns, out->count, sizeof(uint32_t), "columns", NULL) != XST_OK ||
        xst_alloc(&values, (size_t)out->count * (size_t)g.longest, sizeof(float), "values", NULL) != XST_OK ||
        xst_alloc(&mask, (g.columns + 7) / 8, 1, "mask", NULL) != XST_OK)
        abort();
    out->columns = columns;
    out->values = values;
    if (task > 1 && !f->whole)
        out->mask = mask;
    else
        xst_free(mask);
    uint32_t n = 0;
    for (uint32_t c = 0; c < g.columns; c++) {
        const int owner = f->owner(l, c);
        if (out->mask && owner > 0 && owner < task && f->on(task, l, c))
            out->mask[c / 8] = (uint8_t)(out->mask[c / 8] | 1u << c % 8);
        if (f->whole ? owner == 0 : owner != task)
            continue;
        for (int i = 0; i < xst_column_length(&g, c); i++)
            out->values[(size_t)n * (size_t)g.longest + (size_t)i] =
                fixture_weight(task, l, xst_column_start(&g, c) + i);
        out->columns[n++] = c;
    }
}

/* Inputs of the head: behind a conv its pooled map. */
static inline int fixture_features(const fixture *f)
{
    const fixture_layer *const last = &f->layer[f->layers - 1];
    return last->kernel > 1 ? last->out * last->positions / 4 : last->out;
}

static inline void fixture_write_task(const fixture *f, xst_run *run, int task, xst_run_task *entry)
{
    static float logits[FIXTURE_IMAGES * FIXTURE_CLASSES];
    xst_task_record r = {
        .position = task, .whole = f->whole != 0, .images = FIXTURE_IMAGES, .classes = FIXTURE_CLASSES};
    void *layers = NULL, *tensors = NULL, *head = NULL, *own_logits = NULL;
    const int inputs = fixture_features(f);
    xst_error err = {0};
    if (xst_alloc(&layers, (size_t)f->layers, sizeof(xst_layer_record), "layers", NULL) != XST_OK ||
        xst_alloc(&tensors, 1, sizeof(xst_tensor_record), "tensors", NULL) != XST_OK ||
        xst_alloc(&head, FIXTURE_CLASSES * (size_t)inputs, sizeof(float), "head", NULL) != XST_OK ||
        xst_alloc(&own_logits, FIXTURE_IMAGES * FIXTURE_CLASSES, sizeof(float), "logits", NULL) != XST_OK)
        abort();
    memcpy(own_logits, logits, sizeof logits);
    for (int i = 0; i < FIXTURE_CLASSES * inputs; i++)
        ((float *)head)[i] = fixture_weight(task, FIXTURE_HEAD, i);
    r.layers = layers;
    r.layer_count = f->layers;
    r.tensors = tensors;
    r.tensor_count = 1;
    r.tensors[0] =
        (xst_tensor_record){.name = "classifier.6.weight", .rank = 2, .dim = {FIXTURE_CLASSES, inputs}, .values = head};
    r.logits = own_logits;
    snprintf(r.method, sizeof r.method, "%s", f->method);
    snprintf(r.name, sizeof r.name, "task %d", task);
    memset(r.data_sha256, 'a', 64);
    for (int k = 0; k < 3; k++)
        r.std[k] = 1;
    for (int l = 0; l < f->layers; l++)
        fixture_fill_layer(f, task, l, &r.layers[l]);
    if (xst_run_write_task(run, &r, entry->xxh3, &err) != XST_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    xst_task_record_free(&r);
    entry->position = task;
    for (int i = 0; i < FIXTURE_CLASSES; i++)
        entry->classes[entry->class_count++] = FIXTURE_CLASSES * task + i;
    entry->accuracy = 50;
    entry->mask_density = entry->goal = NAN;
    snprintf(entry->name, sizeof entry->name, "task %d", task);
    snprintf(entry->status, sizeof entry->status, "done");
    snprintf(entry->file, sizeof entry->file, "tasks/%02d.h5", task);
}

static inline void fixture_write_activity(const fixture *f, xst_run *run)
{
    xst_text text = {0};
    xst_text_add(&text, "task,layer,input_bits,plane,ones,bits\n");
    const fixture_layer head = {"classifier.6", FIXTURE_CLASSES, fixture_features(f), 1, 1};
    for (int t = 1; t <= f->tasks; t++)
        for (int l = 0; l <= f->layers; l++)
            for (int bits = 4; bits <= 8; bits += 4)
                for (int plane = 0; plane < bits; plane++) {
                    const fixture_layer *const s = l < f->layers ? &f->layer[l] : &head;
                    const double all = (double)FIXTURE_IMAGES * s->positions * s->in * s->kernel * s->kernel;
                    xst_text_add(&text, "%d,%s,%d,%d,%.0f,%.0f\n", t, s->name, bits, plane,
                                 floor(all * fixture_share(t, l, bits, plane)), all);
                }
    if (xst_run_write_file(run, "activity.csv", xst_text_string(&text), text.size, NULL) != XST_OK)
        abort();
    xst_text_free(&text);
}

static inline void fixture_remove(const char *folder)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        abort();
}

/* Writes the run, replacing what stands at folder. */
static inline void fixture_write(const fixture *f, const char *folder)
{
    xst_run *run = NULL;
    xst_manifest m = {.task_count = f->tasks};
    void *tasks = NULL;
    xst_error err = {0};
    char config[128];
    fixture_remove(folder);
    snprintf(config, sizeof config, "group: 8\nmethod: %s\nmap_head: %d\n",
             strcmp(f->method, "cpg") == 0 ? "xst" : f->method, f->map_head);
    if (xst_run_open(folder, XST_RUN_CREATE, &run, &err) != XST_OK ||
        xst_run_write_config(run, config, strlen(config), &err) != XST_OK ||
        xst_alloc(&tasks, (size_t)f->tasks, sizeof(xst_run_task), "tasks", &err) != XST_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    m.tasks = tasks;
    snprintf(m.method, sizeof m.method, "%s", f->method);
    snprintf(m.version, sizeof m.version, "0");
    snprintf(m.git_commit, sizeof m.git_commit, "0");
    snprintf(m.backend, sizeof m.backend, "cpu");
    snprintf(m.precision, sizeof m.precision, "fp32");
    snprintf(m.libraries, sizeof m.libraries, "-");
    snprintf(m.cpu, sizeof m.cpu, "-");
    snprintf(m.gpu, sizeof m.gpu, "-");
    snprintf(m.started, sizeof m.started, "2026-01-01T00:00:00Z");
    snprintf(m.ended, sizeof m.ended, "2026-01-01T00:00:00Z");
    m.threads = 1;
    for (int t = 1; t <= f->tasks; t++)
        fixture_write_task(f, run, t, &m.tasks[t - 1]);
    if (!f->quiet_activity)
        fixture_write_activity(f, run);
    if (xst_run_write_manifest(run, &m, &err) != XST_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    xst_manifest_free(&m);
    xst_run_close(run);
}

#endif
