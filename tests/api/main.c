/* A program of a user: trains, evaluates and exports through the public headers alone. Usage: api RUN. Built by
 * tests/runs/install.bats against the installed library. */
#include <xst/xst.h>

#include <stdio.h>

static void report(void *user, const xst_progress *progress)
{
    if (progress->event == XST_EVENT_TASK_DONE)
        *(int *)user += 1;
}

static int failed(const char *what, const xst_error *err)
{
    fprintf(stderr, "api: %s: %s\n", what, err->message);
    return 1;
}

static xst_status configure(xst_config *config, const char *run, xst_error *err)
{
    static const char *const options[][2] = {
        {"net", "[16, M, 32, M]"}, {"fc", "[16]"},  {"expand", "1"},    {"tasks", "2"},
        {"capacity_tasks", "4"},   {"epochs", "1"}, {"backend", "cpu"}, {"threads", "1"},
    };
    xst_status status = xst_config_set(config, "out", run, err);
    for (size_t i = 0; i < sizeof options / sizeof options[0] && status == XST_OK; i++)
        status = xst_config_set(config, options[i][0], options[i][1], err);
    return status;
}

int main(int argc, char **argv)
{
    xst_error err = {0};
    xst_config *config = NULL;
    xst_evaluation evaluation;
    char file[4096];
    int learnt = 0;
    if (argc != 2 || xst_config_create(&config, &err) != XST_OK || configure(config, argv[1], &err) != XST_OK)
        return failed("configure", &err);
    if (xst_config_set(config, "epochz", "1", &err) != XST_ERROR_CONFIG)
        return failed("an unknown key was taken", &err);
    const xst_observer observer = {.report = report, .user = &learnt};
    if (xst_train(config, false, &observer, &err) != XST_OK)
        return failed("train", &err);
    if (xst_evaluate(argv[1], NULL, &evaluation, &err) != XST_OK)
        return failed("evaluate", &err);
    printf("tasks %d %d, accuracy %.2f %.2f, forgetting %.2f, identical %d\n", learnt, evaluation.tasks,
           evaluation.task[0].accuracy, evaluation.task[1].accuracy, evaluation.forgetting,
           (int)evaluation.logits_identical);
    const int good =
        learnt == 2 && evaluation.tasks == 2 && evaluation.logits_identical && evaluation.forgetting == 0.0;
    xst_evaluation_free(&evaluation);
    snprintf(file, sizeof file, "%s/task2.safetensors", argv[1]);
    if (xst_export(argv[1], 2, file, &err) != XST_OK)
        return failed("export", &err);
    xst_config_destroy(config);
    return good ? 0 : 1;
}
