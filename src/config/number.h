/* Numbers as text, strictly and whatever the locale of the calling program: the whole text is one finite decimal
 * number, and what is printed reads back to the same bits. */
#ifndef XST_CONFIG_NUMBER_H
#define XST_CONFIG_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum { XST_NUMBER_TEXT = 32 };

/* False where text is not a finite decimal number ("1e-3" is one; "nan", "0x10", "1_000", " 1" and "" are not). */
bool xst_number_parse(const char *text, double *out);
/* Whole numbers, without fraction or exponent; false also where it does not fit. */
bool xst_number_parse_int(const char *text, int64_t *out);
/* Text that reads back to the same bits: whole numbers below 1e15 in full, else the fewest digits that do; 0 for -0.
 * value is finite. */
void xst_number_text(double value, char text[XST_NUMBER_TEXT]);

#endif
