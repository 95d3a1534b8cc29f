/* A few columns of the net per task, exchanged by drop and grow: XST (paper III; method notes, section 5), at column or
 * element granularity, and RigL (section 6), whose tasks have a net each. */
#include "columns/budget.h"
#include "methods/method.h"

/* Columns of the budget of a task, drawn at random from the free ones. */
static xst_status draw_columns(const xst_course *course, int budget_position, xst_task_plan *plan, xst_error *err)
{
    const xst_config *const config = course->config;
    const xst_net *const net = course->model->net;
    const xst_budget_rule rule = {
        .s1 = config->s1,
        .capacity = config->capacity_tasks,
        .literal = config->budget == XST_BUDGET_LITERAL,
        .erk = config->distribution == XST_DISTRIBUTION_ERK,
    };
    xst_geometry geometry[XST_NET_LAYERS_MAX];
    double density[XST_NET_LAYERS_MAX];
    const bool whole = xst_method_of(config->method)->whole;
    for (int m = 0; m < net->masked_count; m++)
        geometry[m] = xst_net_masked(net, m)->geometry;
    xst_status status = xst_budget_densities(&rule, geometry, net->masked_count, density, err);
    for (int m = 0; m < net->masked_count && status == XST_OK; m++) {
        const uint32_t columns = geometry[m].columns,
                       free_columns = whole ? columns : xst_model_free_columns(course->model, m),
                       count = xst_budget_draw(&rule, density[m], columns, budget_position, free_columns);
        status = xst_plan_draw(course, m, count, plan, err);
        if (status == XST_OK)
            status = xst_plan_random(course, m, plan, err);
    }
    return status;
}

static xst_status plan_xst(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    (void)net;
    xst_plan_begin(course, plan);
    xst_plan_mask(course->config, course->config->mask, plan);
    plan->drop_and_grow = course->config->drop_fraction > 0.0;
    return draw_columns(course, course->position, plan, err);
}

static xst_status plan_rigl(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err)
{
    (void)net;
    xst_plan_begin(course, plan);
    plan->inherit = false;
    plan->drop_and_grow = course->config->drop_fraction > 0.0;
    return draw_columns(course, 1, plan, err);
}

const xst_method xst_method_xst = {.plan = plan_xst};
const xst_method xst_method_xst_element = {.plan = plan_xst, .element = true};
const xst_method xst_method_rigl = {.plan = plan_rigl, .whole = true};
