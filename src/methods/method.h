/* A method: what a task's training starts from, phase by phase, and the few rows it adds to the step. All methods share
 * network, data, schedules, run folders and checkpoints. A method is one file with a `const xst_method` and a row in
 * config/methods.h (METHODS.md shows the smallest). */
#ifndef XST_METHODS_METHOD_H
#define XST_METHODS_METHOD_H

#include "net/emit.h"
#include "net/model.h"
#include "net/record.h"

/* A learning rate over the epochs e = 0, 1, .. of a phase: base * gamma^(number of steps s with e >= at[s] * unit); 0
 * from epoch `until` on, where that is above 0. */
typedef struct xst_rate {
    double base, gamma;
    xst_reals at;
    double unit, until;
} xst_rate;

double xst_rate_at(const xst_rate *rate, int epoch);

/* One masked layer of a phase. */
typedef struct xst_layer_plan {
    uint32_t count;   /* |A| */
    uint32_t pool;    /* of gradual pruning: free columns and the task's own */
    uint32_t *active; /* [count] ascending */
    float *value;     /* [count][longest] initial weights, zero-padded */
} xst_layer_plan;

/* When a phase is evaluated for the method to choose by. */
typedef enum xst_choice { XST_CHOOSE_NEVER, XST_CHOOSE_LAST, XST_CHOOSE_EVERY } xst_choice;

/* What a phase starts from, and how it trains. Filled with zeros before the method sees it. */
typedef struct xst_task_plan {
    int position;  /* from 1 */
    int stage;     /* of the random numbers: 0, later phases of a task from 1 */
    char name[32]; /* of the phase, for people; "": the only one */
    int epochs;    /* of this phase */
    xst_rate lr, mask_lr;
    bool preserved;     /* there are columns of earlier tasks, and they take part */
    bool learns_mask;   /* their gates are learnt */
    bool identity_gate; /* by piggyback's rule; else by the Gumbel gate */
    float
        mask_start; /* m_r of every preserved column; where the phase starts from a net and learns no mask, its bits */
    bool drop_and_grow;
    /* Gradual pruning in the first `ramp` epochs: the share of the pool that is released goes from `from` to `to`. */
    struct {
        int ramp; /* 0: none */
        double from, to;
    } prune;
    xst_choice choose;
    bool bn_frozen; /* BN goes on as the previous task left it, under its running statistics, and learns nothing */
    bool inherit;   /* BN and FC biases start from the previous task's */
    const xst_task_record *net; /* not NULL: all per-task tensors start from this net's */
    int layers;
    xst_layer_plan layer[XST_NET_LAYERS_MAX];
} xst_task_plan;

/* Accuracies in percent after an epoch; epoch 0: before the first (`train` is NaN there). `chosen` is measured on the
 * test images, or with valid_share on those held out. */
typedef struct xst_epoch {
    int epoch, epochs;
    double train, chosen;
} xst_epoch;

enum { XST_COURSE_NUMBERS = 16 };

/* A task on its way through its phases. All but the pointers is saved with the state of a run. */
typedef struct xst_course {
    const xst_config *config;
    const xst_model *model;            /* what earlier tasks left */
    const char *task;                  /* name */
    int position;                      /* from 1 */
    double goal;                       /* percent; of methods that want one */
    int phase;                         /* under way, from 0 */
    uint32_t epochs, steps;            /* of the phases before it */
    double number[XST_COURSE_NUMBERS]; /* what the method remembers, 0 at first */
    xst_epoch last;                    /* the newest epoch (not saved: it is of the phase under way) */
    char note[64];                     /* at the end, for people: where the task's net came from (not saved) */
    xst_task_record kept;              /* a net that the method has put aside; no layers: none */
} xst_course;

typedef struct xst_method {
    bool element; /* every weight is its own column (xst_method_element) */
    bool whole;   /* each task has a net of its own: nothing is preserved (interface: `whole` = 1) */
    bool replays; /* earlier tasks are evaluated with the newest weights, BN and biases, which shows the forgetting */
    bool chooses; /* by accuracy: on the test images, or on those held out */
    bool no_mask; /* what is preserved is on for every task: there is no density to report */
    bool goals;   /* it wants an accuracy to reach for each task (cpg_goals) */
    /* Most epochs that a task can take; NULL: `epochs`. */
    int (*most_epochs)(const xst_config *config);
    /* Fills the plan of the phase under way. net is what the phase before it left, NULL in the first. The plan is freed
     * by xst_task_plan_free whatever the outcome. */
    xst_status (*plan)(xst_course *course, const xst_task_record *net, xst_task_plan *plan, xst_error *err);
    /* Looks at an epoch of a phase that chooses: *keep puts the net aside as course->kept, *stop ends the phase. NULL:
     * no phase does. */
    void (*judge)(xst_course *course, const xst_epoch *epoch, bool *keep, bool *stop);
    /* After a phase. *net is what it left; the method may change it or swap it with course->kept. *more: another phase
     * follows, planned from *net; else *net is what the task keeps. NULL: one phase is all. */
    xst_status (*next)(xst_course *course, xst_task_record *net, bool *more, xst_error *err);
} xst_method;

const xst_method *xst_method_of(xst_method_id id);
/* Whether the run's columns are single weights. */
bool xst_method_element(const xst_config *config);
int xst_method_most_epochs(const xst_config *config);
/* Whether later tasks learn their masks with the Gumbel gate. */
bool xst_method_learns_gumbel(const xst_config *config);

void xst_task_plan_free(xst_task_plan *plan);
void xst_course_free(xst_course *course);

/* ---- parts that methods share (plan.c) ---- */

/* lr of `epochs` epochs as `lr`, `lr_steps` and `lr_gamma` say, from another base; mask_lr the same with its own keys.
 */
xst_rate xst_plan_lr(const xst_config *config, double base);
xst_rate xst_plan_mask_lr(const xst_config *config);
xst_rate xst_rate_constant(double base);

/* The usual first phase: `epochs` at `lr`, BN as bn_start says, columns of earlier tasks on. */
void xst_plan_begin(const xst_course *course, xst_task_plan *plan);
/* The gates of the preserved columns as `mask` says: gumbel, threshold, all or none. */
void xst_plan_mask(const xst_config *config, xst_mask mask, xst_task_plan *plan);

/* Active = `count` of the layer's free columns (of all, for methods whose tasks have a net each), at random. */
xst_status xst_plan_draw(const xst_course *course, int masked, uint32_t count, xst_task_plan *plan, xst_error *err);
/* Active = all columns; all free columns; none. Their values are 0. */
xst_status xst_plan_all(const xst_course *course, int masked, xst_task_plan *plan, xst_error *err);
xst_status xst_plan_free_columns(const xst_course *course, int masked, xst_task_plan *plan, xst_error *err);
xst_status xst_plan_none(int masked, xst_task_plan *plan, xst_error *err);
/* Values of the active columns: random (method notes, section 2), or the model's newest. */
xst_status xst_plan_random(const xst_course *course, int masked, xst_task_plan *plan, xst_error *err);
void xst_plan_newest(const xst_model *model, int masked, xst_task_plan *plan);
/* Active = the columns that a net owns, with its values; plan->net = net. */
xst_status xst_plan_net(const xst_task_record *net, xst_task_plan *plan, xst_error *err);

/* The task owns the whole net, from random weights, and nothing is masked: task 1 of several methods. */
xst_status xst_plan_whole(const xst_course *course, xst_task_plan *plan, xst_error *err);

/* A net's own weights of a layer: those of magnitude at or below the r-th smallest are released, r = rint(share * n).
 * Single weights only. */
xst_status xst_release_smallest(xst_layer_record *layer, double share, xst_error *err);

/* Updates of drop and grow: t_end = floor(update_until * steps); alpha(t) = drop_fraction/2 (1 + cos(pi t/t_end));
 * quota = floor(alpha * active), in double. events = t_end div update_every. */
uint32_t xst_schedule_end(const xst_config *config, uint32_t steps);
uint32_t xst_schedule_events(const xst_config *config, uint32_t steps);
uint32_t xst_schedule_quota(const xst_config *config, uint32_t steps, uint32_t event, uint32_t active);

/* Gradual pruning (method notes, section 7): after the updates i = 10, 20, .. < ramp of a phase's steps i = 0, 1, ..
 * `released` of a layer's entries, of which there were `active` among `pool` when the phase began, are empty: r - (pool
 * - active), r = rint(ratio * pool), ratio = to + (from - to)(1 - i/ramp)^3. */
enum { XST_PRUNE_EVERY = 10 };
uint32_t xst_prune_events(uint32_t ramp);
uint32_t xst_prune_quota(double from, double to, uint32_t ramp, uint32_t event, uint32_t pool, uint32_t active);

/* ---- the rows of a step (rows.c) ---- */

typedef struct xst_rows {
    const xst_config *config;
    const xst_task_plan *plan;
    bool exchange; /* this program is for a step at which columns are exchanged or released */
    bool training; /* gates with noise; else the exported mask */
} xst_rows;

/* Declares the STATE tensors of a task's masked layers: L/frozen, L/preserved, L/m_r, L/adam_m, L/adam_v (only where
 * the plan has preserved columns), L/active, L/value, L/velocity, L/quota (only with drop and grow, or pruning). L is
 * the weight's name. */
xst_status xst_rows_declare(const xst_net *net, const xst_task_plan *plan, uint32_t events, xst_tensors *tensors,
                            xst_error *err);
/* hooks.user must point to an xst_rows that outlives the emitting. */
xst_status xst_rows_weights(void *rows, xst_emitter *emitter, int masked, xst_tensor *w, xst_error *err);
/* The layer's part of "mask_counts" (u32[2]): preserved columns on in the exported mask, preserved columns. */
xst_status xst_rows_count(xst_emitter *emitter, int masked, xst_error *err);
xst_status xst_rows_gradient(void *rows, xst_emitter *emitter, int masked, xst_tensor dw, xst_error *err);

#endif
