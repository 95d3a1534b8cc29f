/* xst export --neurosim: a task as NeuroSim reads it. */
#include "xst/export.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/version.h"
#include "train/activity.h"
#include "train/neurosim_files.h"
#include "train/reopen.h"

#include <stdio.h>
#include <string.h>

typedef struct exporting {
    xst_reopened reopened;
    xst_quant quant;
    xst_activity_meter *meter;
    xst_task_record record; /* of the task, and its images */
    xst_task_data data;
    int task, image;
    char folder[XST_PATH_MAX]; /* temporary */
    double *scale;             /* [task][masked layers]: of the weights, by owner */
    double *inputs;            /* [masked layers] */
} exporting;

static int layers_of(const exporting *e)
{
    return e->reopened.trainer.net.masked_count;
}

static xst_status open_export(exporting *e, const char *path, const xst_neurosim_options *o, xst_error *err)
{
    xst_status status = xst_quant_parse(o->quant ? o->quant : "apot4", &e->quant, err);
    if (status == XST_OK && o->image < 0)
        status = xst_fail(err, XST_ERROR_USAGE, "the test images are numbered from 1");
    if (status == XST_OK)
        status = xst_reopen(path, &o->run, &e->reopened, err);
    if (status == XST_OK && (e->task < 1 || e->task > e->reopened.done))
        status = xst_fail(err, XST_ERROR_USAGE, "%s: there is no finished task %d, only 1 to %d", path, e->task,
                          e->reopened.done);
    if (status != XST_OK)
        return status;
    void *scale = NULL;
    status = xst_alloc(&scale, (size_t)(e->task + 1) * (size_t)layers_of(e), sizeof(double), "scales", err);
    e->scale = scale;
    e->inputs = status == XST_OK ? e->scale + e->task * layers_of(e) : NULL;
    const xst_trainer *const t = &e->reopened.trainer;
    return status == XST_OK ? xst_activity_meter_create(t->api, t->backend, &t->net, &e->quant, true, &e->meter, err)
                            : status;
}

static void close_export(exporting *e)
{
    xst_folder_discard(e->folder);
    xst_activity_meter_destroy(e->meter);
    xst_task_record_free(&e->record);
    xst_task_data_free(&e->data);
    xst_free(e->scale);
    xst_reopened_close(&e->reopened);
}

/* The columns of tasks 1..task, quantised owner by owner. */
static xst_status own_tasks(exporting *e, xst_error *err)
{
    const xst_trainer *const t = &e->reopened.trainer;
    xst_status status = XST_OK;
    for (int i = 1; i <= e->task && status == XST_OK; i++) {
        xst_task_record_free(&e->record);
        status = xst_run_read_task(e->reopened.run, i, t->manifest.tasks[i - 1].xxh3, &e->record, err);
        if (status == XST_OK)
            status = xst_record_fits(&t->net, &e->record, err);
        if (status == XST_OK && e->record.whole) /* earlier owners are gone */
            memset(e->scale, 0, (size_t)(e->task * layers_of(e)) * sizeof *e->scale);
        if (status == XST_OK)
            status = xst_activity_meter_own(e->meter, &e->record, err);
        for (int l = 0; l < layers_of(e) && status == XST_OK; l++)
            e->scale[(i - 1) * layers_of(e) + l] = xst_activity_meter_scale(e->meter, l);
    }
    return status;
}

static xst_status write_weights(const exporting *e, xst_error *err)
{
    xst_status status = XST_OK;
    for (int l = 0; l < layers_of(e) && status == XST_OK; l++) {
        const xst_layer *const layer = xst_net_masked(&e->reopened.trainer.net, l);
        void *codes = NULL;
        status = xst_alloc(&codes, (size_t)xst_geometry_weights(&layer->geometry), sizeof(float), "codes", err);
        if (status == XST_OK) {
            xst_activity_meter_codes(e->meter, &e->record, l, codes);
            status = xst_neurosim_weights(e->folder, layer, codes, e->quant.bits, err);
        }
        xst_free(codes);
    }
    return status;
}

static xst_status write_input(void *user, int masked, const uint8_t *codes, double scale, xst_error *err)
{
    exporting *const e = user;
    e->inputs[masked] = scale;
    return xst_neurosim_inputs(e->folder, xst_net_masked(&e->reopened.trainer.net, masked), codes, err);
}

static xst_status load_data(exporting *e, xst_error *err)
{
    const xst_trainer *const t = &e->reopened.trainer;
    const xst_status status =
        xst_dataset_load(t->dataset, t->config->tasks.at[e->task - 1], t->config->valid_share, &e->data, err);
    if (status == XST_OK && strcmp(e->data.test_sha256, e->record.data_sha256) != 0)
        return xst_fail(err, XST_ERROR_DATA,
                        "task %d (%s): these test images are not those it was trained and measured on: give the same "
                        "data set with --data",
                        e->task, e->record.name);
    if (status == XST_OK && (uint32_t)e->image > e->data.test.count)
        return xst_fail(err, XST_ERROR_USAGE, "there is no test image %d: task %d has %u", e->image, e->task,
                        e->data.test.count);
    return status;
}

static xst_status write_inputs(exporting *e, xst_error *err)
{
    const xst_activity_trace trace = {(uint32_t)(e->image - 1), write_input, e};
    return xst_activity_meter_trace(e->meter, &e->record, &e->data, &trace, err);
}

/* ---- text -----------------------------------------------------------------------------------------------------------
 */

static xst_status write_text(const exporting *e, const char *name, xst_text *text, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_text_check(text, err);
    if (status == XST_OK)
        status = xst_path(path, err, "%s/%s", e->folder, name);
    if (status == XST_OK)
        status = xst_file_write(path, text->bytes, text->size, err);
    xst_text_free(text);
    return status;
}

static xst_status write_network(const exporting *e, xst_error *err)
{
    xst_text text = {0};
    xst_neurosim_network(&e->reopened.trainer.net, &text);
    return write_text(e, "NetWork.csv", &text, err);
}

/* NeuroSim's arguments: network, bits of a weight and of an input, rows of an array and rows read at once, then the two
 * files of each layer. */
static xst_status write_command(const exporting *e, xst_error *err)
{
    xst_text text = {0};
    xst_text_add(&text,
                 "#!/bin/sh\n"
                 "# sh trace_command.sh PROGRAM: runs NeuroSim's main (PROGRAM, an absolute path) on these files.\n"
                 "cd \"$(dirname \"$0\")\" || exit\n"
                 "exec \"${1:?the path of NeuroSim's main}\" NetWork.csv %d %d 128 128",
                 e->quant.bits, XST_NEUROSIM_INPUT_BITS);
    for (int l = 0; l < layers_of(e); l++) {
        const char *const name = xst_net_masked(&e->reopened.trainer.net, l)->name;
        xst_text_add(&text, " \\\n    weight%s.csv input%s.csv", name, name);
    }
    xst_text_add(&text, "\n");
    return write_text(e, "trace_command.sh", &text, err);
}

static void add_levels(const exporting *e, xst_text *text)
{
    const int half = 1 << (e->quant.bits - 1);
    xst_text_add(
        text,
        "\n## Weights\n\n"
        "A file has a line per row of the weight matrix (input channel, kernel row, kernel column; the channel "
        "slowest)\nand a value per filter: q/%d, where q = %d .. %d is the signed index of a level. NeuroSim "
        "stores q + %d in cells; a\nweight of zero, as in a column that is off, is stored as %d and "
        "conducts.\n\nThe weight that q stands for is sign(q) * level(|q|) * scale of the layer for the task "
        "that owns the column.\n%s%d levels:",
        half, -(half - 1), half - 1, half, half, e->quant.kind == XST_QUANT_APOT ? "APoT" : "Uniform", e->quant.bits);
    for (int i = 0; i < e->quant.count; i++)
        xst_text_add(text, "%s %.6g", i ? "," : "", e->quant.level[i]);
    xst_text_add(text, ".\n");
    if (e->quant.kind == XST_QUANT_APOT)
        xst_text_add(text, "They are not linear in q: NeuroSim's energies hold for cells that store q, and its array "
                           "cannot add these levels up.\n`xst energy` stores the levels of apot4 exactly, in other "
                           "cells. With `--quant uniform4` both agree.\n");
}

static void add_scales(const exporting *e, xst_text *text)
{
    xst_text_add(text, "\n| layer | owner: scale of its weights |\n|---|---|\n");
    for (int l = 0; l < layers_of(e); l++) {
        xst_text_add(text, "| %s |", xst_net_masked(&e->reopened.trainer.net, l)->name);
        for (int t = 1; t <= e->task; t++)
            if (e->scale[(t - 1) * layers_of(e) + l] > 0)
                xst_text_add(text, " %d: %.9g", t, e->scale[(t - 1) * layers_of(e) + l]);
        xst_text_add(text, " |\n");
    }
}

static void add_inputs(const exporting *e, xst_text *text)
{
    xst_text_add(text,
                 "\n## Inputs\n\n"
                 "Test image %d of the task, in file order. Lines as those of the weights; the %d bits of an output "
                 "position stand next to\neach other, the most significant first, positions row by row, padding "
                 "included (0). The image is its pixels, 0 to 255;\ninputs of the other layers are code/255 * scale. "
                 "Codes have no sign: NeuroSim's first plane is their highest bit.\n"
                 "The shares of one-bits over the whole test set, which `xst energy` takes, are in the run's "
                 "activity.csv.\n\n| layer | scale of its inputs |\n|---|---|\n",
                 e->image, XST_NEUROSIM_INPUT_BITS);
    for (int l = 1; l < layers_of(e); l++)
        xst_text_add(text, "| %s | %.9g |\n", xst_net_masked(&e->reopened.trainer.net, l)->name, e->inputs[l]);
}

static xst_status write_readme(const exporting *e, xst_error *err)
{
    xst_text text = {0};
    xst_text_add(&text,
                 "# Task %d (%s) for NeuroSim\n\n"
                 "Written by xst %s from a run of method %s: the masked layers of the task's effective network. The "
                 "head, biases and batch\nnormalisation are digital and not here. DNN+NeuroSim V1.4 (inference) reads "
                 "the files as its PyTorch wrapper writes them:\n\n"
                 "    sh trace_command.sh /path/to/NeuroSIM/main\n\n"
                 "`xst energy --device hfo2-32nm` models these settings of Param.cpp: operationmode 2, memcelltype 2, "
                 "accesstype 1,\ndeviceroadmap 2, technode 32, temp 300, cellBit 2, resistanceOn 100e3, resistanceOff "
                 "1e6, readVoltage 0.5,\naccessVoltage 1.1, writeVoltage 2, levelOutput 32, numColMuxed 8, "
                 "numColSubArray 128, SARADC true, novelMapping false,\npipeline false, synchronous true, validated "
                 "true, algoWeightMax 1, algoWeightMin -1. NeuroSim refuses a network whose\nwidest layer has fewer "
                 "than 512 physical columns (%d per filter here with 2-bit cells).\n\n"
                 "NetWork.csv: IFM rows, IFM columns, IFM channels, kernel rows, kernel columns, outputs, pooling "
                 "follows, stride. NeuroSim\npads nothing, so the maps of padded convs are larger by 2.\n",
                 e->task, e->record.name, xst_version(), e->record.method, (e->quant.bits + 1) / 2);
    add_levels(e, &text);
    add_scales(e, &text);
    add_inputs(e, &text);
    return write_text(e, "README.md", &text, err);
}

xst_status xst_export_neurosim(const char *run, int task, const char *folder, const xst_neurosim_options *options,
                               xst_error *err)
{
    static const xst_neurosim_options none = {0};
    const xst_neurosim_options *const o = options ? options : &none;
    exporting e = {.task = task, .image = o->image > 0 ? o->image : 1};
    xst_status status = xst_folder_free(folder, err);
    if (status == XST_OK)
        status = open_export(&e, run, o, err);
    if (status == XST_OK)
        status = own_tasks(&e, err);
    if (status == XST_OK)
        status = load_data(&e, err);
    if (status == XST_OK)
        status = xst_folder_begin(folder, e.folder, err);
    if (status == XST_OK)
        status = write_inputs(&e, err);
    if (status == XST_OK)
        status = write_weights(&e, err);
    if (status == XST_OK)
        status = write_network(&e, err);
    if (status == XST_OK)
        status = write_command(&e, err);
    if (status == XST_OK)
        status = write_readme(&e, err);
    if (status == XST_OK)
        status = xst_folder_commit(e.folder, folder, err);
    if (status == XST_OK)
        e.folder[0] = '\0';
    close_export(&e);
    return status;
}
