/* CPG (Hung et al., NeurIPS 2019; method notes, section 7) at its final size: fine-tune with a mask per weight, prune
 * gradually in stages, keep one of them, retrain with a new mask. */
#include "methods/cpg_rules.h"
#include "methods/method.h"

#include <stdio.h>

/* What course->number remembers. */
enum {
    KIND,    /* of the phase under way, below */
    STAGE,   /* of pruning, under way or the last one run, from 1 */
    REACHED, /* the fine-tuned net reaches the goal */
    KEPT,    /* stage of the net put aside, 0: the fine-tuned one */
    PRUNED,  /* its accuracy */
    BEST,    /* accuracy that retraining must exceed */
    PATIENCE,
    SAVED /* the epoch of retraining put aside last */
};

typedef enum kind { FINE_TUNE, PRUNE, RETRAIN } kind;

/* Adam on masks that are on above 0.005 and start at 0.01: m_r is what is above 0.005. */
static const float mask_start = 0.01f - 0.005f;

static int most_epochs(const xst_config *config)
{
    return config->epochs + XST_CPG_STAGES * xst_config_epochs(config, &config->cpg_prune_epochs) +
           xst_config_epochs(config, &config->cpg_retrain_epochs);
}

static bool owns_some(const xst_task_plan *plan)
{
    for (int m = 0; m < plan->layers; m++)
        if (plan->layer[m].count > 0)
            return true;
    return false;
}

static xst_status plan_fine_tune(const xst_course *course, xst_task_plan *plan, xst_error *err)
{
    xst_status status = XST_OK;
    snprintf(plan->name, sizeof plan->name, "fine-tune");
    plan->choose = XST_CHOOSE_LAST;
    if (course->position == 1)
        return xst_plan_whole(course, plan, err);
    for (int m = 0; m < plan->layers && status == XST_OK; m++)
        status = xst_plan_free_columns(course, m, plan, err);
    plan->learns_mask = plan->identity_gate = true;
    plan->mask_start = mask_start;
    plan->mask_lr = (xst_rate){.base = 5e-4,
                               .gamma = 0.2,
                               .at = {1, {0.5}},
                               .unit = course->config->epochs,
                               .until = owns_some(plan) ? 0.7 * course->config->epochs : 0.0};
    return status;
}

static xst_status plan_prune(const xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    const xst_config *const config = course->config;
    const int stage = (int)course->number[STAGE];
    plan->prune.ramp = xst_config_epochs(config, &config->cpg_ramp_epochs);
    plan->prune.from = xst_cpg_share(stage - 1);
    plan->prune.to = xst_cpg_share(stage);
    plan->epochs = xst_config_epochs(config, &config->cpg_prune_epochs);
    plan->lr = xst_rate_constant(1e-3);
    plan->choose = XST_CHOOSE_LAST;
    snprintf(plan->name, sizeof plan->name, "prune %g", plan->prune.to);
    for (int m = 0; m < plan->layers; m++)
        plan->layer[m].pool = xst_model_free_columns(course->model, m);
    return xst_plan_net(net, plan, err);
}

static xst_status plan_retrain(const xst_course *course, const xst_task_record *net, xst_task_plan *plan,
                               xst_error *err)
{
    snprintf(plan->name, sizeof plan->name, "retrain");
    plan->epochs = xst_config_epochs(course->config, &course->config->cpg_retrain_epochs);
    plan->lr = xst_rate_constant(1e-3);
    plan->learns_mask = plan->identity_gate = true;
    plan->mask_start = mask_start;
    plan->mask_lr = xst_rate_constant(1e-4);
    plan->choose = XST_CHOOSE_EVERY;
    return xst_plan_net(net, plan, err);
}

static xst_status plan(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    xst_plan_begin(course, plan);
    switch ((kind)course->number[KIND]) {
    case FINE_TUNE:
        return plan_fine_tune(course, plan, err);
    case PRUNE:
        return plan_prune(course, net, plan, err);
    default:
        return plan_retrain(course, net, plan, err);
    }
}

/* Retraining: an epoch above the best is put aside; so many in a row without a gain are enough. */
static void judge(xst_course *course, const xst_epoch *epoch, bool *keep, bool *stop)
{
    double *const number = course->number;
    if (number[KIND] != RETRAIN)
        return;
    if (epoch->epoch == 0) {
        number[BEST] = course->config->cpg_retrain_against == XST_AGAINST_PRUNED ? number[PRUNED] : epoch->chosen;
        number[PATIENCE] = 0;
        return;
    }
    *keep = xst_cpg_rounded(epoch->chosen) > xst_cpg_rounded(number[BEST]);
    number[PATIENCE] = *keep ? 0 : number[PATIENCE] + 1;
    if (*keep) {
        number[BEST] = epoch->chosen;
        number[SAVED] = epoch->epoch;
    }
    *stop = number[PATIENCE] >= course->config->cpg_patience;
}

static xst_status put_aside(xst_course *course, const xst_task_record *net, int stage, xst_error *err)
{
    xst_task_record_free(&course->kept);
    course->number[KEPT] = stage;
    course->number[PRUNED] = course->last.chosen;
    return xst_task_record_copy(net, &course->kept, err);
}

static void take_kept(xst_course *course, xst_task_record *net)
{
    xst_task_record_free(net);
    *net = course->kept;
    course->kept = (xst_task_record){0};
}

static void describe(xst_course *course)
{
    const double *const number = course->number;
    const int n = number[KEPT] > 0.0
                      ? snprintf(course->note, sizeof course->note, "prune %g", xst_cpg_share((int)number[KEPT]))
                      : snprintf(course->note, sizeof course->note, "fine-tune");
    if (number[SAVED] > 0.0)
        snprintf(course->note + n, sizeof course->note - (size_t)n, ", retrain epoch %g", number[SAVED]);
}

/* Pruning is over: from task 2 on the kept net is retrained; it also stays aside, should no epoch be better. */
static xst_status end_pruning(xst_course *course, xst_task_record *net, bool *more, xst_error *err)
{
    take_kept(course, net);
    describe(course);
    *more = course->position > 1;
    course->number[KIND] = RETRAIN;
    return *more ? xst_task_record_copy(net, &course->kept, err) : XST_OK;
}

static uint64_t owned(const xst_task_record *net)
{
    uint64_t n = 0;
    for (int m = 0; m < net->layer_count; m++)
        n += net->layers[m].count;
    return n;
}

static xst_status next(xst_course *course, xst_task_record *net, bool *more, xst_error *err)
{
    const xst_config *const config = course->config;
    double *const number = course->number;
    const kind ended = (kind)number[KIND];
    xst_status status = XST_OK;
    if (ended == RETRAIN) {
        take_kept(course, net);
        describe(course);
        *more = false;
        return XST_OK;
    }
    if (ended == FINE_TUNE) {
        *more = owned(net) > 0;
        number[REACHED] = xst_cpg_reaches(course->last.chosen, course->goal);
        if (*more)
            status = put_aside(course, net, 0, err);
    } else {
        const bool counts = xst_cpg_counts(course->last.train, config->cpg_train_floor);
        *more = true;
        if (counts && xst_cpg_keeps(number[REACHED] != 0.0, course->last.chosen, course->goal))
            status = put_aside(course, net, (int)number[STAGE], err);
        if (!counts && status == XST_OK)
            return end_pruning(course, net, more, err);
    }
    if (!*more)
        describe(course);
    if (status != XST_OK || !*more)
        return status;
    if (number[STAGE] >= xst_cpg_last_stage(number[REACHED] != 0.0, config->capacity_tasks, course->position))
        return end_pruning(course, net, more, err);
    number[KIND] = PRUNE;
    number[STAGE]++;
    return XST_OK;
}

const xst_method xst_method_cpg = {.plan = plan,
                                   .judge = judge,
                                   .next = next,
                                   .most_epochs = most_epochs,
                                   .element = true,
                                   .chooses = true,
                                   .goals = true};
