/* A method: how a task begins, and the few rows it adds to the step. All methods share network, data, schedules, run
 * folders and checkpoints; adding one takes a file with a `begin` and a row in methods.c. */
#ifndef XST_METHODS_METHOD_H
#define XST_METHODS_METHOD_H

#include "net/emit.h"
#include "net/model.h"

/* One masked layer of a task. */
typedef struct xst_layer_plan {
    uint32_t count;   /* |A| */
    uint32_t *active; /* [count] ascending */
    float *value;     /* [count][longest] initial weights, zero-padded */
} xst_layer_plan;

/* What a task starts from. */
typedef struct xst_task_plan {
    int position;     /* from 1 */
    bool preserved;   /* there are columns of earlier tasks, and they take part */
    bool learns_mask; /* their gates are learnt (else all on, or all off) */
    bool drop_and_grow;
    bool inherit; /* BN and FC biases start from the previous task's */
    double lr;
    int layers;
    xst_layer_plan layer[XST_NET_LAYERS_MAX];
} xst_task_plan;

typedef struct xst_method {
    xst_method_id id;
    bool element; /* every weight is its own column */
    bool whole;   /* each task has a net of its own: nothing is preserved (interface: `whole` = 1) */
    bool replays; /* earlier tasks are evaluated with the newest weights, BN and biases, which shows the forgetting */
    /* Fills the plan of task `position`; the plan is freed by xst_task_plan_free whatever the outcome. */
    xst_status (*begin)(const xst_config *config, const xst_model *model, int position, xst_task_plan *plan,
                        xst_error *err);
} xst_method;

const xst_method *xst_method_of(xst_method_id id);
void xst_task_plan_free(xst_task_plan *plan);

/* ---- parts that methods share (plan.c) ---- */

/* Active = `count` of the layer's free columns, at random. */
xst_status xst_plan_draw(const xst_config *config, const xst_model *model, int masked, uint32_t count,
                         xst_task_plan *plan, xst_error *err);
/* Active = all columns. */
xst_status xst_plan_all(const xst_model *model, int masked, xst_task_plan *plan, xst_error *err);
/* Values of the active columns: random (method notes, section 2), or the model's newest. */
xst_status xst_plan_random(const xst_config *config, const xst_model *model, int masked, xst_task_plan *plan,
                           xst_error *err);
void xst_plan_newest(const xst_model *model, int masked, xst_task_plan *plan);

/* Updates of drop and grow: t_end = floor(update_until * steps); alpha(t) = drop_fraction/2 (1 + cos(pi t/t_end));
 * quota = floor(alpha * active), in double. events = t_end div update_every. */
uint32_t xst_schedule_end(const xst_config *config, uint32_t steps);
uint32_t xst_schedule_events(const xst_config *config, uint32_t steps);
uint32_t xst_schedule_quota(const xst_config *config, uint32_t steps, uint32_t event, uint32_t active);

/* Learning rate of epoch e (from 0): base * gamma^(number of steps s with e >= s * epochs). */
double xst_schedule_rate(double base, double gamma, const xst_reals *steps, int epoch, int epochs);

/* ---- the rows of a step (rows.c) ---- */

typedef struct xst_rows {
    const xst_config *config;
    const xst_task_plan *plan;
    bool grow;     /* this program is for a step at which columns are exchanged */
    bool training; /* gates with noise; else the exported mask */
} xst_rows;

/* Declares the STATE tensors of a task's masked layers: L/frozen, L/preserved, L/m_r, L/adam_m, L/adam_v (only where
 * the plan has preserved columns), L/active, L/value, L/velocity, L/quota (only with drop and grow). L is the weight's
 * name. */
xst_status xst_rows_declare(const xst_net *net, const xst_task_plan *plan, uint32_t events, xst_tensors *tensors,
                            xst_error *err);
/* hooks.user must point to an xst_rows that outlives the emitting. */
xst_status xst_rows_weights(void *rows, xst_emitter *emitter, int masked, xst_tensor *w, xst_error *err);
xst_status xst_rows_gradient(void *rows, xst_emitter *emitter, int masked, xst_tensor dw, xst_error *err);

#endif
