/* PackNet (Mallya and Lazebnik, CVPR 2018), as CPG's repository runs it (method notes, section 6): a task trains all
 * free weights, releases those of small magnitude, and retrains the rest. All earlier weights are on. */
#include "methods/method.h"

#include <math.h>
#include <stdio.h>

static int most_epochs(const xst_config *config)
{
    return config->epochs + xst_config_epochs(config, &config->packnet_retrain_epochs);
}

static xst_status plan(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    const xst_config *const config = course->config;
    const double after = fmax(1.0, rint(25 * config->epochs / 100.0)); /* of 30 epochs, for `epochs` = 100 */
    xst_status status = XST_OK;
    xst_plan_begin(course, plan);
    if (course->phase == 1) {
        snprintf(plan->name, sizeof plan->name, "retrain");
        plan->epochs = xst_config_epochs(config, &config->packnet_retrain_epochs);
        plan->lr = (xst_rate){.base = 1e-3, .gamma = 0.1, .at = {1, {after}}, .unit = 1.0};
        return xst_plan_net(net, plan, err);
    }
    snprintf(plan->name, sizeof plan->name, "train");
    if (course->position == 1)
        return xst_plan_whole(course, plan, err);
    for (int m = 0; m < plan->layers && status == XST_OK; m++)
        status = xst_plan_free_columns(course, m, plan, err);
    return status;
}

static xst_status next(xst_course *course, xst_task_record *net, bool *more, xst_error *err)
{
    const xst_config *const config = course->config;
    const int to_come = config->capacity_tasks - course->position + 1;
    const double share = !isnan(config->packnet_prune) ? config->packnet_prune
                         : to_come > 1                 ? 1.0 - 1.0 / to_come
                                                       : 0.0;
    xst_status status = XST_OK;
    *more = course->phase == 0;
    for (int m = 0; m < net->layer_count && *more && status == XST_OK; m++)
        status = xst_release_smallest(&net->layers[m], share, err);
    return status;
}

const xst_method xst_method_packnet = {
    .plan = plan, .next = next, .most_epochs = most_epochs, .element = true, .no_mask = true};
