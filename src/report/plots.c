/* Plots: learning curves of each task, accuracy matrices as heat maps, accuracy on each task as later ones are learnt,
 * and bars of what each run came to.
 * Each is a data file and a gnuplot script in plots/, and an SVG file where gnuplot is installed. */
#include "report/gnuplot.h"
#include "report/report.h"

#include "base/accuracy.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>

/* Data and script of a plot. Data blocks are numbered from 0, as gnuplot's `index`. */
typedef struct plot {
    xst_text data, script;
    int blocks;
    bool open; /* the current panel has a line already */
} plot;

static void end_block(plot *p)
{
    xst_text_add(&p->data, "\n\n");
    p->blocks++;
}

/* Begins a line of the panel's plot command. */
static void begin_line(plot *p)
{
    xst_text_add(&p->script, "%s", p->open ? ", \\\n     " : "plot ");
    p->open = true;
}

static void end_panel(plot *p)
{
    xst_text_add(&p->script, "%s", p->open ? "\n" : "");
    p->open = false;
}

static int grid_columns(int panels)
{
    const int n = (int)ceil(sqrt(panels));
    return n > 5 ? 5 : n;
}

static void begin(plot *p, const char *name, int panels, const char *title)
{
    const int columns = grid_columns(panels);
    xst_gnuplot_begin(name, (panels + columns - 1) / columns, columns, title, &p->script);
}

static void panel_title(plot *p, const char *words)
{
    xst_text_add(&p->script, "set title ");
    xst_gnuplot_quote(words, &p->script);
    xst_text_add(&p->script, "\n");
}

/* ---- learning curves ------------------------------------------------------------------------------------------------
 */

/* One run's rows of a task: a block of epoch and accuracy; false where there is none. */
static bool curve_block(plot *p, const xst_report_run *run, int task, bool test)
{
    int rows = 0;
    for (size_t i = 0; i < run->metrics_count; i++) {
        const xst_metrics_row *const row = &run->metrics[i];
        const double accuracy = test ? row->test_accuracy : row->train_accuracy;
        if (row->task != task || isnan(accuracy))
            continue;
        if (rows++ == 0)
            xst_text_add(&p->data, "# %s, task %d, %s: epoch, percent\n", run->label, task, test ? "test" : "training");
        xst_text_add(&p->data, "%d %.4f\n", row->epoch, accuracy);
    }
    if (rows > 0)
        end_block(p);
    return rows > 0;
}

static void curve_lines(const xst_comparison *c, plot *p, int j)
{
    for (int i = 0; i < c->count; i++) {
        if (!xst_report_has_task(c, &c->runs[i], j))
            continue;
        for (int test = 0; test < 2; test++)
            if (curve_block(p, &c->runs[i], j + 1, test)) {
                begin_line(p);
                xst_text_add(&p->script, "'curves.dat' index %d using 1:2 with %s lc rgb '%s' notitle", p->blocks - 1,
                             test ? "linespoints lw 2 pt 7 ps 0.35" : "lines lw 1 dt 3", xst_gnuplot_colour(i));
            }
    }
    end_panel(p);
}

/* A panel without axes that names the runs' colours. */
static void legend(const xst_comparison *c, plot *p)
{
    char label[XST_REPORT_LABEL + 16];
    xst_text_add(&p->script, "unset title; unset border; unset tics; unset xlabel; unset ylabel; unset grid\n"
                             "set key at graph 0, 0.95 left top reverse Left samplen 2\n"
                             "set xrange [0:1]; set yrange [0:1]\n");
    for (int i = 0; i < c->count; i++) {
        if (!xst_report_has_task(c, &c->runs[i], 0))
            continue;
        begin_line(p);
        xst_text_add(&p->script, "NaN with lines lw 2 lc rgb '%s' title ", xst_gnuplot_colour(i));
        xst_gnuplot_quote(xst_report_run_label(&c->runs[i], label), &p->script);
    }
    begin_line(p);
    xst_text_add(&p->script, "NaN with linespoints lw 2 pt 7 ps 0.35 lc rgb '#606060' title 'test'");
    begin_line(p);
    xst_text_add(&p->script, "NaN with lines lw 1 dt 3 lc rgb '#606060' title 'training (augmented, while learning)'");
    end_panel(p);
}

static void plot_curves(const xst_comparison *c, plot *p)
{
    const xst_manifest *const as = &c->runs[c->reference].manifest;
    int shown = 0;
    for (int j = 0; j < as->task_count; j++)
        shown += c->runs[c->reference].done > j;
    begin(p, "curves", shown + 1, "Accuracy while each task is learnt");
    xst_text_add(&p->script, "set yrange [0:100]; set xlabel 'epoch'; set ylabel 'percent'; set key off\n");
    for (int j = 0; j < shown; j++) {
        xst_text title = {0};
        xst_text_add(&title, "%d  %s", j + 1, as->tasks[j].name);
        panel_title(p, xst_text_string(&title));
        xst_text_free(&title);
        curve_lines(c, p, j);
    }
    legend(c, p);
    xst_text_add(&p->script, "unset multiplot\n");
}

/* ---- accuracy matrix ------------------------------------------------------------------------------------------------
 */

static void matrix_block(plot *p, const xst_report_run *run)
{
    const int n = run->done;
    xst_text_add(&p->data, "# %s: learnt up to task i, tested on task j, percent\n", run->label);
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            xst_text_add(&p->data, "%d %d %.2f\n", i + 1, j + 1, run->accuracy[i * n + j]);
    end_block(p);
}

/* The lowest accuracy there is, down to tens: where the colours begin. */
static double lowest(const xst_comparison *c)
{
    double least = 90.0;
    for (int r = 0; r < c->count; r++)
        for (int i = 0; i < c->runs[r].done; i++)
            for (int j = 0; j <= i; j++)
                least = fmin(least, c->runs[r].accuracy[i * c->runs[r].done + j]);
    return 10.0 * floor(least / 10.0);
}

static void plot_matrix(const xst_comparison *c, plot *p)
{
    char label[XST_REPORT_LABEL + 16];
    int panels = 0;
    for (int r = 0; r < c->count; r++)
        panels += c->runs[r].done > 0;
    begin(p, "matrix", panels, "Accuracy matrix: test accuracy on each task after each task learnt, percent");
    xst_text_add(
        &p->script,
        "set palette defined (0 '#440154', 1 '#3b528b', 2 '#21918c', 3 '#5ec962', 4 '#fde725')\n"
        "set cbrange [%g:100]; set xlabel 'tested on task'; set ylabel 'after task'; set key off; unset grid\n",
        lowest(c));
    for (int r = 0; r < c->count; r++) {
        const int n = c->runs[r].done;
        if (n == 0)
            continue;
        matrix_block(p, &c->runs[r]);
        panel_title(p, xst_report_run_label(&c->runs[r], label));
        xst_text_add(&p->script, "set xrange [0.5:%d.5]; set yrange [%d.5:0.5]; set xtics %d; set ytics %d\n", n, n,
                     n > 10 ? 5 : 1, n > 10 ? 5 : 1);
        begin_line(p);
        xst_text_add(&p->script,
                     "'matrix.dat' index %d using 2:1:(0.5):(0.5):3 with boxxyerror fs solid noborder "
                     "fc palette",
                     p->blocks - 1);
        if (n <= 10) {
            begin_line(p);
            xst_text_add(&p->script,
                         "'' index %d using 2:1:(sprintf('%%.0f', $3)):($3 > %g ? 0x000000 : 0xffffff) with labels "
                         "font ',%d' tc rgb variable",
                         p->blocks - 1, (100.0 + lowest(c)) / 2.0, n <= 5 ? 12 : 9);
        }
        end_panel(p);
    }
    xst_text_add(&p->script, "unset multiplot\n");
}

/* ---- forgetting -----------------------------------------------------------------------------------------------------
 */

static void forgetting_panel(plot *p, const xst_report_run *run)
{
    const int n = run->done;
    for (int j = 0; j < n; j++) {
        xst_text_add(&p->data, "# %s: accuracy on task %d after task i\n", run->label, j + 1);
        for (int i = j; i < n; i++)
            xst_text_add(&p->data, "%d %.2f\n", i + 1, run->accuracy[i * n + j]);
        end_block(p);
        begin_line(p);
        xst_text_add(&p->script,
                     "'forgetting.dat' index %d using 1:2 with linespoints lw 1.5 pt 7 ps 0.4 lc palette cb %d",
                     p->blocks - 1, j + 1);
    }
    xst_text_add(&p->data, "# %s: mean over the tasks learnt so far\n", run->label);
    for (int i = 1; i <= n; i++)
        xst_text_add(&p->data, "%d %.4f\n", i, xst_accuracy_after(run->accuracy, n, i));
    end_block(p);
    begin_line(p);
    xst_text_add(&p->script, "'' index %d using 1:2 with lines lw 3 lc rgb '#000000'", p->blocks - 1);
    end_panel(p);
}

static void plot_forgetting(const xst_comparison *c, plot *p)
{
    char label[XST_REPORT_LABEL + 16];
    int panels = 1, longest = 2, mean_block[XST_REPORT_RUNS] = {0};
    for (int r = 0; r < c->count; r++) {
        panels += c->runs[r].done > 0;
        longest = c->runs[r].done > longest ? c->runs[r].done : longest;
    }
    begin(p, "forgetting", panels, "Accuracy on each task as later tasks are learnt; black: mean so far");
    xst_text_add(&p->script,
                 "set palette defined (0 '#440154', 1 '#3b528b', 2 '#21918c', 3 '#5ec962', 4 '#fde725')\n"
                 "set cbrange [1:%d]; set cblabel 'task'; set cbtics %d; set xrange [0.5:%d.5]; set yrange [%g:100]\n"
                 "set xtics %d; set xlabel 'after task'; set ylabel 'percent'; set key off\n",
                 longest, longest > 10 ? 5 : 1, longest, lowest(c), longest > 10 ? 5 : 1);
    for (int r = 0; r < c->count; r++) {
        if (c->runs[r].done == 0)
            continue;
        panel_title(p, xst_report_run_label(&c->runs[r], label));
        forgetting_panel(p, &c->runs[r]);
        mean_block[r] = p->blocks - 1;
    }
    panel_title(p, "mean over the tasks so far");
    xst_text_add(&p->script, "unset colorbox; set key bottom left samplen 2\n");
    for (int r = 0; r < c->count; r++) {
        if (c->runs[r].done == 0)
            continue;
        begin_line(p);
        xst_text_add(&p->script,
                     "'forgetting.dat' index %d using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '%s' title ",
                     mean_block[r], xst_gnuplot_colour(r));
        xst_gnuplot_quote(xst_report_run_label(&c->runs[r], label), &p->script);
    }
    end_panel(p);
    xst_text_add(&p->script, "unset multiplot\n");
}

/* ---- summary --------------------------------------------------------------------------------------------------------
 */

/* Horizontal bars, a run each from the top; what a run has no figure for is left out. */
static void bar_panel(const xst_comparison *c, plot *p, const char *title, double (*figure)(const xst_report_run *),
                      const char *format)
{
    panel_title(p, title);
    xst_text_add(&p->data, "# %s: run, figure\n", title);
    for (int r = 0; r < c->count; r++)
        if (isfinite(figure(&c->runs[r])))
            xst_text_add(&p->data, "%d %.6g %d\n", r + 1, figure(&c->runs[r]), r);
    end_block(p);
    begin_line(p);
    xst_text_add(
        &p->script,
        "'summary.dat' index %d using ($2/2):1:(0):2:($1-0.38):($1+0.38) with boxxyerror fs solid 0.85 noborder "
        "lc rgb '#21918c'",
        p->blocks - 1);
    begin_line(p);
    xst_text_add(&p->script, "'' index %d using 2:1:(sprintf(' %s', $2)) with labels left font ',9'", p->blocks - 1,
                 format);
    end_panel(p);
}

static double mean_accuracy(const xst_report_run *run)
{
    return run->same_tasks ? run->public.final_average : NAN;
}

static double time_ratio(const xst_report_run *run)
{
    return run->public.time_ratio;
}

static double megabytes(const xst_report_run *run)
{
    return run->same_tasks ? (double)run->public.bytes / 1e6 : NAN;
}

static void plot_summary(const xst_comparison *c, plot *p)
{
    char label[XST_REPORT_LABEL + 16];
    xst_gnuplot_begin("summary", 1, 3, "All runs", &p->script);
    xst_text_add(&p->script,
                 "set key off; unset grid; unset xtics; set yrange [%d.6:0.4]; set xrange [0:*]; set offsets graph 0, "
                 "graph 0.18, 0, 0\nset ytics (",
                 c->count);
    for (int r = 0; r < c->count; r++) {
        xst_text_add(&p->script, r > 0 ? ", " : "");
        xst_gnuplot_quote(xst_report_run_label(&c->runs[r], label), &p->script);
        xst_text_add(&p->script, " %d", r + 1);
    }
    xst_text_add(&p->script, ")\n");
    bar_panel(c, p, "final average accuracy, percent", mean_accuracy, "%.1f");
    bar_panel(c, p, "training time over xst", time_ratio, "%.2f");
    bar_panel(c, p, "bytes stored, MB", megabytes, "%.2f");
    xst_text_add(&p->script, "unset multiplot\n");
}

/* ---- files ----------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    void (*draw)(const xst_comparison *comparison, plot *p);
} plots[] = {
    {"curves", plot_curves}, {"matrix", plot_matrix}, {"forgetting", plot_forgetting}, {"summary", plot_summary}};

static xst_status write_one(const char *folder, const char *name, const char *ending, const xst_text *text,
                            xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_text_check(text, err);
    if (status == XST_OK)
        status = xst_path(path, err, "%s/%s%s", folder, name, ending);
    return status == XST_OK ? xst_file_write(path, xst_text_string(text), text->size, err) : status;
}

static bool has_learnt(const xst_comparison *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->runs[i].done > 0)
            return true;
    return false;
}

xst_status xst_report_plots(const xst_comparison *c, const char *folder, xst_text *said, xst_error *err)
{
    char where[XST_PATH_MAX], script[64];
    xst_gnuplot_outcome outcome = XST_GNUPLOT_DONE;
    if (!has_learnt(c)) {
        xst_text_add(said, "no plots, as no task has been learnt");
        return XST_OK;
    }
    xst_status status = xst_path(where, err, "%s/plots", folder);
    if (status == XST_OK)
        status = xst_folder_make(where, err);
    for (size_t i = 0; i < sizeof plots / sizeof plots[0] && status == XST_OK; i++) {
        plot p = {0};
        plots[i].draw(c, &p);
        status = write_one(where, plots[i].name, ".dat", &p.data, err);
        if (status == XST_OK)
            status = write_one(where, plots[i].name, ".gp", &p.script, err);
        xst_text_free(&p.data);
        xst_text_free(&p.script);
        snprintf(script, sizeof script, "%s.gp", plots[i].name);
        if (status == XST_OK && outcome == XST_GNUPLOT_DONE)
            outcome = xst_gnuplot_run(where, script);
    }
    if (outcome == XST_GNUPLOT_DONE)
        xst_text_add(said, "plots/*.svg");
    else if (outcome == XST_GNUPLOT_ABSENT)
        xst_text_add(said, "plots/ with data and scripts alone: gnuplot is not installed");
    else
        xst_text_add(said, "plots/ without %s: run `gnuplot %s` there to see why", "some SVG files", script);
    return status;
}
