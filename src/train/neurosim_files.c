#include "train/neurosim_files.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool pooled(const xst_net *net, int layer)
{
    return layer + 1 < net->count && net->layer[layer + 1].kind == XST_LAYER_POOL;
}

void xst_neurosim_network(const xst_net *net, xst_text *text)
{
    for (int m = 0; m < net->masked_count; m++) {
        const xst_layer *const l = xst_net_masked(net, m);
        const int side = l->side + l->geometry.kh - 1;
        xst_text_add(text, "%d,%d,%d,%d,%d,%d,%d,1\n", side, side, l->in, l->geometry.kh, l->geometry.kw, l->out,
                     pooled(net, net->masked[m]));
    }
}

/* ---- matrices, line by line -----------------------------------------------------------------------------------------
 */

typedef struct matrix {
    char path[XST_PATH_MAX];
    FILE *file;
} matrix;

static xst_status open_matrix(const char *folder, const char *kind, const xst_layer *layer, matrix *out, xst_error *err)
{
    const xst_status status = xst_path(out->path, err, "%s/%s%s.csv", folder, kind, layer->name);
    if (status != XST_OK)
        return status;
    out->file = fopen(out->path, "wb");
    return out->file ? XST_OK : xst_fail(err, XST_ERROR_IO, "cannot write '%s': %s", out->path, strerror(errno));
}

/* Writes a line, whose last comma becomes its end. */
static void write_line(const matrix *m, char *line, size_t length)
{
    line[length - 1] = '\n';
    fwrite(line, 1, length, m->file); /* failure is seen on closing */
}

static xst_status close_matrix(matrix *m, xst_error *err)
{
    const bool failed = ferror(m->file) || fflush(m->file) != 0 || fsync(fileno(m->file)) != 0;
    const int reason = errno;
    if (fclose(m->file) != 0 || failed)
        return xst_fail(err, XST_ERROR_IO, "cannot write '%s': %s", m->path, strerror(failed ? reason : errno));
    return XST_OK;
}

/* ---- weights --------------------------------------------------------------------------------------------------------
 */

enum { FIELD = 16 };

xst_status xst_neurosim_weights(const char *folder, const xst_layer *layer, const float *codes, int bits,
                                xst_error *err)
{
    const xst_geometry *const g = &layer->geometry;
    const int64_t rows = (int64_t)g->in * g->kh * g->kw;
    void *line = NULL;
    matrix m = {0};
    xst_status status = xst_alloc(&line, (size_t)g->out, FIELD, "a line of weights", err);
    if (status == XST_OK)
        status = open_matrix(folder, "weight", layer, &m, err);
    for (int64_t r = 0; r < rows && status == XST_OK; r++) {
        char *at = line;
        for (int o = 0; o < g->out; o++)
            at += snprintf(at, FIELD, "%.5f,", (double)codes[o * rows + r] / (1 << (bits - 1)));
        write_line(&m, line, (size_t)(at - (char *)line));
    }
    if (m.file) {
        const xst_status closed = close_matrix(&m, status == XST_OK ? err : NULL);
        status = status == XST_OK ? closed : status;
    }
    xst_free(line);
    return status;
}

/* ---- inputs ---------------------------------------------------------------------------------------------------------
 */

static unsigned code_at(const xst_layer *layer, const uint8_t *codes, int channel, int y, int x)
{
    const int side = layer->side;
    const bool inside = y >= 0 && y < side && x >= 0 && x < side;
    return inside ? codes[((size_t)channel * (size_t)side + (size_t)y) * (size_t)side + (size_t)x] : 0;
}

/* One row of im2col: what stands before kernel place (ky, kx) of a channel at each output position. */
static char *add_row(const xst_layer *layer, const uint8_t *codes, int channel, int ky, int kx, char *at)
{
    const int pad_y = layer->geometry.kh / 2, pad_x = layer->geometry.kw / 2;
    for (int y = 0; y < layer->side; y++)
        for (int x = 0; x < layer->side; x++) {
            const unsigned code = code_at(layer, codes, channel, y + ky - pad_y, x + kx - pad_x);
            for (int z = XST_NEUROSIM_INPUT_BITS - 1; z >= 0; z--) {
                *at++ = (char)('0' + (code >> z & 1u));
                *at++ = ',';
            }
        }
    return at;
}

xst_status xst_neurosim_inputs(const char *folder, const xst_layer *layer, const uint8_t *codes, xst_error *err)
{
    const xst_geometry *const g = &layer->geometry;
    void *line = NULL;
    matrix m = {0};
    xst_status status = xst_alloc(&line, (size_t)layer->side * (size_t)layer->side, (size_t)2 * XST_NEUROSIM_INPUT_BITS,
                                  "a line of inputs", err);
    if (status == XST_OK)
        status = open_matrix(folder, "input", layer, &m, err);
    for (int c = 0; c < g->in && status == XST_OK; c++)
        for (int k = 0; k < g->kh * g->kw; k++) {
            const char *const end = add_row(layer, codes, c, k / g->kw, k % g->kw, line);
            write_line(&m, line, (size_t)(end - (char *)line));
        }
    if (m.file) {
        const xst_status closed = close_matrix(&m, status == XST_OK ? err : NULL);
        status = status == XST_OK ? closed : status;
    }
    xst_free(line);
    return status;
}
