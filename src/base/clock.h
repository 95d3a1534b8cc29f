/* Time: a monotonic clock in seconds, and now as text. */
#ifndef XST_BASE_CLOCK_H
#define XST_BASE_CLOCK_H

double xst_clock_seconds(void);                  /* monotonic */
void xst_clock_text(char text[32]);              /* now, UTC, "2026-01-31T23:59:59Z" */
void xst_duration_text(double s, char text[32]); /* "1 h 02 min", "3 min 20 s", "12.3 s" */

#endif
