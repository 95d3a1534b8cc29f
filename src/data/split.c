#include "data/split.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 8192 };

/* Where a split file is being read, and which task each class has gone to. */
typedef struct reader {
    const char *path;
    int line;
    const xst_labels *labels;
    int line_of[XST_CLASSES_MAX]; /* 0: not yet named */
} reader;

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void superclasses(const xst_labels *labels, xst_split *split)
{
    for (int k = 0; k < XST_SUPERCLASSES; k++)
        snprintf(split->task[k].name, XST_TASK_NAME, "%s", labels->coarse[k]);
    for (int f = 0; f < XST_CLASSES_MAX; f++) {
        xst_split_task *const task = &split->task[labels->coarse_of[f]];
        task->fine[task->classes++] = f;
    }
    split->tasks = XST_SUPERCLASSES;
}

static void class_order(xst_split *split)
{
    enum { CLASSES = XST_CLASSES_MAX / XST_SUPERCLASSES };
    for (int k = 0; k < XST_SUPERCLASSES; k++) {
        xst_split_task *const task = &split->task[k];
        snprintf(task->name, XST_TASK_NAME, "classes %d-%d", CLASSES * k, CLASSES * k + CLASSES - 1);
        for (int j = 0; j < CLASSES; j++)
            task->fine[task->classes++] = CLASSES * k + j;
    }
    split->tasks = XST_SUPERCLASSES;
}

static xst_status unknown_class(const reader *r, const char *word, xst_error *err)
{
    const char *names[XST_CLASSES_MAX];
    for (int i = 0; i < XST_CLASSES_MAX; i++)
        names[i] = r->labels->fine[i];
    const int nearest = xst_text_nearest(word, names, XST_CLASSES_MAX);
    if (nearest < 0)
        return xst_fail(err, XST_ERROR_DATA,
                        "%s:%d: no class is called '%.60s': give fine labels, as names or as 0..%d", r->path, r->line,
                        word, XST_CLASSES_MAX - 1);
    return xst_fail(err, XST_ERROR_DATA, "%s:%d: no class is called '%.60s'; did you mean '%s'?", r->path, r->line,
                    word, names[nearest]);
}

static xst_status class_of(const reader *r, const char *word, int *fine, xst_error *err)
{
    if (strspn(word, "0123456789") == strlen(word)) {
        *fine = strlen(word) < 6 ? (int)strtol(word, NULL, 10) : XST_CLASSES_MAX;
        if (*fine >= XST_CLASSES_MAX)
            return xst_fail(err, XST_ERROR_DATA, "%s:%d: fine label %.20s is not in 0..%d", r->path, r->line, word,
                            XST_CLASSES_MAX - 1);
        return XST_OK;
    }
    for (*fine = 0; *fine < XST_CLASSES_MAX; ++*fine)
        if (strcmp(r->labels->fine[*fine], word) == 0)
            return XST_OK;
    return unknown_class(r, word, err);
}

/* The names joined by +; where they do not fit, as many as do and how many more there are. */
static void name_task(const xst_labels *labels, xst_split_task *task)
{
    enum { ROOM_FOR_MORE = sizeof "+99 more" };
    size_t used = 0;
    for (int i = 0; i < task->classes; i++) {
        const char *const name = labels->fine[task->fine[i]];
        const size_t need = strlen(name) + (i > 0), spare = i + 1 < task->classes ? ROOM_FOR_MORE : 1;
        if (used + need + spare > XST_TASK_NAME) {
            snprintf(task->name + used, XST_TASK_NAME - used, "+%d more", task->classes - i);
            return;
        }
        snprintf(task->name + used, XST_TASK_NAME - used, "%s%s", i > 0 ? "+" : "", name);
        used += need;
    }
}

/* One line, cut at its comment: nothing, or one task. */
static xst_status read_line(reader *r, char *line, xst_split *split, xst_error *err)
{
    static const char blanks[] = " \t\r,";
    xst_split_task task = {0};
    char *rest = line;
    line[strcspn(line, "#")] = 0;
    for (char *word; (word = strtok_r(rest, blanks, &rest));) {
        int fine = 0;
        const xst_status status = class_of(r, word, &fine, err);
        if (status != XST_OK)
            return status;
        if (r->line_of[fine])
            return xst_fail(err, XST_ERROR_DATA,
                            "%s:%d: class %d (%s) is already in line %d: a class belongs to one task", r->path, r->line,
                            fine, r->labels->fine[fine], r->line_of[fine]);
        r->line_of[fine] = r->line;
        task.fine[task.classes++] = fine;
    }
    if (task.classes == 0)
        return XST_OK;
    qsort(task.fine, (size_t)task.classes, sizeof task.fine[0], by_number);
    name_task(r->labels, &task);
    split->task[split->tasks++] = task;
    return XST_OK;
}

static xst_status read_lines(reader *r, const char *bytes, size_t size, xst_split *split, xst_error *err)
{
    char line[LINE_BYTES];
    xst_status status = XST_OK;
    for (size_t at = 0; status == XST_OK && at < size;) {
        const char *const end = memchr(bytes + at, '\n', size - at);
        const size_t length = end ? (size_t)(end - (bytes + at)) : size - at;
        r->line++;
        if (length >= LINE_BYTES || memchr(bytes + at, 0, length))
            return xst_fail(err, XST_ERROR_DATA, "%s:%d: not a line of text with fine labels", r->path, r->line);
        memcpy(line, bytes + at, length);
        line[length] = 0;
        status = read_line(r, line, split, err);
        at += length + 1;
    }
    if (status == XST_OK && split->tasks == 0)
        return xst_fail(err, XST_ERROR_DATA, "%s:%d: no task in it: write one line per task with its fine labels",
                        r->path, r->line);
    return status;
}

xst_status xst_split_read(const char *spec, const xst_labels *labels, xst_split *split, xst_error *err)
{
    memset(split, 0, sizeof *split);
    if (strcmp(spec, "superclass") == 0) {
        superclasses(labels, split);
        return XST_OK;
    }
    if (strcmp(spec, "class-order") == 0) {
        class_order(split);
        return XST_OK;
    }
    reader r = {.path = spec, .labels = labels};
    char *bytes = NULL;
    size_t size = 0;
    xst_status status = xst_file_read(spec, &bytes, &size, err);
    if (status != XST_OK)
        return xst_fail_context(err, XST_ERROR_DATA,
                                "task_split '%.200s' is neither superclass nor class-order nor a readable file", spec);
    status = read_lines(&r, bytes, size, split, err);
    xst_free(bytes);
    return status;
}
