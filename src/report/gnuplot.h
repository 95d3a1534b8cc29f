/* gnuplot, where it is installed: scripts to SVG. */
#ifndef XST_REPORT_GNUPLOT_H
#define XST_REPORT_GNUPLOT_H

#include "base/text.h"

typedef enum xst_gnuplot_outcome { XST_GNUPLOT_DONE, XST_GNUPLOT_ABSENT, XST_GNUPLOT_FAILED } xst_gnuplot_outcome;

/* Runs `gnuplot script` in a folder; what it says is not shown. */
xst_gnuplot_outcome xst_gnuplot_run(const char *folder, const char *script);

/* A string in single quotes for a script that works without enhanced text. */
void xst_gnuplot_quote(const char *words, xst_text *script);
/* Terminal, output file and what all plots have in common; panels in a grid of `rows` x `columns`. */
void xst_gnuplot_begin(const char *name, int rows, int columns, const char *title, xst_text *script);
/* The colour of line k: eight that the colour-blind can tell apart. */
const char *xst_gnuplot_colour(int k);

#endif
