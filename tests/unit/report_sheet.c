/* src/report/sheet*.c: one table as text, CSV and Markdown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/sheet.h"

#include <math.h>
#include <string.h>

static xst_sheet *make(xst_sheets *sheets)
{
    xst_sheet *const t = xst_sheets_add(sheets, "example", 1);
    xst_sheet_title(t, "An %s", "example");
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "run");
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "accuracy in percent");
    xst_sheet_column_add(t, XST_CELL_COUNT, 0, "weights");
    xst_sheet_column_add(t, XST_CELL_BYTES, 0, "bytes");
    xst_sheet_column_add(t, XST_CELL_SIGNIFICANT, 2, "p");
    xst_sheet_text(t, "a_run, \"one\"");
    xst_sheet_number(t, 71.2049);
    xst_sheet_number(t, 1234567);
    xst_sheet_number(t, 1536);
    xst_sheet_number(t, 0.00012345);
    xst_sheet_text(t, "b|c");
    xst_sheet_number(t, NAN);
    xst_sheet_number(t, -999);
    xst_sheet_number(t, 999);
    xst_sheet_text(t, "n/a");
    xst_sheet_note(t, "A note of *%d* words.", 5);
    return t;
}

static void assert_written(void (*write)(const xst_sheet *, xst_text *), const char *expected)
{
    xst_sheets sheets = {0};
    xst_text text = {0};
    write(make(&sheets), &text);
    assert_int_equal(xst_sheets_check(&sheets, NULL), XST_OK);
    assert_string_equal(xst_text_string(&text), expected);
    xst_text_free(&text);
    xst_sheets_free(&sheets);
}

static void write_wide(const xst_sheet *t, xst_text *text)
{
    xst_sheet_write_text(t, 100, text);
}

static void as_text(void **state)
{
    (void)state;
    assert_written(write_wide, "An example\n"
                               "\n"
                               "run           accuracy    weights     bytes        p\n"
                               "                    in\n"
                               "               percent\n"
                               "------------  --------  ---------  --------  -------\n"
                               "a_run, \"one\"     71.20  1 234 567  1.50 KiB  0.00012\n"
                               "b|c                  -       -999     999 B      n/a\n"
                               "\n"
                               "  A note of *5* words.\n"
                               "\n");
}

static void as_csv(void **state)
{
    (void)state;
    assert_written(xst_sheet_write_csv, "run,accuracy in percent,weights,bytes,p\n"
                                        "\"a_run, \"\"one\"\"\",71.2049,1234567,1536,0.00012345\n"
                                        "b|c,,-999,999,n/a\n");
}

static void as_markdown(void **state)
{
    (void)state;
    assert_written(xst_sheet_write_markdown, "## An example\n"
                                             "\n"
                                             "| run | accuracy in percent | weights | bytes | p |\n"
                                             "| --- | ---: | ---: | ---: | ---: |\n"
                                             "| a\\_run, \"one\" | 71.20 | 1 234 567 | 1.50 KiB | 0.00012 |\n"
                                             "| b\\|c | - | -999 | 999 B | n/a |\n"
                                             "\n"
                                             "- A note of \\*5\\* words.\n"
                                             "\n");
}

/* A number that rounds to nothing has no sign. */
static void no_minus_zero(void **state)
{
    xst_sheets sheets = {0};
    xst_text text = {0};
    xst_sheet *const t = xst_sheets_add(&sheets, "zero", 0);
    (void)state;
    xst_sheet_column_add(t, XST_CELL_FIXED, 2, "x");
    xst_sheet_number(t, -0.004);
    xst_sheet_show(t, 0, 0, &text);
    assert_string_equal(xst_text_string(&text), "0.00");
    xst_text_free(&text);
    xst_sheets_free(&sheets);
}

/* Every line fits, every value is there once, the row's name in each piece. */
static void wide_tables_are_cut(void **state)
{
    xst_sheets sheets = {0};
    xst_text text = {0};
    xst_sheet *const t = xst_sheets_add(&sheets, "wide", 1);
    (void)state;
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "name");
    for (int c = 0; c < 20; c++)
        xst_sheet_column_add(t, XST_CELL_FIXED, 2, "column %d", c);
    xst_sheet_text(t, "the row");
    for (int c = 0; c < 20; c++)
        xst_sheet_number(t, 100 + c);
    xst_sheet_note(t, "A long note: %s%s", "one two three four five six seven eight nine ten eleven twelve thirteen ",
                   "fourteen fifteen sixteen");
    xst_sheet_write_text(t, 60, &text);
    int rows = 0, values = 0;
    for (char *line = text.bytes, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        assert_true(strlen(line) <= 60);
        rows += strncmp(line, "the row ", 8) == 0;
        for (const char *p = line; (p = strstr(p, ".00")); p++)
            values++;
    }
    assert_true(rows > 1);
    assert_int_equal(values, 20);
    xst_text_free(&text);
    xst_sheets_free(&sheets);
}

/* Words longer than a column go on in the next line: nothing is left out. */
static void long_words_are_wrapped(void **state)
{
    static const char word[] = "/a/very/long/path/without/blanks/that/goes/on/and/on/0123456789";
    xst_sheets sheets = {0};
    xst_text text = {0};
    xst_sheet *const t = xst_sheets_add(&sheets, "long", 1);
    (void)state;
    xst_sheet_column_add(t, XST_CELL_TEXT, 0, "path");
    xst_sheet_text(t, "%s", word);
    xst_sheet_write_text(t, 100, &text);
    const char *const first = strstr(text.bytes, "/a/very");
    assert_non_null(first);
    assert_int_equal(strcspn(first, "\n"), 44);
    assert_memory_equal(first, word, 44);
    assert_memory_equal(first + 45, word + 44, strlen(word) - 44);
    xst_text_free(&text);
    xst_sheets_free(&sheets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_text),
        cmocka_unit_test(as_csv),
        cmocka_unit_test(as_markdown),
        cmocka_unit_test(no_minus_zero),
        cmocka_unit_test(wide_tables_are_cut),
        cmocka_unit_test(long_words_are_wrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
