/* src/config/config.c and describe.c: reading files and the command line, cross checks, what is written and shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static xst_config *fresh(void)
{
    xst_error err = {0};
    xst_config *config = NULL;
    if (xst_config_create(&config, &err) != XST_OK)
        fail_msg("%s", err.message);
    return config;
}

static void set(xst_config *config, const char *key, const char *value)
{
    xst_error err = {0};
    if (xst_config_set(config, key, value, &err) != XST_OK)
        fail_msg("%s", err.message);
}

static xst_status load_text(xst_config *config, const char *text, char *path, xst_error *err)
{
    snprintf(path, 64, "/tmp/xst-config-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    const xst_status status = xst_config_load(config, path, err);
    unlink(path);
    return status;
}

static void loads_over_what_is_there(void **state)
{
    char path[64];
    xst_error err = {0};
    (void)state;
    xst_config *const config = fresh();
    set(config, "epochs", "7");
    set(config, "batch", "16");
    static const char text[] =
        "# small\nbatch: 64\ntasks:\n  - 3\n  - 0\nnet: [8, M]\ndeterministic: on\nout: \"a # b\"\n";
    assert_int_equal(load_text(config, text, path, &err), XST_OK);
    assert_int_equal(config->epochs, 7);
    assert_int_equal(config->batch, 64);
    assert_string_equal(xst_config_get(config, "tasks"), "[3, 0]");
    assert_string_equal(xst_config_get(config, "net"), "[8, M]");
    assert_true(config->deterministic);
    assert_string_equal(config->out, "a # b");
    assert_int_equal(load_text(config, "", path, &err), XST_OK);
    xst_config_destroy(config);
}

/* A bad file changes nothing, and the message is "path:" + this. */
static void load_refused(const char *text, const char *message)
{
    char path[64], expected[512];
    xst_error err = {0};
    xst_config *const config = fresh();
    const xst_config before = *config;
    assert_int_equal(load_text(config, text, path, &err), XST_ERROR_CONFIG);
    snprintf(expected, sizeof expected, "%s:%s", path, message);
    assert_string_equal(err.message, expected);
    assert_memory_equal(config, &before, sizeof before);
    xst_config_destroy(config);
}

static void bad_files_name_the_place(void **state)
{
    xst_error err = {0};
    (void)state;
    load_refused("epochs: 3\nmask_rl: 1\n", "2:1: unknown option 'mask_rl': did you mean 'mask_lr'?");
    load_refused("epochs: 3\n\n  # x\nbatch: 1\n", "4:1: batch: 1 is out of range: 2 to 2500 images");
    load_refused("{epochs: 3, lr: {a: 1}}\n", "1:13: lr: a map stands where a single value is expected");
    load_refused("lr: [1]\n", "1:1: lr: a list stands where a single value is expected");
    load_refused("lr_steps: 0.5\n", "1:1: lr_steps: '0.5' is not a list: write it in brackets, as [1, 2]");
    load_refused("augment: no\n", "1:1: augment: 'no' is not one of 0, 1, off, on");
    load_refused("seed: 1_000\n", "1:1: seed: '1_000' is not a whole number");
    load_refused("- epochs\n", "1:1: a configuration is lines of `key: value`");
    load_refused("epochs\n", "1:1: a configuration is lines of `key: value`");
    load_refused("epochs: 3\nepochs: 3\n", "2:1: 'epochs' is given twice, first in line 1: remove one");
    xst_config *const config = fresh();
    assert_int_equal(xst_config_load(config, "no/such/file.yaml", &err), XST_ERROR_CONFIG);
    assert_non_null(strstr(err.message, "no/such/file.yaml"));
    xst_config_destroy(config);
}

static void check(const char *key, const char *value, const char *key2, const char *value2, const char *message)
{
    xst_error err = {0};
    xst_config *const config = fresh();
    set(config, key, value);
    set(config, key2, value2);
    const xst_status status = xst_config_check(config, &err);
    assert_int_equal(status, message ? XST_ERROR_CONFIG : XST_OK);
    assert_string_equal(err.message, message ? message : "");
    xst_config_destroy(config);
}

static void cross_checks(void **state)
{
    (void)state;
    check("budget", "literal", "s1", "0.5", NULL);
    check("budget", "literal", "s1", "0.49",
          "budget: literal needs s1 of at least 0.5, and s1 is 0.49: later tasks would take more than there is");
    check("budget", "fill", "s1", "0.49", NULL);
    check("net", "[]", "fc", "[]", "net: the list must begin with the width of a conv");
    check("net", "[M, 8]", "fc", "[]", "net: the list must begin with the width of a conv");
    check("net", "[8, M, M, M, M, M]", "fc", "[]", NULL);
    check("net", "[8, M, M, M, M, M, M]", "fc", "[]",
          "net: 6 pools (M) leave nothing of a 32 x 32 image: use at most 5");
    check("net", "[16]", "width", "0.03", NULL);
    xst_config *const config = fresh();
    xst_error err = {0};
    set(config, "round_channels", "1");
    set(config, "width", "0.03");
    set(config, "expand", "1");
    set(config, "net", "[34, 33]");
    assert_int_equal(xst_config_check(config, &err), XST_ERROR_CONFIG);
    assert_string_equal(err.message, "net: width 33 times sqrt(expand) * width = 0.03 leaves no channel: use "
                                     "round_channels 8 or larger widths");
    set(config, "net", "[34, 34]");
    assert_int_equal(xst_config_check(config, &err), XST_OK);
    set(config, "data", "");
    assert_int_equal(xst_config_check(config, &err), XST_ERROR_CONFIG);
    xst_config_destroy(config);
}

/* Parses one argument list from the start; gives how many words were used. */
static int take(xst_config *config, int argc, char **argv)
{
    xst_error err = {0};
    int i = 0;
    if (xst_config_argument(config, argc, argv, &i, &err) != XST_OK)
        fail_msg("%s", err.message);
    return i;
}

static void arguments(void **state)
{
    (void)state;
    xst_config *const c = fresh();
    assert_int_equal(take(c, 2, (char *[]){"--mask-lr", "0.5"}), 2);
    assert_true(c->mask_lr == 0.5);
    assert_int_equal(take(c, 1, (char *[]){"--mask_lr=0.25"}), 1);
    assert_true(c->mask_lr == 0.25);
    assert_int_equal(take(c, 3, (char *[]){"--mask-init", "-5", "x"}), 2);
    assert_true(c->mask_init == -5);
    assert_int_equal(take(c, 2, (char *[]){"--tasks", "[3, 0, 7]"}), 2);
    assert_int_equal(c->tasks.count, 3);
    assert_int_equal(take(c, 2, (char *[]){"--out", "-"}), 2);
    assert_int_equal(take(c, 1, (char *[]){"--out=a=b"}), 1);
    assert_string_equal(c->out, "a=b");
    /* a flag takes the next word only where that is one of its values */
    assert_int_equal(take(c, 1, (char *[]){"--deterministic"}), 1);
    assert_true(c->deterministic);
    assert_int_equal(take(c, 2, (char *[]){"--deterministic", "off"}), 2);
    assert_false(c->deterministic);
    assert_int_equal(take(c, 2, (char *[]){"--deterministic", "laptop.yaml"}), 1);
    assert_true(c->deterministic);
    assert_int_equal(take(c, 1, (char *[]){"--deterministic=0"}), 1);
    assert_false(c->deterministic);
    xst_config_destroy(c);
}

static void argument_refused(int argc, char **argv, xst_status status, const char *message)
{
    xst_error err = {0};
    int i = 0;
    xst_config *const config = fresh();
    assert_int_equal(xst_config_argument(config, argc, argv, &i, &err), status);
    assert_string_equal(err.message, message);
    assert_int_equal(i, 0);
    xst_config_destroy(config);
}

static void bad_arguments(void **state)
{
    (void)state;
    argument_refused(2, (char *[]){"--mask-rl", "1"}, XST_ERROR_CONFIG,
                     "unknown option '--mask-rl': did you mean '--mask-lr'?");
    argument_refused(1, (char *[]){"--mask-rl=1"}, XST_ERROR_CONFIG,
                     "unknown option '--mask-rl': did you mean '--mask-lr'?");
    argument_refused(2, (char *[]){"--mask-lr", "20"}, XST_ERROR_CONFIG, "--mask-lr: 20 is out of range: 1e-06 to 10");
    argument_refused(1, (char *[]){"--out"}, XST_ERROR_USAGE, "--out: a value is missing");
    argument_refused(2, (char *[]){"--out", "--resume"}, XST_ERROR_USAGE, "--out: a value is missing");
    argument_refused(1, (char *[]){"-x"}, XST_ERROR_USAGE, "'-x' is not an option");
    argument_refused(1, (char *[]){"--augment=maybe"}, XST_ERROR_CONFIG,
                     "--augment: 'maybe' is not one of 0, 1, off, on");
}

static void conflicts(void **state)
{
    (void)state;
    xst_config *const stored = fresh(), *const given = fresh();
    set(stored, "epochs", "5");
    assert_null(xst_config_conflict(stored, given)); /* 100 there is a default, not given */
    set(given, "epochs", "5");
    set(given, "lr_steps", "[0.5,0.80]");
    set(given, "out", "elsewhere");
    assert_null(xst_config_conflict(stored, given));
    set(given, "seed", "1");
    assert_string_equal(xst_config_conflict(stored, given), "seed");
    xst_config_destroy(stored);
    xst_config_destroy(given);
}

/* The experiments that come with the program. */
static void experiments_are_valid(void **state)
{
    glob_t files = {0};
    (void)state;
    assert_int_equal(glob("experiments/*.yaml", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        xst_error err = {0};
        xst_config *const config = fresh();
        if (xst_config_load(config, files.gl_pathv[i], &err) != XST_OK || xst_config_check(config, &err) != XST_OK)
            fail_msg("%s", err.message);
        xst_config_destroy(config);
    }
    globfree(&files);
}

static char *written(const xst_config *config, xst_text *text)
{
    xst_config_write(config, text);
    assert_false(text->failed);
    return text->bytes;
}

/* The page does not depend on whether a default was left alone, spelt out or spelt otherwise. */
static void pages_of_equal_runs_are_equal(void **state)
{
    xst_text a = {0}, b = {0};
    (void)state;
    xst_config *const left = fresh(), *const spelt = fresh();
    set(spelt, "weight_decay", "0.00004");
    set(spelt, "tasks", "20");
    assert_string_equal(written(left, &a), written(spelt, &b));
    assert_non_null(strstr(a.bytes, "\nweight_decay: 4e-05              # default\n"));
    assert_null(strstr(a.bytes, "# given"));
    xst_text_free(&b);
    set(spelt, "seed", "3");
    set(spelt, "out", "a \"b\"");
    assert_non_null(strstr(written(spelt, &b), "\nseed: 3                          # given\n"));
    assert_non_null(strstr(b.bytes, "\nout: \"a \\\"b\\\"\""));
    xst_text_free(&a);
    xst_text_free(&b);
    xst_config_destroy(left);
    xst_config_destroy(spelt);
}

static void help_lists_every_option(void **state)
{
    xst_text help = {0};
    (void)state;
    xst_config_help(&help);
    assert_false(help.failed);
    for (int i = 0; i < xst_option_count(); i++) {
        char word[64];
        snprintf(word, sizeof word, "\n  --%s ", xst_option_name(i));
        for (char *p = word; *p; p++)
            if (*p == '_')
                *p = '-';
        assert_non_null(strstr(help.bytes, word));
    }
    assert_non_null(strstr(help.bytes, "[1e-06 to 10; default 0.1; measured]"));
    for (const char *line = help.bytes; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 100);
    assert_null(xst_option_name(xst_option_count()));
    assert_null(xst_option_name(-1));
    xst_text_free(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_over_what_is_there),
        cmocka_unit_test(bad_files_name_the_place),
        cmocka_unit_test(cross_checks),
        cmocka_unit_test(arguments),
        cmocka_unit_test(bad_arguments),
        cmocka_unit_test(conflicts),
        cmocka_unit_test(pages_of_equal_runs_are_equal),
        cmocka_unit_test(help_lists_every_option),
        cmocka_unit_test(experiments_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
