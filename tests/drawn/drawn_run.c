/* Writes a run folder that no training made, of any size, to measure the crossbar model on: the columns of a task and
 * the masks are drawn, weights are initial ones, and the inputs' shares of one-bits are those of a trained run.
 *
 *     drawn_run OUT ON ACTIVITY.csv [--KEY VALUE]...
 *
 * ON: share of the preserved columns that a mask has on. ACTIVITY.csv: of a run with the same layers, of any width; its
 * shares are taken layer by layer, the mean over its tasks. Options are those of xst train. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "base/version.h"
#include "columns/budget.h"
#include "columns/select.h"
#include "config/config.h"
#include "config/number.h"
#include "methods/method.h"
#include "net/model.h"
#include "store/csv.h"
#include "store/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IMAGES = 500, CLASSES = 5, PLANES = 8, MASK_PURPOSE = 8 };

typedef struct drawing {
    const char *path, *activity;
    double on;
    xst_config *config;
    xst_net net;
    xst_run *run;
    xst_manifest manifest;
    uint16_t *owner[XST_NET_LAYERS_MAX];
    double density[XST_NET_LAYERS_MAX];
    double sum[XST_NET_LAYERS_MAX + 1][2][PLANES]; /* of shares, by layer (the head last), 4 or 8 bits, plane */
    double count[XST_NET_LAYERS_MAX + 1][2][PLANES];
} drawing;

static xst_budget_rule rule_of(const xst_config *c)
{
    return (xst_budget_rule){c->s1, c->capacity_tasks, c->budget == XST_BUDGET_LITERAL,
                             c->distribution == XST_DISTRIBUTION_ERK};
}

/* ---- inputs ---------------------------------------------------------------------------------------------------------
 */

static int entrance_of(const xst_net *net, const char *name)
{
    for (int m = 0; m < net->masked_count; m++)
        if (strcmp(xst_net_masked(net, m)->name, name) == 0)
            return m;
    return strcmp(net->head, name) == 0 ? net->masked_count : -1;
}

static xst_status take_row(drawing *d, xst_csv *csv, char *line, xst_error *err)
{
    double value[6] = {0};
    int layer = -1;
    for (int i = 0; i < 6; i++) {
        const char *const field = xst_csv_field(&line);
        if (!field || (i != 1 && !xst_csv_number(field, &value[i])))
            return xst_csv_fail(csv, "not a row of activity.csv", err);
        if (i == 1 && (layer = entrance_of(&d->net, field)) < 0)
            return xst_csv_fail(csv, "a layer that the drawn net does not have", err);
    }
    const int wide = value[2] == 8;
    if (!(value[3] >= 0 && value[3] < PLANES && value[5] > 0))
        return xst_csv_fail(csv, "a number is out of range", err);
    d->sum[layer][wide][(int)value[3]] += value[4] / value[5];
    d->count[layer][wide][(int)value[3]]++;
    return XST_OK;
}

static xst_status read_activity(drawing *d, xst_error *err)
{
    xst_csv csv = {.path = d->activity};
    xst_status status = xst_file_read(d->activity, &csv.bytes, &csv.size, err);
    char *line = status == XST_OK ? xst_csv_line(&csv) : NULL; /* the heading */
    while (status == XST_OK && line && (line = xst_csv_line(&csv)))
        status = take_row(d, &csv, line, err);
    xst_free(csv.bytes);
    return status;
}

static xst_status write_activity(drawing *d, xst_error *err)
{
    xst_text text = {0};
    xst_text_add(&text, "task,layer,input_bits,plane,ones,bits\n");
    for (int t = 1; t <= d->manifest.task_count; t++)
        for (int m = 0; m <= d->net.masked_count; m++) {
            const bool head = m == d->net.masked_count;
            const xst_layer *const l = head ? NULL : xst_net_masked(&d->net, m);
            const double rows = head ? d->net.features : (double)l->in * l->geometry.kh * l->geometry.kw;
            const double all = IMAGES * rows * (head ? 1 : l->side * l->side);
            for (int wide = 0; wide < 2; wide++)
                for (int z = 0; z < PLANES; z++)
                    if (d->count[m][wide][z] > 0)
                        xst_text_add(&text, "%d,%s,%d,%d,%.0f,%.0f\n", t, head ? d->net.head : l->name, wide ? 8 : 4, z,
                                     rint(all * d->sum[m][wide][z] / d->count[m][wide][z]), all);
        }
    xst_status status = xst_text_check(&text, err);
    if (status == XST_OK)
        status = xst_run_write_file(d->run, "activity.csv", text.bytes, text.size, err);
    xst_text_free(&text);
    return status;
}

/* ---- a task ---------------------------------------------------------------------------------------------------------
 */

static xst_status choose(drawing *d, int task, int m, xst_layer_record *out, xst_error *err)
{
    const xst_geometry *const g = &out->geometry;
    const xst_budget_rule rule = rule_of(d->config);
    void *vacant = NULL, *columns = NULL;
    uint32_t left = 0;
    xst_status status = xst_alloc(&vacant, g->columns, 1, "free columns", err);
    for (uint32_t c = 0; c < g->columns && status == XST_OK; c++) {
        ((uint8_t *)vacant)[c] = d->owner[m][c] == 0;
        left += d->owner[m][c] == 0;
    }
    out->count = xst_budget_draw(&rule, d->density[m], g->columns, task, left);
    if (status == XST_OK)
        status = xst_alloc(&columns, out->count, sizeof(uint32_t), "columns", err);
    out->columns = columns;
    if (status == XST_OK)
        status = xst_select_random(vacant, g->columns, out->count,
                                   xst_random_key_of(d->config->seed, task, XST_RANDOM_ACTIVE), (uint32_t)m,
                                   out->columns, err);
    xst_free(vacant);
    return status;
}

static xst_status fill_values(const drawing *d, int task, int m, xst_layer_record *out, xst_error *err)
{
    const size_t longest = (size_t)out->geometry.longest;
    const float deviation = (float)xst_net_deviation(xst_net_masked(&d->net, m), d->config->fc_init);
    void *values = NULL, *random = NULL;
    xst_status status = xst_alloc(&values, out->count * longest, sizeof(float), "weights", err);
    out->values = values;
    if (status == XST_OK)
        status = xst_alloc(&random, longest + 8, sizeof(float), "weights", err);
    for (uint32_t i = 0; i < out->count && status == XST_OK; i++) {
        const int64_t start = xst_column_start(&out->geometry, out->columns[i]), first = start / 4 * 4;
        const size_t length = (size_t)xst_column_length(&out->geometry, out->columns[i]);
        xst_random_normal(random, (uint32_t)first, (uint32_t)length + 4, deviation,
                          xst_random_key_of(d->config->seed, task, XST_RANDOM_WEIGHTS), (uint32_t)m, 0, 0);
        memcpy(out->values + i * longest, (float *)random + (start - first), length * sizeof(float));
    }
    xst_free(random);
    return status;
}

static xst_status draw_mask(const drawing *d, int task, int m, xst_layer_record *out, xst_error *err)
{
    void *mask = NULL;
    const xst_status status = xst_alloc(&mask, ((size_t)out->geometry.columns + 7) / 8, 1, "mask", err);
    out->mask = mask;
    for (uint32_t c = 0; c < out->geometry.columns && status == XST_OK; c++) {
        uint32_t word[4];
        xst_random_block(word, (xst_random_key){d->config->seed, (uint32_t)task * 256 + MASK_PURPOSE}, c, (uint32_t)m,
                         0, 0);
        if (d->owner[m][c] != 0 && word[0] * 0x1p-32 < d->on)
            out->mask[c / 8] = (uint8_t)(out->mask[c / 8] | 1u << c % 8);
    }
    return status;
}

static xst_status draw_layer(drawing *d, int task, int m, xst_layer_record *out, xst_error *err)
{
    const xst_layer *const l = xst_net_masked(&d->net, m);
    snprintf(out->name, sizeof out->name, "%.63s", l->weight);
    out->geometry = l->geometry;
    xst_status status = choose(d, task, m, out, err);
    if (status == XST_OK)
        status = fill_values(d, task, m, out, err);
    if (status == XST_OK && task > 1)
        status = draw_mask(d, task, m, out, err);
    for (uint32_t i = 0; i < out->count && status == XST_OK; i++)
        d->owner[m][out->columns[i]] = (uint16_t)task;
    return status;
}

static xst_status fill_tensors(const drawing *d, int task, xst_task_record *out, xst_error *err)
{
    xst_param param[XST_PARAMS_MAX];
    void *tensors = NULL;
    const int n = xst_net_params(&d->net, CLASSES, param);
    xst_status status = xst_alloc(&tensors, (size_t)n, sizeof(xst_tensor_record), "tensors", err);
    out->tensors = tensors;
    for (int i = 0; i < n && status == XST_OK; i++) {
        xst_tensor_record *const t = &out->tensors[out->tensor_count++];
        void *values = NULL;
        *t = (xst_tensor_record){.rank = param[i].rank, .dim = {param[i].dim[0], param[i].dim[1]}};
        snprintf(t->name, sizeof t->name, "%.63s", param[i].name);
        status = xst_alloc(&values, (size_t)(param[i].dim[0] * param[i].dim[1]), sizeof(float), "tensor", err);
        t->values = values;
        if (status == XST_OK)
            xst_param_fresh(&param[i], d->config->seed, task, (uint32_t)d->net.masked_count, t->values);
    }
    return status;
}

static xst_status draw_task(drawing *d, int task, xst_error *err)
{
    xst_task_record r = {.position = task, .std = {1, 1, 1}, .images = IMAGES, .classes = CLASSES};
    void *layers = NULL, *logits = NULL;
    snprintf(r.method, sizeof r.method, "%s", d->manifest.method);
    snprintf(r.name, sizeof r.name, "drawn %d", task);
    memset(r.data_sha256, '0', 64);
    xst_status status = xst_alloc(&layers, (size_t)d->net.masked_count, sizeof(xst_layer_record), "layers", err);
    r.layers = layers;
    if (status == XST_OK)
        status = xst_alloc(&logits, IMAGES * CLASSES, sizeof(float), "logits", err);
    r.logits = logits;
    for (int m = 0; m < d->net.masked_count && status == XST_OK; m++) {
        r.layer_count++;
        status = draw_layer(d, task, m, &r.layers[m], err);
    }
    if (status == XST_OK)
        status = fill_tensors(d, task, &r, err);
    xst_run_task *const entry = &d->manifest.tasks[task - 1];
    if (status == XST_OK)
        status = xst_run_write_task(d->run, &r, entry->xxh3, err);
    xst_task_record_free(&r);
    return status;
}

/* ---- the folder -----------------------------------------------------------------------------------------------------
 */

static xst_status write_config(const drawing *d, xst_error *err)
{
    xst_text text = {0};
    xst_config_write(d->config, &text);
    xst_status status = xst_text_check(&text, err);
    if (status == XST_OK)
        status = xst_run_write_config(d->run, text.bytes, text.size, err);
    xst_text_free(&text);
    return status;
}

static xst_status start(drawing *d, xst_error *err)
{
    const xst_method *const method = xst_method_of(d->config->method);
    xst_geometry geometry[XST_NET_LAYERS_MAX];
    void *tasks = NULL;
    xst_status status = xst_config_check(d->config, err);
    if (status == XST_OK)
        status = xst_net_build(d->config, method->element, &d->net, err);
    for (int m = 0; m < d->net.masked_count && status == XST_OK; m++) {
        void *owner = NULL;
        geometry[m] = xst_net_masked(&d->net, m)->geometry;
        status = xst_alloc(&owner, geometry[m].columns, sizeof(uint16_t), "owners", err);
        d->owner[m] = owner;
    }
    const xst_budget_rule rule = rule_of(d->config);
    if (status == XST_OK)
        status = xst_budget_densities(&rule, geometry, d->net.masked_count, d->density, err);
    if (status == XST_OK)
        status = read_activity(d, err);
    if (status == XST_OK)
        status = xst_alloc(&tasks, (size_t)d->config->tasks.count, sizeof(xst_run_task), "tasks", err);
    d->manifest.tasks = tasks;
    d->manifest.task_count = d->config->tasks.count;
    snprintf(d->manifest.method, sizeof d->manifest.method, "%s", xst_method_name(d->config->method));
    snprintf(d->manifest.version, sizeof d->manifest.version, "%s", xst_version());
    snprintf(d->manifest.git_commit, sizeof d->manifest.git_commit, "%s", xst_git_commit());
    snprintf(d->manifest.backend, sizeof d->manifest.backend, "drawn");
    snprintf(d->manifest.precision, sizeof d->manifest.precision, "fp32");
    snprintf(d->manifest.cpu, sizeof d->manifest.cpu, "none: weights and masks are drawn");
    snprintf(d->manifest.started, sizeof d->manifest.started, "1970-01-01T00:00:00Z");
    snprintf(d->manifest.ended, sizeof d->manifest.ended, "1970-01-01T00:00:00Z");
    d->manifest.seed = d->config->seed;
    d->manifest.threads = 1;
    return status;
}

static void fill_entry(const xst_config *config, int task, xst_run_task *entry)
{
    snprintf(entry->name, sizeof entry->name, "drawn %d", task);
    snprintf(entry->status, sizeof entry->status, "done");
    snprintf(entry->file, sizeof entry->file, "tasks/%02d.h5", task);
    for (int i = 0; i < CLASSES; i++)
        entry->classes[i] = config->tasks.at[task - 1] * CLASSES + i;
    entry->class_count = CLASSES;
    entry->position = task;
    entry->accuracy = 0;
    entry->mask_density = NAN;
}

static xst_status draw(drawing *d, xst_error *err)
{
    xst_status status = start(d, err);
    if (status == XST_OK)
        status = xst_run_open(d->path, XST_RUN_CREATE, &d->run, err);
    if (status == XST_OK)
        status = write_config(d, err);
    for (int t = 1; t <= d->manifest.task_count && status == XST_OK; t++) {
        status = draw_task(d, t, err);
        fill_entry(d->config, t, &d->manifest.tasks[t - 1]);
    }
    if (status == XST_OK)
        status = write_activity(d, err);
    return status == XST_OK ? xst_run_write_manifest(d->run, &d->manifest, err) : status;
}

static xst_status take_arguments(drawing *d, int argc, char **argv, xst_error *err)
{
    if (argc < 4 || argc % 2 != 0)
        return xst_fail(err, XST_ERROR_USAGE, "drawn_run OUT ON ACTIVITY.csv [--KEY VALUE]...");
    d->path = argv[1];
    d->activity = argv[3];
    if (!xst_number_parse(argv[2], &d->on) || d->on < 0 || d->on > 1)
        return xst_fail(err, XST_ERROR_USAGE, "ON: '%s' is not a share from 0 to 1", argv[2]);
    xst_status status = xst_config_create(&d->config, err);
    for (int i = 4; i < argc && status == XST_OK; i += 2) {
        char key[64];
        snprintf(key, sizeof key, "%s", argv[i] + strspn(argv[i], "-"));
        for (char *c = key; *c; c++)
            *c = *c == '-' ? '_' : *c;
        status = xst_config_set(d->config, key, argv[i + 1], err);
    }
    return status;
}

int main(int argc, char **argv)
{
    static drawing d;
    xst_error err = {0};
    xst_status status = take_arguments(&d, argc, argv, &err);
    if (status == XST_OK)
        status = draw(&d, &err);
    if (status != XST_OK)
        fprintf(stderr, "drawn_run: %s\n", err.message);
    xst_run_close(d.run);
    for (int m = 0; m < d.net.masked_count; m++)
        xst_free(d.owner[m]);
    xst_manifest_free(&d.manifest);
    xst_config_destroy(d.config);
    return xst_status_exit_code(status);
}
