/* src/config/yaml.c and number.c: YAML as a tree with positions; what is refused, and where it says the fault is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/number.h"
#include "config/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static xst_yaml *parse(const char *text)
{
    xst_error err = {0};
    xst_yaml *yaml = NULL;
    if (xst_yaml_parse("f.yaml", text, strlen(text), &yaml, &err) != XST_OK)
        fail_msg("%s", err.message);
    return yaml;
}

/* The text is refused, and the message is exactly this. */
static void refused_bytes(const char *text, size_t size, const char *message)
{
    xst_error err = {0};
    xst_yaml *yaml = NULL;
    assert_int_equal(xst_yaml_parse("f.yaml", text, size, &yaml, &err), XST_ERROR_CONFIG);
    assert_null(yaml);
    assert_string_equal(err.message, message);
}

static void refused(const char *text, const char *message)
{
    refused_bytes(text, strlen(text), message);
}

static const xst_yaml_node *member(const xst_yaml *yaml, const char *key)
{
    const xst_yaml_node *const node = xst_yaml_member(xst_yaml_root(yaml), key);
    assert_non_null(node);
    return node;
}

static void reads_tree_with_positions(void **state)
{
    (void)state;
    xst_yaml *const yaml =
        parse("# a comment\nmethod: xst\ntasks: [3, 0,\n        7]\nouter:\n  - inner: 1e-3\n    text: \"a: b\"\n");
    assert_string_equal(xst_yaml_name(yaml), "f.yaml");
    assert_int_equal(xst_yaml_root(yaml)->kind, XST_YAML_MAP);

    const xst_yaml_node *const method = member(yaml, "method");
    assert_int_equal(method->kind, XST_YAML_SCALAR);
    assert_string_equal(method->text, "xst");
    assert_int_equal(method->line, 2);
    assert_int_equal(method->column, 1);

    const xst_yaml_node *item = member(yaml, "tasks")->child;
    assert_string_equal(item->text, "3");
    assert_null(item->key);
    assert_int_equal(item->line, 3);
    assert_int_equal(item->column, 9);
    item = item->next->next;
    assert_string_equal(item->text, "7");
    assert_int_equal(item->line, 4);
    assert_int_equal(item->column, 9);
    assert_null(item->next);

    const xst_yaml_node *const map = member(yaml, "outer")->child;
    assert_int_equal(map->kind, XST_YAML_MAP);
    assert_string_equal(map->child->key, "inner");
    assert_int_equal(map->child->line, 6);
    assert_int_equal(map->child->column, 5);
    assert_string_equal(map->child->next->text, "a: b");
    assert_null(xst_yaml_member(map, "nothing"));
    xst_yaml_destroy(yaml);
}

static void scalars_are_text(void **state)
{
    static const char *const words[] = {"no", "012", "1_000", "~", "null", "1:30", "0x1F", "Yes", ".5"};
    (void)state;
    xst_yaml *const yaml = parse("[no, 012, 1_000, ~, null, 1:30, 0x1F, Yes, .5]");
    const xst_yaml_node *item = xst_yaml_root(yaml)->child;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++, item = item->next) {
        assert_int_equal(item->kind, XST_YAML_SCALAR);
        assert_string_equal(item->text, words[i]);
    }
    assert_null(item);
    xst_yaml_destroy(yaml);
}

static void empty_is_an_empty_map(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "---\n...\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        xst_yaml *const yaml = parse(texts[i]);
        assert_int_equal(xst_yaml_root(yaml)->kind, XST_YAML_MAP);
        assert_null(xst_yaml_root(yaml)->child);
        xst_yaml_destroy(yaml);
    }
    xst_yaml *const yaml = parse("out:\nempty: []\n");
    assert_string_equal(member(yaml, "out")->text, "");
    assert_int_equal(member(yaml, "empty")->kind, XST_YAML_LIST);
    assert_null(member(yaml, "empty")->child);
    xst_yaml_destroy(yaml);
}

static void refuses_what_is_not_plain(void **state)
{
    static const char unsupported[] = "anchors (&), aliases (*) and tags (!) are not supported: write the value out";
    char message[256];
    (void)state;
    snprintf(message, sizeof message, "f.yaml:2:4: %s", unsupported);
    refused("a: 1\nb: &x 2\n", message);
    refused("a: 1\nb: *x\n", message);
    refused("a: 1\nb: !!str 2\n", message);
    refused("a: 1\nb: &x [2]\n", message);
    refused("a: 1\nb: !t {c: 2}\n", message);
    refused("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document starts here: put it into its own file");
    refused("---\n---\nb: 2\n", "f.yaml:2:1: a second document starts here: put it into its own file");
    refused("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' is given twice, first in line 1: remove one");
    refused("a: {b: 1, b: 2}\n", "f.yaml:1:11: 'b' is given twice, first in line 1: remove one");
    refused("? [a]\n: 1\n", "f.yaml:1:3: a list or map stands where a key is expected: check the indentation");
    refused("a: \"x\\0y\"\n", "f.yaml:1:4: text contains a NUL character");
}

static void syntax_errors_name_line_and_column(void **state)
{
    (void)state;
    refused("seed: 1\ntasks: [3, 0\n", "f.yaml:3:1: did not find expected ',' or ']', while parsing a flow sequence "
                                       "that starts at 2:8");
    refused("a: 1\n\tb: 2\n", "f.yaml:2:1: found a tab character that violates indentation, while scanning a plain "
                              "scalar that starts at 1:4");
    refused("a: 1\n  b: 2\n", "f.yaml:2:4: mapping values are not allowed in this context");
    refused("a: \"x\n",
            "f.yaml:2:1: found unexpected end of stream, while scanning a quoted scalar that starts at 1:4");
}

static void bytes_that_are_not_utf8(void **state)
{
    (void)state;
    refused("a: 1\nb: \xff\n", "f.yaml:2:4: invalid leading UTF-8 octet: write it as UTF-8 text");
    refused("a: 1\n\xc3\xb6: \xc3(\n", "f.yaml:2:5: invalid trailing UTF-8 octet: write it as UTF-8 text");
    refused_bytes("a: 1\nb: \0\n", 10, "f.yaml:2:4: control characters are not allowed: write it as UTF-8 text");
    xst_yaml *const yaml = parse("\xef\xbb\xbfout: gr\xc3\xb6\xc3\x9f"
                                 "e\n");
    assert_string_equal(member(yaml, "out")->text, "gr\xc3\xb6\xc3\x9f"
                                                   "e");
    xst_yaml_destroy(yaml);
}

static void limits_depth_size_and_count(void **state)
{
    static char text[(1 << 20) + 2];
    (void)state;
    memset(text, '[', 40);
    text[40] = 0;
    refused(text, "f.yaml:1:33: lists and maps are nested too deeply");
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    text[64] = 0;
    xst_yaml_destroy(parse(text));
    size_t n = 0;
    text[n++] = '[';
    for (int i = 0; i < 20001; i++, n += 2)
        memcpy(text + n, "1,", 2);
    memcpy(text + n, "]", 2);
    refused(text, "f.yaml:1:40000: too many values: this is no configuration file");
    memset(text, '#', sizeof text - 1);
    text[sizeof text - 1] = 0;
    refused(text, "f.yaml: 1048577 bytes are too many for a configuration file");
}

static void numbers(void **state)
{
    static const char *const good[] = {"0.1", "1e-3", "-20", "+5", ".5", "4E2"};
    static const double values[] = {0.1, 1e-3, -20, 5, .5, 400};
    static const char *const bad[] = {"nan",  "inf",   "-inf", "1e999", "",  " 1", "1 ",
                                      "0x10", "1_000", "one",  "1,5",   "-", "1e"};
    double x = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(xst_number_parse(good[i], &x));
        assert_true(x == values[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(xst_number_parse(bad[i], &x));
    int64_t n = 0;
    assert_true(xst_number_parse_int("-012", &n) && n == -12);
    assert_false(xst_number_parse_int("1.0", &n));
    assert_false(xst_number_parse_int("1e3", &n));
    assert_false(xst_number_parse_int("99999999999999999999", &n));
    assert_false(xst_number_parse_int("", &n));
}

static void printed_numbers_read_back(void **state)
{
    static const double values[] = {0.1, 1.0 / 3,           4e-5, 1e6, 5e-324, 1.7976931348623157e308, 0.1 + 0.2,
                                    -20, 9007199254740993.0};
    char text[XST_NUMBER_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        double x = 0;
        xst_number_text(values[i], text);
        assert_true(xst_number_parse(text, &x));
        assert_memory_equal(&x, &values[i], sizeof x);
    }
    for (uint64_t i = 1, bits = 1; i < 20000; i++) {
        double x = 0, back = 0;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        xst_number_text(x, text);
        assert_true(xst_number_parse(text, &back));
        assert_memory_equal(&back, &x, sizeof x);
    }
    xst_number_text(0.1, text);
    assert_string_equal(text, "0.1");
    xst_number_text(-0.0, text);
    assert_string_equal(text, "0");
}

static void yaml_numbers_name_the_place(void **state)
{
    xst_error err = {0};
    double x = 0;
    (void)state;
    xst_yaml *const yaml = parse("a: 2.5\nb: many\nc: [1, inf]\n");
    assert_int_equal(xst_yaml_double(yaml, member(yaml, "a"), &x, &err), XST_OK);
    assert_true(x == 2.5);
    assert_int_equal(xst_yaml_double(yaml, member(yaml, "b"), &x, &err), XST_ERROR_CONFIG);
    assert_string_equal(err.message, "f.yaml:2:1: b: 'many' is not a number");
    assert_int_equal(xst_yaml_double(yaml, member(yaml, "c"), &x, &err), XST_ERROR_CONFIG);
    assert_string_equal(err.message, "f.yaml:3:1: c is a list, not a number");
    assert_int_equal(xst_yaml_double(yaml, member(yaml, "c")->child->next, &x, &err), XST_ERROR_CONFIG);
    assert_string_equal(err.message, "f.yaml:3:8: list item: 'inf' is not a number");
    xst_yaml_destroy(yaml);
}

static void reads_files(void **state)
{
    char path[] = "/tmp/xst-yaml-XXXXXX";
    xst_error err = {0};
    xst_yaml *yaml = NULL;
    (void)state;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: [1\n", 6), 6);
    close(fd);
    assert_int_equal(xst_yaml_read(path, &yaml, &err), XST_ERROR_CONFIG);
    assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
    assert_non_null(strstr(err.message, ":2:1: "));
    unlink(path);
    assert_int_equal(xst_yaml_read(path, &yaml, &err), XST_ERROR_CONFIG);
    assert_non_null(strstr(err.message, path));
    assert_null(yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tree_with_positions),
        cmocka_unit_test(scalars_are_text),
        cmocka_unit_test(empty_is_an_empty_map),
        cmocka_unit_test(refuses_what_is_not_plain),
        cmocka_unit_test(syntax_errors_name_line_and_column),
        cmocka_unit_test(bytes_that_are_not_utf8),
        cmocka_unit_test(limits_depth_size_and_count),
        cmocka_unit_test(numbers),
        cmocka_unit_test(printed_numbers_read_back),
        cmocka_unit_test(yaml_numbers_name_the_place),
        cmocka_unit_test(reads_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
