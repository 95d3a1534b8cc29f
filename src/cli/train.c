/* xst train */
#include "xst/train.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "config/config.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The one thing a signal handler may write. */
static volatile sig_atomic_t stop_signal;

static void on_signal(int signal)
{
    stop_signal = signal;
}

typedef struct request {
    bool resume, dry_run, verbose;
    const char *file;
} request;

/* One word of the command line: a switch of this command, the configuration file, or an option of the run. */
static xst_status read_word(request *r, xst_config *config, int argc, char **argv, int *i, xst_error *err)
{
    const char *const word = argv[*i];
    if (strcmp(word, "--resume") == 0 || strcmp(word, "--dry-run") == 0 || strcmp(word, "-v") == 0) {
        r->resume |= word[2] == 'r';
        r->dry_run |= word[2] == 'd';
        r->verbose |= word[1] == 'v';
        (*i)++;
        return XST_OK;
    }
    if (word[0] == '-')
        return xst_config_argument(config, argc, argv, i, err);
    if (r->file && r->file != word)
        return xst_fail(err, XST_ERROR_USAGE, "'%.100s': only one configuration file is taken (got '%.100s' already)",
                        word, r->file);
    r->file = word;
    (*i)++;
    return XST_OK;
}

static xst_status read_words(request *r, xst_config *config, int argc, char **argv, xst_error *err)
{
    xst_status status = XST_OK;
    for (int i = 1; i < argc && status == XST_OK;)
        status = read_word(r, config, argc, argv, &i, err);
    return status;
}

/* The command line wins over the file, wherever the file stands in it: so it is read before and after. */
static xst_status read_request(int argc, char **argv, request *r, xst_config **config, xst_error *err)
{
    xst_status status = xst_config_create(config, err);
    if (status == XST_OK)
        status = read_words(r, *config, argc, argv, err);
    if (status != XST_OK || !r->file)
        return status;
    xst_config_destroy(*config);
    status = xst_config_create(config, err);
    if (status == XST_OK)
        status = xst_config_load(*config, r->file, err);
    return status == XST_OK ? read_words(r, *config, argc, argv, err) : status;
}

static xst_status dry_run(xst_config *config, bool verbose, xst_error *err)
{
    xst_estimate e;
    xst_text text = {0};
    char *program = NULL, time[32];
    const xst_status status = xst_train_estimate(config, &e, verbose ? &program : NULL, err);
    if (status != XST_OK)
        return status;
    xst_duration_text(e.seconds, time);
    if (program)
        xst_text_add(&text, "%s\n", program);
    xst_text_release(program);
    xst_text_add(&text, "steps               %" PRIu64 "\n", e.steps);
    xst_text_add(&text, "masked weights      %" PRIu64 " (%" PRIu64 " in convs), %" PRIu64 " columns\n", e.parameters,
                 e.conv_weights, e.columns);
    xst_text_add(&text, "multiply-adds       %.1f M per image, forward\n", e.macs_per_image * 1e-6);
    xst_text_add(&text, "memory              %.0f MiB on the backend\n", e.memory_bytes / 1048576.0);
    xst_text_add(&text, "disk                %.1f MiB in the run folder\n", e.disk_bytes / 1048576.0);
    xst_text_add(&text, "a step              %.1f ms (measured)\n", e.step_seconds * 1e3);
    xst_text_add(&text, "training time       %s (predicted)\n", time);
    return xst_cli_print_text(&text, err);
}

static xst_status train(xst_config *config, const request *r, xst_error *err)
{
    const struct sigaction action = {.sa_handler = on_signal};
    const char *const log_every = xst_config_get(config, "log_every");
    xst_display display;
    xst_display_open(&display, stderr, log_every ? (int)strtol(log_every, NULL, 10) : 1);
    const xst_observer observer = {xst_display_report, &display, &stop_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    const xst_status status = xst_train(config, r->resume, &observer, err);
    xst_display_close(&display);
    return status;
}

xst_status xst_cli_train(int argc, char **argv, xst_error *err)
{
    request r = {0};
    xst_config *config = NULL;
    xst_status status = read_request(argc, argv, &r, &config, err);
    if (status == XST_OK)
        status = r.dry_run ? dry_run(config, r.verbose, err) : train(config, &r, err);
    xst_config_destroy(config);
    return status;
}
