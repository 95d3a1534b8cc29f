#include "train/activity.h"

#include "base/error.h"
#include "base/memory.h"
#include "quant/levels.h"
#include "train/programs.h"
#include "train/segments.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { CALIBRATION = 512, BINS = 16384, PLANES_MAX = 8 };

struct xst_activity_meter {
    const xst_net *net;
    xst_model *model; /* quantised weights */
    xst_model *codes; /* the same as signed codes; NULL where not asked for */
    xst_quant weights;
    double scale[XST_NET_LAYERS_MAX]; /* of the task that came last */
    xst_segments segments;
};

/* The inputs of a masked layer: calibration images first, then test images. */
typedef struct inputs {
    float *values;
    uint32_t calibration, images; /* images in all */
    size_t elements;              /* of one image */
} inputs;

xst_status xst_activity_meter_create(const xst_backend_api *api, xst_backend *backend, const xst_net *net,
                                     const xst_quant *weights, bool codes, xst_activity_meter **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_activity_meter), "activity", err);
    if (status != XST_OK)
        return status;
    xst_activity_meter *const meter = memory;
    meter->net = net;
    meter->weights = *weights;
    status = xst_model_create(net, &meter->model, err);
    if (status == XST_OK && codes)
        status = xst_model_create(net, &meter->codes, err);
    if (status == XST_OK)
        status = xst_segments_create(api, backend, net, XST_EVAL_BATCH, &meter->segments, err);
    if (status != XST_OK)
        xst_activity_meter_destroy(meter);
    else
        *out = meter;
    return status;
}

void xst_activity_meter_destroy(xst_activity_meter *meter)
{
    if (!meter)
        return;
    xst_segments_free(&meter->segments);
    xst_model_destroy(meter->codes);
    xst_model_destroy(meter->model);
    xst_free(meter);
}

/* Writes the columns of a record, quantised, to a model: values of the weights, or their codes. */
static xst_status own_layer(const xst_activity_meter *meter, xst_model *model, const xst_task_record *record, int l,
                            xst_error *err)
{
    const xst_layer_record *const layer = &record->layers[l];
    const size_t n = (size_t)layer->count * (size_t)layer->geometry.longest;
    const xst_quant *const q = &meter->weights;
    const double scale = meter->scale[l];
    void *memory = NULL;
    xst_status status = xst_alloc(&memory, n, sizeof(float), "quantised weights", err);
    float *const values = memory;
    for (size_t i = 0; i < n && status == XST_OK; i++) {
        const int code = xst_quant_code(q, scale, (double)layer->values[i]);
        values[i] = model == meter->codes ? (float)code : (float)xst_quant_value(q, scale, code);
    }
    if (status == XST_OK)
        status = xst_model_own(model, l, record->position, layer->columns, values, layer->count, record->whole, err);
    xst_free(memory);
    return status;
}

xst_status xst_activity_meter_own(xst_activity_meter *meter, const xst_task_record *record, xst_error *err)
{
    xst_status status = XST_OK;
    for (int l = 0; l < record->layer_count && status == XST_OK; l++) {
        const xst_layer_record *const layer = &record->layers[l];
        status = xst_quant_scale(&meter->weights, layer->values, (size_t)layer->count * (size_t)layer->geometry.longest,
                                 &meter->scale[l], err);
        if (status == XST_OK)
            status = own_layer(meter, meter->model, record, l, err);
        if (status == XST_OK && meter->codes)
            status = own_layer(meter, meter->codes, record, l, err);
    }
    return status;
}

double xst_activity_meter_scale(const xst_activity_meter *meter, int masked)
{
    return meter->scale[masked];
}

void xst_activity_meter_codes(const xst_activity_meter *meter, const xst_task_record *record, int masked, float *codes)
{
    xst_model_compose(meter->codes, masked, record->position, record->layers[masked].mask, codes);
}

/* ---- inputs ---------------------------------------------------------------------------------------------------------
 */

static xst_status make_inputs(uint32_t calibration, uint32_t test, size_t elements, inputs *out, xst_error *err)
{
    void *values = NULL;
    *out = (inputs){.calibration = calibration, .images = calibration + test, .elements = elements};
    const xst_status status =
        xst_alloc(&values, (size_t)out->images * elements, sizeof(float), "inputs of a layer", err);
    out->values = values;
    return status;
}

static void normalise(const uint8_t *pixels, const xst_task_record *record, float *x)
{
    for (int c = 0; c < XST_CHANNELS; c++) {
        const float scale = (float)(1.0 / (255.0 * record->std[c])), shift = (float)(-record->mean[c] / record->std[c]);
        for (int i = 0; i < XST_SIDE * XST_SIDE; i++)
            x[c * XST_SIDE * XST_SIDE + i] = fmaf((float)pixels[c * XST_SIDE * XST_SIDE + i], scale, shift);
    }
}

static void fill_images(const xst_task_record *record, const xst_task_data *data, inputs *in)
{
    for (uint32_t i = 0; i < in->images; i++) {
        const uint8_t *const pixels = i < in->calibration
                                          ? data->train.pixels + (size_t)i * XST_IMAGE_BYTES
                                          : data->test.pixels + (size_t)(i - in->calibration) * XST_IMAGE_BYTES;
        normalise(pixels, record, in->values + i * in->elements);
    }
}

/* ---- quantising inputs ----------------------------------------------------------------------------------------------
 */

/* Squared error of the histogram's values when cut at beta and rounded to the codes 0..top. */
static double squared_error(const uint64_t *bins, double width, double beta, int top)
{
    double sum = 0.0;
    for (int b = 0; b < BINS; b++) {
        const double x = (b + 0.5) * width, code = ceil(fmin(x / beta, 1.0) * top - 0.5), d = x - code / top * beta;
        sum += (double)bins[b] * d * d;
    }
    return sum;
}

/* beta = max * i/64 of least squared error on the calibration images (the larger i on a tie); inputs are not negative.
 * The values are taken at the middles of 16384 bins. */
static xst_status find_beta(const inputs *in, int top, double *beta, xst_error *err)
{
    const size_t n = (size_t)in->calibration * in->elements;
    float largest = 0.0f;
    void *bins = NULL;
    for (size_t i = 0; i < n; i++)
        largest = in->values[i] > largest ? in->values[i] : largest;
    *beta = (double)largest;
    const xst_status status = xst_alloc(&bins, BINS, sizeof(uint64_t), "histogram", err);
    if (status != XST_OK || !(largest > 0.0f)) {
        xst_free(bins);
        return status;
    }
    const double width = (double)largest / BINS;
    for (size_t i = 0; i < n; i++) {
        const int b = (int)((double)in->values[i] / width);
        if (in->values[i] > 0.0f) /* zeros cost nothing whatever beta is */
            ((uint64_t *)bins)[b < BINS ? b : BINS - 1]++;
    }
    double best = INFINITY;
    for (int i = 64; i >= 1; i--) {
        const double error = squared_error(bins, width, (double)largest * i / 64.0, top);
        if (error < best) {
            best = error;
            *beta = (double)largest * i / 64.0;
        }
    }
    xst_free(bins);
    return XST_OK;
}

/* The code of an input: nearest of top + 1 uniform levels, the smaller on a tie. */
static unsigned code_of(float x, double beta, int top)
{
    const double code = beta > 0.0 ? ceil(fmin((double)x / beta, 1.0) * top - 0.5) : 0.0;
    return code > 0.0 ? (unsigned)code : 0;
}

/* ---- counting -------------------------------------------------------------------------------------------------------
 */

/* Where inputs enter arrays: a masked layer, or the head. */
typedef struct entrance {
    const char *name;
    int in, side, kernel;
} entrance;

static entrance entrance_of(const xst_net *net, int masked)
{
    if (masked == net->masked_count)
        return (entrance){net->head, net->features, 1, 1};
    const xst_layer *const l = xst_net_masked(net, masked);
    return (entrance){l->name, l->in, l->side, l->geometry.kh};
}

/* What is done with the codes that pass: counted for the rows of csv, and, of one image, handed to trace. */
typedef struct sink {
    xst_text *csv;
    const xst_activity_trace *trace;
} sink;

/* How often a pixel stands in im2col: kernel positions that see it, rows times columns. */
static int uses(const entrance *e, int y, int x)
{
    const int r = e->kernel / 2, last = e->side - 1;
    const int up = y < r ? y : r, down = last - y < r ? last - y : r;
    const int left = x < r ? x : r, right = last - x < r ? last - x : r;
    return (up + 1 + down) * (left + 1 + right);
}

/* Adds an image's one-bits by plane, the most significant first. */
static void count_image(const entrance *e, const uint8_t *codes, int bits, uint64_t ones[PLANES_MAX])
{
    for (int c = 0, i = 0; c < e->in; c++)
        for (int y = 0; y < e->side; y++)
            for (int x = 0; x < e->side; x++, i++) {
                const unsigned weight = codes[i] ? (unsigned)uses(e, y, x) : 0;
                for (int z = 0; weight != 0 && z < bits; z++)
                    ones[z] += (codes[i] >> (bits - 1 - z) & 1u) * weight;
            }
}

static void add_rows(const entrance *e, int task, uint32_t images, int bits, const uint64_t ones[PLANES_MAX],
                     xst_text *csv)
{
    const uint64_t all =
        (uint64_t)images * (uint64_t)e->side * (uint64_t)e->side * (uint64_t)e->in * (uint64_t)(e->kernel * e->kernel);
    for (int z = 0; z < bits; z++)
        xst_text_add(csv, "%d,%s,%d,%d,%" PRIu64 ",%" PRIu64 "\n", task, e->name, bits, z, ones[z], all);
}

static xst_status pass_pixels(const xst_activity_meter *meter, const xst_task_record *record, const xst_task_data *data,
                              const sink *to, xst_error *err)
{
    const entrance e = entrance_of(meter->net, 0);
    uint64_t ones[PLANES_MAX] = {0};
    for (uint32_t i = 0; to->csv && i < data->test.count; i++)
        count_image(&e, data->test.pixels + (size_t)i * XST_IMAGE_BYTES, 8, ones);
    if (to->csv)
        add_rows(&e, record->position, data->test.count, 8, ones, to->csv);
    if (!to->trace)
        return XST_OK;
    return to->trace->input(to->trace->user, 0, data->test.pixels + (size_t)to->trace->image * XST_IMAGE_BYTES, 0.0,
                            err);
}

/* Quantises one image's inputs in place. */
static void quantise_image(float *values, size_t elements, double beta, int top, uint8_t *codes)
{
    for (size_t i = 0; i < elements; i++) {
        codes[i] = (uint8_t)code_of(values[i], beta, top);
        values[i] = (float)(codes[i] / (double)top * beta);
    }
}

/* Quantises the inputs of masked layer m, or of the head, in place; counts or hands on those of the test images. */
static xst_status quantise(const xst_activity_meter *meter, const xst_task_record *record, int m, int bits, inputs *in,
                           const sink *to, xst_error *err)
{
    const entrance e = entrance_of(meter->net, m);
    uint64_t ones[PLANES_MAX] = {0};
    double beta = 0.0;
    void *codes = NULL;
    xst_status status = find_beta(in, (1 << bits) - 1, &beta, err);
    if (status == XST_OK)
        status = xst_alloc(&codes, in->elements, 1, "codes of an image", err);
    for (uint32_t i = 0; i < in->images && status == XST_OK; i++) {
        quantise_image(in->values + i * in->elements, in->elements, beta, (1 << bits) - 1, codes);
        if (to->csv && i >= in->calibration)
            count_image(&e, codes, bits, ones);
        if (to->trace && m < meter->net->masked_count && i == in->calibration + to->trace->image)
            status = to->trace->input(to->trace->user, m, codes, beta, err);
    }
    if (to->csv)
        add_rows(&e, record->position, in->images - in->calibration, bits, ones, to->csv);
    xst_free(codes);
    return status;
}

static xst_status pass_segment(xst_activity_meter *meter, const xst_task_record *record, int k, inputs *in,
                               xst_error *err)
{
    const xst_segment *const s = &meter->segments.segment[k];
    void *weights = NULL;
    inputs next;
    xst_status status = make_inputs(in->calibration, in->images - in->calibration, (size_t)s->out_elements, &next, err);
    if (status == XST_OK)
        status = xst_alloc(&weights, (size_t)xst_geometry_weights(&xst_net_masked(meter->net, k)->geometry),
                           sizeof(float), "effective weights", err);
    if (status == XST_OK) {
        xst_model_compose(meter->model, k, record->position, record->layers[k].mask, weights);
        status = xst_segment_set(&meter->segments, k, weights, record, err);
    }
    if (status == XST_OK)
        status = xst_segment_run(&meter->segments, k, in->values, in->images, next.values, err);
    xst_free(weights);
    xst_free(in->values);
    *in = next;
    return status;
}

static xst_status pass_bits(xst_activity_meter *meter, const xst_task_record *record, const xst_task_data *data,
                            int bits, const sink *to, xst_error *err)
{
    inputs in;
    const uint32_t calibration = data->train.count < CALIBRATION ? data->train.count : CALIBRATION;
    xst_status status = make_inputs(calibration, data->test.count, XST_IMAGE_BYTES, &in, err);
    if (status == XST_OK)
        fill_images(record, data, &in);
    for (int k = 0; k < meter->segments.count && status == XST_OK; k++) {
        status = pass_segment(meter, record, k, &in, err);
        if (status == XST_OK)
            status = quantise(meter, record, k + 1, bits, &in, to, err);
    }
    xst_free(in.values);
    return status;
}

xst_status xst_activity_meter_measure(xst_activity_meter *meter, const xst_task_record *record,
                                      const xst_task_data *data, xst_text *csv, xst_error *err)
{
    const sink to = {.csv = csv};
    xst_status status = pass_pixels(meter, record, data, &to, err);
    if (status == XST_OK)
        status = pass_bits(meter, record, data, 4, &to, err);
    return status == XST_OK ? pass_bits(meter, record, data, 8, &to, err) : status;
}

xst_status xst_activity_meter_trace(xst_activity_meter *meter, const xst_task_record *record, const xst_task_data *data,
                                    const xst_activity_trace *trace, xst_error *err)
{
    const sink to = {.trace = trace};
    const xst_status status = pass_pixels(meter, record, data, &to, err);
    return status == XST_OK ? pass_bits(meter, record, data, 8, &to, err) : status;
}

void xst_activity_header(xst_text *csv)
{
    xst_text_add(csv, "task,layer,input_bits,plane,ones,bits\n");
}
