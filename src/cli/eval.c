/* xst eval */
#include "xst/eval.h"
#include "base/error.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"

#include <math.h>
#include <stdlib.h>

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *to_json(const xst_evaluation *e)
{
    json_t *const rows = json_array(), *const tasks = json_array();
    for (int i = 0; i < e->tasks; i++) {
        json_t *const row = json_array();
        for (int j = 0; j <= i; j++)
            json_array_append_new(row, number(e->accuracy[i * e->tasks + j]));
        json_array_append_new(rows, row);
        const xst_eval_task *const t = &e->task[i];
        json_array_append_new(tasks, json_pack("{s:i, s:s, s:o, s:b, s:o}", "task", i + 1, "name", t->name, "accuracy",
                                               number(t->accuracy), "logits_identical", t->logits_identical,
                                               "max_logit_difference", number(t->max_logit_difference)));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o}", "run", e->run, "method", e->method, "accuracy", rows,
                     "forgetting", number(e->forgetting), "logits_identical", e->logits_identical, "tasks", tasks);
}

static void add_text(const xst_evaluation *e, xst_text *text)
{
    xst_text_add(text, "%s: %s, accuracy in percent on each task (task-aware), measured from the run's files\n\n",
                 e->run, e->method);
    xst_text_add(text, "after task");
    for (int j = 0; j < e->tasks; j++)
        xst_text_add(text, " %6d", j + 1);
    for (int i = 0; i < e->tasks; i++) {
        xst_text_add(text, "\n%10d", i + 1);
        for (int j = 0; j <= i; j++)
            xst_text_add(text, " %6.2f", e->accuracy[i * e->tasks + j]);
    }
    double sum = 0.0, worst = 0.0;
    for (int j = 0; j < e->tasks; j++) {
        sum += e->task[j].accuracy;
        worst = fmax(worst, e->task[j].max_logit_difference);
    }
    xst_text_add(text, "\n\nfinal average accuracy  %.2f\nforgetting              %.2f\n", sum / e->tasks,
                 e->forgetting);
    if (e->logits_identical)
        xst_text_add(text, "logits                  identical to those stored, bit for bit\n\n");
    else
        xst_text_add(text, "logits                  differ from those stored by at most %.3g%s\n\n", worst,
                     e->same_backend ? "" : " (another backend or precision)");
}

/* On the backend and precision of training a logit that differs is a failure. */
static xst_status verdict(const xst_evaluation *e, xst_error *err)
{
    if (e->logits_identical || !e->same_backend)
        return XST_OK;
    for (int i = 0; i < e->tasks; i++)
        if (!e->task[i].logits_identical)
            return xst_fail(err, XST_ERROR_MISMATCH,
                            "%s: the logits of task %d differ from those stored (by up to %.3g): was the run trained "
                            "with another build, processor or number of threads?",
                            e->run, i + 1, e->task[i].max_logit_difference);
    return XST_OK;
}

xst_status xst_cli_eval(int argc, char **argv, xst_error *err)
{
    const char *words[argc > 0 ? argc : 1], *threads = NULL;
    xst_eval_options options = {0};
    bool as_json = false;
    int count = 0;
    const xst_cli_option list[] = {{"--data", NULL, &options.data},
                                   {"--backend", NULL, &options.backend},
                                   {"--precision", NULL, &options.precision},
                                   {"--threads", NULL, &threads},
                                   {"--json", &as_json, NULL}};
    xst_status status = xst_cli_arguments(argc, argv, list, sizeof list / sizeof list[0], words, &count, err);
    if (status == XST_OK && count == 0)
        status = xst_fail(err, XST_ERROR_USAGE, "eval: name at least one run folder");
    if (status != XST_OK)
        return status;
    options.threads = threads ? (int)strtol(threads, NULL, 10) : 0;
    if (threads && options.threads <= 0)
        return xst_fail(err, XST_ERROR_USAGE, "--threads: '%s' is not a number of threads (1 or more)", threads);
    json_t *const runs = json_array();
    xst_text text = {0};
    xst_status judged = XST_OK;
    for (int i = 0; i < count && status == XST_OK; i++) {
        xst_evaluation e;
        status = xst_evaluate(words[i], &options, &e, err);
        if (status != XST_OK)
            break;
        json_array_append_new(runs, to_json(&e));
        add_text(&e, &text);
        if (judged == XST_OK)
            judged = verdict(&e, err);
        xst_evaluation_free(&e);
    }
    xst_error print_error = {0};
    xst_status printed = XST_OK;
    if (as_json && status == XST_OK)
        printed = xst_cli_print_json(json_pack("{s:O}", "runs", runs), &print_error);
    else if (status == XST_OK)
        printed = xst_cli_print_text(&text, &print_error);
    json_decref(runs);
    xst_text_free(&text);
    if (printed != XST_OK && err)
        *err = print_error;
    return status != XST_OK ? status : printed != XST_OK ? printed : judged;
}
