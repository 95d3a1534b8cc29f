/* The options of a run as a plain struct, and what reads and writes them. One table (options.c) describes every option:
 * name, type, unit, range, default, help, source in the paper or the method; all else is derived from it. */
#ifndef XST_CONFIG_CONFIG_H
#define XST_CONFIG_CONFIG_H

#include "base/text.h"
#include "config/methods.h"
#include "xst/config.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum xst_fc_init { XST_FC_INIT_FANIN, XST_FC_INIT_NORMAL } xst_fc_init;
typedef enum xst_pad { XST_PAD_BLACK, XST_PAD_MEAN } xst_pad;
typedef enum xst_budget { XST_BUDGET_FILL, XST_BUDGET_LITERAL } xst_budget;
typedef enum xst_distribution { XST_DISTRIBUTION_UNIFORM, XST_DISTRIBUTION_ERK } xst_distribution;
typedef enum xst_gate { XST_GATE_LOGIT, XST_GATE_PAPER } xst_gate;
typedef enum xst_mask { XST_MASK_GUMBEL, XST_MASK_THRESHOLD, XST_MASK_ALL, XST_MASK_NONE } xst_mask;
typedef enum xst_piggyback_mask { XST_PIGGYBACK_THRESHOLD, XST_PIGGYBACK_GUMBEL } xst_piggyback_mask;
typedef enum xst_piggyback_bn { XST_PIGGYBACK_BN_TRAIN, XST_PIGGYBACK_BN_FROZEN } xst_piggyback_bn;
typedef enum xst_granularity { XST_GRANULARITY_COLUMN, XST_GRANULARITY_ELEMENT } xst_granularity;
typedef enum xst_retrain_against { XST_AGAINST_NEW_MASK, XST_AGAINST_PRUNED } xst_retrain_against;
typedef enum xst_regrow { XST_REGROW_KEEP, XST_REGROW_RESET } xst_regrow;
typedef enum xst_bn_start { XST_BN_INHERIT, XST_BN_FRESH } xst_bn_start;
typedef enum xst_precision_id { XST_PRECISION_FP32, XST_PRECISION_TF32, XST_PRECISION_BF16 } xst_precision_id;

enum { XST_LIST_MAX = 64, XST_TASKS_MAX = 1000, XST_TEXT_MAX = 1024 };

typedef struct xst_reals {
    int count;
    double at[XST_LIST_MAX];
} xst_reals;

/* Conv widths before scaling; 0 stands for M (2x2 max-pool). Hidden FC widths use the same type, without M. */
typedef struct xst_widths {
    int count;
    int at[XST_LIST_MAX];
} xst_widths;

/* `tasks: 20` = the first 20 of the split; `tasks: [3, 0, 7]` = these, 0-based, in this order. */
typedef struct xst_task_list {
    int count;
    bool listed;
    int at[XST_TASKS_MAX]; /* 0 .. count-1 where not listed */
} xst_task_list;

struct xst_config {
    /* what to run */
    xst_method_id method;
    char data[XST_TEXT_MAX]; /* folder, or "synthetic" */
    char out[XST_TEXT_MAX];  /* run folder */
    xst_task_list tasks;
    char task_split[XST_TEXT_MAX]; /* "superclass", "class-order" or a file */
    uint32_t seed;
    /* network, method.md section 2 */
    xst_widths net, fc;
    double width, expand;
    int round_channels;
    xst_fc_init fc_init;
    /* data, section 3 */
    bool augment;
    xst_pad pad;
    double valid_share;
    /* columns and capacity, sections 1 and 4 */
    int group, group_fc;
    double s1;
    int capacity_tasks;
    xst_budget budget;
    xst_distribution distribution;
    /* one task, section 5 */
    int epochs, batch;
    double lr, lr_gamma, momentum, weight_decay;
    xst_reals lr_steps;
    xst_mask mask;
    xst_gate gate;
    double temperature, mask_lr, mask_init;
    xst_reals mask_lr_steps;
    int update_every;
    double update_until, drop_fraction;
    xst_regrow regrow;
    bool update_skips_sgd;
    xst_bn_start bn_start;
    bool bn_recalibrate;
    /* other methods, section 6 */
    double finetune_lr;
    xst_granularity granularity;
    double packnet_prune; /* NaN: even */
    int packnet_retrain_epochs;
    xst_piggyback_mask piggyback_mask;
    xst_piggyback_bn piggyback_bn;
    /* CPG, section 7; numbers of epochs through xst_config_epochs */
    char cpg_goals[XST_TEXT_MAX]; /* a run folder of `scratch`, or a file of percents */
    int cpg_prune_epochs, cpg_ramp_epochs, cpg_retrain_epochs, cpg_patience;
    double cpg_train_floor;
    xst_retrain_against cpg_retrain_against;
    bool cpg_grow;
    /* the crossbar, section 10 */
    bool map_head;
    /* how to run */
    char backend[XST_TEXT_MAX]; /* "auto", "cpu", "cuda", "ref" */
    xst_precision_id precision;
    int threads;
    bool deterministic;
    int eval_every, checkpoint_every, log_every;
    /* not an option: which keys were set, and scratch space of xst_config_get */
    uint64_t given[2];
    char scratch[8192];
};

/* The table, for help, completion and tests. */
int xst_option_count(void);
const char *xst_option_name(int index);

/* Checks what one option alone cannot tell (literal budget with s1 < 0.5, lists that must not be empty, ...). */
xst_status xst_config_check(const xst_config *config, xst_error *err);
/* The resolved configuration as YAML, complete, valid as input; a comment beside each value says where it came from
 * (default or given) in a way that does not change between equal runs. */
void xst_config_write(const xst_config *config, xst_text *text);
/* Help for all options, grouped, with default, range and unit. */
void xst_config_help(xst_text *text);
/* Parses "--key value", "--key=value", "--flag" at argv[i]; advances *i past what it used. Dashes in keys stand for
 * underscores; a flag alone means on. */
xst_status xst_config_argument(xst_config *config, int argc, char **argv, int *i, xst_error *err);
/* Names the first option that is given (set explicitly) in `other` and differs in value from `config`; NULL if none.
 * `out` is left out: it names the folder itself, which may have moved or be written in another way. */
const char *xst_config_conflict(xst_config *config, xst_config *other);

/* A number of epochs that stands for `epochs` = 100: as it was given, else max(1, rint(value * epochs / 100)). count
 * points to the option inside the config. */
int xst_config_epochs(const xst_config *config, const int *count);

const char *xst_method_name(xst_method_id method);

#endif
