#include "cli/progress.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512, USUAL_WIDTH = 80 };

struct xst_display_row {
    char name[64];
    double learnt, now; /* percent, right after the task and after the last one; NaN: not known */
};

void xst_display_open(xst_display *display, FILE *stream, int log_every)
{
    const char *const term = getenv("TERM");
    *display = (xst_display){.stream = stream, .log_every = log_every > 0 ? log_every : 1};
    display->live = isatty(fileno(stream)) && !(term && strcmp(term, "dumb") == 0);
}

/* Asked at every redraw, so that a window may change its size. */
static int window_width(FILE *stream)
{
    struct winsize size = {0};
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : USUAL_WIDTH;
}

static void erase(xst_display *display)
{
    if (display->drawn)
        fputs("\r\033[K", display->stream);
    display->drawn = false;
}

/* Bytes of text that fit in `columns`, one column per character, never cutting a character. *used = columns taken. */
static int fitting_bytes(const char *text, int columns, int *used)
{
    int bytes = 0;
    *used = 0;
    for (int i = 0; text[i]; i++) {
        const bool starts = ((unsigned char)text[i] & 0xc0) != 0x80;
        if (starts && *used == columns)
            return bytes;
        *used += starts;
        bytes = i + 1;
    }
    return bytes;
}

/* A line of parts in order of importance: a part that does not fit is left out, and all after it. */
typedef struct line {
    char text[LINE_MAX_BYTES];
    int width, used;
    bool full;
} line;

__attribute__((format(printf, 2, 3))) static void add_part(line *out, const char *format, ...)
{
    char part[LINE_MAX_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(part, sizeof part, format, args);
    va_end(args);
    int columns = 0;
    const int gap = out->used > 0 ? 2 : 0, bytes = fitting_bytes(part, LINE_MAX_BYTES, &columns);
    const size_t length = strlen(out->text);
    if (out->full || (out->used > 0 && out->used + gap + columns > out->width) ||
        length + (size_t)(gap + bytes) >= sizeof out->text) {
        out->full = true;
        return;
    }
    snprintf(out->text + length, sizeof out->text - length, "%*s%s", gap, "", part);
    out->used += gap + columns;
}

static line describe(const xst_progress *p, int width)
{
    line out = {.width = width};
    add_part(&out, "task %d/%d %s", p->task, p->tasks, p->task_name ? p->task_name : "");
    if (p->phase && p->phase[0])
        add_part(&out, "%s", p->phase);
    add_part(&out, "epoch %d/%d", p->epoch, p->epochs);
    if (isfinite(p->eta_s) && p->eta_s > 0) {
        char eta[32];
        xst_duration_text(p->eta_s, eta);
        add_part(&out, "ETA %s", eta);
    }
    if (isfinite(p->train_loss))
        add_part(&out, "loss %.3f", p->train_loss);
    if (isfinite(p->train_accuracy))
        add_part(&out, "train %.1f %%", p->train_accuracy);
    if (isfinite(p->test_accuracy))
        add_part(&out, "test %.1f %%", p->test_accuracy);
    if (isfinite(p->images_per_s) && p->images_per_s > 0)
        add_part(&out, "%.0f images/s", p->images_per_s);
    add_part(&out, "step %u/%u", p->step, p->steps);
    return out;
}

static void redraw(xst_display *display, const xst_progress *p)
{
    /* The last column stays free: a cursor behind it would wrap in some terminals. */
    const int width = window_width(display->stream) - 1;
    const line text = describe(p, width);
    int columns = 0;
    fprintf(display->stream, "\r%.*s\033[K", fitting_bytes(text.text, width, &columns), text.text);
    display->drawn = true;
}

static void report_epoch(xst_display *display, const xst_progress *p)
{
    if (display->live)
        redraw(display, p);
    else if (p->epoch % display->log_every == 0 || p->epoch == p->epochs)
        fprintf(display->stream, "%s\n", describe(p, LINE_MAX_BYTES).text);
}

/* Keeps what the table at the end needs. Without memory the table stays short: it is shown, not stored. */
static void remember(xst_display *display, const xst_progress *p)
{
    void *rows = display->rows;
    if (p->task < 1 || !p->accuracy ||
        xst_grow(&rows, &display->row_capacity, (size_t)p->task, sizeof *display->rows, "progress", NULL) != XST_OK)
        return;
    display->rows = rows;
    for (; display->row_count < p->task; display->row_count++)
        display->rows[display->row_count] = (xst_display_row){.learnt = NAN, .now = NAN};
    xst_display_row *const row = &display->rows[p->task - 1];
    snprintf(row->name, sizeof row->name, "%s", p->task_name ? p->task_name : "");
    row->learnt = p->accuracy[p->task - 1];
    for (int i = 0; i < p->task; i++)
        display->rows[i].now = p->accuracy[i];
}

static void report_task_done(xst_display *display, const xst_progress *p)
{
    double sum = 0;
    remember(display, p);
    if (p->task < 1 || !p->accuracy)
        return;
    for (int i = 0; i < p->task; i++)
        sum += p->accuracy[i];
    erase(display);
    fprintf(display->stream, "task %d/%d %s: %.2f %%", p->task, p->tasks, p->task_name ? p->task_name : "",
            p->accuracy[p->task - 1]);
    if (p->task > 1)
        fprintf(display->stream, "; mean of %d tasks %.2f %%", p->task, sum / p->task);
    if (isfinite(p->mask_density))
        fprintf(display->stream, "; mask %.1f %% on", 100.0 * p->mask_density);
    fputc('\n', display->stream);
}

static void percent_text(double percent, char text[16])
{
    if (isfinite(percent))
        snprintf(text, 16, "%.2f", percent);
    else
        snprintf(text, 16, "-");
}

static void print_table(const xst_display *display)
{
    double sum = 0;
    if (display->row_count == 0)
        return;
    fprintf(display->stream, "\ntest accuracy, percent\n%4s  %-32s %8s %8s\n", "task", "", "learnt", "now");
    for (int i = 0; i < display->row_count; i++) {
        char learnt[16], now[16];
        percent_text(display->rows[i].learnt, learnt);
        percent_text(display->rows[i].now, now);
        fprintf(display->stream, "%4d  %-32s %8s %8s\n", i + 1, display->rows[i].name, learnt, now);
        sum += display->rows[i].now;
    }
    fprintf(display->stream, "%4s  %-32s %8s %8.2f\n", "", "mean", "", sum / display->row_count);
}

void xst_display_report(void *user, const xst_progress *p)
{
    xst_display *const display = user;
    switch (p->event) {
    case XST_EVENT_MESSAGE:
        erase(display);
        fprintf(display->stream, "%s\n", p->text ? p->text : "");
        break;
    case XST_EVENT_TASK:
        if (!display->live)
            fprintf(display->stream, "task %d/%d %s\n", p->task, p->tasks, p->task_name ? p->task_name : "");
        break;
    case XST_EVENT_STEP:
        if (display->live)
            redraw(display, p);
        break;
    case XST_EVENT_EPOCH:
        report_epoch(display, p);
        break;
    case XST_EVENT_TASK_DONE:
        report_task_done(display, p);
        break;
    case XST_EVENT_DONE:
        erase(display);
        print_table(display);
        break;
    }
    fflush(display->stream);
}

void xst_display_close(xst_display *display)
{
    erase(display);
    fflush(display->stream);
    xst_free(display->rows);
    display->rows = NULL;
    display->row_count = 0;
    display->row_capacity = 0;
}
