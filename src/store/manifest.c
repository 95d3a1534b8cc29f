#include "store/run.h"

#include "base/error.h"
#include "base/memory.h"
#include "store/folder.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 1000 };

static const char file_name[] = "manifest.json";

/* The plain texts, in the order of the file. An empty text is null. */
typedef struct text_field {
    const char *key;
    size_t offset, size;
} text_field;

#define TEXT(type, member)                                                                                             \
    {                                                                                                                  \
#member, offsetof(type, member), sizeof((type *)0)->member                                                     \
    }

static const text_field texts_before[] = {
    TEXT(xst_manifest, version),
    TEXT(xst_manifest, git_commit),
    TEXT(xst_manifest, method),
};
static const text_field texts_after[] = {
    TEXT(xst_manifest, backend), TEXT(xst_manifest, precision), TEXT(xst_manifest, libraries), TEXT(xst_manifest, cpu),
    TEXT(xst_manifest, gpu),     TEXT(xst_manifest, started),   TEXT(xst_manifest, ended),
};
static const text_field task_file_texts[] = {
    TEXT(xst_run_task, file),
    TEXT(xst_run_task, xxh3),
};

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static json_t *text_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static int write_texts(json_t *object, const text_field *fields, int n, const void *from)
{
    int failed = 0;
    for (int i = 0; i < n; i++)
        failed |= json_object_set_new(object, fields[i].key, text_or_null((const char *)from + fields[i].offset));
    return failed;
}

/* json_object_set_new and json_array_append_new give -1 on failure, also where the value is NULL for lack of memory. */
static json_t *task_json(const xst_run_task *task)
{
    json_t *const object = json_object(), *const classes = json_array();
    int failed = 0;
    for (int i = 0; i < task->class_count; i++)
        failed |= json_array_append_new(classes, json_integer(task->classes[i]));
    failed |= json_object_set_new(object, "position", json_integer(task->position));
    failed |= json_object_set_new(object, "name", json_string(task->name));
    failed |= json_object_set_new(object, "classes", classes);
    failed |= json_object_set_new(object, "status", json_string(task->status));
    failed |= json_object_set_new(object, "accuracy", real_or_null(task->accuracy));
    failed |= json_object_set_new(object, "seconds", real_or_null(task->seconds));
    failed |= json_object_set_new(object, "mask_density", real_or_null(task->mask_density));
    if (isfinite(task->goal))
        failed |= json_object_set_new(object, "goal", json_real(task->goal));
    if (task->kept[0])
        failed |= json_object_set_new(object, "kept", json_string(task->kept));
    failed |= write_texts(object, task_file_texts, COUNT(task_file_texts), task);
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *manifest_json(const xst_manifest *manifest)
{
    json_t *const object = json_object(), *const tasks = json_array();
    int failed = write_texts(object, texts_before, COUNT(texts_before), manifest);
    failed |= json_object_set_new(object, "seed", json_integer(manifest->seed));
    failed |= json_object_set_new(object, "threads", json_integer(manifest->threads));
    failed |= write_texts(object, texts_after, COUNT(texts_after), manifest);
    if (manifest->choices[0])
        failed |= json_object_set_new(object, "choices", json_string(manifest->choices));
    for (int i = 0; i < manifest->task_count; i++)
        failed |= json_array_append_new(tasks, task_json(&manifest->tasks[i]));
    failed |= json_object_set_new(object, "tasks", tasks);
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

xst_status xst_run_write_manifest(xst_run *run, const xst_manifest *manifest, xst_error *err)
{
    json_t *const object = manifest_json(manifest);
    char *const text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    if (!text)
        return xst_fail(err, XST_ERROR_INTERNAL, "%s: no memory, or a text that is not UTF-8", file_name);
    const xst_status status = xst_run_write_file(run, file_name, text, strlen(text), err);
    free(text);
    return status;
}

/* Reading: what is asked for, of the right type, or one message. */
typedef struct reader {
    const char *path;
    xst_error *err;
    xst_status status;
} reader;

static void refuse(reader *r, const char *key, const char *what)
{
    if (r->status == XST_OK)
        r->status =
            xst_fail(r->err, XST_ERROR_RUN, "'%s': \"%s\" %s: the file is damaged or not a run's", r->path, key, what);
}

static void read_text(reader *r, const json_t *object, const char *key, char *to, size_t size)
{
    const json_t *const value = json_object_get(object, key);
    const char *const text = json_is_null(value) ? "" : json_string_value(value);
    if (!text)
        refuse(r, key, "is missing or not a text");
    else if (strlen(text) >= size)
        refuse(r, key, "is too long");
    else
        memcpy(to, text, strlen(text) + 1);
}

static void read_texts(reader *r, const json_t *object, const text_field *fields, int n, void *to)
{
    for (int i = 0; i < n; i++)
        read_text(r, object, fields[i].key, (char *)to + fields[i].offset, fields[i].size);
}

static double read_real(reader *r, const json_t *object, const char *key)
{
    const json_t *const value = json_object_get(object, key);
    if (!json_is_null(value) && !json_is_number(value))
        refuse(r, key, "is missing or not a number");
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static int64_t read_integer(reader *r, const json_t *value, const char *key, int64_t low, int64_t high)
{
    const int64_t n = json_is_integer(value) ? json_integer_value(value) : low - 1;
    if (n < low || n > high)
        refuse(r, key, "is missing, not an integer or out of range");
    return n;
}

static void read_classes(reader *r, const json_t *list, xst_run_task *task)
{
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n < 1 || n > sizeof task->classes / sizeof task->classes[0]) {
        refuse(r, "classes", "is missing or not a list of class labels");
        return;
    }
    task->class_count = (int)n;
    for (size_t i = 0; i < n; i++)
        task->classes[i] = (int)read_integer(r, json_array_get(list, i), "classes", 0, 99);
}

static bool is_done(const xst_run_task *task)
{
    return strcmp(task->status, "done") == 0;
}

static void check_task(reader *r, const xst_run_task *task)
{
    char file[32];
    xst_run_task_file(task->position, file);
    if (!is_done(task) && strcmp(task->status, "training") != 0 && strcmp(task->status, "waiting") != 0)
        refuse(r, "status", "is none of done, training, waiting");
    if (!is_done(task))
        return;
    if (strcmp(task->file, file) != 0)
        refuse(r, "file", "of a finished task is not that of its position");
    if (strlen(task->xxh3) != 16 || strspn(task->xxh3, "0123456789abcdef") != 16)
        refuse(r, "xxh3", "of a finished task is not 16 hexadecimal digits");
}

static void read_task(reader *r, const json_t *object, int position, xst_run_task *task)
{
    task->position = (int)read_integer(r, json_object_get(object, "position"), "position", position, position);
    read_text(r, object, "name", task->name, sizeof task->name);
    read_classes(r, json_object_get(object, "classes"), task);
    read_text(r, object, "status", task->status, sizeof task->status);
    task->accuracy = read_real(r, object, "accuracy");
    task->seconds = read_real(r, object, "seconds");
    task->mask_density = read_real(r, object, "mask_density");
    task->goal = json_object_get(object, "goal") ? read_real(r, object, "goal") : NAN;
    if (json_object_get(object, "kept"))
        read_text(r, object, "kept", task->kept, sizeof task->kept);
    read_texts(r, object, task_file_texts, COUNT(task_file_texts), task);
    if (r->status == XST_OK)
        check_task(r, task);
}

static void read_manifest(reader *r, const json_t *object, xst_manifest *out)
{
    void *tasks = NULL;
    const json_t *const list = json_object_get(object, "tasks");
    read_texts(r, object, texts_before, COUNT(texts_before), out);
    out->seed = (uint32_t)read_integer(r, json_object_get(object, "seed"), "seed", 0, UINT32_MAX);
    out->threads = (int)read_integer(r, json_object_get(object, "threads"), "threads", 0, 1 << 20);
    read_texts(r, object, texts_after, COUNT(texts_after), out);
    if (json_object_get(object, "choices"))
        read_text(r, object, "choices", out->choices, sizeof out->choices);
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > TASKS_MAX)
        refuse(r, "tasks", "is missing or not a list of tasks");
    if (r->status == XST_OK)
        r->status = xst_alloc(&tasks, n, sizeof(xst_run_task), "tasks of the manifest", r->err);
    if (r->status != XST_OK)
        return;
    out->tasks = tasks;
    out->task_count = (int)n;
    for (int i = 0; i < out->task_count; i++)
        read_task(r, json_array_get(list, (size_t)i), i + 1, &out->tasks[i]);
}

xst_status xst_run_read_manifest(const xst_run *run, xst_manifest *out, xst_error *err)
{
    char path[XST_PATH_MAX];
    char *bytes = NULL;
    size_t size = 0;
    json_error_t problem;
    memset(out, 0, sizeof *out);
    const xst_status status = xst_run_read_file(run, file_name, path, &bytes, &size, err);
    if (status != XST_OK)
        return status;
    json_t *const object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &problem);
    xst_free(bytes);
    if (!object)
        return xst_fail(err, XST_ERROR_RUN, "'%s': line %d: %s: the file is damaged", path, problem.line, problem.text);
    reader r = {.path = path, .err = err, .status = XST_OK};
    read_manifest(&r, object, out);
    json_decref(object);
    if (r.status != XST_OK)
        xst_manifest_free(out);
    return r.status;
}

void xst_manifest_free(xst_manifest *manifest)
{
    xst_free(manifest->tasks);
    manifest->tasks = NULL;
    manifest->task_count = 0;
}

int xst_manifest_done(const xst_manifest *manifest)
{
    int done = 0;
    while (done < manifest->task_count && is_done(&manifest->tasks[done]))
        done++;
    return done;
}
