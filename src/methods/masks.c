/* Masks alone (method notes, section 6): the first task owns the whole net, later ones learn which of its weights are
 * on. Piggyback (Mallya et al.) has a mask per weight, XBM a mask per crossbar column. */
#include "methods/method.h"

static xst_status plan_masked(xst_course *course, xst_mask mask, xst_task_plan *plan, xst_error *err)
{
    xst_status status = XST_OK;
    xst_plan_begin(course, plan);
    if (course->position == 1)
        return xst_plan_whole(course, plan, err);
    xst_plan_mask(course->config, mask, plan);
    for (int m = 0; m < plan->layers && status == XST_OK; m++)
        status = xst_plan_none(m, plan, err);
    return status;
}

static xst_status plan_piggyback(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    (void)net;
    const bool gumbel = course->config->piggyback_mask == XST_PIGGYBACK_GUMBEL;
    const xst_status status = plan_masked(course, gumbel ? XST_MASK_GUMBEL : XST_MASK_THRESHOLD, plan, err);
    plan->bn_frozen = course->position > 1 && course->config->piggyback_bn == XST_PIGGYBACK_BN_FROZEN;
    return status;
}

static xst_status plan_xbm(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    (void)net;
    return plan_masked(course, XST_MASK_GUMBEL, plan, err);
}

const xst_method xst_method_piggyback = {.plan = plan_piggyback, .element = true};
const xst_method xst_method_xbm = {.plan = plan_xbm};
