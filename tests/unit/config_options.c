/* src/config/options.c and values.c: every option's default, range, text and place in the struct. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/number.h"
#include "config/options.h"

#include <math.h>
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

/* The value is refused with exactly this message, and the old one stays. */
static void refused(const char *key, const char *value, const char *message)
{
    xst_error err = {0};
    xst_config *const config = fresh();
    const xst_config before = *config;
    assert_int_equal(xst_config_set(config, key, value, &err), XST_ERROR_CONFIG);
    assert_string_equal(err.message, message);
    assert_memory_equal(config, &before, sizeof before);
    xst_config_destroy(config);
}

/* The defaults of the method notes, as numbers. */
static void defaults(void **state)
{
    static const int net[] = {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0};
    (void)state;
    xst_config *const c = fresh();
    assert_int_equal(c->method, XST_METHOD_XST);
    assert_string_equal(c->data, "synthetic");
    assert_string_equal(c->out, "");
    assert_true(c->tasks.count == 20 && !c->tasks.listed && c->tasks.at[0] == 0 && c->tasks.at[19] == 19);
    assert_string_equal(c->task_split, "superclass");
    assert_int_equal(c->seed, 0);
    assert_int_equal(c->net.count, 18);
    assert_memory_equal(c->net.at, net, sizeof net);
    assert_true(c->fc.count == 2 && c->fc.at[0] == 4096 && c->fc.at[1] == 4096);
    assert_true(c->width == 1 && c->expand == 1.5 && c->round_channels == 8 && c->fc_init == XST_FC_INIT_FANIN);
    assert_true(c->augment && c->pad == XST_PAD_BLACK && c->valid_share == 0);
    assert_true(c->group == 8 && c->group_fc == 0 && c->s1 == 0.7 && c->capacity_tasks == 20);
    assert_true(c->budget == XST_BUDGET_FILL && c->distribution == XST_DISTRIBUTION_UNIFORM);
    assert_true(c->epochs == 100 && c->batch == 32 && c->lr == 0.01 && c->lr_gamma == 0.1);
    assert_true(c->lr_steps.count == 2 && c->lr_steps.at[0] == 0.5 && c->lr_steps.at[1] == 0.8);
    assert_true(c->momentum == 0.9 && c->weight_decay == 4e-5 && c->finetune_lr == 0.005);
    assert_true(c->mask == XST_MASK_GUMBEL && c->gate == XST_GATE_LOGIT && c->temperature == 1);
    assert_true(c->mask_lr == 0.1 && c->mask_init == 5 && c->mask_lr_steps.count == 0);
    assert_true(c->update_every == 100 && c->update_until == 0.75 && c->drop_fraction == 0.3);
    assert_true(c->regrow == XST_REGROW_KEEP && !c->update_skips_sgd);
    assert_true(c->bn_start == XST_BN_INHERIT && !c->bn_recalibrate && !c->map_head);
    assert_string_equal(c->backend, "auto");
    assert_true(c->precision == XST_PRECISION_FP32 && c->threads == 0 && !c->deterministic);
    assert_true(c->eval_every == 10 && c->checkpoint_every == 10 && c->log_every == 1);
    assert_true(c->given[0] == 0 && c->given[1] == 0);
    xst_config_destroy(c);
}

/* A value other than the default for every option, as xst_config_get gives it. */
static const char *const others[][2] = {
    {"method", "finetune"},
    {"data", "some where/cifar \"100\" \\ #x: [1]"},
    {"out", "runs/\xc3\xa4-1"},
    {"tasks", "[3, 0, 7]"},
    {"task_split", "class-order"},
    {"seed", "4294967295"},
    {"net", "[16, M, 32]"},
    {"fc", "[]"},
    {"width", "0.25"},
    {"expand", "1"},
    {"round_channels", "1"},
    {"fc_init", "normal"},
    {"augment", "0"},
    {"pad", "mean"},
    {"valid_share", "0.1"},
    {"group", "4"},
    {"group_fc", "128"},
    {"s1", "0.55"},
    {"capacity_tasks", "10"},
    {"budget", "literal"},
    {"distribution", "erk"},
    {"epochs", "12"},
    {"batch", "64"},
    {"lr", "0.02"},
    {"lr_steps", "[0.25, 0.5, 0.75]"},
    {"lr_gamma", "0.5"},
    {"momentum", "0"},
    {"weight_decay", "0.0001"},
    {"bn_start", "fresh"},
    {"bn_recalibrate", "1"},
    {"finetune_lr", "0.001"},
    {"granularity", "element"},
    {"packnet_prune", "even"},
    {"packnet_retrain_epochs", "7"},
    {"piggyback_mask", "gumbel"},
    {"piggyback_bn", "frozen"},
    {"cpg_goals", "goals.txt"},
    {"cpg_prune_epochs", "3"},
    {"cpg_ramp_epochs", "2"},
    {"cpg_train_floor", "0.5"},
    {"cpg_retrain_epochs", "9"},
    {"cpg_patience", "2"},
    {"cpg_retrain_against", "pruned"},
    {"cpg_grow", "1"},
    {"map_head", "1"},
    {"mask", "none"},
    {"gate", "paper"},
    {"temperature", "0.5"},
    {"mask_lr", "0.05"},
    {"mask_init", "-2.5"},
    {"mask_lr_steps", "[0.5]"},
    {"update_every", "50"},
    {"update_until", "1"},
    {"drop_fraction", "0.5"},
    {"regrow", "reset"},
    {"update_skips_sgd", "1"},
    {"backend", "ref"},
    {"precision", "bf16"},
    {"threads", "3"},
    {"deterministic", "on"},
    {"eval_every", "5"},
    {"checkpoint_every", "0"},
    {"log_every", "7"},
};

/* Each key changes its own value and no other, and the whole comes back from the file that it is written to. */
static void every_option_is_its_own_and_comes_back(void **state)
{
    char path[] = "/tmp/xst-options-XXXXXX";
    xst_error err = {0};
    (void)state;
    assert_int_equal(sizeof others / sizeof others[0], xst_option_count());
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (int i = 0; i < xst_option_count(); i++) {
        xst_config *const plain = fresh(), *const changed = fresh(), *const loaded = fresh();
        xst_text text = {0};
        assert_string_not_equal(xst_config_get(plain, others[i][0]), others[i][1]);
        set(changed, others[i][0], others[i][1]);
        assert_string_equal(xst_config_get(changed, others[i][0]), others[i][1]);
        int differ = 0;
        for (int j = 0; j < xst_option_count(); j++)
            if (!xst_option_at(j)->scaled || strcmp(others[i][0], "epochs") != 0) /* those go with the epochs */
                differ +=
                    strcmp(xst_config_get(plain, xst_option_name(j)), xst_config_get(changed, xst_option_name(j))) != 0;
        assert_int_equal(differ, 1);

        xst_config_write(changed, &text);
        FILE *const f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(text.bytes, 1, text.size, f), text.size);
        fclose(f);
        if (xst_config_load(loaded, path, &err) != XST_OK)
            fail_msg("%s", err.message);
        for (int j = 0; j < xst_option_count(); j++)
            assert_string_equal(xst_config_get(changed, xst_option_name(j)),
                                xst_config_get(loaded, xst_option_name(j)));
        xst_text_free(&text);
        xst_config_destroy(plain);
        xst_config_destroy(changed);
        xst_config_destroy(loaded);
    }
    close(fd);
    unlink(path);
}

/* Both ends of every range are taken, and what lies just beyond is refused, naming key, value and range. */
static void ranges(void **state)
{
    int tried = 0;
    (void)state;
    for (int i = 0; i < xst_option_count(); i++) {
        const xst_option *const option = xst_option_at(i);
        const bool whole = option->type == XST_OPTION_INT || option->type == XST_OPTION_UINT;
        char text[XST_NUMBER_TEXT], range[128], expected[256];
        if ((option->choices && whole) || (!whole && option->type != XST_OPTION_REAL))
            continue;
        tried++;
        xst_option_range(option, range);
        xst_config *const config = fresh();
        const double ends[] = {option->low, option->high};
        for (int end = 0; end < 2; end++) {
            xst_number_text(ends[end], text);
            set(config, option->name, text);
            assert_string_equal(xst_config_get(config, option->name), text);
            xst_number_text(whole ? ends[end] + (end ? 1 : -1) : nextafter(ends[end], end ? INFINITY : -INFINITY),
                            text);
            snprintf(expected, sizeof expected, "%s: %s is out of range: %s", option->name, text, range);
            refused(option->name, text, expected);
        }
        xst_config_destroy(config);
    }
    assert_true(tried > 20);
}

static void choices(void **state)
{
    (void)state;
    for (int i = 0; i < xst_option_count(); i++) {
        const xst_option *const option = xst_option_at(i);
        xst_config *const config = fresh();
        for (int k = 0; option->choices && option->choices[k]; k++) {
            set(config, option->name, option->choices[k]);
            assert_string_equal(xst_config_get(config, option->name), option->choices[k]);
        }
        xst_config_destroy(config);
    }
    assert_string_equal(xst_method_name(XST_METHOD_XST_ELEMENT), "xst-element");
    assert_string_equal(xst_method_name(XST_METHOD_FINETUNE), "finetune");
    refused("gate", "logti", "gate: 'logti' is not one of logit, paper: did you mean 'logit'?");
    refused("method", "ewc",
            "method: 'ewc' is not one of xst, xst-element, scratch, finetune, cpg, packnet, piggyback, xbm, rigl");
    refused("packnet_prune", "evne", "packnet_prune: 'evne' is neither a number nor 'even'");
    refused("backend", "cpu0", "backend: 'cpu0' is not one of auto, cpu, cuda, ref: did you mean 'cpu'?");
    refused("round_channels", "4", "round_channels: '4' is not one of 1, 8");
}

/* Numbers of epochs for 100 epochs go with `epochs`, unless they were given. */
static void epochs_are_scaled(void **state)
{
    xst_config *const config = fresh();
    (void)state;
    assert_int_equal(xst_config_epochs(config, &config->cpg_prune_epochs), 20);
    set(config, "epochs", "12");
    assert_int_equal(xst_config_epochs(config, &config->cpg_prune_epochs), 2);   /* 2.4 */
    assert_int_equal(xst_config_epochs(config, &config->cpg_retrain_epochs), 4); /* 3.6 */
    assert_int_equal(xst_config_epochs(config, &config->cpg_ramp_epochs), 1);    /* 0.48 */
    assert_string_equal(xst_config_get(config, "cpg_prune_epochs"), "2");
    set(config, "cpg_prune_epochs", "20");
    assert_int_equal(xst_config_epochs(config, &config->cpg_prune_epochs), 20);
    xst_config_destroy(config);
}

static void numbers_are_strict(void **state)
{
    (void)state;
    refused("lr", "fast", "lr: 'fast' is not a number");
    refused("lr", "nan", "lr: 'nan' is not a number");
    refused("lr", "", "lr: '' is not a number");
    refused("lr", "0.1x", "lr: '0.1x' is not a number");
    refused("epochs", "2.5", "epochs: '2.5' is not a whole number");
    refused("epochs", "0", "epochs: 0 is out of range: 1 to 100000 epochs");
    refused("seed", "4294967296", "seed: 4294967296 is out of range: 0 to 4294967295");
    refused("lr", "[0.1]", "lr: '[0.1]' is not a number");
    xst_config *const config = fresh();
    set(config, "lr", "1e-3");
    assert_true(config->lr == 0.001);
    xst_config_destroy(config);
}

static void flags(void **state)
{
    static const char *const on[] = {"1", "on", "true"}, *const off[] = {"0", "off", "false"};
    (void)state;
    xst_config *const config = fresh();
    for (int i = 0; i < 3; i++) {
        set(config, "deterministic", on[i]);
        set(config, "augment", off[i]);
        assert_true(config->deterministic && !config->augment);
        assert_string_equal(xst_config_get(config, "deterministic"), "on");
        assert_string_equal(xst_config_get(config, "augment"), "0");
        set(config, "deterministic", off[i]);
        set(config, "augment", on[i]);
        assert_true(!config->deterministic && config->augment);
    }
    xst_config_destroy(config);
    refused("augment", "yes", "augment: 'yes' is not one of 0, 1, off, on");
}

static void lists(void **state)
{
    char many[512] = "[1";
    (void)state;
    xst_config *const config = fresh();
    set(config, "tasks", "3");
    assert_true(config->tasks.count == 3 && !config->tasks.listed && config->tasks.at[2] == 2);
    assert_string_equal(xst_config_get(config, "tasks"), "3");
    set(config, "tasks", "[ 19,3 ]");
    assert_true(config->tasks.count == 2 && config->tasks.listed && config->tasks.at[0] == 19);
    assert_string_equal(xst_config_get(config, "tasks"), "[19, 3]");
    set(config, "lr_steps", "[]");
    assert_int_equal(config->lr_steps.count, 0);
    xst_config_destroy(config);

    refused("tasks", "0", "tasks: 0 is out of range: 1 to 1000");
    refused("tasks", "[]", "tasks: the list is empty");
    refused("tasks", "[1, 2, 1]", "tasks: task 1 is listed twice");
    refused("tasks", "[1, -1]", "tasks: '-1' is not the index of a task: 0 is the first");
    refused("tasks", "[1, [2]]", "tasks: a list or map stands inside the list");
    refused("tasks", "[1, 2", "tasks: '[1, 2' is not a list: write it in brackets, as [1, 2]");
    refused("lr_steps", "0.5", "lr_steps: '0.5' is not a list: write it in brackets, as [1, 2]");
    refused("lr_steps", "[0.8, 0.5]", "lr_steps: 0.5 does not ascend from the value before it");
    refused("lr_steps", "[0.5, 0.5]", "lr_steps: 0.5 does not ascend from the value before it");
    refused("lr_steps", "[0.5, 1.5]", "lr_steps: 1.5 is out of range: 0 to 1 of the epochs");
    refused("net", "[64, N]", "net: 'N' is not a whole number");
    refused("net", "[64, 0]", "net: 0 is out of range: 1 to 4096 channels");
    refused("fc", "[64, M]", "fc: 'M' is not a whole number");
    for (int i = 0; i < 64; i++)
        snprintf(many + 2 + (ptrdiff_t)3 * i, 5, ", 1]");
    refused("net", many, "net: more than 64 items");
}

static void texts(void **state)
{
    char text[XST_TEXT_MAX + 1];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[XST_TEXT_MAX] = 0;
    refused("out", text, "out: text of more than 1023 bytes");
    text[XST_TEXT_MAX - 1] = 0;
    xst_config *const config = fresh();
    set(config, "out", text);
    assert_string_equal(xst_config_get(config, "out"), text);
    set(config, "out", "\xf0\x9f\x98\x80 \xe2\x82\xac");
    xst_config_destroy(config);
    static const char *const bad[] = {"a\nb",         "\x1b[0m",      "\x7f",         "\xff",     "\xc3(",       "\xc3",
                                      "\xe0\x80\x80", "\xed\xa0\x80", "\xe2\x80\xa8", "\xc2\x85", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused("out", bad[i], "out: text must be one line of printable UTF-8");
}

static void unknown_keys(void **state)
{
    (void)state;
    refused("mask_rl", "1", "unknown option 'mask_rl': did you mean 'mask_lr'?");
    refused("quite_another_thing", "1", "unknown option 'quite_another_thing': `xst train --help` lists them");
    refused("", "1", "unknown option '': `xst train --help` lists them");
    xst_config *const config = fresh();
    assert_null(xst_config_get(config, "mask_rl"));
    xst_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_option_is_its_own_and_comes_back),
        cmocka_unit_test(ranges),
        cmocka_unit_test(choices),
        cmocka_unit_test(epochs_are_scaled),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(flags),
        cmocka_unit_test(lists),
        cmocka_unit_test(texts),
        cmocka_unit_test(unknown_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
