/* The runner's own: threads of the block that runs now, the fibers they live on, and how to move between them. */
#ifndef XST_TESTS_RUNNER_H
#define XST_TESTS_RUNNER_H

#include "cuda_on_cpu.h"

#include <vector>

enum State { READY, AT_BARRIER, AT_WARP, DONE };

struct Fiber {
    void *sp, *asan, *tsan;
    char *stack;
    SimCopies *copies; // at the top of the stack, so that the thread sanitizer sees one owner
};

struct Thread { // of the block that runs now
    Fiber *fiber;
    State state;
    SimSite site;
    unsigned mask;  // of the warp function it waits in
    uint64_t value; // in: what it brings; out: what it gets
    int source;     // shuffle: from which lane
    float *d;       // sim_mma
    const uint32_t *a, *b;
    bool fenced;
};

struct Runner {
    SimKernel kernel;
    void *args, *dynamic;
    std::vector<Fiber> fibers;
    std::vector<Thread> threads;
    std::vector<unsigned> warp_order, lane_order;
    unsigned n, now, waiting, done; // threads: all, the one that runs, at the barrier, returned
    unsigned at_warp[32];           // the lanes of each warp that wait in a warp function
    Fiber main;
    const void *main_bottom;
    size_t main_size;
    char launch_sync, *sync;    // addresses for the thread sanitizer; `sync` has 33 of its own per block
    std::vector<Fiber> retired; // fibers of earlier blocks that it must not take for those of this one
    bool failed;
    char text[1024];
    uint64_t switches;
    SimSite sites[256];
    int n_sites;
};

extern Runner run;
extern sim_options settings;

// fibers.cpp
void fiber_reset(Fiber &f);   // a fresh fiber, or one that was left in the middle of a kernel
void fiber_release(Fiber &f); // gives its stack back
void go(Fiber &from, Fiber &to);
void yield(); // from the thread that runs to the scheduler
// Everything that these threads did so far happens before everything they do from now on. Mask 0 is the whole block.
void order_threads(unsigned first, unsigned mask, void *address);
void order_main(bool before); // the launch before its threads, or after them

// blocks.cpp
__attribute__((format(printf, 1, 2))) void fail(const char *format, ...);
bool same_site(const SimSite &a, const SimSite &b);

#endif
