#include "methods/dense.h"

xst_status xst_scratch_begin(const xst_config *config, const xst_model *model, int position, xst_task_plan *plan,
                             xst_error *err)
{
    xst_status status = XST_OK;
    (void)position;
    plan->lr = config->lr;
    for (int m = 0; m < model->net->masked_count && status == XST_OK; m++) {
        status = xst_plan_all(model, m, plan, err);
        if (status == XST_OK)
            status = xst_plan_random(config, model, m, plan, err);
    }
    return status;
}

xst_status xst_finetune_begin(const xst_config *config, const xst_model *model, int position, xst_task_plan *plan,
                              xst_error *err)
{
    xst_status status = XST_OK;
    if (position == 1)
        return xst_scratch_begin(config, model, position, plan, err);
    plan->lr = config->finetune_lr;
    plan->inherit = true;
    for (int m = 0; m < model->net->masked_count && status == XST_OK; m++) {
        status = xst_plan_all(model, m, plan, err);
        if (status == XST_OK)
            xst_plan_newest(model, m, plan);
    }
    return status;
}
