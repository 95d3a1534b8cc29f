#include "report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

/* Silent, and in its folder. */
static int spawn(const char *folder, const char *script, pid_t *child)
{
    char *const argv[] = {(char[]){"gnuplot"}, (char *)script, NULL};
    posix_spawn_file_actions_t actions;
    int trouble = posix_spawn_file_actions_init(&actions);
    if (trouble != 0)
        return trouble;
    for (int fd = 0; fd < 3 && trouble == 0; fd++)
        trouble = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0);
    if (trouble == 0)
        trouble = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (trouble == 0)
        trouble = posix_spawnp(child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return trouble;
}

xst_gnuplot_outcome xst_gnuplot_run(const char *folder, const char *script)
{
    pid_t child = 0;
    int state = 0;
    const int trouble = spawn(folder, script, &child);
    if (trouble != 0)
        return trouble == ENOENT ? XST_GNUPLOT_ABSENT : XST_GNUPLOT_FAILED;
    while (waitpid(child, &state, 0) < 0)
        if (errno != EINTR)
            return XST_GNUPLOT_FAILED;
    return WIFEXITED(state) && WEXITSTATUS(state) == 0 ? XST_GNUPLOT_DONE : XST_GNUPLOT_FAILED;
}

void xst_gnuplot_quote(const char *words, xst_text *script)
{
    xst_text_add(script, "'");
    for (const char *p = words; *p; p++)
        xst_text_add(script, "%s%c", *p == '\'' ? "'" : "", (unsigned char)*p < 0x20 ? ' ' : *p);
    xst_text_add(script, "'");
}

void xst_gnuplot_begin(const char *name, int rows, int columns, const char *title, xst_text *script)
{
    xst_text_add(script,
                 "set terminal svg size %d,%d font 'Helvetica,12' noenhanced background '#ffffff'\n"
                 "set output '%s.svg'\n"
                 "set border 3 lc rgb '#606060'\n"
                 "set tics nomirror out scale 0.5 textcolor rgb '#404040'\n"
                 "set grid lc rgb '#e4e4e4' lw 1\n"
                 "set multiplot layout %d,%d title ",
                 columns * 330 + 20, rows * 270 + 50, name, rows, columns);
    xst_gnuplot_quote(title, script);
    xst_text_add(script, " font ',15'\n");
}

const char *xst_gnuplot_colour(int k)
{
    static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                          "#e69f00", "#56b4e9", "#000000", "#b8a800"};
    return colours[(size_t)k % (sizeof colours / sizeof colours[0])];
}
