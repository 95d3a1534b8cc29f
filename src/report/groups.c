/* Which runs are which: short names, what can be compared with what, and which differ in their seed alone. */
#include "report/report.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- names ----------------------------------------------------------------------------------------------------------
 */

/* The last `parts` parts of a path. */
static const char *tail(const char *path, int parts)
{
    const char *p = path + strlen(path);
    while (p > path) {
        if (p[-1] == '/' && --parts == 0)
            return p;
        p--;
    }
    return path;
}

static bool is_only(const xst_comparison *c, int run, const char *name, int parts)
{
    for (int i = 0; i < c->count; i++)
        if (i != run && strcmp(tail(c->runs[i].path, parts), name) == 0)
            return false;
    return true;
}

/* The shortest end of each path that no other run has. */
xst_status xst_report_label(xst_comparison *c, xst_error *err)
{
    enum { PARTS_MAX = 8 };
    for (int i = 0; i < c->count; i++) {
        struct stat mine, other;
        for (int k = 0; k < i; k++)
            if (stat(c->runs[i].path, &mine) == 0 && stat(c->runs[k].path, &other) == 0 &&
                mine.st_dev == other.st_dev && mine.st_ino == other.st_ino)
                return xst_fail(err, XST_ERROR_USAGE, "compare: '%s' and '%s' are the same folder", c->runs[k].path,
                                c->runs[i].path);
        int parts = 1;
        while (parts < PARTS_MAX && !is_only(c, i, tail(c->runs[i].path, parts), parts))
            parts++;
        const char *const name = tail(c->runs[i].path, parts);
        const size_t n = strlen(name), room = XST_REPORT_LABEL - 4;
        snprintf(c->runs[i].label, XST_REPORT_LABEL, "%s%.*s", n < room ? "" : "...", (int)room,
                 n < room ? name : name + n - room + 3);
    }
    return XST_OK;
}

/* ---- what can be compared -------------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 2, 3))) static bool exclude(xst_report_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(run->excluded, sizeof run->excluded, format, args);
    va_end(args);
    return true;
}

static bool other_tasks(xst_report_run *run, const xst_report_run *as)
{
    const xst_manifest *const m = &run->manifest, *const n = &as->manifest;
    if (m->task_count != n->task_count)
        return exclude(run, "other tasks: %d, not %d", m->task_count, n->task_count);
    for (int i = 0; i < m->task_count; i++) {
        const xst_run_task *const a = &m->tasks[i], *const b = &n->tasks[i];
        if (strcmp(a->name, b->name) != 0)
            return exclude(run, "other tasks: task %d is %s, not %s", i + 1, a->name, b->name);
        if (a->class_count != b->class_count ||
            memcmp(a->classes, b->classes, (size_t)a->class_count * sizeof a->classes[0]) != 0)
            return exclude(run, "other tasks: task %d (%s) has other classes", i + 1, a->name);
        if (i < run->done && i < as->done && strcmp(run->tasks[i].data_sha256, as->tasks[i].data_sha256) != 0)
            return exclude(run, "other data: task %d (%s) has other test images", i + 1, a->name);
    }
    return false;
}

static bool other_option(xst_report_run *run, const xst_report_run *as, const char *key, const char *what)
{
    const char *const mine = xst_config_get(run->config, key), *const theirs = xst_config_get(as->config, key);
    if (!mine || !theirs || strcmp(mine, theirs) == 0)
        return false;
    return exclude(run, "other %s: %s %.80s, not %.80s", what, key, mine, theirs);
}

static bool other_net(xst_report_run *run, const xst_report_run *as)
{
    static const char *const keys[] = {"net", "fc", "width", "expand", "round_channels"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (other_option(run, as, keys[i], "net"))
            return true;
    /* how many tasks share a net is nothing to a method that has a net for each */
    return !run->whole && !as->whole && other_option(run, as, "capacity_tasks", "capacity");
}

static int reference_of(const xst_comparison *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->runs[i].done == c->runs[i].manifest.task_count)
            return i;
    return 0;
}

void xst_report_check(xst_comparison *c)
{
    c->reference = reference_of(c);
    const xst_report_run *const as = &c->runs[c->reference];
    for (int i = 0; i < c->count; i++) {
        xst_report_run *const run = &c->runs[i];
        if (other_tasks(run, as))
            continue;
        run->same_tasks = run->done == run->manifest.task_count;
        if (run->same_tasks)
            other_net(run, as);
        else
            exclude(run, "unfinished: %d of %d tasks learnt", run->done, run->manifest.task_count);
    }
}

/* ---- seeds ----------------------------------------------------------------------------------------------------------
 */

/* An option of a run as text; NULL for those that say where and how it was done, not what was computed. Which tasks
 * they are has been checked. Another backend rounds in another way, and has other times. */
static const char *value_of(const xst_report_run *run, const char *key)
{
    static const char *const aside[] = {"out",       "data",          "seed",       "threads",
                                        "tasks",     "deterministic", "eval_every", "checkpoint_every",
                                        "log_every", "task_split"};
    for (size_t i = 0; i < sizeof aside / sizeof aside[0]; i++)
        if (strcmp(key, aside[i]) == 0)
            return NULL;
    return strcmp(key, "backend") == 0 ? run->manifest.backend : xst_config_get(run->config, key);
}

static bool differs(const xst_report_run *a, const xst_report_run *b, const char *key)
{
    const char *const x = value_of(a, key), *const y = value_of(b, key);
    return x && y && strcmp(x, y) != 0;
}

static bool same_but_seed(const xst_report_run *a, const xst_report_run *b)
{
    for (int i = 0; i < xst_option_count(); i++)
        if (differs(a, b, xst_option_name(i)))
            return false;
    return true;
}

/* Puts a run into a group, by seed; the same seed twice would count one result as two. */
static void add_to_group(xst_comparison *c, int g, int run)
{
    xst_report_group *const group = &c->groups[g];
    int at = group->count;
    for (int k = 0; k < group->count; k++)
        if (c->runs[group->run[k]].manifest.seed == c->runs[run].manifest.seed) {
            exclude(&c->runs[run], "repeats %s: same method, options and seed", c->runs[group->run[k]].label);
            return;
        }
    for (; at > 0 && c->runs[group->run[at - 1]].manifest.seed > c->runs[run].manifest.seed; at--)
        group->run[at] = group->run[at - 1];
    group->run[at] = run;
    group->count++;
    c->runs[run].group = g;
}

/* An option in which the groups of this method differ. */
static bool tells_apart(const xst_comparison *c, const xst_report_run *run, const char *key)
{
    for (int k = 0; k < c->group_count; k++) {
        const xst_report_run *const other = &c->runs[c->groups[k].run[0]];
        if (strcmp(other->manifest.method, run->manifest.method) == 0 && differs(other, run, key))
            return true;
    }
    return false;
}

/* The method, and where other groups have it too, what tells them apart. */
static void name_group(xst_comparison *c, int g)
{
    xst_report_group *const group = &c->groups[g];
    const xst_report_run *const run = &c->runs[group->run[0]];
    size_t used = (size_t)snprintf(group->name, sizeof group->name, "%s", run->manifest.method);
    for (int i = 0; i < xst_option_count() && used < sizeof group->name; i++) {
        const char *const key = xst_option_name(i);
        if (tells_apart(c, run, key))
            used +=
                (size_t)snprintf(group->name + used, sizeof group->name - used, " %s=%.40s", key, value_of(run, key));
    }
}

xst_status xst_report_group_runs(xst_comparison *c, xst_error *err)
{
    void *groups = NULL;
    int marks = 0;
    xst_status status = xst_alloc(&groups, (size_t)c->count, sizeof *c->groups, "groups of runs", err);
    c->groups = groups;
    for (int i = 0; i < c->count && status == XST_OK; i++) {
        int g = 0;
        if (c->runs[i].excluded[0])
            continue;
        while (g < c->group_count && !same_but_seed(&c->runs[c->groups[g].run[0]], &c->runs[i]))
            g++;
        if (g == c->group_count) {
            void *list = NULL;
            status = xst_alloc(&list, (size_t)c->count, sizeof(int), "a group of runs", err);
            c->groups[g].run = list;
            c->group_count += status == XST_OK;
        }
        if (status == XST_OK)
            add_to_group(c, g, i);
    }
    for (int g = 0; g < c->group_count && status == XST_OK; g++)
        name_group(c, g);
    for (int i = 0; i < c->count; i++)
        c->runs[i].mark = c->runs[i].excluded[0] ? ++marks : 0;
    return status;
}
