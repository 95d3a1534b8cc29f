/* src/cli/arguments.c and progress.c: a command's own options, and how a run is shown on a terminal and elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/arguments.h"
#include "cli/progress.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

typedef struct parsed {
    bool json, verbose;
    const char *data, *words[8];
    int word_count;
} parsed;

static xst_status parse(int argc, char **argv, parsed *out, xst_error *err)
{
    *out = (parsed){0};
    const xst_cli_option options[] = {
        {"--json", .flag = &out->json}, {"-v", .flag = &out->verbose}, {"--data", .value = &out->data}};
    return xst_cli_arguments(argc, argv, options, 3, out->words, &out->word_count, err);
}

static void arguments(void **state)
{
    xst_error err = {0};
    parsed p;
    (void)state;
    assert_int_equal(parse(6, (char *[]){"eval", "a", "--json", "--data", "d", "b"}, &p, &err), XST_OK);
    assert_true(p.json && !p.verbose);
    assert_string_equal(p.data, "d");
    assert_int_equal(p.word_count, 2);
    assert_string_equal(p.words[0], "a");
    assert_string_equal(p.words[1], "b");
    assert_int_equal(parse(6, (char *[]){"eval", "-v", "--data=x=y", "-", "--", "--json"}, &p, &err), XST_OK);
    assert_true(p.verbose && !p.json);
    assert_string_equal(p.data, "x=y");
    assert_int_equal(p.word_count, 2);
    assert_string_equal(p.words[0], "-");
    assert_string_equal(p.words[1], "--json");
}

static void arguments_refused(void **state)
{
    static const struct {
        char *argument[2];
        const char *message;
    } bad[] = {
        {{"--jsno", "x"}, "unknown option '--jsno': did you mean '--json'?"},
        {{"--dat=3", "x"}, "unknown option '--dat=3': did you mean '--data'?"},
        {{"--something-else", "x"}, "unknown option '--something-else': --help lists them"},
        {{"--data", "--json"}, "--data: a value is missing"},
        {{"--json=1", "x"}, "--json takes no value"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        xst_error err = {0};
        parsed p;
        char *const argv[] = {"eval", bad[i].argument[0], bad[i].argument[1]};
        assert_int_equal(parse(3, (char **)argv, &p, &err), XST_ERROR_USAGE);
        assert_string_equal(err.message, bad[i].message);
    }
}

static const double accuracy[] = {81.25, 70.5};

static xst_progress progress(xst_event event, int task, int epoch)
{
    return (xst_progress){.event = event,
                          .text = "a message",
                          .task = task,
                          .tasks = 2,
                          .task_name = task == 1 ? "aquatic_mammals" : "fish",
                          .epoch = epoch,
                          .epochs = 5,
                          .step = (uint32_t)epoch * 79,
                          .steps = 395,
                          .train_loss = 0.51249,
                          .train_accuracy = 82.14,
                          .test_accuracy = epoch == 5 ? 70.2 : NAN,
                          .images_per_s = 310.2,
                          .eta_s = 3720,
                          .mask_density = task == 1 ? NAN : 0.934,
                          .accuracy = accuracy};
}

static void report_run(xst_display *display)
{
    for (int task = 1; task <= 2; task++) {
        xst_progress p = progress(XST_EVENT_TASK, task, 0);
        xst_display_report(display, &p);
        for (int epoch = 1; epoch <= 5; epoch++) {
            p = progress(XST_EVENT_STEP, task, epoch);
            xst_display_report(display, &p);
            p.event = XST_EVENT_EPOCH;
            xst_display_report(display, &p);
        }
        p = progress(XST_EVENT_TASK_DONE, task, 5);
        xst_display_report(display, &p);
    }
    const xst_progress message = progress(XST_EVENT_MESSAGE, 2, 5), done = progress(XST_EVENT_DONE, 2, 5);
    xst_display_report(display, &message);
    xst_display_report(display, &done);
    xst_display_close(display);
}

static void plain_lines(void **state)
{
    char *text = NULL;
    size_t size = 0;
    xst_display display;
    (void)state;
    FILE *const stream = open_memstream(&text, &size);
    assert_non_null(stream);
    xst_display_open(&display, stream, 2);
    assert_false(display.live);
    report_run(&display);
    fclose(stream);
    assert_string_equal(
        text,
        "task 1/2 aquatic_mammals\n"
        "task 1/2 aquatic_mammals  epoch 2/5  ETA 1 h 02 min  loss 0.512  train 82.1 %  310 images/s  step 158/395\n"
        "task 1/2 aquatic_mammals  epoch 4/5  ETA 1 h 02 min  loss 0.512  train 82.1 %  310 images/s  step 316/395\n"
        "task 1/2 aquatic_mammals  epoch 5/5  ETA 1 h 02 min  loss 0.512  train 82.1 %  test 70.2 %  310 images/s  "
        "step 395/395\n"
        "task 1/2 aquatic_mammals: 81.25 %\n"
        "task 2/2 fish\n"
        "task 2/2 fish  epoch 2/5  ETA 1 h 02 min  loss 0.512  train 82.1 %  310 images/s  step 158/395\n"
        "task 2/2 fish  epoch 4/5  ETA 1 h 02 min  loss 0.512  train 82.1 %  310 images/s  step 316/395\n"
        "task 2/2 fish  epoch 5/5  ETA 1 h 02 min  loss 0.512  train 82.1 %  test 70.2 %  310 images/s  step 395/395\n"
        "task 2/2 fish: 70.50 %; mean of 2 tasks 75.88 %; mask 93.4 % on\n"
        "a message\n"
        "\n"
        "test accuracy, percent\n"
        "task                                     learnt      now\n"
        "   1  aquatic_mammals                     81.25    81.25\n"
        "   2  fish                                70.50    70.50\n"
        "      mean                                         75.88\n");
    free(text);
}

/* A resumed run knows nothing of the tasks before it but their accuracy now. */
static void table_after_resume(void **state)
{
    char *text = NULL;
    size_t size = 0;
    xst_display display;
    (void)state;
    FILE *const stream = open_memstream(&text, &size);
    assert_non_null(stream);
    xst_display_open(&display, stream, 1);
    const xst_progress task = progress(XST_EVENT_TASK_DONE, 2, 5), done = progress(XST_EVENT_DONE, 2, 5);
    xst_display_report(&display, &task);
    xst_display_report(&display, &done);
    xst_display_close(&display);
    fclose(stream);
    assert_non_null(strstr(text, "\n   1                                          -    81.25\n"));
    assert_non_null(strstr(text, "\n   2  fish                                70.50    70.50\n"));
    free(text);
}

/* What a terminal of this many columns gets. */
static void show_on_terminal(int columns, char *text, size_t size)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        print_message("skipped: this machine gives no pseudo-terminals\n");
        skip();
    }
    FILE *const stream = fopen(ptsname(master), "r+");
    assert_non_null(stream);
    const struct winsize window = {.ws_row = 25, .ws_col = (unsigned short)columns};
    assert_int_equal(ioctl(fileno(stream), TIOCSWINSZ, &window), 0);
    xst_display display;
    setenv("TERM", "xterm", 1);
    xst_display_open(&display, stream, 1);
    assert_true(display.live);
    report_run(&display);
    assert_true(size > 4096);
    assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    size_t used = 0;
    for (ssize_t n; (n = read(master, text + used, size - 1 - used)) > 0;)
        used += (size_t)n;
    text[used] = 0;
    fclose(stream);
    close(master);
}

static void live_line_keeps_to_the_window(void **state)
{
    static const int widths[] = {20, 30, 60, 80, 200};
    char text[8192];
    (void)state;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        int redraws = 0;
        show_on_terminal(widths[i], text, sizeof text);
        for (const char *p = text; (p = strstr(p, "\rtask")); p += 5) {
            const char *const end = strstr(p, "\033[K");
            assert_non_null(end);
            assert_true(end - (p + 1) < widths[i]);
            redraws++;
        }
        assert_int_equal(redraws, 20);
    }
    show_on_terminal(60, text, sizeof text);
    assert_non_null(strstr(text, "\rtask 2/2 fish  epoch 3/5  ETA 1 h 02 min  loss 0.512\033[K"));
    show_on_terminal(200, text, sizeof text);
    assert_non_null(strstr(text, "  310 images/s  step 237/395\033[K"));
    /* what stays on the screen stands on lines of its own */
    assert_non_null(strstr(text, "\r\033[Ktask 1/2 aquatic_mammals: 81.25 %"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments),
        cmocka_unit_test(arguments_refused),
        cmocka_unit_test(plain_lines),
        cmocka_unit_test(table_after_resume),
        cmocka_unit_test(live_line_keeps_to_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
