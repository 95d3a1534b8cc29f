// Functions in which the lanes of a warp meet: the last lane to arrive computes the results of all. Compile it as
// fibers.cpp.
#include "runner.h"

namespace
{

bool all_here(const Thread *lanes, SimSite site, unsigned mask, unsigned here)
{
    bool complete = (here & mask) == mask && !run.failed;
    for (unsigned i = 0; i < 32 && complete; i++)
        if (mask >> i & 1)
            complete = lanes[i].mask == mask && same_site(lanes[i].site, site);
    return complete;
}

template <class F> void warp_function(SimSite site, unsigned mask, F combine)
{
    const unsigned lane = run.now % 32, first = run.now - lane;
    Thread &me = run.threads[run.now];
    if (!(mask >> lane & 1))
        fail("thread %u calls %s (%s:%d) with a mask without itself", run.now, site.what, site.file, site.line);
    me.state = AT_WARP, me.site = site, me.mask = mask;
    unsigned &here = run.at_warp[first / 32];
    here |= 1u << lane;
    if (!all_here(&run.threads[first], site, mask, here))
        return yield();
    combine(&run.threads[first]);
    here &= ~mask;
    for (unsigned i = 0; i < 32; i++)
        if (mask >> i & 1)
            run.threads[first + i].state = READY;
}

float element(uint32_t pair, int which)
{
    return __uint_as_float(which ? pair & 0xffff0000u : pair << 16);
}

} // namespace

void sim_warp_sync(SimSite site, unsigned mask)
{
    if (sim_left_out(site))
        return;
    warp_function(site, mask, [=](Thread *) { order_threads(run.now / 32 * 32, mask, run.sync + run.now / 32); });
}

uint64_t sim_shuffle(SimSite site, unsigned mask, uint64_t bits, int source)
{
    Thread &me = run.threads[run.now];
    me.value = bits, me.source = source;
    warp_function(site, mask, [=](Thread *lane) {
        uint64_t brought[32] = {};
        for (unsigned i = 0; i < 32; i++)
            if (mask >> i & 1)
                brought[i] = lane[i].value;
        for (unsigned i = 0; i < 32; i++) {
            if (!(mask >> i & 1))
                continue;
            if (!(mask >> lane[i].source & 1))
                fail("%s (%s:%d) reads lane %d, which takes no part", site.what, site.file, site.line, lane[i].source);
            lane[i].value = brought[lane[i].source];
        }
    });
    return me.value;
}

unsigned sim_ballot(SimSite site, unsigned mask, bool predicate)
{
    Thread &me = run.threads[run.now];
    me.value = predicate;
    warp_function(site, mask, [=](Thread *lane) {
        unsigned votes = 0;
        for (unsigned i = 0; i < 32; i++)
            if (mask >> i & 1)
                votes |= unsigned(lane[i].value) << i;
        for (unsigned i = 0; i < 32; i++)
            if (mask >> i & 1)
                lane[i].value = votes;
    });
    return unsigned(me.value);
}

// D = A B + D for a 16x16 A, a 16x8 B and a 16x8 D spread over the warp as the PTX manual draws them for
// mma.m16n8k16 (the picture is in cuda/tile.h).
void sim_mma(SimSite site, float d[4], const uint32_t a[4], const uint32_t b[2])
{
    Thread &me = run.threads[run.now];
    me.d = d, me.a = a, me.b = b;
    warp_function(site, ~0u, [](Thread *lane) {
        float A[16][16], B[16][8];
        for (int l = 0; l < 32; l++)
            for (int r = 0; r < 4; r++)
                for (int h = 0; h < 2; h++) {
                    A[l / 4 + r % 2 * 8][l % 4 * 2 + r / 2 * 8 + h] = element(lane[l].a[r], h);
                    if (r < 2)
                        B[l % 4 * 2 + r * 8 + h][l / 4] = element(lane[l].b[r], h);
                }
        for (int l = 0; l < 32; l++)
            for (int r = 0; r < 4; r++)
                for (int k = 0; k < 16; k++)
                    lane[l].d[r] += A[l / 4 + r / 2 * 8][k] * B[k][l % 4 * 2 + r % 2];
    });
}
