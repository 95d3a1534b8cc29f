/* Where the tensors of a program lie and in which form; copies where an operation wants another one. */
#include "cuda.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* ---- steps and places -------------------------------------------------------------------------------------------- */

static void *new_step(cuda_compiler *c, cuda_step **list, int32_t *count, size_t *capacity, cuda_run *run, size_t size)
{
    void *args = NULL, *steps = *list;
    if (c->status == XST_OK)
        c->status = xst_grow(&steps, capacity, (size_t)*count + 1, sizeof **list, "steps", c->err);
    *list = steps;
    if (c->status == XST_OK)
        c->status = xst_alloc(&args, 1, size, "a step", c->err);
    if (c->status != XST_OK)
        return NULL;
    const cuda_group *const group = &c->group[c->at];
    (*list)[(*count)++] =
        (cuda_step){.run = run, .args = args, .size = size, .op = group->op[group->count - 1], .kind = group->kind};
    return args;
}

void *xst_cuda_step(cuda_compiler *c, cuda_run *run, size_t size)
{
    return new_step(c, &c->main, &c->mains, &c->main_capacity, run, size);
}

/* A step that comes before those of the group. */
static void *step_before(cuda_compiler *c, cuda_run *run, size_t size)
{
    return new_step(c, &c->exe->step, &c->exe->steps, &c->exe->step_capacity, run, size);
}

static cuda_place *new_place(cuda_compiler *c, void *data, size_t bytes)
{
    xst_executable *const x = c->exe;
    void *places = x->place, *memory = NULL;
    if (c->status == XST_OK)
        c->status =
            xst_grow(&places, &x->place_capacity, (size_t)x->places + 1, sizeof(cuda_place *), "places", c->err);
    x->place = places;
    if (c->status == XST_OK)
        c->status = xst_alloc(&memory, 1, sizeof(cuda_place), "a place", c->err);
    if (c->status != XST_OK)
        return NULL;
    cuda_place *const p = memory;
    *p = (cuda_place){.data = data, .bytes = bytes, .in_arena = !data, .first = c->at, .last = c->at};
    x->place[x->places++] = p;
    return p;
}

/* `field` shall point to the place, which is in use by this group. */
static void point(cuda_compiler *c, void *field, cuda_place *place, bool writes)
{
    xst_executable *const x = c->exe;
    void *patches = x->patch;
    if (c->status == XST_OK)
        c->status =
            xst_grow(&patches, &x->patch_capacity, (size_t)x->patches + 1, sizeof *x->patch, "pointers", c->err);
    x->patch = patches;
    if (c->status != XST_OK || !place)
        return;
    x->patch[x->patches++] = (cuda_patch){.field = field, .place = place, .writes = writes};
    if (c->at < place->first)
        place->first = c->at;
    if (c->at > place->last)
        place->last = c->at;
}

void xst_cuda_point(cuda_compiler *c, void *field, cuda_place *place)
{
    point(c, field, place, true);
}

/* ---- forms ------------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const xst_tensor_info *info, cuda_form form)
{
    const size_t n = (size_t)xst_tensor_elements(info);
    switch (form) {
    case CUDA_FORM_F32:
        return n * sizeof(float);
    case CUDA_FORM_BF16:
        return n * sizeof(uint16_t);
    case CUDA_FORM_BITS:
        return (n + 31) / 32 * sizeof(uint32_t);
    default:
        return xst_tensor_bytes(info);
    }
}

static void set_form(cuda_compiler *c, xst_tensor t, cuda_form form)
{
    if (t >= 0 && xst_cuda_info(c, t)->kind == XST_TEMP && xst_cuda_info(c, t)->dtype == XST_F32)
        c->use[t].form = form;
}

static void choose_forms(cuda_compiler *c)
{
    for (xst_tensor t = 0; t < c->session->tensors.count; t++) {
        const xst_tensor_info *const info = xst_cuda_info(c, t);
        const bool computed = info->kind == XST_TEMP && (info->rank == 2 || info->rank == 4);
        c->use[t].form = info->dtype != XST_F32 ? CUDA_FORM_RAW
                         : computed             ? c->session->backend->compute
                                                : CUDA_FORM_F32;
    }
    for (int32_t i = 0; i < c->program->count; i++) {
        const xst_op *const op = &c->program->op[i];
        if (op->kind == XST_OP_GATES)
            set_form(c, op->out[0], CUDA_FORM_BITS);
        if (op->kind == XST_OP_EFFECTIVE)
            set_form(c, op->in[1], CUDA_FORM_BITS);
        if (op->kind == XST_OP_LOSS || op->kind == XST_OP_EVAL_LOSS || op->kind == XST_OP_SGD)
            set_form(c, op->in[0], CUDA_FORM_F32); /* logits; gradients of the per-task tensors */
        if (op->kind == XST_OP_LOSS)
            set_form(c, op->out[0], CUDA_FORM_F32);
        if (op->kind == XST_OP_TRAIN_BATCH || op->kind == XST_OP_EVAL_BATCH)
            set_form(c, op->in[op->kind == XST_OP_TRAIN_BATCH ? 4 : 3], CUDA_FORM_F32); /* mean and deviation */
        if (op->kind == XST_OP_EFFECTIVE)
            set_form(c, op->in[3], CUDA_FORM_F32); /* value */
        for (int k = 0; k < XST_OP_OUTPUTS; k++)
            if (op->out[k] >= 0)
                c->use[op->out[k]].written = true;
    }
}

static cuda_place *own_place(cuda_compiler *c, xst_tensor t)
{
    cuda_use *const use = &c->use[t];
    if (!use->place)
        use->place = new_place(c, c->session->state[t].data, bytes_of(xst_cuda_info(c, t), use->form));
    return use->place;
}

static xst_status run_transpose(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_transpose(&s->queue, args), "changing a type", err);
}

static xst_status run_pack(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_bits_pack(&s->queue, args), "packing a gate", err);
}

static xst_status run_unpack(const xst_session *s, const void *args, xst_error *err)
{
    return xst_cuda_check(s, xst_cuda_bits_unpack(&s->queue, args), "unpacking a gate", err);
}

static void convert(cuda_compiler *c, xst_tensor t, cuda_place *from, cuda_form from_form, cuda_place *to,
                    cuda_form to_form)
{
    const int64_t n = xst_tensor_elements(xst_cuda_info(c, t));
    if (from_form == CUDA_FORM_BITS || to_form == CUDA_FORM_BITS) {
        const bool pack = to_form == CUDA_FORM_BITS;
        xst_cuda_bits_args *const a = step_before(c, pack ? run_pack : run_unpack, sizeof *a);
        if (!a)
            return;
        a->n = (uint32_t)n;
        point(c, &a->gate, pack ? from : to, !pack);
        point(c, &a->bits, pack ? to : from, pack);
        return;
    }
    xst_cuda_transpose_args *const a = step_before(c, run_transpose, sizeof *a);
    if (!a)
        return;
    *a = (xst_cuda_transpose_args){.from_type = xst_cuda_type_of(from_form),
                                   .to_type = xst_cuda_type_of(to_form),
                                   .batch = 1,
                                   .rows = 1,
                                   .columns = n};
    point(c, &a->from, from, false);
    point(c, &a->to, to, true);
}

/* ---- what operations use ----------------------------------------------------------------------------------------- */

static cuda_place *shadow_place(cuda_compiler *c, xst_tensor t, cuda_form form, uint32_t columns)
{
    if (c->status == XST_OK)
        c->status = xst_cuda_shadow(c->session, t, form, columns, c->err);
    if (c->status != XST_OK)
        return NULL;
    c->exe->reads[t] = true;
    return new_place(c, c->session->state[t].shadow, 0);
}

void xst_cuda_in(cuda_compiler *c, void *field, xst_tensor t, cuda_form form)
{
    if (c->status != XST_OK)
        return;
    cuda_use *const use = &c->use[t];
    cuda_place *const own = own_place(c, t);
    if (form == use->form || use->form == CUDA_FORM_RAW) {
        point(c, field, own, false);
        return;
    }
    if (!use->other || use->other_form != form) {
        use->other_form = form;
        if (xst_cuda_info(c, t)->kind == XST_STATE && form == CUDA_FORM_BF16 && !use->written) {
            use->other = shadow_place(c, t, form, 0);
        } else {
            use->other = new_place(c, NULL, bytes_of(xst_cuda_info(c, t), form));
            if (use->other)
                convert(c, t, own, use->form, use->other, form);
        }
    }
    point(c, field, use->other, false);
}

void xst_cuda_out(cuda_compiler *c, void *field, xst_tensor t, cuda_form form)
{
    if (c->status != XST_OK)
        return;
    cuda_use *const use = &c->use[t];
    cuda_place *place = own_place(c, t);
    use->other = NULL;
    if (xst_cuda_info(c, t)->kind == XST_STATE)
        c->exe->writes[t] = true;
    if (place && form != use->form && use->form != CUDA_FORM_RAW) {
        place = new_place(c, NULL, bytes_of(xst_cuda_info(c, t), form));
        if (c->pendings == CUDA_GROUP_MAX)
            c->status = xst_fail(c->err, XST_ERROR_INTERNAL, "cuda: too many outputs in a group");
        else
            c->pending[c->pendings++] = (struct cuda_pending){t, place, form};
    }
    xst_cuda_point(c, field, place);
}

void xst_cuda_slots_of(cuda_compiler *c, void *field, xst_tensor active, uint32_t columns)
{
    if (c->status == XST_OK && xst_cuda_info(c, active)->kind != XST_STATE)
        c->status = xst_fail(c->err, XST_ERROR_INTERNAL, "cuda: %s: active columns must be STATE",
                             xst_cuda_info(c, active)->name);
    point(c, field, shadow_place(c, active, CUDA_FORM_SLOTS, columns), false);
}

cuda_place *xst_cuda_scratch(cuda_compiler *c, void *field, size_t bytes)
{
    cuda_place *const place = new_place(c, NULL, bytes);
    xst_cuda_point(c, field, place);
    return place;
}

void xst_cuda_use_zeroed(cuda_compiler *c, void *field, cuda_zeroed kind, size_t bytes)
{
    if (c->status != XST_OK)
        return;
    if (bytes > c->zeroed_bytes[kind])
        c->zeroed_bytes[kind] = bytes;
    if (!c->zeroed[kind] && (c->zeroed[kind] = new_place(c, NULL, 0)))
        c->zeroed[kind]->in_arena = false; /* gets its memory in the end */
    xst_cuda_point(c, field, c->zeroed[kind]);
}

xst_status xst_cuda_places_begin(cuda_compiler *c)
{
    choose_forms(c);
    return c->status;
}

void xst_cuda_group_end(cuda_compiler *c)
{
    xst_executable *const x = c->exe;
    void *steps = x->step;
    if (c->status == XST_OK)
        c->status =
            xst_grow(&steps, &x->step_capacity, (size_t)(x->steps + c->mains), sizeof *x->step, "steps", c->err);
    x->step = steps;
    if (c->status != XST_OK)
        return;
    if (c->mains > 0)
        memcpy(&x->step[x->steps], c->main, (size_t)c->mains * sizeof *c->main);
    x->steps += c->mains;
    c->mains = 0;
    for (int32_t i = 0; i < c->pendings; i++) {
        const struct cuda_pending *const p = &c->pending[i];
        cuda_use *const use = &c->use[p->tensor];
        convert(c, p->tensor, p->place, p->form, use->place, use->form);
        use->other = p->place;
        use->other_form = p->form;
    }
    c->pendings = 0;
}

xst_status xst_cuda_places_end(cuda_compiler *c)
{
    xst_session *const s = c->session;
    for (int kind = 0; kind < CUDA_ZEROED_KINDS && c->status == XST_OK; kind++) {
        if (c->zeroed_bytes[kind] > s->zeroed_bytes[kind]) {
            c->status = xst_cuda_memory(s, c->zeroed_bytes[kind], true, "scratch memory", &s->zeroed[kind], c->err);
            s->zeroed_bytes[kind] = c->status == XST_OK ? c->zeroed_bytes[kind] : 0;
        }
        if (c->zeroed[kind])
            c->zeroed[kind]->data = s->zeroed[kind];
    }
    return c->status;
}
