/* xst energy */
#include "xst/energy.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "config/number.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct request {
    const char *device, *mapping, *input_bits, *network, *density, *input_density, *seed, *quant, *out;
    bool json, csv, markdown, explain, compat, map_head;
} request;

static xst_status take_share(const char *name, const char *text, double *out, xst_error *err)
{
    if (!text)
        return xst_fail(err, XST_ERROR_USAGE, "energy: --network needs %s, a share from 0 to 1", name);
    if (!xst_number_parse(text, out) || *out < 0 || *out > 1)
        return xst_fail(err, XST_ERROR_USAGE, "%s: '%s' is not a share from 0 to 1", name, text);
    return XST_OK;
}

static xst_status take_whole(const char *name, const char *text, int64_t least, int64_t most, int64_t *out,
                             xst_error *err)
{
    if (text && (!xst_number_parse_int(text, out) || *out < least || *out > most))
        return xst_fail(err, XST_ERROR_USAGE, "%s: '%s' is not a whole number from %lld to %lld", name, text,
                        (long long)least, (long long)most);
    return XST_OK;
}

static xst_energy_format format_of(const request *r)
{
    return r->json ? XST_ENERGY_JSON : r->csv ? XST_ENERGY_CSV : r->markdown ? XST_ENERGY_MARKDOWN : XST_ENERGY_TEXT;
}

static xst_status print(char *text, xst_error *err)
{
    const bool failed = fputs(text, stdout) == EOF ||
                        (text[0] && text[strlen(text) - 1] != '\n' && putchar('\n') == EOF) || fflush(stdout) != 0;
    xst_energy_text_free(text);
    return failed ? xst_fail(err, XST_ERROR_IO, "cannot write to standard output: %s", strerror(errno)) : XST_OK;
}

static xst_status network_energy(const request *r, const xst_device *device, xst_error *err)
{
    xst_energy_network network = {.path = r->network, .neurosim_compat = r->compat};
    int64_t bits = 8, seed = 0;
    xst_status status = take_share("--density", r->density, &network.density, err);
    if (status == XST_OK)
        status = take_share("--input-density", r->input_density, &network.input_density, err);
    if (status == XST_OK)
        status = take_whole("--input-bits", r->input_bits, 1, 8, &bits, err);
    if (status == XST_OK)
        status = take_whole("--seed", r->seed, 0, UINT32_MAX, &seed, err);
    if (status == XST_OK && r->mapping && strcmp(r->mapping, "dense") != 0)
        status = xst_fail(err, XST_ERROR_USAGE, "--mapping %s: --network is mapped dense (it has no columns of tasks)",
                          r->mapping);
    if (status != XST_OK)
        return status;
    network.input_bits = (int)bits;
    network.seed = (uint32_t)seed;
    xst_energy_report report = {0};
    char *text = NULL;
    status = xst_energy_of_network(device, &network, &report, err);
    if (status == XST_OK)
        status = xst_energy_write_network(device, &network, &report, format_of(r), r->explain, &text, err);
    if (status == XST_OK)
        status = print(text, err);
    xst_energy_report_free(&report);
    return status;
}

static xst_status read_options(const request *r, xst_energy_run_options *out, xst_error *err)
{
    int64_t bits = 8;
    *out = (xst_energy_run_options){
        .mapping = XST_MAPPING_COLUMN, .quant = r->quant, .neurosim_compat = r->compat, .map_head = r->map_head};
    if (r->density || r->input_density || r->seed)
        return xst_fail(err, XST_ERROR_USAGE,
                        "energy: --density, --input-density and --seed go with --network: a run "
                        "brings its own weights and inputs");
    if (r->mapping && strcmp(r->mapping, "dense") == 0)
        out->mapping = XST_MAPPING_DENSE;
    else if (r->mapping && strcmp(r->mapping, "column") != 0)
        return xst_fail(err, XST_ERROR_USAGE, "--mapping: '%s' is neither dense nor column", r->mapping);
    const xst_status status = take_whole("--input-bits", r->input_bits, 4, 8, &bits, err);
    out->input_bits = (int)bits;
    return status;
}

static xst_status write_runs(const request *r, const xst_device *device, const xst_energy_run *runs, int count,
                             xst_error *err)
{
    char *text = NULL;
    int plotted = 1;
    xst_status status = r->out ? xst_energy_plot_runs(runs, count, r->out, &plotted, err) : XST_OK;
    if (status == XST_OK && !plotted)
        fprintf(stderr, "xst: gnuplot is not there: %s has the data and the scripts, no pictures\n", r->out);
    if (status == XST_OK)
        status = xst_energy_write_runs(device, runs, count, format_of(r), r->explain, &text, err);
    return status == XST_OK ? print(text, err) : status;
}

static xst_status run_energy(const request *r, const xst_device *device, const char *const *paths, int count,
                             xst_error *err)
{
    xst_energy_run_options options;
    xst_status status = read_options(r, &options, err);
    if (status != XST_OK)
        return status;
    void *memory = NULL;
    if ((status = xst_alloc(&memory, (size_t)count, sizeof(xst_energy_run), "runs", err)) != XST_OK)
        return status;
    xst_energy_run *const runs = memory;
    for (int i = 0; i < count && status == XST_OK; i++)
        status = xst_energy_of_run(device, paths[i], &options, &runs[i], err);
    if (status == XST_OK)
        status = write_runs(r, device, runs, count, err);
    for (int i = 0; i < count; i++)
        xst_energy_run_free(&runs[i]);
    xst_free(memory);
    return status;
}

xst_status xst_cli_energy(int argc, char **argv, xst_error *err)
{
    request r = {.device = "hfo2-32nm"};
    const char *words[argc > 0 ? argc : 1];
    int count = 0;
    const xst_cli_option options[] = {
        {"--device", NULL, &r.device},     {"--mapping", NULL, &r.mapping},
        {"--network", NULL, &r.network},   {"--input-bits", NULL, &r.input_bits},
        {"--density", NULL, &r.density},   {"--input-density", NULL, &r.input_density},
        {"--seed", NULL, &r.seed},         {"--quant", NULL, &r.quant},
        {"--out", NULL, &r.out},           {"--json", &r.json, NULL},
        {"--csv", &r.csv, NULL},           {"--markdown", &r.markdown, NULL},
        {"--explain", &r.explain, NULL},   {"--neurosim-compat", &r.compat, NULL},
        {"--map-head", &r.map_head, NULL},
    };
    xst_status status = xst_cli_arguments(argc, argv, options, sizeof options / sizeof options[0], words, &count, err);
    if (status == XST_OK && r.json + r.csv + r.markdown > 1)
        status = xst_fail(err, XST_ERROR_USAGE, "energy: give one of --json, --csv and --markdown");
    if (status == XST_OK && r.network && count > 0)
        status = xst_fail(err, XST_ERROR_USAGE, "energy: give run folders or --network, not both");
    if (status == XST_OK && !r.network && count == 0)
        status = xst_fail(err, XST_ERROR_USAGE, "energy: name at least one run folder, or a network file (--network)");
    if (status == XST_OK && r.network && r.map_head)
        status = xst_fail(err, XST_ERROR_USAGE, "energy: --map-head goes with run folders: a network has no heads");
    if (status != XST_OK)
        return status;
    xst_device *device = NULL;
    status = xst_device_open(r.device, &device, err);
    if (status == XST_OK)
        status = r.network ? network_energy(&r, device, err) : run_energy(&r, device, words, count, err);
    xst_device_close(device);
    return status;
}
