/* xst_energy_plot_runs: data (CSV), gnuplot scripts beside it, and SVG where gnuplot is there. */
#include "xst/energy.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PICTURE_MAX = 400 }; /* points a side of an occupancy picture; larger layers are sampled */

static xst_status write_text(const char *folder, const char *name, xst_text *text, xst_error *err)
{
    char path[XST_PATH_MAX];
    xst_status status = xst_text_check(text, err);
    if (status == XST_OK)
        status = xst_path(path, err, "%s/%s", folder, name);
    if (status == XST_OK)
        status = xst_file_write(path, xst_text_string(text), text->size, err);
    xst_text_free(text);
    return status;
}

/* A title that gnuplot takes as it is. */
static void add_title(const char *name, xst_text *text)
{
    for (const char *p = name; *p; p++) {
        const char c = (unsigned char)*p < 0x20 || strchr("\"'\\`$", *p) ? '_' : *p;
        xst_text_add_bytes(text, &c, 1);
    }
}

static xst_status write_data(const xst_energy_run *run, const char *folder, int number, xst_error *err)
{
    xst_text text = {0};
    char name[32];
    xst_text_add(&text, "task,columns_on,energy_J");
    for (int c = 0; c < XST_COMPONENTS; c++)
        xst_text_add(&text, ",%s_J", xst_component_name((xst_component)c));
    xst_text_add(&text,
                 ",leakage_J,latency_s,all_on_J,dense_J,cells_set,cells_reset,pulses,programming_J,programming_s\n");
    for (int t = 0; t < run->task_count; t++) {
        const xst_energy_task *const k = &run->tasks[t];
        const xst_energy_figures *const f = &k->inference.total;
        const xst_programming *const p = &k->programming;
        xst_text_add(&text, "%d,%.9g,%.9g", k->task, k->columns_on / k->columns, xst_figures_energy(f));
        for (int c = 0; c < XST_COMPONENTS; c++)
            xst_text_add(&text, ",%.9g", xst_figures_component(f, (xst_component)c));
        xst_text_add(&text, ",%.9g,%.9g,%.9g,%.9g,%.0f,%.0f,%.0f,%.9g,%.9g\n", f->leakage_energy,
                     xst_figures_latency(f), k->all_on_energy, k->dense_energy, p->cells_set, p->cells_reset, p->pulses,
                     p->energy, p->seconds);
    }
    snprintf(name, sizeof name, "run-%02d.csv", number);
    return write_text(folder, name, &text, err);
}

/* One curve a run. column: of run-NN.csv, in J. */
static void add_curves(const xst_energy_run *runs, int count, const char *svg, const char *label, int column,
                       xst_text *text)
{
    xst_text_add(text, "set output '%s'\nset ylabel '%s'\nplot ", svg, label);
    for (int r = 0; r < count; r++) {
        xst_text_add(text, "%s'run-%02d.csv' using 1:(1e6*$%d) skip 1 with linespoints title \"",
                     r ? ", \\\n     " : "", r + 1, column);
        add_title(runs[r].run, text);
        xst_text_add(text, " (%s)\"", runs[r].method);
    }
    xst_text_add(text, "\n");
}

static xst_status write_curves(const xst_energy_run *runs, int count, const char *folder, xst_error *err)
{
    xst_text text = {0};
    xst_text_add(&text, "set terminal svg size 800,500 noenhanced\nset datafile separator ','\nset xlabel 'task'\n"
                        "set yrange [0:*]\nset key below\n");
    int tasks = 1;
    for (int r = 0; r < count; r++)
        tasks = runs[r].task_count > tasks ? runs[r].task_count : tasks;
    xst_text_add(&text, "set xrange [0.5:%.1f]\n", tasks + 0.5);
    add_curves(runs, count, "inference.svg", "energy per inference, uJ", 3, &text);
    add_curves(runs, count, "programming.svg", "programming energy, uJ", 3 + XST_COMPONENTS + 8, &text);
    return write_text(folder, "energy.gp", &text, err);
}

/* Every how manieth row or column a picture shows, and how many. */
static int step(int size)
{
    return (size + PICTURE_MAX - 1) / PICTURE_MAX;
}

static int sampled(int size)
{
    return (size + step(size) - 1) / step(size);
}

/* Owners as a matrix: groups to the right, filters downwards. */
static xst_status write_owners(const xst_energy_owners *layer, const char *folder, const char *name, xst_error *err)
{
    const int across = step(layer->groups), down = step(layer->filters);
    xst_text text = {0};
    xst_text_add(&text, "# %s: owner of each column, 0 free; every %d. filter, every %d. group\n", layer->name, down,
                 across);
    for (int o = 0; o < layer->filters; o += down) {
        for (int g = 0; g < layer->groups; g += across)
            xst_text_add(&text, "%s%u", g ? " " : "", layer->owner[(size_t)o * (size_t)layer->groups + (size_t)g]);
        xst_text_add(&text, "\n");
    }
    return write_text(folder, name, &text, err);
}

static xst_status write_pictures(const xst_energy_run *runs, int count, const char *folder, xst_error *err)
{
    xst_text script = {0};
    xst_status status = XST_OK;
    xst_text_add(&script,
                 "set terminal svg size 600,600 noenhanced\nset xlabel 'input group'\n"
                 "set ylabel 'filter'\nset cblabel 'owner (0: free)'\n"
                 "set palette defined (0 'white', 0.01 '#30123b', 0.25 '#28bceb', 0.5 '#a4fc3c', 0.75 '#fb7e21', "
                 "1 '#7a0403')\n");
    for (int r = 0; r < count; r++)
        for (int l = 0; l < runs[r].layer_count && status == XST_OK; l++) {
            const xst_energy_owners *const layer = &runs[r].layers[l];
            char name[48];
            if (!layer->owner)
                continue;
            snprintf(name, sizeof name, "occupancy-%02d-%02d.dat", r + 1, l + 1);
            status = write_owners(layer, folder, name, err);
            xst_text_add(&script, "set output 'occupancy-%02d-%02d.svg'\nset title \"", r + 1, l + 1);
            add_title(runs[r].run, &script);
            xst_text_add(&script,
                         ", %s\"\nset cbrange [0:%d]\nset xrange [-0.5:%.1f]\nset yrange [%.1f:-0.5]\n"
                         "plot '%s' matrix with image notitle\n",
                         layer->name, runs[r].task_count, sampled(layer->groups) - 0.5, sampled(layer->filters) - 0.5,
                         name);
        }
    if (status == XST_OK)
        return write_text(folder, "occupancy.gp", &script, err);
    xst_text_free(&script);
    return status;
}

/* Runs `gnuplot SCRIPT` in the folder; *there = 0 where there is no such program. */
static xst_status draw(const char *folder, const char *script, int *there, xst_error *err)
{
    char program[] = "gnuplot", file[32];
    snprintf(file, sizeof file, "%s", script);
    char *const arguments[] = {program, file, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return xst_fail(err, XST_ERROR_MEMORY, "no memory to start gnuplot");
    int failed = posix_spawn_file_actions_addchdir_np(&actions, folder), code = 0;
    pid_t child = 0;
    if (!failed)
        failed = posix_spawnp(&child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == ENOENT) {
        *there = 0;
        return XST_OK;
    }
    if (failed)
        return xst_fail(err, XST_ERROR_IO, "cannot start gnuplot: %s", strerror(failed));
    while (waitpid(child, &code, 0) < 0)
        if (errno != EINTR)
            return xst_fail(err, XST_ERROR_IO, "cannot wait for gnuplot: %s", strerror(errno));
    if (!WIFEXITED(code) || WEXITSTATUS(code) != 0)
        return xst_fail(err, XST_ERROR_IO, "gnuplot failed on %s/%s", folder, script);
    return XST_OK;
}

xst_status xst_energy_plot_runs(const xst_energy_run *runs, int count, const char *folder, int *plotted, xst_error *err)
{
    *plotted = 1;
    xst_status status = xst_folder_make(folder, err);
    for (int r = 0; r < count && status == XST_OK; r++)
        status = write_data(&runs[r], folder, r + 1, err);
    if (status == XST_OK)
        status = write_curves(runs, count, folder, err);
    if (status == XST_OK)
        status = write_pictures(runs, count, folder, err);
    if (status == XST_OK)
        status = draw(folder, "energy.gp", plotted, err);
    if (status == XST_OK && *plotted)
        status = draw(folder, "occupancy.gp", plotted, err);
    return status;
}
