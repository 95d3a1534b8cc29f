/* Runs every kernel of the CUDA backend on the CPU against plain references.
 *
 *   driver                in several orders of threads and blocks, with different garbage in shared memory
 *   driver FILE.cu        the tests of one file
 *   driver left-out       with each barrier and each wait for copies left out in turn: some test must notice
 *   driver left-out FILE  those of one file. device.h's order blocks, so only the thread sanitizer can miss them, and
 * only it is asked driver planted NAME   one kernel of planted.cu, which has a fault; exits with 0 where it is found
 *
 * XST_BLOCKS_CONCURRENT=1: for the thread sanitizer, blocks are never ordered. */
#include "driver.h"
#include "api.h"
#include "check.h"
#include "planted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nothing to ask for: the runner gives every launch what it wants. */
static cudaError_t set_attribute(const void *kernel, enum cudaFuncAttribute attribute, int value)
{
    return kernel && attribute == cudaFuncAttributeMaxDynamicSharedMemorySize && value > 0 ? cudaSuccess
                                                                                           : cudaErrorInvalidValue;
}

static const xst_cuda_api api = {.cudaLaunchKernel = sim_launch_now, .cudaFuncSetAttribute = set_attribute};
const xst_cuda_queue check_queue = {.api = &api};

static const check_suite suites[] = {
    {"layout.cu", check_layout},
    {"batch.cu", check_batch},
    {"gates.cu", check_gates},
    {"effective.cu", check_effective},
    {"mask.cu", check_mask},
    {"update.cu", check_update},
    {"drop_grow.cu", check_drop_grow},
    {"prune.cu", check_prune},
    {"bn.cu", check_bn},
    {"bn_small.cu", check_bn_small},
    {"pool.cu", check_pool},
    {"linear.cu", check_linear},
    {"gemm.cu", check_gemm},
    {"narrow.cu", check_narrow},
    {"loss.cu", check_loss},
    {"fc_product.cu", check_fc_product},
    {"fc_gradient.cu", check_fc_gradient},
    {"small_conv.cu", check_small_conv},
    {"small_conv_weights.cu", check_small_conv_weights},
};
/* Fresh fibers for every block are slow: where blocks are concurrent, one file in which they meet has to do. */
static const char CONCURRENT[] = "fc_product.cu";

enum { SUITES = sizeof suites / sizeof suites[0], SITES_MAX = 256 };

#ifdef __SANITIZE_THREAD__
enum { ORDERS = 1 }; /* it sees a race in any order */
#else
enum { ORDERS = 5 };
#endif

static int races;
void __tsan_on_report(void *report); /* called by the thread sanitizer, where it is */
void __tsan_on_report(void *report)
{
    races += report != NULL;
}

/* Whether a path ends in that file's name. */
static bool is_file(const char *path, const char *file)
{
    const size_t a = strlen(path), b = strlen(file);
    return a >= b && strcmp(path + a - b, file) == 0;
}

static bool known_file(const char *path)
{
    bool known = false;
    for (int i = 0; i < SUITES; i++)
        known = known || is_file(path, suites[i].file);
    return known;
}

/* The suites of a file; all, where it is NULL or no suite's own (a header). */
static check_counts run_suites(const char *path, unsigned order, bool small)
{
    sim_settings()->order = order;
    sim_settings()->fill = order % 2 ? 0 : 0xff;
    for (int i = 0; i < SUITES; i++)
        if (!path || !known_file(path) || is_file(path, suites[i].file))
            suites[i].run(small);
    return check_counted();
}

static int run_all(const char *file)
{
    check_counts all = {0};
    for (unsigned order = 0; order < ORDERS; order++) {
        const check_counts c = run_suites(file, order, order > 1 || ORDERS == 1);
        all.passed += c.passed;
        all.failed += c.failed;
    }
    printf("%d passed, %d failed\n", all.passed, all.failed + races);
    return all.passed == 0 || all.failed + races != 0;
}

static bool fails_without(const char *file, int line)
{
    check_counts c = {0};
    const int before = races;
    sim_settings()->without_file = file;
    sim_settings()->without_line = line;
    for (unsigned order = 0; order < ORDERS && c.failed == 0; order++)
        c = run_suites(sim_settings()->blocks_concurrent ? CONCURRENT : file, order, true);
    return c.failed != 0 || races != before;
}

/* Whether a test fails without that barrier or wait. In a process of its own: what the kernels then do may well crash.
 * Only the thread sanitizer, which is blind after a fork, tries it in this one. */
static bool is_seen(const char *file, int line)
{
    if (sim_settings()->blocks_concurrent)
        return fails_without(file, line);
    const pid_t child = fork();
    if (child == 0)
        _exit(fails_without(file, line) ? 1 : 0);
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int run_left_out(const char *only)
{
    const char *file[SITES_MAX];
    int line[SITES_MAX], tried = 0, unseen = 0;
    const check_counts whole = run_suites(only ? CONCURRENT : NULL, 0, true);
    const int sites = sim_sites(file, line, SITES_MAX);
    check_quietly(true);
    fflush(stdout);
    for (int i = 0; i < sites && i < SITES_MAX; i++) {
        if (only ? !is_file(file[i], only) : is_file(file[i], "device.h"))
            continue;
        tried++;
        if (is_seen(file[i], line[i]))
            continue;
        printf("without %s:%d no test fails\n", file[i], line[i]);
        unseen++;
    }
    printf("%d barriers and waits, %d of them missed by no test\n", tried, unseen);
    return whole.failed != 0 || tried == 0 || sites > SITES_MAX || unseen != 0;
}

/* Found: the runner reports it, a sanitizer does, or another order or fill gives another result. */
static int run_planted(const char *name)
{
    enum { N = 31 };
    float first[N];
    float *const out = malloc(sizeof first);
    planted *const run = planted_find(name);
    bool found = false;
    if (!run || !out) {
        free(out);
        return 2;
    }
    for (unsigned order = 0; order < 4 && !found; order++) {
        sim_settings()->order = order;
        sim_settings()->fill = order % 2 ? 0 : 0x7f;
        memset(out, 0, sizeof first);
        found = run(&check_queue, out, N) != cudaSuccess;
        if (order == 0)
            memcpy(first, out, sizeof first);
        found = found || memcmp(first, out, sizeof first) != 0;
    }
    printf("%s: %s\n", name, sim_error() ? sim_error() : found ? "results differ" : races ? "race" : "not found");
    free(out);
    return !found && !races;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *const concurrent = getenv("XST_BLOCKS_CONCURRENT");
    sim_settings()->blocks_concurrent = concurrent && strcmp(concurrent, "1") == 0;
    if (argc == 3 && strcmp(argv[1], "planted") == 0)
        return run_planted(argv[2]);
    if (argc >= 2 && strcmp(argv[1], "left-out") == 0)
        return run_left_out(argc == 3 ? argv[2] : NULL);
    return run_all(argc == 2 ? argv[1] : NULL);
}
