#include "data/normalise.h"

#include <math.h>

enum { PIXELS = XST_SIDE * XST_SIDE };

/* n * (sum of squares) - sum^2 is an exact integer; it needs more than 64 bits. */
static double population_std(uint64_t n, uint64_t sum, uint64_t squares)
{
    const unsigned __int128 spread = (unsigned __int128)n * squares - (unsigned __int128)sum * sum;
    return sqrt((double)spread) / (double)n / 255.0;
}

void xst_channel_statistics(const xst_records *records, double mean[XST_CHANNELS], double std[XST_CHANNELS])
{
    const uint64_t n = (uint64_t)records->count * PIXELS;
    for (int c = 0; c < XST_CHANNELS; c++) {
        uint64_t sum = 0, squares = 0;
        for (uint32_t i = 0; i < records->count; i++) {
            const uint8_t *const pixel = records->bytes + (size_t)i * XST_RECORD_BYTES + 2 + (size_t)c * PIXELS;
            uint32_t s = 0, q = 0;
            for (int p = 0; p < PIXELS; p++) {
                s += pixel[p];
                q += (uint32_t)pixel[p] * pixel[p];
            }
            sum += s;
            squares += q;
        }
        mean[c] = (double)sum / (double)n / 255.0;
        std[c] = population_std(n, sum, squares);
    }
}
