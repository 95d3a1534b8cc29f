#include "crossbar/codes.h"

#include <math.h>

/* hi and lo of apot4's 15 levels in tenths, from the lowest: -10 -8 -6 -4 -3 -2 -1 0 1 2 3 4 6 8 10. */
static const unsigned char exact_digits[15][2] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 0}, {2, 0}, {1, 1}, {2, 1},
                                                  {1, 2}, {2, 2}, {1, 3}, {2, 3}, {3, 1}, {3, 2}, {3, 3}};
static const double exact_high[4] = {0, 0.5, 4 / 7., 1}, exact_low[4] = {0, 1 / 3., 2 / 3., 1};

void xst_codes_make(const xst_device *device, const xst_quant *quant, xst_codes *out)
{
    *out = (xst_codes){.zero = quant->count - 1, .count = 2 * quant->count - 1};
    const int bits = device->cell.bits, top = (1 << bits) - 1;
    out->cells = (quant->bits + bits - 1) / bits;
    out->exact = quant->kind == XST_QUANT_APOT && quant->bits == 4 && bits == 2;
    for (int i = 0; i < out->count; i++) {
        if (out->exact) {
            out->share[i][0] = exact_high[exact_digits[i][0]];
            out->share[i][1] = exact_low[exact_digits[i][1]];
            continue;
        }
        const int u = i - out->zero + (1 << (quant->bits - 1));
        for (int cell = 0; cell < out->cells; cell++)
            out->share[i][cell] = (u >> (bits * (out->cells - 1 - cell)) & top) / (double)top;
    }
}
