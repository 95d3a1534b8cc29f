#include "config/options.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define METHOD_NAME(ID, name, object) name,
static const char *const methods[] = {XST_METHODS(METHOD_NAME) NULL};
static const char *const roundings[] = {"1", "8", NULL};
static const char *const fc_inits[] = {"fanin", "normal", NULL};
static const char *const pads[] = {"black", "mean", NULL};
static const char *const budgets[] = {"fill", "literal", NULL};
static const char *const distributions[] = {"uniform", "erk", NULL};
static const char *const masks[] = {"gumbel", "threshold", "all", "none", NULL};
static const char *const piggyback_masks[] = {"threshold", "gumbel", NULL};
static const char *const piggyback_bns[] = {"train", "frozen", NULL};
static const char *const granularities[] = {"column", "element", NULL};
static const char *const even[] = {"even", NULL};
static const char *const againsts[] = {"new-mask", "pruned", NULL};
static const char *const gates[] = {"logit", "paper", NULL};
static const char *const regrows[] = {"keep", "reset", NULL};
static const char *const bn_starts[] = {"inherit", "fresh", NULL};
static const char *const backends[] = {"auto", "cpu", "cuda", "ref", NULL};
static const char *const precisions[] = {"fp32", "tf32", "bf16", NULL};

/* Sources: the paper by section; the reference code of CPG and of RigL; PyTorch; "measured": short runs at quarter
 * width; "xst": this program's own. */
#define KEY(member) .name = #member, .offset = offsetof(struct xst_config, member)
#define VGG16 "[64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M]"

static const xst_option options[] = {
    {KEY(method), XST_OPTION_CHOICE, .choices = methods, .fallback = "xst", .source = "paper III",
     .help = "how the tasks are learnt"},
    {KEY(data), XST_OPTION_TEXT, .fallback = "synthetic", .source = "paper IV",
     .help = "folder with CIFAR-100's train.bin and test.bin, or synthetic"},
    {KEY(out), XST_OPTION_TEXT, .fallback = "", .source = "xst", .help = "run folder; must be absent or empty"},
    {KEY(tasks), XST_OPTION_TASKS, .low = 1, .high = XST_TASKS_MAX, .fallback = "20", .source = "paper IV",
     .help = "how many tasks, the first of the split; or a list of them, from 0, in the order to learn them"},
    {KEY(task_split), XST_OPTION_TEXT, .fallback = "superclass", .source = "paper IV",
     .help = "superclass, class-order, or a file with the fine labels of a task on each line"},
    {KEY(seed), XST_OPTION_UINT, .low = 0, .high = UINT32_MAX, .fallback = "0", .source = "xst",
     .help = "of all random numbers"},

    {KEY(net), XST_OPTION_WIDTHS, .low = 1, .high = 4096, .fallback = VGG16, .source = "paper IV", .unit = "channels",
     .help = "widths of the 3x3 convs before scaling; M is a 2x2 max-pool"},
    {KEY(fc), XST_OPTION_WIDTHS, .low = 1, .high = 65536, .fallback = "[4096, 4096]", .source = "paper IV",
     .unit = "units", .help = "widths of the hidden fully connected layers before scaling; may be empty"},
    {KEY(width), XST_OPTION_REAL, .low = 0.03, .high = 2, .fallback = "1", .source = "xst",
     .help = "factor on all widths; makes small nets"},
    {KEY(expand), XST_OPTION_REAL, .low = 0.25, .high = 4, .fallback = "1.5", .source = "paper IV",
     .help = "factor on the number of parameters; widths grow by its square root"},
    {KEY(round_channels), XST_OPTION_INT, .low = 1, .high = 8, .choices = roundings, .fallback = "8",
     .source = "xst; CPG has 1", .help = "scaled widths become multiples of 8; 1 truncates them"},
    {KEY(fc_init), XST_OPTION_CHOICE, .choices = fc_inits, .fallback = "fanin", .source = "measured; CPG has normal",
     .help = "initial hidden FC weights: deviation sqrt(2/inputs), or 0.01"},

    {KEY(augment), XST_OPTION_FLAG, .fallback = "1", .source = "CPG", .help = "random crop and flip while training"},
    {KEY(pad), XST_OPTION_CHOICE, .choices = pads, .fallback = "black", .source = "CPG",
     .help = "what the crop sees outside an image: black, or the mean colour"},
    {KEY(valid_share), XST_OPTION_REAL, .low = 0, .high = 0.5, .fallback = "0", .source = "xst",
     .help = "share of the training images held out for choices by accuracy"},

    {KEY(group), XST_OPTION_INT, .low = 1, .high = 4096, .fallback = "8", .source = "paper III-A, IV-A",
     .unit = "input channels", .help = "G, per crossbar column of a conv; cut to the layer's inputs"},
    {KEY(group_fc), XST_OPTION_INT, .low = 0, .high = 65536, .fallback = "0", .source = "xst", .unit = "inputs",
     .help = "the same in fully connected layers; 0: as group"},
    {KEY(s1), XST_OPTION_REAL, .low = 0, .high = 0.99, .fallback = "0.7", .source = "paper III-B",
     .help = "share of each layer's columns that the first task leaves free"},
    {KEY(capacity_tasks), XST_OPTION_INT, .low = 1, .high = 1000, .fallback = "20", .source = "paper III-B, IV",
     .unit = "tasks", .help = "T, the number of tasks that just fill the net"},
    {KEY(budget), XST_OPTION_CHOICE, .choices = budgets, .fallback = "fill", .source = "paper III-B",
     .help = "share of a later task: s1/(T-1), or (1-s1)/(T-1) as the paper prints"},
    {KEY(distribution), XST_OPTION_CHOICE, .choices = distributions, .fallback = "uniform",
     .source = "paper III-B, RigL", .help = "density of the layers: all the same, or Erdos-Renyi kernel"},

    {KEY(epochs), XST_OPTION_INT, .low = 1, .high = 100000, .fallback = "100", .source = "paper IV", .unit = "epochs",
     .help = "for each task"},
    {KEY(batch), XST_OPTION_INT, .low = 2, .high = 2500, .fallback = "32", .source = "CPG", .unit = "images",
     .help = "in a step"},
    {KEY(lr), XST_OPTION_REAL, .low = 0, .high = 100, .fallback = "0.01", .source = "CPG",
     .help = "learning rate of weights, head, BN and biases"},
    {KEY(lr_steps), XST_OPTION_REALS, .low = 0, .high = 1, .fallback = "[0.5, 0.8]", .source = "CPG",
     .unit = "of the epochs", .help = "when lr is multiplied by lr_gamma"},
    {KEY(lr_gamma), XST_OPTION_REAL, .low = 0, .high = 1, .fallback = "0.1", .source = "CPG",
     .help = "factor on the learning rate at each of lr_steps"},
    {KEY(momentum), XST_OPTION_REAL, .low = 0, .high = 1, .fallback = "0.9", .source = "CPG",
     .help = "Nesterov, as PyTorch"},
    {KEY(weight_decay), XST_OPTION_REAL, .low = 0, .high = 1, .fallback = "4e-5", .source = "CPG",
     .help = "of the active columns alone"},
    {KEY(bn_start), XST_OPTION_CHOICE, .choices = bn_starts, .fallback = "inherit", .source = "CPG",
     .help = "a new task's BN and FC biases: from the task before, or fresh"},
    {KEY(bn_recalibrate), XST_OPTION_FLAG, .fallback = "0", .source = "xst",
     .help = "measure BN's running statistics anew under the final mask"},
    {KEY(mask), XST_OPTION_CHOICE, .choices = masks, .fallback = "gumbel", .source = "paper III-C",
     .help = "preserved columns: a learnt mask, a mask learnt by piggyback's threshold, all on, or none on"},
    {KEY(gate), XST_OPTION_CHOICE, .choices = gates, .fallback = "logit", .source = "paper Eq. (2), mended",
     .help = "the gate's logit: m_r, or log sigmoid(m_r) as the paper prints, which trains but tests at chance"},
    {KEY(temperature), XST_OPTION_REAL, .low = 0.001, .high = 1000, .fallback = "1", .source = "paper Eq. (1)",
     .help = "T of the Gumbel-Sigmoid; scales its gradient only"},
    {KEY(mask_lr), XST_OPTION_REAL, .low = 1e-6, .high = 10, .fallback = "0.1", .source = "measured",
     .help = "learning rate of the mask (Adam)"},
    {KEY(mask_init), XST_OPTION_REAL, .low = -20, .high = 20, .fallback = "5", .source = "measured",
     .help = "m_r of every preserved column at the start of a task"},
    {KEY(mask_lr_steps), XST_OPTION_REALS, .low = 0, .high = 1, .fallback = "[]", .source = "xst",
     .unit = "of the epochs", .help = "when mask_lr is multiplied by lr_gamma; empty: it stays"},

    {KEY(update_every), XST_OPTION_INT, .low = 1, .high = 1e6, .fallback = "100", .source = "RigL", .unit = "steps",
     .help = "between two exchanges of columns"},
    {KEY(update_until), XST_OPTION_REAL, .low = 0, .high = 1, .fallback = "0.75", .source = "RigL",
     .unit = "of the steps", .help = "when exchanging columns ends; 0: none is exchanged"},
    {KEY(drop_fraction), XST_OPTION_REAL, .low = 0, .high = 1, .fallback = "0.3", .source = "RigL",
     .help = "alpha, the share of a layer's active columns exchanged at first; falls as a cosine"},
    {KEY(regrow), XST_OPTION_CHOICE, .choices = regrows, .fallback = "keep", .source = "RigL",
     .help = "a column that is dropped and grown at once: left alone, or set to zero"},
    {KEY(update_skips_sgd), XST_OPTION_FLAG, .fallback = "0", .source = "RigL has 1",
     .help = "no update of the active columns in a step that exchanges"},

    {KEY(finetune_lr), XST_OPTION_REAL, .low = 0, .high = 100, .fallback = "0.005", .source = "CPG",
     .help = "learning rate of method finetune from the second task on"},
    {KEY(granularity), XST_OPTION_CHOICE, .choices = granularities, .fallback = "column", .source = "RigL has element",
     .help = "what method rigl drops and grows: columns, or single weights"},
    {KEY(packnet_prune), XST_OPTION_REAL, .low = 0, .high = 0.999, .choices = even, .fallback = "0.6", .source = "CPG",
     .help =
         "share of its weights that a task of method packnet releases; even: it keeps its share of the tasks to come"},
    {KEY(packnet_retrain_epochs), XST_OPTION_INT, .low = 1, .high = 100000, .scaled = true, .fallback = "30",
     .source = "CPG", .unit = "epochs", .help = "after pruning"},
    {KEY(piggyback_mask), XST_OPTION_CHOICE, .choices = piggyback_masks, .fallback = "threshold", .source = "Piggyback",
     .help = "method piggyback: a mask by threshold, or by the Gumbel gate"},
    {KEY(piggyback_bn), XST_OPTION_CHOICE, .choices = piggyback_bns, .fallback = "train",
     .source = "Piggyback has frozen", .help = "whether later tasks train BN, or go on with that of the first"},
    {KEY(cpg_goals), XST_OPTION_TEXT, .fallback = "", .source = "CPG",
     .help = "accuracies to reach: a run of method scratch, or a file with a percentage on each line"},
    {KEY(cpg_prune_epochs), XST_OPTION_INT, .low = 1, .high = 100000, .scaled = true, .fallback = "20", .source = "CPG",
     .unit = "epochs", .help = "of each pruning stage"},
    {KEY(cpg_ramp_epochs), XST_OPTION_INT, .low = 1, .high = 100000, .scaled = true, .fallback = "4", .source = "CPG",
     .unit = "epochs", .help = "of a stage in which the share of released weights grows"},
    {KEY(cpg_train_floor), XST_OPTION_REAL, .low = 0, .high = 1, .fallback = "0.95", .source = "CPG",
     .help = "training accuracy that a pruning stage must exceed to count; lower it for short runs"},
    {KEY(cpg_retrain_epochs), XST_OPTION_INT, .low = 1, .high = 100000, .scaled = true, .fallback = "30",
     .source = "CPG", .unit = "epochs", .help = "of retraining with a new mask, at most"},
    {KEY(cpg_patience), XST_OPTION_INT, .low = 1, .high = 100000, .fallback = "5", .source = "CPG", .unit = "epochs",
     .help = "in a row without a gain, after which retraining ends"},
    {KEY(cpg_retrain_against), XST_OPTION_CHOICE, .choices = againsts, .fallback = "new-mask", .source = "CPG",
     .help = "what retraining must beat: the kept net with the new mask, or as it was pruned"},
    {KEY(cpg_grow), XST_OPTION_FLAG, .fallback = "0", .source = "CPG has 1",
     .help = "widen the net where a task misses its goal (1 is not there yet)"},
    {KEY(map_head), XST_OPTION_FLAG, .fallback = "0", .source = "xst",
     .help = "for xst energy: a task's head on arrays of its own; 0: digital"},

    {KEY(backend), XST_OPTION_TEXT, .choices = backends, .fallback = "auto", .source = "xst",
     .help = "what does the arithmetic; auto takes the fastest that is there"},
    {KEY(precision), XST_OPTION_CHOICE, .choices = precisions, .fallback = "fp32", .source = "xst",
     .help = "of convs and matrix products; weights and sums stay fp32"},
    {KEY(threads), XST_OPTION_INT, .low = 0, .high = 1024, .fallback = "0", .source = "xst", .unit = "threads",
     .help = "0: all cores the process may use"},
    {KEY(deterministic), XST_OPTION_FLAG, .fallback = "off", .source = "xst",
     .help = "the same bits on every run on a GPU too; slower there"},
    {KEY(eval_every), XST_OPTION_INT, .low = 1, .high = 100000, .fallback = "10", .source = "xst", .unit = "epochs",
     .help = "between test evaluations; the last epoch always has one"},
    {KEY(checkpoint_every), XST_OPTION_INT, .low = 0, .high = 100000, .fallback = "10", .source = "xst",
     .unit = "epochs",
     .help = "between saved states, more where saving would take over 5 % of the time; 0: at task ends only"},
    {KEY(log_every), XST_OPTION_INT, .low = 1, .high = 100000, .fallback = "1", .source = "xst", .unit = "epochs",
     .help = "between progress lines where stderr is no terminal"},
};

enum { OPTIONS = sizeof options / sizeof options[0] };

_Static_assert(OPTIONS <= 128, "xst_config.given has a bit for each option");
_Static_assert(sizeof(xst_method_id) == sizeof(int), "choices are stored as int");

static const struct {
    const char *first, *heading;
} groups[] = {
    {"method", "What to run"},
    {"net", "Network"},
    {"augment", "Data"},
    {"group", "Columns and capacity"},
    {"epochs", "Training a task"},
    {"mask", "Mask over the columns of earlier tasks"},
    {"update_every", "Drop and grow"},
    {"finetune_lr", "Other methods"},
    {"map_head", "Crossbar"},
    {"backend", "How to run"},
};

int xst_option_count(void)
{
    return OPTIONS;
}

const char *xst_option_name(int index)
{
    return index >= 0 && index < OPTIONS ? options[index].name : NULL;
}

const xst_option *xst_option_at(int index)
{
    return &options[index];
}

const char *xst_option_heading(int index)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strcmp(groups[i].first, options[index].name) == 0)
            return groups[i].heading;
    return NULL;
}

int xst_option_find(const char *name)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strcmp(options[i].name, name) == 0)
            return i;
    return -1;
}

/* "--mask-lr" <-> "mask_lr": the style of `like` decides. */
static void style_as(const char *like, const char *name, char *out, size_t size)
{
    const bool dashes = strncmp(like, "--", 2) == 0;
    snprintf(out, size, "%s%s", dashes ? "--" : "", name);
    for (char *p = out + (dashes ? 2 : 0); dashes && *p; p++)
        if (*p == '_')
            *p = '-';
}

xst_status xst_option_unknown(const char *label, xst_error *err)
{
    const char *names[OPTIONS];
    char key[64], suggestion[64];
    snprintf(key, sizeof key, "%s", label + (strncmp(label, "--", 2) == 0 ? 2 : 0));
    for (char *p = key; *p; p++)
        if (*p == '-')
            *p = '_';
    for (int i = 0; i < OPTIONS; i++)
        names[i] = options[i].name;
    const int nearest = xst_text_nearest(key, names, OPTIONS);
    if (nearest < 0)
        return xst_fail(err, XST_ERROR_CONFIG, "unknown option '%.100s': `xst train --help` lists them", label);
    style_as(label, names[nearest], suggestion, sizeof suggestion);
    return xst_fail(err, XST_ERROR_CONFIG, "unknown option '%.100s': did you mean '%s'?", label, suggestion);
}

const char *xst_method_name(xst_method_id method)
{
    return methods[method];
}
