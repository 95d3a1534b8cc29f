#include "data/synthetic.h"

#include "base/exact.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/labels.h"

#include <string.h>

/* A key that no run has: positions of tasks count from 1. */
static const xst_random_key key = {0x58535431u, 0xffu};

enum {
    PIXELS = XST_SIDE * XST_SIDE,
    CLASSES = XST_CLASSES_MAX / XST_SUPERCLASSES,
    COLOURS = 3,
    SHAPES = 6,
    GROUNDS = 4
};
/* The fourth counter word: what the random numbers are for. */
enum { FOR_PALETTE, FOR_IMAGE, FOR_NOISE };
/* What varies from image to image, by element number. */
enum {
    PLACE_X,
    PLACE_Y,
    SIZE,
    SPIN,
    DIRECTION,
    DIRECTION_2,
    FINENESS,
    PHASE,
    GROUND_TURN,
    GROUND_PHASE,
    GROUND_FINENESS,
    CONTRAST,
    LIGHT,
    TINT,       /* one for each channel */
    DRAWS = 16, /* TINT + channels */
};

typedef struct picture {
    float u[DRAWS]; /* uniform in (0, 1) */
    float colour[COLOURS][XST_CHANNELS];
    int shape, ground;
    float x, y, size, spin_c, spin_s; /* the shape in front: pixels, cosine and sine of its rotation */
    float stripe_x, stripe_y;         /* its stripes: turns per pixel */
    float ground_x, ground_y;         /* the background's waves: turns per pixel */
} picture;

static void draw(float *u, uint32_t n, uint32_t layer, uint32_t step, uint32_t stage)
{
    uint32_t word[DRAWS];
    xst_random_words(word, 0, n, key, layer, step, stage);
    for (uint32_t i = 0; i < n; i++)
        u[i] = xst_exact_uniform(word[i]);
}

/* cos(2 pi t) for any t. */
static float wave(float t)
{
    const float u = t - floorf(t);
    float c = 1, s;
    if (u > 0 && u < 1)
        xst_exact_turn(u, &c, &s);
    return c;
}

static void turn(float u, float length, float *x, float *y)
{
    *x = wave(u) * length;
    *y = wave(u - 0.25f) * length;
}

/* The colours of a superclass, moved a little from image to image. */
static void choose_colours(picture *p, int superclass)
{
    float base[COLOURS * XST_CHANNELS];
    draw(base, COLOURS * XST_CHANNELS, (uint32_t)superclass, 0, FOR_PALETTE);
    const float contrast = 0.6f + 0.4f * p->u[CONTRAST], light = 0.3f * (p->u[LIGHT] - 0.5f);
    for (int c = 0; c < XST_CHANNELS; c++)
        for (int i = 0; i < COLOURS; i++) {
            const float tint = 0.25f * (p->u[TINT + c] - 0.5f);
            p->colour[i][c] = 0.5f + contrast * 0.8f * (base[i * XST_CHANNELS + c] - 0.5f) + light + tint;
        }
}

/* What tells the classes of a superclass apart: of three shapes the first two come with stripes along and across, the
 * third with fine stripes of any direction. */
static void choose_front(picture *p, int superclass, int class)
{
    const int third = class == CLASSES - 1;
    p->shape = (superclass + class / 2 * (1 + superclass % 2)) % SHAPES;
    p->size = 6.5f + 4.5f * p->u[SIZE];
    p->x = p->size * 0.8f + (XST_SIDE - 1 - 1.6f * p->size) * p->u[PLACE_X];
    p->y = p->size * 0.8f + (XST_SIDE - 1 - 1.6f * p->size) * p->u[PLACE_Y];
    turn(0.12f * (p->u[SPIN] - 0.5f), 1, &p->spin_c, &p->spin_s);
    const float wobble = 0.13f * (p->u[DIRECTION] + p->u[DIRECTION_2] - 1);
    const float direction = third ? p->u[DIRECTION] : 0.25f * (float)(class % 2) + wobble;
    const float fineness = third ? 0.22f + 0.08f * p->u[FINENESS] : 0.11f + 0.07f * p->u[FINENESS];
    turn(direction, fineness, &p->stripe_x, &p->stripe_y);
}

static void choose(picture *p, xst_part part, int fine, uint32_t i)
{
    const int superclass = fine / CLASSES;
    draw(p->u, DRAWS, (uint32_t)fine, 2 * i + (uint32_t)part, FOR_IMAGE);
    choose_colours(p, superclass);
    choose_front(p, superclass, fine % CLASSES);
    p->ground = superclass % GROUNDS;
    turn(p->u[GROUND_TURN], 0.06f + 0.1f * p->u[GROUND_FINENESS], &p->ground_x, &p->ground_y);
}

/* Is the point (x, y), in units of the shape's size, inside? */
static bool inside(int shape, float x, float y)
{
    const float ax = fabsf(x), ay = fabsf(y), square = x * x + y * y;
    switch (shape) {
    case 0: /* disc */
        return square < 0.8f;
    case 1: /* square */
        return ax < 0.78f && ay < 0.78f;
    case 2: /* triangle, point up */
        return y < 0.75f && y > -0.95f && ax < 0.55f * (y + 0.95f);
    case 3: /* cross */
        return (ax < 0.36f && ay < 1) || (ay < 0.36f && ax < 1);
    case 4: /* ring */
        return square < 1 && square > 0.22f;
    default: /* diamond */
        return ax + ay < 1.05f;
    }
}

/* The background: 0 where it has its first colour, 1 where it has its second, and between. */
static float background(const picture *p, float x, float y)
{
    const float along = p->ground_x * x + p->ground_y * y + p->u[GROUND_PHASE];
    const float across = p->ground_x * y - p->ground_y * x + p->u[PHASE];
    const float dx = x - p->u[GROUND_PHASE] * XST_SIDE, dy = y - p->u[PHASE] * XST_SIDE;
    switch (p->ground) {
    case 0: /* stripes */
        return 0.5f + 0.5f * wave(along);
    case 1: /* soft checks */
        return 0.5f + 0.5f * wave(along) * wave(across);
    case 2: /* rings */
        return 0.5f + 0.5f * wave(sqrtf((dx * dx + dy * dy) * 0.012f));
    default: /* folds */
        return 0.5f + 0.5f * wave(along + 0.35f * wave(across));
    }
}

static float front(const picture *p, float x, float y)
{
    return 0.5f + 0.5f * wave(p->stripe_x * x + p->stripe_y * y + p->u[PHASE]);
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(value <= 0 ? 0 : value >= 1 ? 255 : (int)(value * 255.0f + 0.5f));
}

/* Noise per pixel and channel: the sum of two bytes less its mean, about 0.08 standard deviation of full scale. */
static void add_noise(uint8_t *record, const float *value, uint32_t layer, uint32_t step)
{
    uint32_t word[XST_IMAGE_BYTES / 2];
    xst_random_words(word, 0, XST_IMAGE_BYTES / 2, key, layer, step, FOR_NOISE);
    for (int i = 0; i < XST_IMAGE_BYTES; i++) {
        const uint32_t half = word[i / 2] >> (i % 2 * 16);
        const float noise = (float)((int)(half & 0xff) + (int)(half >> 8 & 0xff) - 255) * (0.2f / 255.0f);
        record[2 + i] = to_byte(value[i] + noise);
    }
}

void xst_synthetic_record(xst_part part, int fine, uint32_t i, uint8_t record[XST_RECORD_BYTES])
{
    float value[XST_IMAGE_BYTES];
    picture p;
    choose(&p, part, fine, i);
    for (int at = 0; at < PIXELS; at++) {
        const float x = (float)(at % XST_SIDE), y = (float)(at / XST_SIDE); // NOLINT(bugprone-integer-division): a row
        const float dx = (x - p.x) / p.size, dy = (y - p.y) / p.size;
        const bool in_front = inside(p.shape, p.spin_c * dx + p.spin_s * dy, p.spin_c * dy - p.spin_s * dx);
        const float share = in_front ? front(&p, x, y) : background(&p, x, y);
        const float *const from = p.colour[in_front ? 2 : 0], *const to = p.colour[in_front ? 0 : 1];
        const float depth = in_front ? 0.7f : 0.6f;
        for (int c = 0; c < XST_CHANNELS; c++)
            value[c * PIXELS + at] = from[c] + depth * share * (to[c] - from[c]);
    }
    record[0] = (uint8_t)(fine / CLASSES);
    record[1] = (uint8_t)fine;
    add_noise(record, value, (uint32_t)fine, 2 * i + (uint32_t)part);
}

xst_status xst_synthetic_read(xst_part part, const xst_class_set *classes, xst_records *out, xst_error *err)
{
    const uint32_t images = part == XST_TRAIN ? XST_TRAIN_IMAGES : XST_TEST_IMAGES;
    void *memory = NULL;
    uint32_t count = 0;
    *out = (xst_records){0};
    for (int f = 0; f < XST_CLASSES_MAX; f++)
        count += classes->has[f] ? images : 0;
    const xst_status status = xst_alloc(&memory, count, XST_RECORD_BYTES, "synthetic images", err);
    if (status != XST_OK)
        return status;
    uint8_t *record = memory;
    for (uint32_t i = 0; i < images; i++)
        for (int f = 0; f < XST_CLASSES_MAX; f++)
            if (classes->has[f]) {
                xst_synthetic_record(part, f, i, record);
                record += XST_RECORD_BYTES;
            }
    *out = (xst_records){count, memory};
    return XST_OK;
}
