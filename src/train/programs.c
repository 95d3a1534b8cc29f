#include "train/programs.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct declaration {
    const char *name;
    xst_dtype dtype;
    int rank;
    int64_t dim[4];
} declaration;

static xst_status declare_list(xst_task_programs *p, const declaration *list, size_t n, xst_error *err)
{
    xst_status status = XST_OK;
    for (size_t i = 0; i < n && status == XST_OK; i++) {
        xst_tensor t;
        status =
            xst_tensors_add(&p->tensors, list[i].name, list[i].dtype, XST_STATE, list[i].rank, list[i].dim, &t, err);
    }
    return status;
}

static xst_status declare(xst_task_programs *p, xst_error *err)
{
    const int64_t n = p->train_count, m = p->test_count;
    const declaration list[] = {
        {"t", XST_U32, 1, {1}},
        {"cursor", XST_U32, 1, {1}},
        {"rates", XST_F32, 1, {2}},
        {"norm", XST_F32, 2, {2, XST_CHANNELS}},
        {"images", XST_U8, 4, {n, XST_CHANNELS, XST_SIDE, XST_SIDE}},
        {"labels", XST_U32, 1, {n}},
        {"order", XST_U32, 1, {n}},
        {"metrics", XST_F64, 1, {2}},
        {"mask_counts", XST_U32, 1, {2}},
        {"test_images", XST_U8, 4, {m, XST_CHANNELS, XST_SIDE, XST_SIDE}},
        {"test_labels", XST_U32, 1, {m}},
        {"test_logits", XST_F32, 2, {m, p->classes}},
        {"test_metrics", XST_F64, 1, {2}},
    };
    xst_status status = declare_list(p, list, sizeof list / sizeof list[0], err);
    if (status == XST_OK)
        status = xst_emit_params(p->net, p->classes, true, &p->tensors, err);
    const declaration valid[] = {
        {"valid_images", XST_U8, 4, {p->valid_count, XST_CHANNELS, XST_SIDE, XST_SIDE}},
        {"valid_labels", XST_U32, 1, {p->valid_count}},
        {"valid_logits", XST_F32, 2, {p->valid_count, p->classes}},
        {"valid_metrics", XST_F64, 1, {2}},
    };
    if (status == XST_OK && p->valid_count > 0)
        status = declare_list(p, valid, sizeof valid / sizeof valid[0], err);
    return status == XST_OK ? xst_rows_declare(p->net, p->plan, p->exchange_events, &p->tensors, err) : status;
}

/* Appends an operation whose operands are given by name, each list ended by NULL. */
static xst_status add_named(xst_task_programs *p, xst_program *program, xst_op op, const char *const *in,
                            const char *const *out, xst_error *err)
{
    for (int i = 0; i < XST_OP_INPUTS; i++)
        op.in[i] = in[0] ? xst_tensors_find(&p->tensors, *in++) : -1;
    for (int i = 0; i < XST_OP_OUTPUTS; i++)
        op.out[i] = out[0] ? xst_tensors_find(&p->tensors, *out++) : -1;
    return xst_program_add(program, &p->tensors, &op, err);
}

typedef struct batch_names {
    char x[XST_NAME_MAX], y[XST_NAME_MAX];
} batch_names;

/* Makes the temporaries x and y of a batch. */
static xst_status make_batch(xst_emitter *e, batch_names *names, xst_error *err)
{
    xst_tensor x = -1, y = -1;
    xst_status status = xst_emit_temp(e, "batch", "x", XST_F32, 4,
                                      (const int64_t[]){e->batch, XST_CHANNELS, XST_SIDE, XST_SIDE}, &x, err);
    if (status == XST_OK)
        status = xst_emit_temp(e, "batch", "y", XST_U32, 1, &e->batch, &y, err);
    if (status == XST_OK) {
        snprintf(names->x, XST_NAME_MAX, "%s", e->tensors->info[x].name);
        snprintf(names->y, XST_NAME_MAX, "%s", e->tensors->info[y].name);
    }
    return status;
}

static xst_random_key key_of(const xst_task_programs *p, xst_purpose purpose)
{
    return xst_random_key_of(p->config->seed, p->plan->position, purpose);
}

static xst_emitter emitter_of(xst_task_programs *p, xst_program_id id, const char *name, const char *prefix,
                              uint32_t batch, const xst_weight_hooks *hooks)
{
    xst_emitter e = {.net = p->net,
                     .tensors = &p->tensors,
                     .program = &p->program[id],
                     .hooks = hooks,
                     .batch = batch,
                     .classes = p->classes,
                     .bn_momentum = 0.1f,
                     .bn_counter = -1,
                     .momentum = (float)p->config->momentum};
    snprintf(e.prefix, sizeof e.prefix, "%s", prefix);
    snprintf(p->program[id].name, sizeof p->program[id].name, "%s", name);
    return e;
}

static xst_status emit_loss(xst_task_programs *p, xst_emitter *e, const batch_names *names, xst_tensor logits,
                            xst_error *err)
{
    const xst_tensor_info info = p->tensors.info[logits];
    xst_tensor dlogits;
    const xst_status status = xst_emit_temp(e, "loss", "dlogits", XST_F32, 2, info.dim, &dlogits, err);
    if (status != XST_OK)
        return status;
    xst_op op = xst_op_make(XST_OP_LOSS, "loss");
    op.in[0] = logits;
    op.in[1] = xst_tensors_find(&p->tensors, names->y);
    op.out[0] = dlogits;
    op.out[1] = xst_tensors_find(&p->tensors, "metrics");
    const xst_status added = xst_program_add(e->program, &p->tensors, &op, err);
    return added == XST_OK ? xst_emit_backward(e, dlogits, err) : added;
}

static xst_status emit_step(xst_task_programs *p, xst_program_id id, const char *name, bool is_short, bool exchange,
                            xst_error *err)
{
    xst_rows rows = {.config = p->config, .plan = p->plan, .exchange = exchange, .training = true};
    const xst_weight_hooks hooks = {&rows, xst_rows_weights, xst_rows_gradient};
    xst_emitter e = emitter_of(p, id, name, is_short ? "short" : "step", is_short ? p->last : p->batch, &hooks);
    batch_names names;
    xst_tensor logits;
    e.training = true;
    e.bn_frozen = p->plan->bn_frozen;
    xst_status status = make_batch(&e, &names, err);
    if (status == XST_OK)
        status = add_named(p, e.program, xst_op_make(XST_OP_COUNT, "t"), (const char *[]){NULL},
                           (const char *[]){"t", NULL}, err);
    if (status != XST_OK)
        return status;
    xst_op batch = xst_op_make(XST_OP_TRAIN_BATCH, "batch");
    batch.p.batch = (xst_batch_params){.key = key_of(p, XST_RANDOM_AUGMENT),
                                       .stage = (uint32_t)p->plan->stage,
                                       .steps = p->steps_per_epoch,
                                       .batch = p->batch,
                                       .augment = p->config->augment,
                                       .pad_mean = p->config->pad == XST_PAD_MEAN};
    status = add_named(p, e.program, batch, (const char *[]){"images", "labels", "order", "t", "norm", NULL},
                       (const char *[]){names.x, names.y, NULL}, err);
    if (status == XST_OK)
        status = xst_emit_forward(&e, xst_tensors_find(&p->tensors, names.x), &logits, err);
    return status == XST_OK ? emit_loss(p, &e, &names, logits, err) : status;
}

static xst_status emit_epoch(xst_task_programs *p, xst_error *err)
{
    xst_op op = xst_op_make(XST_OP_SHUFFLE, "epoch");
    op.p.shuffle = (xst_shuffle_params){
        .key = key_of(p, XST_RANDOM_SHUFFLE), .stage = (uint32_t)p->plan->stage, .steps = p->steps_per_epoch};
    snprintf(p->program[XST_PROGRAM_EPOCH].name, XST_NAME_MAX, "epoch");
    return add_named(p, &p->program[XST_PROGRAM_EPOCH], op, (const char *[]){"t", NULL},
                     (const char *[]){"order", NULL}, err);
}

static xst_status emit_eval_batch(xst_task_programs *p, xst_emitter *e, const char *images, const char *labels,
                                  batch_names *names, xst_error *err)
{
    xst_op op = xst_op_make(XST_OP_EVAL_BATCH, "batch");
    op.p.batch.batch = XST_EVAL_BATCH;
    const xst_status status = make_batch(e, names, err);
    return status == XST_OK ? add_named(p, e->program, op, (const char *[]){images, labels, "cursor", "norm", NULL},
                                        (const char *[]){names->x, names->y, NULL}, err)
                            : status;
}

static xst_status emit_count(xst_task_programs *p, xst_emitter *e, xst_error *err)
{
    return add_named(p, e->program, xst_op_make(XST_OP_COUNT, "cursor"), (const char *[]){NULL},
                     (const char *[]){"cursor", NULL}, err);
}

/* Evaluation of the images, labels, .. whose names begin with `set`. */
static xst_status emit_eval(xst_task_programs *p, xst_program_id id, const char *set, xst_error *err)
{
    char images[XST_NAME_MAX], labels[XST_NAME_MAX], all[XST_NAME_MAX], metrics[XST_NAME_MAX];
    snprintf(images, sizeof images, "%s_images", set);
    snprintf(labels, sizeof labels, "%s_labels", set);
    snprintf(all, sizeof all, "%s_logits", set);
    snprintf(metrics, sizeof metrics, "%s_metrics", set);
    xst_rows rows = {.config = p->config, .plan = p->plan};
    const xst_weight_hooks hooks = {&rows, xst_rows_weights, xst_rows_gradient};
    xst_emitter e = emitter_of(p, id, set, set, XST_EVAL_BATCH, &hooks);
    batch_names names;
    xst_tensor logits = -1;
    xst_status status = emit_eval_batch(p, &e, images, labels, &names, err);
    if (status == XST_OK)
        status = xst_emit_forward(&e, xst_tensors_find(&p->tensors, names.x), &logits, err);
    if (status == XST_OK)
        status = add_named(p, e.program, xst_op_make(XST_OP_EVAL_LOSS, "loss"),
                           (const char *[]){p->tensors.info[logits].name, names.y, "cursor", NULL},
                           (const char *[]){all, metrics, NULL}, err);
    return status == XST_OK ? emit_count(p, &e, err) : status;
}

static xst_status emit_mask_count(xst_task_programs *p, xst_error *err)
{
    xst_emitter e = emitter_of(p, XST_PROGRAM_MASK, "mask", "mask", 0, NULL);
    xst_status status = XST_OK;
    for (int m = 0; m < p->net->masked_count && status == XST_OK; m++)
        status = xst_rows_count(&e, m, err);
    return status;
}

/* A forward pass with batch statistics and the exported mask; running statistics become means over batches. */
static xst_status emit_recalibration(xst_task_programs *p, xst_program_id id, uint32_t batch, xst_error *err)
{
    xst_rows rows = {.config = p->config, .plan = p->plan};
    const xst_weight_hooks hooks = {&rows, xst_rows_weights, xst_rows_gradient};
    xst_emitter e =
        emitter_of(p, id, id == XST_PROGRAM_BN ? "bn" : "bn.short", id == XST_PROGRAM_BN ? "bn" : "bns", batch, &hooks);
    batch_names names;
    xst_tensor logits;
    e.training = true;
    e.bn_counter = xst_tensors_find(&p->tensors, "cursor");
    xst_status status = emit_eval_batch(p, &e, "images", "labels", &names, err);
    if (status == XST_OK)
        status = xst_emit_forward(&e, xst_tensors_find(&p->tensors, names.x), &logits, err);
    return status == XST_OK ? emit_count(p, &e, err) : status;
}

static xst_status emit_all(xst_task_programs *p, xst_error *err)
{
    const bool has_short = p->last != p->batch, exchanges = p->exchange_events > 0;
    xst_status status = declare(p, err);
    if (status == XST_OK)
        status = emit_step(p, XST_PROGRAM_STEP, "step", false, false, err);
    if (status == XST_OK && exchanges)
        status = emit_step(p, XST_PROGRAM_STEP_EXCHANGE, "step.exchange", false, true, err);
    if (status == XST_OK && has_short)
        status = emit_step(p, XST_PROGRAM_SHORT, "short", true, false, err);
    if (status == XST_OK && has_short && exchanges)
        status = emit_step(p, XST_PROGRAM_SHORT_EXCHANGE, "short.exchange", true, true, err);
    if (status == XST_OK)
        status = emit_epoch(p, err);
    if (status == XST_OK)
        status = emit_eval(p, XST_PROGRAM_EVAL, "test", err);
    if (status == XST_OK && p->valid_count > 0)
        status = emit_eval(p, XST_PROGRAM_VALID, "valid", err);
    if (status == XST_OK && p->plan->preserved)
        status = emit_mask_count(p, err);
    if (status == XST_OK && p->config->bn_recalibrate && p->train_count >= XST_EVAL_BATCH)
        status = emit_recalibration(p, XST_PROGRAM_BN, XST_EVAL_BATCH, err);
    const uint32_t rest = p->train_count % XST_EVAL_BATCH;
    if (status == XST_OK && p->config->bn_recalibrate && rest > 0)
        status = emit_recalibration(p, XST_PROGRAM_BN_SHORT, rest, err);
    return status;
}

typedef struct steps {
    uint32_t batch, last, per_epoch;
} steps;

static steps steps_of(const xst_config *config, uint32_t train_count)
{
    steps s = {.batch = (uint32_t)config->batch < train_count ? (uint32_t)config->batch : train_count};
    s.last = train_count % s.batch ? train_count % s.batch : s.batch;
    s.per_epoch = (train_count + s.batch - 1) / s.batch;
    return s;
}

xst_status xst_task_check_steps(const xst_config *config, const xst_net *net, uint32_t train_count, xst_error *err)
{
    const steps s = steps_of(config, train_count);
    const uint32_t ramp = (uint32_t)xst_config_epochs(config, &config->cpg_ramp_epochs) * s.per_epoch;
    if (config->method == XST_METHOD_CPG && xst_prune_events(ramp) == 0)
        return xst_fail(
            err, XST_ERROR_CONFIG,
            "cpg_ramp_epochs: a ramp of %u steps has no step at which weights are released (one in %d): give "
            "more epochs or a smaller batch",
            ramp, XST_PRUNE_EVERY);
    for (int i = 0; i < net->count; i++) {
        const xst_layer *const l = &net->layer[i];
        if (l->kind == XST_LAYER_CONV && (uint64_t)s.last * (uint64_t)l->side * (uint64_t)l->side < 2)
            return xst_fail(err, XST_ERROR_CONFIG,
                            "batch %u leaves an epoch's last step with %u image, of which BN '%s' sees one value: "
                            "choose another batch or fewer pools",
                            s.batch, s.last, l->bn);
    }
    return XST_OK;
}

static void count_steps(xst_task_programs *p)
{
    const steps s = steps_of(p->config, p->train_count);
    p->batch = s.batch;
    p->last = s.last;
    p->steps_per_epoch = s.per_epoch;
    p->steps = p->steps_per_epoch * (uint32_t)p->plan->epochs;
    if (p->plan->drop_and_grow) {
        p->exchange_every = (uint32_t)p->config->update_every;
        p->exchange_events = xst_schedule_events(p->config, p->steps);
    } else if (p->plan->prune.ramp > 0) {
        p->ramp = (uint32_t)p->plan->prune.ramp * p->steps_per_epoch;
        p->exchange_every = XST_PRUNE_EVERY;
        p->exchange_offset = 1; /* the law counts steps from 0 */
        p->exchange_events = xst_prune_events(p->ramp);
    }
}

xst_status xst_task_programs_create(const xst_backend_api *api, xst_backend *backend, const xst_config *config,
                                    const xst_net *net, const xst_task_plan *plan, const xst_task_data *data,
                                    xst_task_programs **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_task_programs), "programs", err);
    if (status != XST_OK)
        return status;
    xst_task_programs *const p = memory;
    p->api = api;
    p->config = config;
    p->net = net;
    p->plan = plan;
    p->classes = data->classes;
    p->train_count = data->train.count;
    p->test_count = data->test.count;
    p->valid_count = plan->choose != XST_CHOOSE_NEVER ? data->valid.count : 0;
    count_steps(p);
    status = emit_all(p, err);
    if (status == XST_OK)
        status = api->session_create(backend, &p->tensors, &p->session, err);
    for (int i = 0; i < XST_PROGRAM_COUNT && status == XST_OK; i++)
        if (p->program[i].count > 0)
            status = api->compile(p->session, &p->program[i], &p->executable[i], err);
    if (status != XST_OK)
        xst_task_programs_destroy(p);
    else
        *out = p;
    return status;
}

void xst_task_programs_destroy(xst_task_programs *p)
{
    if (!p)
        return;
    for (int i = 0; i < XST_PROGRAM_COUNT; i++) {
        if (p->executable[i])
            p->api->executable_destroy(p->executable[i]);
        xst_program_free(&p->program[i]);
    }
    if (p->session)
        p->api->session_destroy(p->session);
    xst_tensors_free(&p->tensors);
    xst_free(p);
}

xst_program_id xst_task_programs_due(const xst_task_programs *p, uint32_t t)
{
    const bool is_short = t % p->steps_per_epoch == 0 && p->last != p->batch;
    const uint32_t since = t - p->exchange_offset;
    const bool exchange = p->exchange_events > 0 && since > 0 && since % p->exchange_every == 0 &&
                          since / p->exchange_every <= p->exchange_events;
    return is_short ? (exchange ? XST_PROGRAM_SHORT_EXCHANGE : XST_PROGRAM_SHORT)
                    : (exchange ? XST_PROGRAM_STEP_EXCHANGE : XST_PROGRAM_STEP);
}

xst_status xst_task_upload(xst_task_programs *p, const char *name, const char *what, const void *from, xst_error *err)
{
    xst_tensor t;
    const xst_status status = xst_emit_find(&p->tensors, name, what, &t, err);
    return status == XST_OK ? p->api->upload(p->session, t, from, xst_tensor_bytes(&p->tensors.info[t]), err) : status;
}

xst_status xst_task_download(xst_task_programs *p, const char *name, const char *what, void *to, xst_error *err)
{
    xst_tensor t;
    const xst_status status = xst_emit_find(&p->tensors, name, what, &t, err);
    return status == XST_OK ? p->api->download(p->session, t, to, xst_tensor_bytes(&p->tensors.info[t]), err) : status;
}
