#include "methods/sparse.h"

#include "columns/budget.h"

xst_status xst_sparse_begin(const xst_config *config, const xst_model *model, int position, xst_task_plan *plan,
                            xst_error *err)
{
    const xst_net *const net = model->net;
    const xst_budget_rule rule = {
        .s1 = config->s1,
        .capacity = config->capacity_tasks,
        .literal = config->budget == XST_BUDGET_LITERAL,
        .erk = config->distribution == XST_DISTRIBUTION_ERK,
    };
    xst_geometry geometry[XST_NET_LAYERS_MAX];
    double density[XST_NET_LAYERS_MAX];
    for (int m = 0; m < net->masked_count; m++)
        geometry[m] = xst_net_masked(net, m)->geometry;
    plan->preserved = position > 1;
    plan->learns_mask = plan->preserved && config->mask == XST_MASK_GUMBEL;
    plan->drop_and_grow = config->drop_fraction > 0.0;
    plan->inherit = config->bn_start == XST_BN_INHERIT;
    plan->lr = config->lr;
    xst_status status = xst_budget_densities(&rule, geometry, net->masked_count, density, err);
    for (int m = 0; m < net->masked_count && status == XST_OK; m++) {
        const uint32_t count =
            xst_budget_draw(&rule, density[m], geometry[m].columns, position, xst_model_free_columns(model, m));
        status = xst_plan_draw(config, model, m, count, plan, err);
        if (status == XST_OK)
            status = xst_plan_random(config, model, m, plan, err);
    }
    return status;
}
