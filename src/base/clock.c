#include "base/clock.h"

#include <stdio.h>
#include <time.h>

double xst_clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void xst_clock_text(char text[32])
{
    const time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void xst_duration_text(double s, char text[32])
{
    if (s >= 3600.0)
        snprintf(text, 32, "%d h %02d min", (int)(s / 3600.0), (int)(s / 60.0) % 60);
    else if (s >= 60.0)
        snprintf(text, 32, "%d min %02d s", (int)(s / 60.0), (int)s % 60);
    else
        snprintf(text, 32, "%.1f s", s);
}
