/* Which operations share a launch.
 *
 * Every operation starts as a group of its own. Then, where nothing between them minds (no operation there writes what
 * the moved one reads or writes, or reads what it writes):
 *   - all gates, and all effective weights, move up to the first of their kind;
 *   - each exchange or release of columns moves to the end;
 *   - a mask gradient takes its Adam along, if nobody else wants g;
 *   - the two backward products of a layer with few outputs go together;
 *   - a normalisation takes along the pool of its y;
 *   - a pool's backward takes along that of the normalisation, if nobody else wants the pool's dx;
 *   - all mask gradients, Adams, and both kinds of SGD move down to the last of their kind.
 * Groups keep to what one launch can take. */
#include "cuda.h"

#include "base/memory.h"

#include <string.h>

static bool names(const xst_tensor *list, int count, xst_tensor t)
{
    for (int i = 0; i < count; i++)
        if (list[i] == t)
            return true;
    return false;
}

static bool ops_conflict(const xst_op *a, const xst_op *b)
{
    for (int i = 0; i < XST_OP_OUTPUTS; i++) {
        if (a->out[i] >= 0 && (names(b->in, XST_OP_INPUTS, a->out[i]) || names(b->out, XST_OP_OUTPUTS, a->out[i])))
            return true;
        if (b->out[i] >= 0 && names(a->in, XST_OP_INPUTS, b->out[i]))
            return true;
    }
    return false;
}

static bool conflict(const cuda_compiler *c, const cuda_group *a, const cuda_group *b)
{
    for (int32_t i = 0; i < a->count; i++)
        for (int32_t k = 0; k < b->count; k++)
            if (ops_conflict(&c->program->op[a->op[i]], &c->program->op[b->op[k]]))
                return true;
    return false;
}

/* May group i stand beside group k (before or after it)? */
static bool can_reach(const cuda_compiler *c, int32_t i, int32_t k)
{
    for (int32_t j = i < k ? i + 1 : k; j <= (i < k ? k : i - 1); j++)
        if (conflict(c, &c->group[i], &c->group[j]))
            return false;
    return true;
}

static void remove_group(cuda_compiler *c, int32_t i)
{
    memmove(&c->group[i], &c->group[i + 1], (size_t)(c->groups - i - 1) * sizeof *c->group);
    c->groups--;
}

/* Merges group i into group k, if they fit together, keeping the operations in the order of the program. */
static bool merge(cuda_compiler *c, int32_t i, int32_t k, int32_t parts_max)
{
    cuda_group *const to = &c->group[k];
    const cuda_group from = c->group[i];
    if (to->count + from.count > CUDA_GROUP_MAX || to->parts + from.parts > parts_max || !can_reach(c, i, k))
        return false;
    const int32_t at = i < k ? 0 : to->count;
    memmove(&to->op[at + from.count], &to->op[at], (size_t)(to->count - at) * sizeof *to->op);
    memcpy(&to->op[at], from.op, (size_t)from.count * sizeof *to->op);
    to->count += from.count;
    to->parts += from.parts;
    remove_group(c, i);
    return true;
}

static bool same_key(xst_random_key a, xst_random_key b)
{
    return a.seed == b.seed && a.task_purpose == b.task_purpose;
}

/* Can one launch serve both, as far as their parameters and shared tensors go? */
static bool alike(const xst_op *a, const xst_op *b)
{
    switch (a->kind) {
    case XST_OP_GATES:
        return a->in[2] == b->in[2] && same_key(a->p.gates.key, b->p.gates.key) &&
               a->p.gates.temperature == b->p.gates.temperature && a->p.gates.paper == b->p.gates.paper &&
               a->p.gates.training == b->p.gates.training;
    case XST_OP_COLUMN_SGD:
        return a->in[2] == b->in[2] && a->p.sgd.momentum == b->p.sgd.momentum && a->p.sgd.decay == b->p.sgd.decay;
    case XST_OP_SGD:
        return a->in[1] == b->in[1];
    case XST_OP_ADAM:
        return a->in[2] == b->in[2] && a->in[3] == b->in[3];
    default:
        return true;
    }
}

/* The Adam of a group of mask gradients, all of which have one, or NULL. */
static const xst_op *adam_of(const cuda_compiler *c, const cuda_group *group)
{
    const xst_op *const last = &c->program->op[group->op[group->count - 1]];
    return last->kind == XST_OP_ADAM ? last : NULL;
}

static bool groups_alike(const cuda_compiler *c, const cuda_group *a, const cuda_group *b)
{
    if (a->kind == XST_OP_MASK_GRADIENT) {
        const xst_op *const x = adam_of(c, a), *const y = adam_of(c, b);
        return (!x && !y) || (x && y && alike(x, y));
    }
    return alike(&c->program->op[a->op[0]], &c->program->op[b->op[0]]);
}

static void gather_up(cuda_compiler *c, xst_op_kind kind)
{
    for (int32_t k = 0; k < c->groups; k++)
        for (int32_t i = k + 1; i < c->groups && c->group[k].kind == kind;)
            if (c->group[i].kind != kind || !groups_alike(c, &c->group[k], &c->group[i]) ||
                !merge(c, i, k, XST_CUDA_LAYERS_MAX))
                i++;
}

static void gather_down(cuda_compiler *c, xst_op_kind kind, int32_t parts_max)
{
    for (int32_t k = c->groups - 1; k > 0; k--)
        for (int32_t i = k - 1; i >= 0 && c->group[k].kind == kind; i--)
            if (c->group[i].kind == kind && groups_alike(c, &c->group[k], &c->group[i]) && merge(c, i, k, parts_max))
                k--;
}

static void exchanges_last(cuda_compiler *c)
{
    int32_t end = c->groups;
    for (int32_t i = c->groups - 1; i >= 0; i--) {
        if (c->group[i].kind != XST_OP_DROP_GROW && c->group[i].kind != XST_OP_PRUNE)
            continue;
        end--;
        if (i >= end)
            continue;
        if (!can_reach(c, i, end)) {
            end++;
            continue;
        }
        const cuda_group moved = c->group[i];
        remove_group(c, i);
        memmove(&c->group[end + 1], &c->group[end], (size_t)(c->groups - end) * sizeof *c->group);
        c->group[end] = moved;
        c->groups++;
    }
}

static int32_t users(const cuda_compiler *c, xst_tensor t)
{
    int32_t n = 0;
    for (int32_t i = 0; i < c->program->count; i++)
        n += names(c->program->op[i].in, XST_OP_INPUTS, t);
    return n;
}

/* Only one operation reads it, and nothing is left of it after the program. */
static bool goes_to_one(const cuda_compiler *c, xst_tensor t)
{
    return xst_cuda_info(c, t)->kind == XST_TEMP && users(c, t) == 1;
}

static bool mask_then_adam(const cuda_compiler *c, const xst_op *mask, const xst_op *adam)
{
    return adam->in[0] == mask->out[0] && adam->in[1] == mask->in[3] && goes_to_one(c, mask->out[0]);
}

/* bn.cu has pools of whole packs of channels and whole windows. */
static bool whole(const cuda_compiler *c, xst_tensor map)
{
    const int64_t *const dim = xst_cuda_info(c, map)->dim;
    return dim[1] % 8 == 0 && dim[2] % 2 == 0 && dim[3] % 2 == 0;
}

static bool bn_then_pool(const cuda_compiler *c, const xst_op *bn, const xst_op *pool)
{
    return pool->in[0] == bn->out[0] && whole(c, bn->out[0]);
}

static bool pool_then_bn(const cuda_compiler *c, const xst_op *pool, const xst_op *bn)
{
    return bn->in[0] == pool->out[0] && bn->in[2] == pool->in[1] && whole(c, pool->out[0]) &&
           goes_to_one(c, pool->out[0]);
}

/* Groups of one kind take along the first of another kind that belongs to them. The pair conflicts in what the launch
 * itself hands on: only what stands between them is looked at. */
static void pair(cuda_compiler *c, xst_op_kind first, xst_op_kind second,
                 bool (*belongs)(const cuda_compiler *c, const xst_op *first, const xst_op *second))
{
    for (int32_t i = 0; i < c->groups; i++)
        for (int32_t k = i + 1; k < c->groups && c->group[i].kind == first; k++) {
            cuda_group *const group = &c->group[i];
            if (c->group[k].kind != second ||
                !belongs(c, &c->program->op[group->op[0]], &c->program->op[c->group[k].op[0]]))
                continue;
            if (k == i + 1 || can_reach(c, k, i + 1)) {
                group->op[group->count++] = c->group[k].op[0];
                remove_group(c, k);
            }
            break;
        }
}

static void pair_narrow(cuda_compiler *c)
{
    for (int32_t i = 0; i + 1 < c->groups; i++) {
        const xst_op *const data = &c->program->op[c->group[i].op[0]];
        const xst_op *const weights = &c->program->op[c->group[i + 1].op[0]];
        if (data->kind == XST_OP_LINEAR_BACKWARD_DATA && weights->kind == XST_OP_LINEAR_BACKWARD_WEIGHTS &&
            data->in[0] == weights->in[1] && xst_cuda_info(c, data->in[0])->dim[1] <= XST_CUDA_NARROW_MAX)
            (void)merge(c, i + 1, i, 2);
    }
}

xst_status xst_cuda_schedule(cuda_compiler *c)
{
    void *groups = NULL;
    if (c->status == XST_OK)
        c->status = xst_alloc(&groups, (size_t)c->program->count, sizeof *c->group, "schedule", c->err);
    c->group = groups;
    if (c->status != XST_OK)
        return c->status;
    for (int32_t i = 0; i < c->program->count; i++)
        c->group[c->groups++] = (cuda_group){.kind = c->program->op[i].kind, .count = 1, .parts = 1, .op = {i}};
    gather_up(c, XST_OP_GATES);
    gather_up(c, XST_OP_EFFECTIVE);
    exchanges_last(c);
    pair(c, XST_OP_MASK_GRADIENT, XST_OP_ADAM, mask_then_adam);
    pair(c, XST_OP_BN_RELU_FORWARD, XST_OP_POOL_FORWARD, bn_then_pool);
    pair(c, XST_OP_POOL_BACKWARD, XST_OP_BN_RELU_BACKWARD, pool_then_bn);
    pair_narrow(c);
    gather_down(c, XST_OP_MASK_GRADIENT, XST_CUDA_LAYERS_MAX);
    gather_down(c, XST_OP_COLUMN_SGD, XST_CUDA_LAYERS_MAX);
    gather_down(c, XST_OP_SGD, XST_CUDA_TENSORS_MAX);
    return c->status;
}
