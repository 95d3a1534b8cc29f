/* Memory for buffers whose lives do not overlap. */
#include "backend/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SPANS = 40, STEPS = 30, ALIGNMENT = 64 };

/* Whether a step of the one life may run while the other has begun and not ended: by trying all times. */
static bool may_meet(const xst_span *p, const xst_span *q)
{
    const bool late = (p->on_side || q->on_side) && (p->on_main || q->on_main);
    for (int32_t t = 0; t < STEPS; t++) {
        const bool p_lives = t >= p->first && (t <= p->last || (late && p->on_side)),
                   q_lives = t >= q->first && (t <= q->last || (late && q->on_side));
        if (p_lives && q_lives)
            return true;
    }
    return false;
}

static uint32_t dice(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static void lives_that_meet_are_apart(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed < 60; seed++) {
        xst_span span[SPANS];
        size_t offset[SPANS];
        uint32_t s = seed;
        for (int i = 0; i < SPANS; i++) {
            const int32_t first = (int32_t)(dice(&s) % STEPS);
            const uint32_t branches = seed % 2 ? 1 : 1 + dice(&s) % 3;
            span[i] = (xst_span){.bytes = 1 + dice(&s) % 1000,
                                 .first = first,
                                 .last = first + (int32_t)(dice(&s) % (uint32_t)(STEPS - first)),
                                 .on_main = branches & 1,
                                 .on_side = branches & 2,
                                 .offset = &offset[i]};
        }
        const size_t bytes = xst_spans_lay_out(span, SPANS, ALIGNMENT);
        for (int i = 0; i < SPANS; i++) {
            assert_int_equal(*span[i].offset % ALIGNMENT, 0);
            assert_true(*span[i].offset + span[i].bytes <= bytes);
            for (int k = 0; k < i; k++)
                if (may_meet(&span[i], &span[k]))
                    assert_true(*span[i].offset + span[i].bytes <= *span[k].offset ||
                                *span[k].offset + span[k].bytes <= *span[i].offset);
        }
    }
}

static void lives_in_turn_share(void **state)
{
    (void)state;
    size_t offset[3];
    xst_span span[3];
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 3; i++)
            span[i] = (xst_span){.bytes = 100,
                                 .first = 2 * i,
                                 .last = 2 * i + 1,
                                 .on_main = !side,
                                 .on_side = side,
                                 .offset = &offset[i]};
        assert_int_equal(xst_spans_lay_out(span, 3, ALIGNMENT), 128);
    }
    assert_int_equal(xst_spans_lay_out(span, 0, ALIGNMENT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lives_that_meet_are_apart),
                                       cmocka_unit_test(lives_in_turn_share)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
