/* `xst info`: what this build is, what machine it sees, which backends open here. */
#include "backend/backend.h"
#include "base/error.h"
#include "base/version.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "config/config.h"

#include <hdf5.h>
#include <openssl/crypto.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct cpu_facts {
    char model[128];
    char features[256]; /* those that matter here, separated by blanks */
    int cores;          /* that this process may use */
} cpu_facts;

typedef struct library_version {
    const char *name;
    char version[32];
} library_version;

enum { LIBRARIES = 4 };

/* Instruction sets that the CPU backend or oneDNN makes use of. */
static const char *const wanted_features[] = {"sse4_2",   "avx2",     "fma",         "avx512f",
                                              "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
                                              "amx_bf16", "asimd",    "sve"};

static bool has_word(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p += length)
        if ((p == words || p[-1] == ' ') && (p[length] == ' ' || p[length] == '\n' || !p[length]))
            return true;
    return false;
}

static void add_features(cpu_facts *facts, const char *words)
{
    for (size_t i = 0; i < sizeof wanted_features / sizeof wanted_features[0]; i++) {
        const size_t used = strlen(facts->features);
        if (has_word(words, wanted_features[i]))
            snprintf(facts->features + used, sizeof facts->features - used, "%s%s", used > 0 ? " " : "",
                     wanted_features[i]);
    }
}

/* Linux tells the processor's name and features in /proc/cpuinfo, once per core: the first will do. */
static cpu_facts find_cpu(void)
{
    cpu_facts facts = {.model = "unknown processor"};
    char *line = NULL;
    size_t capacity = 0;
    cpu_set_t set;
    CPU_ZERO(&set);
    facts.cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    FILE *const f = fopen("/proc/cpuinfo", "r");
    while (f && getline(&line, &capacity, f) > 0 && line[0] != '\n') {
        const char *const colon = strchr(line, ':');
        const char *const value = colon ? colon + 1 + strspn(colon + 1, " ") : "";
        if (strncmp(line, "model name", 10) == 0)
            snprintf(facts.model, sizeof facts.model, "%.*s", (int)strcspn(value, "\n"), value);
        else if (strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0)
            add_features(&facts, value);
    }
    free(line);
    if (f)
        fclose(f);
    return facts;
}

static void find_libraries(library_version library[LIBRARIES])
{
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    library[0].name = "HDF5";
    snprintf(library[0].version, sizeof library[0].version, "%u.%u.%u", major, minor, release);
    library[1].name = "libyaml";
    snprintf(library[1].version, sizeof library[1].version, "%s", yaml_get_version_string());
    library[2].name = "jansson";
    snprintf(library[2].version, sizeof library[2].version, "%s", jansson_version_str());
    library[3].name = "OpenSSL";
    snprintf(library[3].version, sizeof library[3].version, "%s", OpenSSL_version(OPENSSL_VERSION_STRING));
}

/* Opens a backend to see what it is; where it does not open, err says what is missing. */
static xst_status find_backend(const char *name, xst_backend_facts *facts, xst_error *err)
{
    const xst_backend_api *api = NULL;
    xst_backend *backend = NULL;
    xst_status status = xst_backend_find(name, &api, err);
    if (status == XST_OK)
        status = api->open(&(xst_backend_options){.precision = XST_FP32}, &backend, err);
    if (status != XST_OK)
        return status;
    api->facts(backend, facts);
    api->close(backend);
    return XST_OK;
}

static const char *const backends[] = {"cpu", "cuda", "ref"};

enum { BACKENDS = sizeof backends / sizeof backends[0] };

static json_t *backends_json(void)
{
    json_t *const list = json_array();
    for (int i = 0; i < BACKENDS; i++) {
        xst_backend_facts facts = {0};
        xst_error err = {0};
        if (find_backend(backends[i], &facts, &err) == XST_OK)
            json_array_append_new(list,
                                  json_pack("{s:s, s:b, s:s, s:s, s:i}", "name", backends[i], "available", 1, "device",
                                            facts.device, "libraries", facts.libraries, "threads", facts.threads));
        else
            json_array_append_new(
                list, json_pack("{s:s, s:b, s:s}", "name", backends[i], "available", 0, "missing", err.message));
    }
    return list;
}

static xst_status print_json(const cpu_facts *cpu, const library_version *library, xst_config *config, xst_error *err)
{
    json_t *const root =
        json_pack("{s:s, s:s, s:{s:s, s:i, s:s}}", "version", xst_version(), "git_commit", xst_git_commit(), "cpu",
                  "model", cpu->model, "cores", cpu->cores, "features", cpu->features);
    json_t *const libraries = json_object();
    for (int i = 0; i < LIBRARIES; i++)
        json_object_set_new(libraries, library[i].name, json_string(library[i].version));
    json_object_set_new(root, "libraries", libraries);
    json_object_set_new(root, "backends", backends_json());
    if (config) {
        json_t *const defaults = json_object();
        for (int i = 0; i < xst_option_count(); i++)
            json_object_set_new(defaults, xst_option_name(i), json_string(xst_config_get(config, xst_option_name(i))));
        json_object_set_new(root, "defaults", defaults);
    }
    return xst_cli_print_json(root, err);
}

static xst_status print_text(const cpu_facts *cpu, const library_version *library, const xst_config *config,
                             xst_error *err)
{
    xst_text text = {0};
    xst_text_add(&text, "xst %s (%s)\n\nProcessor  %s, %d cores to use: %s\nLibraries  ", xst_version(),
                 xst_git_commit(), cpu->model, cpu->cores, cpu->features);
    for (int i = 0; i < LIBRARIES; i++)
        xst_text_add(&text, "%s%s %s", i > 0 ? ", " : "", library[i].name, library[i].version);
    xst_text_add(&text, "\n\nBackends\n");
    for (int i = 0; i < BACKENDS; i++) {
        xst_backend_facts facts = {0};
        xst_error missing = {0};
        if (find_backend(backends[i], &facts, &missing) == XST_OK)
            xst_text_add(&text, "  %-8s %s; libraries: %s\n", backends[i], facts.device, facts.libraries);
        else
            xst_text_add(&text, "  %-8s not available: %s\n", backends[i], missing.message);
    }
    if (config) {
        xst_text_add(&text, "\n");
        xst_config_write(config, &text);
    }
    return xst_cli_print_text(&text, err);
}

xst_status xst_cli_info(int argc, char **argv, xst_error *err)
{
    bool json = false, verbose = false;
    const xst_cli_option options[] = {{"--json", .flag = &json}, {"-v", .flag = &verbose}};
    const char *words[argc];
    int word_count = 0;
    library_version library[LIBRARIES];
    xst_config *defaults = NULL;
    xst_status status = xst_cli_arguments(argc, argv, options, 2, words, &word_count, err);
    if (status == XST_OK && word_count > 0)
        status = xst_fail(err, XST_ERROR_USAGE, "info takes no '%.100s'", words[0]);
    if (status == XST_OK && verbose)
        status = xst_config_create(&defaults, err);
    if (status != XST_OK)
        return status;
    const cpu_facts cpu = find_cpu();
    find_libraries(library);
    status = json ? print_json(&cpu, library, defaults, err) : print_text(&cpu, library, defaults, err);
    xst_config_destroy(defaults);
    return status;
}
