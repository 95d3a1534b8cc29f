/* Two branches of a recorded step. What only the end of the step waits for, the gradients of weights and the updates,
 * goes to the second one, beside the chain of activations' gradients.
 *
 * The second branch is a queue too. A step on it waits for all main steps before it in the program, so it can be late
 * but never early; at the end, and where a main step needs it, main waits for all that was queued there. So a place
 * that the second branch uses may be in use until the end, as far as the main branch is concerned (backend/spans.h). */
#include "cuda.h"

/* Steps of these groups may be late. */
static bool may_be_late(xst_op_kind kind)
{
    switch (kind) {
    case XST_OP_CONV_BACKWARD_WEIGHTS:
    case XST_OP_LINEAR_BACKWARD_WEIGHTS:
    case XST_OP_MASK_GRADIENT:
    case XST_OP_ADAM:
    case XST_OP_COLUMN_SGD:
    case XST_OP_SGD:
        return true;
    default:
        return false;
    }
}

/* They change what shadows hold (bf16 weights, slots), which other steps reach by places of their own. */
static bool touches_shadows(xst_op_kind kind)
{
    return kind == XST_OP_EFFECTIVE || kind == XST_OP_DROP_GROW || kind == XST_OP_PRUNE;
}

static void find_steps(xst_executable *x)
{
    for (int32_t i = 0; i < x->patches; i++)
        for (int32_t s = 0; s < x->steps; s++) {
            const char *const begin = x->step[s].args, *const field = x->patch[i].field;
            if (field >= begin && field < begin + x->step[s].size)
                x->patch[i].step = s;
        }
}

/* Whether a side step of `first` .. `end` - 1 uses the place of the patch too, and one of both changes it. */
static bool meets_side(const xst_executable *x, const cuda_patch *patch, int32_t first, int32_t end)
{
    for (int32_t i = 0; i < x->patches; i++) {
        const cuda_patch *const other = &x->patch[i];
        if (other->place == patch->place && other->step >= first && other->step < end && x->step[other->step].side &&
            (other->writes || patch->writes))
            return true;
    }
    return false;
}

static bool needs_side(const xst_executable *x, int32_t first, int32_t m)
{
    bool needs = touches_shadows(x->step[m].kind);
    for (int32_t i = 0; i < x->patches && !needs; i++)
        needs = x->patch[i].step == m && meets_side(x, &x->patch[i], first, m);
    return needs;
}

void xst_cuda_branch(xst_executable *x)
{
    int32_t waited = 0; /* steps before this one are waited for */
    bool busy = false;  /* there are others on the second branch */
    find_steps(x);
    for (int32_t s = 0; s < x->steps && x->session->backend->branches; s++) {
        cuda_step *const step = &x->step[s];
        step->side = may_be_late(step->kind);
        step->joins = !step->side && busy && needs_side(x, waited, s);
        if (step->joins)
            waited = s;
        busy = step->side || (busy && !step->joins);
    }
    for (int32_t i = 0; i < x->patches; i++) {
        const bool side = x->step[x->patch[i].step].side;
        x->patch[i].place->on_side |= side;
        x->patch[i].place->on_main |= !side;
    }
}
