/* Shows a training run on a stream: one line that is redrawn on a terminal, plain lines elsewhere, and at the end a
 * table of accuracies. */
#ifndef XST_CLI_PROGRESS_H
#define XST_CLI_PROGRESS_H

#include "xst/train.h"

#include <stddef.h>
#include <stdio.h>

typedef struct xst_display_row xst_display_row; /* what is known of a task */

typedef struct xst_display {
    FILE *stream;
    int log_every; /* epochs between plain lines */
    bool live;     /* the stream is a terminal that can redraw a line */
    bool drawn;    /* the live line is on the screen */
    xst_display_row *rows;
    int row_count;
    size_t row_capacity;
} xst_display;

void xst_display_open(xst_display *display, FILE *stream, int log_every);
/* The report function of an xst_observer whose user is an xst_display. Trouble with the stream is ignored: a run does
 * not end because nobody reads its progress. */
void xst_display_report(void *user, const xst_progress *progress);
/* Takes the live line away, so that what is printed next (an error) begins on a line of its own. */
void xst_display_close(xst_display *display);

#endif
