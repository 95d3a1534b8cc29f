/* How the signed code of a weight stands in cells (method notes, section 10, "cell codes").
 *
 * offset: u = code + 2^(bits-1) in digits of a cell, high first. exact: for apot4 in 2-bit cells, whose levels are
 * exactly 14 h + 6 l - 10 tenths of the clip. A zero weight conducts; it is not an erased cell. */
#ifndef XST_CROSSBAR_CODES_H
#define XST_CROSSBAR_CODES_H

#include "crossbar/array.h"
#include "quant/levels.h"

#include <stdbool.h>

enum { XST_CELLS_MAX = 8, XST_CODES_MAX = 256 };

typedef struct xst_codes {
    bool exact;
    int zero;                                   /* index of code 0 = largest code; index of a code = code + zero */
    int count;                                  /* 2 zero + 1; index `count` stands for erased cells */
    int cells;                                  /* of a weight */
    double share[XST_CODES_MAX][XST_CELLS_MAX]; /* of the conductance range, by index and cell */
} xst_codes;

void xst_codes_make(const xst_device *device, const xst_quant *quant, xst_codes *out);

#endif
