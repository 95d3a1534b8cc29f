/* The CUDA backend's own types: what a session and a compiled program hold.
 *
 * Compiling goes through a program in four steps: operations are put into groups that one launch can serve
 * (schedule.c); each group adds its steps, a function and its arguments (emit_*.c); steps that nothing soon waits for
 * go to a second branch (branch.c); memory is laid out (arena.c) and arguments get their pointers; all steps run once
 * on the side and are then recorded as a CUDA graph (run.c). Arguments are filled before memory is laid out, so a
 * pointer in them is noted as "this field points to that place".
 *
 * Forms of a tensor: f32 tensors of rank 4 are channels last, [d0][d2][d3][d1]; all else is row-major. STATE keeps its
 * dtype. TEMP f32 of rank 2 and 4 is of the session's compute type, f32 or bf16; a gate is a bit per column. */
#ifndef XST_CUDA_CUDA_H
#define XST_CUDA_CUDA_H

#include "api.h"
#include "kernels.h"

#include "backend/backend.h"

#include <pthread.h>

typedef enum cuda_form {
    CUDA_FORM_RAW,  /* u8, u32, f64: as the dtype says */
    CUDA_FORM_F32,  /* float */
    CUDA_FORM_BF16, /* bfloat16 */
    CUDA_FORM_BITS, /* a gate: a bit per column */
    CUDA_FORM_SLOTS /* of active[a]: the place of each column in it, or -1 */
} cuda_form;

struct xst_backend {
    const xst_backend_api *api;
    xst_backend_options options;
    xst_backend_facts facts;
    xst_cuda_api cuda;
    cuda_form compute;    /* F32 or BF16 */
    bool graphs;          /* replay recorded graphs; else launch step by step (XST_CUDA_GRAPHS=0: for tests) */
    bool branches;        /* graphs of two branches (XST_CUDA_BRANCHES=0: one) */
    bool fused;           /* masked FC layers by our own kernels where they fit (XST_CUDA_FC=general: never) */
    bool own_convs;       /* small maps by our own kernels where they fit (XST_CUDA_CONV=cudnn: never) */
    pthread_mutex_t lock; /* of the choices: sessions on several threads share them */
    struct cuda_conv_choice *choice; /* convolution algorithms chosen so far; emit_conv.c */
    size_t choices, choice_capacity;
};

/* Memory of a STATE tensor, and the same tensor in another form where a program wants to read it so. */
typedef struct cuda_state {
    void *data;
    void *shadow;
    cuda_form shadow_form;
    uint32_t shadow_columns; /* SLOTS */
    bool stale;              /* the shadow is older than the data */
} cuda_state;

/* Memory that is zero before its first use, shared by all that want it, one after the other. */
typedef enum cuda_zeroed { CUDA_ZEROED_BN, CUDA_ZEROED_FC, CUDA_ZEROED_CONV, CUDA_ZEROED_KINDS } cuda_zeroed;

struct xst_session {
    const xst_backend_api *api;
    xst_backend *backend;
    xst_tensors tensors; /* a copy of the table */
    cuda_state *state;   /* one per tensor */
    void *block;         /* all STATE */
    size_t block_bytes;
    void *staging; /* row-major tensors of rank 4 on their way in or out */
    void **memory; /* every device allocation, the above included */
    size_t *memory_bytes;
    int32_t memories;
    size_t memory_capacity, memory_bytes_capacity;
    void *arena; /* temps of the programs: they never run at the same time. Earlier, smaller ones stay with theirs */
    size_t arena_bytes;
    xst_cuda_queue queue; /* these two: what steps are queued on; while recording, by turns those of the branches */
    cudnnHandle_t dnn;
    cudaStream_t side_stream; /* the second branch's, and a handle of its own: one handle serves one stream */
    cudnnHandle_t side_dnn;
    cudaEvent_t fork, join;
    cublasLtHandle_t blas;
    void *zeroed[CUDA_ZEROED_KINDS];
    size_t zeroed_bytes[CUDA_ZEROED_KINDS];
};

/* Where a tensor or a private buffer lies. */
typedef struct cuda_place {
    void *data;
    size_t bytes;
    bool in_arena;
    bool on_main, on_side; /* which branch's steps use it */
    int32_t first, last;   /* groups of the schedule that use it */
    size_t offset;         /* in the arena */
} cuda_place;

typedef xst_status cuda_run(const xst_session *session, const void *args, xst_error *err);

typedef struct cuda_step {
    cuda_run *run;
    void (*release)(const xst_session *session, void *args); /* what args hold beside memory; may be NULL */
    void *args;
    size_t size;      /* of args */
    int32_t op;       /* reported under this operation */
    xst_op_kind kind; /* of its group */
    bool side;        /* goes to the second branch */
    bool joins;       /* waits for all that was queued there before */
} cuda_step;

typedef struct cuda_patch {
    void *field; /* of some step's arguments: a pointer of any type */
    cuda_place *place;
    bool writes;  /* the step may change what is there */
    int32_t step; /* whose field it is; branch.c */
} cuda_patch;

struct xst_executable {
    const xst_backend_api *api;
    xst_session *session;
    char name[XST_NAME_MAX];
    int32_t ops;
    char (*label)[XST_NAME_MAX]; /* [ops] */
    cuda_step *step;
    int32_t steps;
    size_t step_capacity;
    cuda_place **place;
    int32_t places;
    size_t place_capacity;
    cuda_patch *patch;
    int32_t patches;
    size_t patch_capacity;
    bool *reads, *writes; /* [tensors]: reads the shadow; writes the data */
    cudaGraphExec_t graph;
};

/* A tensor in the program being compiled. */
typedef struct cuda_use {
    cuda_form form; /* its own */
    cuda_place *place;
    bool written; /* by some operation of the program */
    cuda_form other_form;
    cuda_place *other; /* a copy in another form, valid until the next write */
} cuda_use;

enum { CUDA_GROUP_MAX = XST_CUDA_TENSORS_MAX };

/* Operations that are compiled together, in the order of the program. */
typedef struct cuda_group {
    xst_op_kind kind;
    int32_t count, parts; /* operations; layers or tensors of the launch */
    int32_t op[CUDA_GROUP_MAX];
} cuda_group;

/* A masked FC layer that takes its weights from bf16 memory that holds frozen and active values together, and reads
 * only columns whose bit is set: no effective weights are written. */
typedef struct cuda_fused_weights {
    xst_tensor w_eff, frozen, gate, active; /* frozen, gate: -1 where nothing is preserved */
    cuda_place *bits;                       /* where there is no gate */
} cuda_fused_weights;

/* A masked FC layer whose dw is not written: mask gradient and Adam come out of the product, and what the other
 * operations need of it. */
typedef struct cuda_fused_gradient {
    xst_tensor dw, active;
    const xst_op *mask, *adam; /* or both NULL */
    bool grows;                /* an exchange of columns wants their norms */
    xst_geometry geometry;
    cuda_place *compact, *norm; /* [a][8]; [columns] */
} cuda_fused_gradient;

/* The first failure is kept in status; after it the functions of place.c do nothing. */
typedef struct cuda_compiler {
    xst_session *session;
    xst_executable *exe;
    const xst_program *program;
    xst_status status;
    xst_error *err;
    cuda_use *use; /* [tensors] */
    cuda_group *group;
    int32_t groups;
    int32_t at;      /* group being compiled */
    bool learns;     /* the program computes gradients: its forward convs may be chosen by time */
    cuda_step *main; /* of this group: they follow the conversions of what it reads */
    int32_t mains;
    size_t main_capacity;
    struct cuda_pending {
        xst_tensor tensor;
        cuda_place *place;
        cuda_form form;
    } pending[CUDA_GROUP_MAX]; /* outputs made in another form than the tensor's: converted after the group */
    int32_t pendings;
    size_t zeroed_bytes[CUDA_ZEROED_KINDS];
    cuda_place *zeroed[CUDA_ZEROED_KINDS];
    cuda_fused_weights fused[XST_CUDA_LAYERS_MAX];
    cuda_fused_gradient gradient[XST_CUDA_LAYERS_MAX];
    int32_t fuseds, gradients;
} cuda_compiler;

/* session.c */
xst_status xst_cuda_session_create(xst_backend *backend, const xst_tensors *tensors, xst_session **out, xst_error *err);
void xst_cuda_session_destroy(xst_session *session);
size_t xst_cuda_session_bytes(const xst_session *session);
/* Device memory that lives as long as the session, 256-byte aligned; zero: cleared (queued). */
xst_status xst_cuda_memory(xst_session *session, size_t bytes, bool zero, const char *what, void **out, xst_error *err);
/* Gives back what xst_cuda_memory gave, before the session ends. */
xst_status xst_cuda_memory_return(xst_session *session, void *memory, xst_error *err);

/* transfer.c */
xst_status xst_cuda_upload(xst_session *session, xst_tensor tensor, const void *from, size_t bytes, xst_error *err);
xst_status xst_cuda_download(xst_session *session, xst_tensor tensor, void *to, size_t bytes, xst_error *err);
xst_status xst_cuda_synchronise(xst_session *session, xst_error *err);
/* Makes a STATE tensor's shadow; one that is there already must be of the same form. */
xst_status xst_cuda_shadow(xst_session *session, xst_tensor tensor, cuda_form form, uint32_t columns, xst_error *err);
/* Queues what brings a stale shadow up to date. */
xst_status xst_cuda_refresh(xst_session *session, xst_tensor tensor, xst_error *err);

/* check.c: a library's failure as a status; what names the call. */
xst_status xst_cuda_check(const xst_session *session, cudaError_t e, const char *what, xst_error *err);
xst_status xst_cuda_check_dnn(const xst_session *session, cudnnStatus_t e, const char *what, xst_error *err);
xst_status xst_cuda_check_blas(const xst_session *session, cublasStatus_t e, const char *what, xst_error *err);

/* compile.c */
xst_status xst_cuda_compile(xst_session *session, const xst_program *program, xst_executable **out, xst_error *err);
void xst_cuda_executable_destroy(xst_executable *executable);

/* schedule.c: fills c->group. */
xst_status xst_cuda_schedule(cuda_compiler *c);
/* branch.c: which steps go to the second branch, and what that means for their places. */
void xst_cuda_branch(xst_executable *executable);
/* arena.c: offsets of the places in the arena, and its size. */
xst_status xst_cuda_arena_lay_out(xst_executable *executable, size_t *bytes, xst_error *err);

/* Events around the steps of a program: one before the first, one after each; flags: how they are recorded. */
typedef struct cuda_events {
    cudaEvent_t *event;
    unsigned flags;
} cuda_events;

/* run.c */
xst_status xst_cuda_record(xst_executable *executable, xst_error *err);
xst_status xst_cuda_run(xst_executable *executable, xst_error *err);
/* Records the steps as a graph, with events or NULL. */
xst_status xst_cuda_record_steps(xst_executable *executable, const cuda_events *events, cudaGraphExec_t *out,
                                 xst_error *err);
/* Queues the graph, or, where it is NULL, step after step, with events or NULL. */
xst_status xst_cuda_queue_run(xst_executable *executable, const cuda_events *events, cudaGraphExec_t graph,
                              xst_error *err);

/* profile.c */
xst_status xst_cuda_profile(xst_executable *executable, int repeats, double *ms, xst_error *err);

/* graph.c: what `queue` queues as a graph, and how long that takes. Not in a recording. */
xst_status xst_cuda_make_graph(const xst_session *session, cuda_run *queue, const void *args, cudaGraphExec_t *out,
                               xst_error *err);
xst_status xst_cuda_time(const xst_session *session, cuda_run *queue, const void *args, double *ms, xst_error *err);
/* count events, zero before; all that are there are destroyed whatever happens. */
xst_status xst_cuda_create_events(const xst_session *session, cudaEvent_t *events, int32_t count, xst_error *err);
xst_status xst_cuda_destroy_events(const xst_session *session, cudaEvent_t *events, int32_t count, xst_error *err);
double xst_cuda_median(double *sample, size_t n); /* sorts */

/* place.c: what operations use to compile themselves. Arguments of a new step, zeroed; NULL after a failure. */
void *xst_cuda_step(cuda_compiler *c, cuda_run *run, size_t size);
/* `field`, a pointer inside a step's arguments, shall point at: a tensor in a given form to be read (its own memory,
 * its shadow, or a copy made before the group) or written (converted after the group if need be); */
void xst_cuda_in(cuda_compiler *c, void *field, xst_tensor tensor, cuda_form form);
void xst_cuda_out(cuda_compiler *c, void *field, xst_tensor tensor, cuda_form form);
/* the slots of active[a] among `columns` columns; */
void xst_cuda_slots_of(cuda_compiler *c, void *field, xst_tensor active, uint32_t columns);
/* memory that only this group uses; memory that is zero, or as its last user left it; a place of this group's. */
cuda_place *xst_cuda_scratch(cuda_compiler *c, void *field, size_t bytes);
void xst_cuda_use_zeroed(cuda_compiler *c, void *field, cuda_zeroed kind, size_t bytes);
void xst_cuda_point(cuda_compiler *c, void *field, cuda_place *place);
/* Before the first group, between groups, and after the last. */
xst_status xst_cuda_places_begin(cuda_compiler *c);
void xst_cuda_group_end(cuda_compiler *c);
xst_status xst_cuda_places_end(cuda_compiler *c);

static inline const xst_tensor_info *xst_cuda_info(const cuda_compiler *c, xst_tensor tensor)
{
    return &c->session->tensors.info[tensor];
}

static inline const xst_op *xst_cuda_op(const cuda_compiler *c, const cuda_group *group, int32_t i)
{
    return &c->program->op[group->op[i]];
}

static inline bool xst_cuda_reads(const xst_op *op, xst_tensor tensor)
{
    for (int i = 0; i < XST_OP_INPUTS; i++)
        if (op->in[i] == tensor)
            return true;
    return false;
}

static inline bool xst_cuda_writes(const xst_op *op, xst_tensor tensor)
{
    for (int i = 0; i < XST_OP_OUTPUTS; i++)
        if (op->out[i] == tensor)
            return true;
    return false;
}

/* The form in which a tensor is kept. */
static inline cuda_form xst_cuda_own(const cuda_compiler *c, xst_tensor tensor)
{
    return c->use[tensor].form;
}

static inline xst_cuda_type xst_cuda_type_of(cuda_form form)
{
    return form == CUDA_FORM_BF16 ? XST_CUDA_BF16 : XST_CUDA_F32;
}

/* fused.c: which layers are fused; NULL: not this one. By the effective weights, or the gate; by dw. */
void xst_cuda_plan_fused(cuda_compiler *c);
cuda_fused_weights *xst_cuda_fused_weights_of(cuda_compiler *c, xst_tensor w_eff);
cuda_fused_weights *xst_cuda_fused_gate_of(cuda_compiler *c, xst_tensor gate);
cuda_fused_gradient *xst_cuda_fused_gradient_of(cuda_compiler *c, xst_tensor dw);
/* Their steps: in place of effective weights, of the two products with them, and of dw (not dbias). */
void xst_cuda_emit_fused_weights(cuda_compiler *c, const cuda_group *group);
void xst_cuda_emit_fused_forward(cuda_compiler *c, const xst_op *op, cuda_fused_weights *f);
void xst_cuda_emit_fused_data(cuda_compiler *c, const xst_op *op, cuda_fused_weights *f);
void xst_cuda_emit_fused_gradient(cuda_compiler *c, const xst_op *op, cuda_fused_gradient *f);

/* One per kind of group, in the file named after its idea: emits c->group[c->at]. */
typedef void cuda_emit(cuda_compiler *c, const cuda_group *group);
cuda_emit xst_cuda_emit_count, xst_cuda_emit_shuffle, xst_cuda_emit_batch, xst_cuda_emit_gates, xst_cuda_emit_effective,
    xst_cuda_emit_conv, xst_cuda_emit_bn, xst_cuda_emit_bn_eval_backward, xst_cuda_emit_pool, xst_cuda_emit_reshape,
    xst_cuda_emit_linear_forward, xst_cuda_emit_linear_backward, xst_cuda_emit_relu, xst_cuda_emit_loss,
    xst_cuda_emit_mask, xst_cuda_emit_adam, xst_cuda_emit_column_sgd, xst_cuda_emit_sgd, xst_cuda_emit_drop_grow,
    xst_cuda_emit_prune, xst_cuda_emit_mask_count;

#endif
