// Runs a launch block by block: the order of threads, barriers of the block, and the report of one that not every
// thread reaches. Compile it as fibers.cpp.
#include "runner.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

// The sanitizers' interfaces; null where the sanitizer is not linked.
#define WEAK extern "C" __attribute__((weak))
WEAK void AnnotateBenignRaceSized(const char *file, int line, const volatile void *p, size_t n, const char *text);
WEAK void *__tsan_create_fiber(unsigned flags);
WEAK void __msan_poison(const volatile void *p, size_t n);
WEAK char __start_cuda_shared[], __stop_cuda_shared[]; // made by the linker if the program has static shared memory

Runner run;
sim_options settings = {0, false, 0xff, nullptr, 0};
uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

void fail(const char *format, ...)
{
    if (run.failed)
        return; // the first one is the cause
    run.failed = true;
    const int used = snprintf(run.text, sizeof run.text, "kernel %s, block (%u,%u,%u): ", run.kernel.name, blockIdx.x,
                              blockIdx.y, blockIdx.z);
    va_list list;
    va_start(list, format);
    vsnprintf(run.text + used, sizeof run.text - size_t(used), format, list);
    va_end(list);
}

bool same_site(const SimSite &a, const SimSite &b)
{
    return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0);
}

namespace
{

uint3 index_of(unsigned i, dim3 d)
{
    return {i % d.x, i / d.x % d.y, i / d.x / d.y};
}

void make_order(std::vector<unsigned> &order, unsigned n, unsigned seed)
{
    order.resize(n);
    for (unsigned i = 0; i < n; i++)
        order[i] = settings.order == 1 ? n - 1 - i : i;
    uint32_t x = settings.order * 2654435761u + seed * 40503u + 1;
    for (unsigned i = n; settings.order > 1 && i > 1; i--) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        std::swap(order[i - 1], order[x % i]);
    }
}

void fill_shared(size_t dynamic)
{
    char *at = __start_cuda_shared;
    size_t n = size_t(__stop_cuda_shared - __start_cuda_shared);
    if (__msan_poison)
        __msan_poison(at, n);
    // memset would stop at the sanitizer's red zones
    asm volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(settings.fill) : "memory");
    memset(run.dynamic, settings.fill, dynamic);
    if (__msan_poison)
        __msan_poison(run.dynamic, dynamic);
}

// Nothing can go on: name two threads that do different things.
void fail_stuck()
{
    for (unsigned i = 0; i < run.n; i++) {
        const Thread &t = run.threads[i];
        if (t.state == DONE)
            continue;
        const auto report = [&](unsigned k, const char *does, const SimSite &site) {
            fail("thread %u waits in %s (%s:%d), but thread %u %s %s (%s:%d); %u of %u have returned", i, t.site.what,
                 t.site.file, t.site.line, k, does, site.what, site.file, site.line, run.done, run.n);
        };
        for (unsigned k = 0; k < run.n; k++) {
            const Thread &u = run.threads[k];
            if (t.state == AT_WARP && (k / 32 != i / 32 || !(t.mask >> k % 32 & 1)))
                continue;
            if (u.state == DONE)
                report(k, "has returned without", t.site);
            else if (u.state != t.state || !same_site(u.site, t.site) || (u.state == AT_WARP && u.mask != t.mask))
                report(k, "waits in", u.site);
        }
    }
    fail("a warp function waits for lanes that its warp does not have");
}

bool barrier_complete()
{
    if (run.waiting != run.n)
        return false;
    unsigned count = 0;
    for (const Thread &t : run.threads) {
        if (!same_site(t.site, run.threads[0].site))
            return false;
        count += unsigned(t.value);
    }
    order_threads(0, 0, run.sync + 32);
    for (Thread &t : run.threads)
        t.state = READY, t.value = count;
    run.waiting = 0;
    return true;
}

// Runs one warp as far as it comes.
bool run_warp(unsigned warp)
{
    bool any = false;
    for (bool moved = true; moved;) {
        moved = false;
        for (const unsigned lane : run.lane_order) {
            const unsigned i = warp * 32 + lane;
            if (i >= run.n || run.threads[i].state != READY || run.failed)
                continue;
            run.now = i;
            threadIdx = index_of(i, blockDim);
            run.switches++;
            go(run.main, *run.threads[i].fiber);
            moved = any = true;
        }
    }
    return any;
}

// Each warp before the next one moves: the worst that a missing barrier can meet.
bool run_warps()
{
    bool any = false;
    for (const unsigned warp : run.warp_order)
        any |= run_warp(warp);
    return any;
}

void run_block(unsigned block, size_t dynamic)
{
    blockIdx = index_of(block, gridDim);
    run.waiting = run.done = 0;
    memset(run.at_warp, 0, sizeof run.at_warp);
    for (unsigned i = 0; i < run.n; i++) {
        Fiber &f = run.fibers[i];
        if (__tsan_create_fiber && settings.blocks_concurrent) {
            run.retired.push_back(f);
            fiber_reset(f = Fiber{});
        }
        run.threads[i] = Thread{};
        run.threads[i].fiber = &f;
        f.copies->n = 0;
    }
    fill_shared(dynamic);
    order_main(true);
    make_order(run.warp_order, (run.n + 31) / 32, block);
    make_order(run.lane_order, 32, block);
    while (run.done < run.n && !run.failed)
        if (!run_warps() && !barrier_complete())
            fail_stuck();
    if (!settings.blocks_concurrent)
        order_main(false);
}

bool valid_launch(dim3 grid, size_t shared)
{
    return run.n >= 1 && run.n <= 1024 && grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.y <= 65535 &&
           grid.z <= 65535 && shared <= 227 * 1024;
}

} // namespace

cudaError_t sim_launch(const SimKernel &kernel, dim3 grid, dim3 block, size_t shared, void *args)
{
    run.kernel = kernel, run.args = args, run.n = block.x * block.y * block.z, run.failed = false;
    gridDim = grid, blockDim = block;
    const unsigned n_blocks = grid.x * grid.y * grid.z;
    if (!valid_launch(grid, shared)) {
        fail("%u blocks of %u threads with %zu bytes of shared memory are no valid launch", n_blocks, run.n, shared);
        return cudaErrorInvalidConfiguration;
    }
    for (size_t i = run.fibers.size(); i < run.n; i++)
        fiber_reset(run.fibers.emplace_back());
    run.threads.resize(run.n);
    if (AnnotateBenignRaceSized && settings.blocks_concurrent && __start_cuda_shared)
        AnnotateBenignRaceSized(__FILE__, __LINE__, __start_cuda_shared,
                                size_t(__stop_cuda_shared - __start_cuda_shared), "shared memory");
    std::vector<unsigned> blocks;
    std::vector<void *> kept; // while blocks are concurrent, two of them must not meet at one address
    make_order(blocks, n_blocks, 99);
    for (size_t i = 0; i < blocks.size() && !run.failed; i++) {
        kept.push_back(run.dynamic = malloc(shared ? shared : 1));
        kept.push_back(run.sync = static_cast<char *>(malloc(33)));
        run_block(blocks[i], shared);
        for (; !settings.blocks_concurrent && !kept.empty(); kept.pop_back())
            free(kept.back());
    }
    order_main(false);
    for (void *p : kept)
        free(p);
    for (size_t i = 0; run.failed && i < run.fibers.size(); i++)
        fiber_reset(run.fibers[i]);
    return run.failed ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t sim_launch_now(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t)
{
    const SimKernel &k = *static_cast<const SimKernel *>(kernel);
    return sim_launch(k, grid, block, shared, k.copy(args).get());
}

sim_options *sim_settings(void)
{
    return &settings;
}
const char *sim_error(void)
{
    return run.text[0] ? run.text : nullptr;
}
void sim_clear_error(void)
{
    run.text[0] = 0;
}
uint64_t sim_switches(void)
{
    return run.switches;
}
void *sim_dynamic_shared()
{
    return run.dynamic;
}
SimCopies *sim_copies()
{
    return run.threads[run.now].fiber->copies;
}
void sim_too_many_copies()
{
    fail("thread %u has more than 64 asynchronous copies under way", run.now);
}
bool sim_fenced()
{
    return run.threads[run.now].fenced;
}
void sim_fence()
{
    run.threads[run.now].fenced = true;
}

int sim_sites(const char **file, int *line, int n)
{
    for (int i = 0; i < run.n_sites && i < n; i++)
        file[i] = run.sites[i].file, line[i] = run.sites[i].line;
    return run.n_sites;
}

bool sim_left_out(SimSite site)
{
    bool known = false;
    for (int i = 0; i < run.n_sites && !known; i++)
        known = same_site(run.sites[i], site);
    if (!known && run.n_sites < int(sizeof run.sites / sizeof run.sites[0]))
        run.sites[run.n_sites++] = site;
    return settings.without_file && same_site(site, {"", settings.without_file, settings.without_line});
}

int sim_block_sync(SimSite site, int predicate, SimVote vote)
{
    if (vote == SIM_NONE && sim_left_out(site))
        return 0;
    Thread &me = run.threads[run.now];
    me.state = AT_BARRIER, me.site = site, me.value = predicate != 0;
    run.waiting++;
    yield();
    return vote == SIM_OR ? me.value > 0 : vote == SIM_AND ? me.value == run.n : int(me.value);
}
