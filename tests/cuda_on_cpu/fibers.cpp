// Fibers, and what the sanitizers are told about them. Compile it without sanitizers (with -fsanitize=memory for that
// one): it finds at run time which of them is linked in.
#include "runner.h"

#include <cstdlib>
#include <sys/mman.h>

#if !defined(__x86_64__)
#error "the switch between fibers is written for x86-64 only"
#endif

// The sanitizers' interfaces; null where the sanitizer is not linked.
#define WEAK extern "C" __attribute__((weak))
WEAK void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
WEAK void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
WEAK void __asan_unpoison_memory_region(const volatile void *p, size_t n);
WEAK void *__tsan_get_current_fiber(void);
WEAK void *__tsan_create_fiber(unsigned flags);
WEAK void __tsan_destroy_fiber(void *fiber);
WEAK void __tsan_switch_to_fiber(void *fiber, unsigned flags); // flag 1: no order between the two
WEAK void __tsan_acquire(void *p);
WEAK void __tsan_release(void *p);
WEAK void __msan_unpoison(const volatile void *p, size_t n);

// Saves the callee's registers on this stack, its top in *save, and continues on the stack whose top is `to`.
extern "C" void sim_switch(void **save, void *to);
asm(R"(
    .text
    .globl sim_switch
sim_switch:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    popq %rcx
    jmp *%rcx # a ret would be mispredicted every time
)");

namespace
{

constexpr size_t STACK = 128 << 10, GUARD = 4096;
static_assert(sizeof(SimCopies) <= 4096, "fiber_reset leaves them so much room");

// For the thread sanitizer, as if these threads did it: publish what they have done at the address, or learn what is
// published there.
void publish(unsigned first, unsigned mask, void *address, bool learn)
{
    void *const self = __tsan_get_current_fiber();
    for (unsigned i = first; i < run.n && i < first + (mask ? 32 : run.n); i++) {
        if (mask && !(mask >> (i - first) & 1))
            continue;
        __tsan_switch_to_fiber(run.threads[i].fiber->tsan, 1);
        if (learn)
            __tsan_acquire(address);
        else
            __tsan_release(address);
    }
    __tsan_switch_to_fiber(self, 1);
}

void fiber_main()
{
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(nullptr, &run.main_bottom, &run.main_size);
    for (;; yield()) {
        run.kernel.call(run.kernel, run.args);
        if (run.threads[run.now].fiber->copies->n)
            fail("thread %u returned with asynchronous copies it never waited for", run.now);
        run.threads[run.now].state = DONE;
        run.done++;
    }
}

} // namespace

void order_threads(unsigned first, unsigned mask, void *address)
{
    if (!__tsan_switch_to_fiber)
        return;
    publish(first, mask, address, false);
    publish(first, mask, address, true);
}

void order_main(bool before)
{
    if (!__tsan_switch_to_fiber)
        return;
    if (!run.main.tsan)
        run.main.tsan = __tsan_get_current_fiber();
    if (before)
        __tsan_release(&run.launch_sync);
    publish(0, 0, &run.launch_sync, before);
    if (before)
        return;
    for (const Fiber &f : run.retired) {
        __tsan_switch_to_fiber(f.tsan, 1);
        __tsan_release(&run.launch_sync);
    }
    __tsan_switch_to_fiber(run.main.tsan, 1);
    __tsan_acquire(&run.launch_sync);
    for (Fiber &f : run.retired)
        fiber_release(f);
    run.retired.clear();
}

void go(Fiber &from, Fiber &to)
{
    const bool to_main = &to == &run.main;
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(&from.asan, to_main ? run.main_bottom : to.stack + GUARD,
                                       to_main ? run.main_size : STACK);
    if (__tsan_switch_to_fiber)
        __tsan_switch_to_fiber(to.tsan, 1);
    sim_switch(&from.sp, to.sp);
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(from.asan, nullptr, nullptr);
}

void yield()
{
    go(*run.threads[run.now].fiber, run.main);
}

void fiber_reset(Fiber &f)
{
    if (__tsan_get_current_fiber && !run.main.tsan)
        run.main.tsan = __tsan_get_current_fiber();
    if (!f.stack) {
        const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void *const p = mmap(nullptr, STACK + GUARD, PROT_READ | PROT_WRITE, how, -1, 0);
        if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE) != 0)
            abort();
        f.stack = static_cast<char *>(p);
    }
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(f.stack + GUARD, STACK);
    if (__msan_unpoison)
        __msan_unpoison(f.stack + GUARD, STACK);
    if (f.tsan)
        __tsan_destroy_fiber(f.tsan);
    if (__tsan_create_fiber)
        f.tsan = __tsan_create_fiber(0);
    // Tops are staggered, else all stacks compete for one cache set.
    const size_t colour = reinterpret_cast<uintptr_t>(f.stack) / GUARD % 61 * 64;
    f.copies = reinterpret_cast<SimCopies *>(f.stack + GUARD + STACK) - 1;
    // The entry point finds the stack as after a call.
    void **const top = reinterpret_cast<void **>(f.stack + GUARD + STACK - 4096 - colour) - 2;
    *top = reinterpret_cast<void *>(fiber_main);
    f.sp = top - 6;
}

void fiber_release(Fiber &f)
{
    __tsan_destroy_fiber(f.tsan);
    munmap(f.stack, STACK + GUARD);
}
