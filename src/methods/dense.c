/* The dense baselines (method notes, section 6): every column is active, nothing is masked or preserved. */
#include "methods/method.h"

/* A new net for each task. */
static xst_status plan_scratch(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    (void)net;
    xst_plan_begin(course, plan);
    plan->inherit = false;
    return xst_plan_whole(course, plan, err);
}

/* One net that every task goes on changing: from the second task on at `finetune_lr`. */
static xst_status plan_finetune(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    xst_status status = XST_OK;
    if (course->position == 1)
        return plan_scratch(course, net, plan, err);
    xst_plan_begin(course, plan);
    plan->lr = xst_plan_lr(course->config, course->config->finetune_lr);
    plan->inherit = true;
    for (int m = 0; m < plan->layers && status == XST_OK; m++) {
        status = xst_plan_all(course, m, plan, err);
        if (status == XST_OK)
            xst_plan_newest(course->model, m, plan);
    }
    return status;
}

const xst_method xst_method_scratch = {.plan = plan_scratch, .whole = true};
const xst_method xst_method_finetune = {.plan = plan_finetune, .whole = true, .replays = true};
