/* Device files: what is read, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crossbar/device.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char head[] = "name: mine\ndescription: a test\nbased_on: hfo2-32nm\n";

static xst_status parse(const char *rest, xst_device *out, xst_error *err)
{
    char text[2048];
    const int size = snprintf(text, sizeof text, "%s%s", head, rest);
    return xst_device_parse("mine.yaml", text, (size_t)size, out, err);
}

static void refuse(const char *rest, const char *message)
{
    static xst_device d;
    xst_error err = {0};
    assert_int_equal(parse(rest, &d, &err), XST_ERROR_CONFIG);
    if (!strstr(err.message, message))
        fail_msg("'%s' does not say '%s'", err.message, message);
}

static void the_ready_device_is_the_papers(void **state)
{
    (void)state;
    static xst_device d;
    assert_int_equal(xst_device_read("hfo2-32nm", &d, NULL), XST_OK);
    assert_int_equal(d.cell.bits, 2);
    assert_int_equal(d.adc.bits, 5);
    assert_int_equal(d.array.rows, 128);
    assert_true(d.cell.on_conductance == 1e-5 && d.cell.off_conductance == 1e-6);
    assert_true(d.transistor.feature == 32e-9);
    assert_int_equal(strlen(d.hash), 64);
    for (int i = 0; i < xst_device_field_count(); i++) {
        assert_true(d.source[i][0] != '\0');
        assert_string_equal(d.from[i], "hfo2-32nm");
    }
}

static void every_ready_device_reads(void **state)
{
    (void)state;
    static xst_device d;
    int count = 0;
    for (; xst_device_ready_name(count); count++) {
        xst_error err = {0};
        if (xst_device_read(xst_device_ready_name(count), &d, &err) != XST_OK)
            fail_msg("%s: %s", xst_device_ready_name(count), err.message);
        assert_string_equal(d.name, xst_device_ready_name(count));
    }
    assert_int_equal(count, 5);
}

static void a_file_changes_what_it_names(void **state)
{
    (void)state;
    static xst_device base, mine, same;
    xst_error err = {0};
    assert_int_equal(xst_device_read("hfo2-32nm", &base, NULL), XST_OK);
    assert_int_equal(parse("", &same, &err), XST_OK);
    assert_string_equal(same.hash, base.hash);
    assert_int_equal(parse("adc:\n  bits: {value: 8, unit: bit, source: mine}\n", &mine, &err), XST_OK);
    assert_string_not_equal(mine.hash, base.hash);
    for (int i = 0; i < xst_device_field_count(); i++) {
        const xst_device_field *const f = xst_device_field_at(i);
        const int changed = strcmp(f->section, "adc") == 0 && strcmp(f->key, "bits") == 0;
        assert_true(changed ? xst_device_value(&mine, i) == 8
                            : xst_device_value(&mine, i) == xst_device_value(&base, i));
        assert_string_equal(mine.from[i], changed ? "mine" : "hfo2-32nm");
    }
}

static void units_are_read(void **state)
{
    (void)state;
    double si = 0;
    assert_true(xst_device_unit("uS", "S", 10, &si) && si == 1e-5);
    assert_true(xst_device_unit("fF/um", "F/m", 0.2, &si) && fabs(si - 2e-10) < 1e-24);
    assert_true(xst_device_unit("kohm", "ohm", 25, &si) && si == 25000);
    assert_false(xst_device_unit("kohm", "S", 25, &si));
    assert_false(xst_device_unit("", "S", 25, &si));
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    refuse("adc:\n  bits: {value: 0, unit: bit, source: x}\n", "mine.yaml:5:");
    refuse("adc:\n  bits: {value: 0, unit: bit, source: x}\n", "out of range");
    refuse("cell:\n  access_resistance: {value: -1, unit: kohm, source: x}\n", "out of range");
    refuse("cell:\n  access_resistance: {value: 1, source: x}\n", "has no unit");
    refuse("cell:\n  access_resistance: {value: 1, unit: S, source: x}\n", "unit 'S' does not measure it");
    refuse("cell:\n  access_resistance: {value: 1, unit: ohm}\n", "has no source");
    refuse("cell:\n  access_resistance: {value: 1, unit: ohm, source: \"\"}\n", "source");
    refuse("cell:\n  access_resistance: 25\n", "expected a map");
    refuse("cell:\n  acess_resistance: {value: 1, unit: ohm, source: x}\n", "did you mean 'access_resistance'");
    refuse("cel:\n  bits: {value: 1, unit: bit, source: x}\n", "did you mean 'cell'");
    refuse("cell:\n  bits: {value: 1.5, unit: bit, source: x}\n", "whole number");
    refuse("cell:\n  bits: {value: nan, unit: bit, source: x}\n", "mine.yaml:5:");
    refuse("cell:\n  bits: {value: 2, unit: bit, source: x, note: y}\n", "value, unit and source");
    refuse("cell:\n  on_conductance: {value: 0.5, unit: uS, source: x}\n", "must be above");
    refuse("array:\n  adc_share: {value: 7, unit: count, source: x}\n", "must divide");
}

static void incomplete_files_are_refused(void **state)
{
    (void)state;
    static xst_device d;
    static const char alone[] = "name: mine\ndescription: a test\n";
    static const char nameless[] = "description: a test\n";
    static const char lost[] = "name: mine\ndescription: a test\nbased_on: nothing\n";
    static const char self[] = "name: hfo2-32nm\ndescription: a test\nbased_on: hfo2-32nm\n";
    xst_error err = {0};
    assert_int_equal(xst_device_parse("a.yaml", alone, strlen(alone), &d, &err), XST_ERROR_CONFIG);
    assert_non_null(strstr(err.message, "no value for cell.bits"));
    assert_int_equal(xst_device_parse("a.yaml", nameless, strlen(nameless), &d, &err), XST_ERROR_CONFIG);
    assert_non_null(strstr(err.message, "no name"));
    assert_int_equal(xst_device_parse("a.yaml", lost, strlen(lost), &d, &err), XST_ERROR_CONFIG);
    assert_int_equal(xst_device_parse("a.yaml", self, strlen(self), &d, &err), XST_ERROR_CONFIG);
    assert_int_equal(xst_device_read("no-such-device", &d, &err), XST_ERROR_CONFIG);
    assert_non_null(strstr(err.message, "hfo2-32nm"));
    assert_int_equal(xst_device_read("no-such-file.yaml", &d, &err), XST_ERROR_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ready_device_is_the_papers), cmocka_unit_test(every_ready_device_reads),
        cmocka_unit_test(a_file_changes_what_it_names),   cmocka_unit_test(units_are_read),
        cmocka_unit_test(bad_files_are_refused),          cmocka_unit_test(incomplete_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
