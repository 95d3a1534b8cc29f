/* xst bench */
#include "xst/bench.h"

#include "base/error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *to_json(const xst_bench_result *r)
{
    json_t *const steps = json_array(), *const operations = json_array();
    for (int i = 0; i < r->steps; i++) {
        const xst_bench_step *const s = &r->step[i];
        json_array_append_new(steps,
                              json_pack("{s:s, s:i, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "method", s->method,
                                        "task", s->task, "batch", s->batch, "precision", s->precision, "images_per_s",
                                        number(s->images_per_s), "ms", number(s->ms), "grow_ms", number(s->grow_ms),
                                        "ceiling_images_per_s", number(s->ceiling_images_per_s), "ratio",
                                        number(s->ratio), "peak_MiB", number(s->peak_MiB)));
    }
    for (int i = 0; i < r->operations; i++) {
        const xst_bench_operation *const o = &r->operation[i];
        json_array_append_new(operations, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "layer", o->layer, "operation",
                                                    o->operation, "ms", o->ms, "gflops", o->gflops, "gbytes_per_s",
                                                    o->gbytes_per_s, "share", o->share));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:f}", "machine", r->machine, "libraries", r->libraries,
                     "gemm_gflops", number(r->gemm_gflops), "copy_gbytes_per_s", number(r->copy_gbytes_per_s), "step",
                     steps, "operations", operations, "outside_conv_gemm_share", r->outside_conv_gemm_share);
}

static void add_text(const xst_bench_result *r, xst_text *text)
{
    xst_text_add(text, "%s, %s\nlarge matrix product: %.4g GFLOP/s", r->machine, r->libraries, r->gemm_gflops);
    if (isfinite(r->copy_gbytes_per_s))
        xst_text_add(text, "; large copy: %.4g GB/s", r->copy_gbytes_per_s);
    xst_text_add(text, "\n\n");
    xst_text_add(text,
                 "method       task batch  images/s  ms/step  ms with exchange  ceiling images/s  ratio  peak MiB\n");
    for (int i = 0; i < r->steps; i++) {
        const xst_bench_step *const s = &r->step[i];
        xst_text_add(text, "%-12s %4d %5d %9.1f %8.1f %17.1f %17.1f %6.3f %9.0f\n", s->method, s->task, s->batch,
                     s->images_per_s, s->ms, s->grow_ms, s->ceiling_images_per_s, s->ratio, s->peak_MiB);
    }
    xst_text_add(text, "\n%-22s %-24s %9s %9s %9s %7s\n", "layer", "operation", "ms", "GFLOP/s", "GB/s", "share");
    for (int i = 0; i < r->operations; i++) {
        const xst_bench_operation *const o = &r->operation[i];
        xst_text_add(text, "%-22s %-24s %9.3f %9.1f %9.1f %6.2f%%\n", o->layer, o->operation, o->ms, o->gflops,
                     o->gbytes_per_s, 100.0 * o->share);
    }
    xst_text_add(text, "\noutside conv and GEMM: %.1f%% of the step\n", 100.0 * r->outside_conv_gemm_share);
}

static xst_status read_words(xst_config *config, int argc, char **argv, bool *as_json, int *rounds, xst_error *err)
{
    xst_status status = XST_OK;
    for (int i = 1; i < argc && status == XST_OK;) {
        if (strcmp(argv[i], "--json") == 0) {
            *as_json = true;
            i++;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            *rounds = (int)strtol(argv[i + 1], NULL, 10);
            i += 2;
        } else {
            status = xst_config_argument(config, argc, argv, &i, err);
        }
    }
    return status;
}

xst_status xst_cli_bench(int argc, char **argv, xst_error *err)
{
    xst_config *config = NULL;
    xst_bench_result result = {0};
    bool as_json = false;
    int rounds = 0;
    xst_status status = xst_config_create(&config, err);
    if (status == XST_OK)
        status = read_words(config, argc, argv, &as_json, &rounds, err);
    if (status == XST_OK)
        status = xst_bench(config, rounds, &result, err);
    if (status == XST_OK && as_json) {
        status = xst_cli_print_json(to_json(&result), err);
    } else if (status == XST_OK) {
        xst_text text = {0};
        add_text(&result, &text);
        status = xst_cli_print_text(&text, err);
    }
    xst_bench_free(&result);
    xst_config_destroy(config);
    return status;
}
