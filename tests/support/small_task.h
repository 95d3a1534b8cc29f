/* One task of a small net, its programs as the trainer runs them, on two sides: two backends, or one twice. */
#ifndef XST_TESTS_SUPPORT_SMALL_TASK_H
#define XST_TESTS_SUPPORT_SMALL_TASK_H

#include "support/harness.h"

#include "support/layers.h"
#include "train/programs.h"

typedef struct small_task_variant {
    const char *name;
    bool element, first; /* granularity; the first task has no preserved columns */
    xst_regrow regrow;
    int epochs; /* of SMALL_TASK_EPOCH_STEPS, the last of which is short; columns are exchanged every other step */
    bool even;  /* groups of 8 and FC widths that are multiples of 8 */
} small_task_variant;

enum { SMALL_TASK_EPOCH_STEPS = 3, SMALL_TASK_STEPS_MAX = 120 };

typedef struct small_task {
    const small_task_variant *variant;
    xst_config config;
    xst_net net;
    xst_task_plan plan;
    test_columns columns[XST_NET_LAYERS_MAX];
    xst_task_programs *side[2];
    const char *side_name[2];
    xst_error err;
} small_task;

typedef struct small_task_side {
    const xst_backend_api *api;
    xst_backend *backend;
    const char *name;
} small_task_side;

/* Compiles on both sides, and gives side 0 its data and a start. */
void small_task_begin(small_task *s, const small_task_variant *variant, const small_task_side side[2]);
void small_task_end(small_task *s);
/* Side 0's weights of a masked layer, at random with this scale, m_r and columns as at the start. */
void small_task_start_layer(small_task *s, int masked, float scale);
void small_task_upload(small_task *s, const char *name, const char *what, const void *from);
/* A STATE tensor as a side has it, for the caller to free. */
void *small_task_read(small_task *s, int side, xst_tensor t);
/* Gives the other side all state of side `from`. before: NULL, or [tensors] for what was copied (NULL: temps), for the
 * caller to free. */
void small_task_take_over(small_task *s, int from, void **before);
void small_task_run(small_task *s, int side, xst_program_id id);
/* The program of step t, and that of the epoch before it where one begins; -1 where none does. */
int small_task_epoch_due(const small_task *s, uint32_t t);
/* Root of the sum of squares of a - b; of a alone where b is NULL. */
double small_task_distance(const float *a, const float *b, int64_t n);
/* The share of the second list, both ascending, that is not in the first. */
double small_task_unlike(const uint32_t *a, const uint32_t *b, int64_t n);

#endif
