/* The comparison as one JSON document: all runs with all figures, then what is known of several runs together. */
#include "base/error.h"
#include "base/version.h"
#include "report/published.h"
#include "report/report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *count(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *text(const char *words)
{
    return json_string(words);
}

/* label of another run, or null */
static json_t *label_of(const xst_comparison *c, int run)
{
    return run >= 0 ? text(c->runs[run].label) : json_null();
}

/* ---- runs -----------------------------------------------------------------------------------------------------------
 */

static json_t *matrix(const double *r, int n)
{
    json_t *const rows = json_array();
    for (int i = 0; i < n; i++) {
        json_t *const row = json_array();
        for (int j = 0; j <= i; j++)
            json_array_append_new(row, number(r[i * n + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *bytes(const xst_task_bytes *b)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "weights", count(b->weights), "columns",
                     count(b->columns), "mask", count(b->mask), "mask_packed", count(b->mask_preserved), "mask_entropy",
                     number(ceil(b->mask_entropy)), "bn", count(b->bn), "fc_biases", count(b->biases), "head",
                     count(b->head), "logits", count(b->logits), "format", count(b->other), "file", count(b->file));
}

/* Rows of metrics.csv of one task, column by column. */
static json_t *curves(const xst_report_run *run, int task)
{
    static const char *const names[] = {"epoch", "train_loss", "train_accuracy", "test_accuracy", "mask_density"};
    json_t *const list[] = {json_array(), json_array(), json_array(), json_array(), json_array()};
    json_t *const out = json_object();
    for (size_t i = 0; i < run->metrics_count; i++) {
        const xst_metrics_row *const row = &run->metrics[i];
        const double values[] = {0.0, row->train_loss, row->train_accuracy, row->test_accuracy, row->mask_density};
        if (row->task != task)
            continue;
        json_array_append_new(list[0], json_integer(row->epoch));
        for (int k = 1; k < 5; k++)
            json_array_append_new(list[k], number(values[k]));
    }
    for (int k = 0; k < 5; k++)
        json_object_set_new(out, names[k], list[k]);
    return out;
}

static json_t *tasks(const xst_report_run *run)
{
    json_t *const list = json_array();
    const int n = run->done;
    for (int j = 0; j < n; j++) {
        const xst_report_task *const t = &run->tasks[j];
        json_array_append_new(
            list, json_pack("{s:i, s:s, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "task", j + 1, "name",
                            run->manifest.tasks[j].name, "accuracy", number(run->accuracy[(n - 1) * n + j]),
                            "accuracy_when_learnt", number(run->accuracy[j * n + j]), "seconds", number(t->seconds),
                            "epochs", t->epochs, "steps", (int)t->steps, "mask_density", number(t->mask_density),
                            "weights_in_use", count(t->weights_on), "weights", count(t->weights_all), "net_density",
                            number((double)t->weights_on / (double)t->weights_all), "bytes", bytes(&t->bytes), "curves",
                            curves(run, j + 1)));
    }
    return list;
}

static json_t *figures(const xst_compared_run *p)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:n}", "final_average", number(p->final_average),
                     "average_incremental", number(p->incremental), "diagonal", number(p->diagonal), "bwt",
                     number(p->bwt), "forgetting", number(p->forgetting), "forgetting_clipped",
                     number(p->forgetting_clipped), "gain_over_scratch", number(p->gain), "fwt");
}

static json_t *time_of(const xst_comparison *c, const xst_report_run *run)
{
    const xst_report_run *const base = run->time_base >= 0 ? &c->runs[run->time_base] : NULL;
    return json_pack("{s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seconds", number(run->public.seconds), "epochs",
                     run->epochs, "ms_per_step", number(run->ms_per_step), "rest", number(run->rest), "relative_to",
                     label_of(c, run->time_base), "ratio", number(run->public.time_ratio), "epochs_ratio",
                     number(base ? (double)run->epochs / base->epochs : NAN), "ms_per_step_ratio",
                     number(base ? run->ms_per_step / base->ms_per_step : NAN), "rest_ratio",
                     number(base ? run->rest / base->rest : NAN));
}

static json_t *options(const xst_report_run *run)
{
    json_t *const list = json_object();
    for (int i = 0; i < xst_option_count(); i++) {
        const char *const key = xst_option_name(i);
        json_object_set_new(list, key, text(xst_config_get(run->config, key)));
    }
    return list;
}

static json_t *run_json(const xst_comparison *c, const xst_report_run *run)
{
    const xst_manifest *const m = &run->manifest;
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:b, s:o, s:i, s:i, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:o, "
        "s:o, s:o, s:o}",
        "run", run->path, "label", run->label, "method", m->method, "group",
        run->group >= 0 ? text(c->groups[run->group].name) : json_null(), "seed", count(m->seed), "comparable",
        run->excluded[0] == 0, "excluded", run->excluded[0] ? text(run->excluded) : json_null(), "tasks_learnt",
        run->done, "tasks_planned", m->task_count, "backend", m->backend, "precision", m->precision, "cpu", m->cpu,
        "gpu", m->gpu, "threads", m->threads, "version", m->version, "git_commit", m->git_commit, "accuracy",
        matrix(run->accuracy, run->done), "figures", figures(&run->public), "gain_relative_to",
        label_of(c, run->gain_base), "time", time_of(c, run), "tasks", tasks(run), "options", options(run));
}

/* ---- several runs together ------------------------------------------------------------------------------------------
 */

static json_t *group_json(const xst_comparison *c, const xst_report_group *group)
{
    double values[XST_REPORT_RUNS] = {0};
    json_t *const runs = json_array(), *const seeds = json_array(), *const all = json_array();
    for (int k = 0; k < group->count; k++) {
        const xst_report_run *const run = &c->runs[group->run[k]];
        values[k] = run->public.final_average;
        json_array_append_new(runs, text(run->label));
        json_array_append_new(seeds, count(run->manifest.seed));
        json_array_append_new(all, number(values[k]));
    }
    return json_pack("{s:s, s:o, s:o, s:i, s:o, s:o, s:o}", "name", group->name, "runs", runs, "seeds", seeds, "n",
                     group->count, "final_average", all, "mean", number(xst_mean(values, group->count)),
                     "standard_deviation", number(xst_deviation(values, group->count)));
}

static json_t *test_json(const xst_comparison *c, const xst_report_test *t)
{
    const bool one = t->seeds == 1;
    return json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "a", c->groups[t->a].name, "b",
                     c->groups[t->b].name, "seeds", t->seeds, "seed", one ? count(t->seed) : json_null(), "images",
                     count(t->images), "difference", number(t->difference), "standard_error", number(t->error),
                     "only_a_right", one ? count(t->mcnemar.only_a) : json_null(), "only_b_right",
                     one ? count(t->mcnemar.only_b) : json_null(), "p_exact",
                     one ? number(t->mcnemar.exact) : json_null(), "p", number(t->p));
}

static json_t *published_json(void)
{
    json_t *const list = json_array();
    for (int k = 0; k < xst_published_count(); k++) {
        const xst_published *const p = xst_published_at(k);
        json_t *const accuracy = json_array();
        for (int j = 0; j < XST_PUBLISHED_TASKS; j++)
            json_array_append_new(accuracy, p->accuracy[j] > 0.0 ? json_real(p->accuracy[j]) : json_null());
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", p->name, "source", p->source,
                                              "accuracy", accuracy, "mean_as_printed", number(p->mean),
                                              "mean_of_numbers", number(xst_published_mean(p))));
    }
    return list;
}

/* What each figure means: title and notes of each table. */
static json_t *notes_json(const xst_sheets *tables)
{
    json_t *const out = json_object();
    for (size_t i = 0; i < tables->count; i++) {
        json_t *const list = json_array();
        json_array_append_new(list, text(tables->sheet[i].title));
        for (size_t k = 0; k < tables->sheet[i].note_count; k++)
            json_array_append_new(list, text(xst_sheet_note_at(&tables->sheet[i], k)));
        json_object_set_new(out, tables->sheet[i].id, list);
    }
    return out;
}

xst_status xst_report_document(const xst_comparison *c, xst_text *out, xst_error *err)
{
    json_t *const runs = json_array(), *const groups = json_array(), *const tests = json_array();
    for (int i = 0; i < c->count; i++)
        json_array_append_new(runs, run_json(c, &c->runs[i]));
    for (int g = 0; g < c->group_count; g++)
        json_array_append_new(groups, group_json(c, &c->groups[g]));
    for (int i = 0; i < c->test_count; i++)
        json_array_append_new(tests, test_json(c, &c->tests[i]));
    json_t *const root =
        json_pack("{s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "version", xst_version(), "task_aware", 1,
                  "reference", c->runs[c->reference].label, "runs", runs, "groups", groups, "paired_tests", tests,
                  "paired_tests_missing", c->untested[0] ? text(c->untested) : json_null(), "published",
                  published_json(), "notes", notes_json(&c->tables));
    char *const bytes_out = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(root);
    if (!bytes_out)
        return xst_fail(err, XST_ERROR_MEMORY, "compare: no memory for the JSON document");
    xst_text_add(out, "%s\n", bytes_out);
    free(bytes_out);
    return xst_text_check(out, err);
}
