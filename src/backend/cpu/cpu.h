/* The CPU backend's own types: what a session and a compiled program hold.
 *
 * Compiling a program goes through it twice. First every tensor gets its layout (layout pass); then each operation adds
 * its steps: a function and its parameters (emit pass). Parameters point to places, not to memory: a place knows where
 * its tensor lies once the arena is laid out. */
#ifndef XST_BACKEND_CPU_CPU_H
#define XST_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/layout.h"

typedef struct cpu_effective_cache cpu_effective_cache; /* effective.h */

struct xst_backend {
    const xst_backend_api *api;
    xst_backend_options options;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    xst_cpu_isa isa;
    int threads, channel_block; /* channels per block of activations: 16, or 8 without AVX-512 */
};

/* Memory of a STATE tensor. The first program that is compiled, or the first upload, fixes the layout. */
typedef struct cpu_state {
    bool placed;
    cpu_layout layout;
    void *data;
    uint64_t version; /* counts uploads and runs that wrote it */
} cpu_state;

struct xst_session {
    const xst_backend_api *api;
    xst_backend *backend;
    xst_tensors tensors; /* a copy of the table */
    cpu_state *state;    /* one per tensor */
    void *arena;         /* temps of every program of the session: they never run at the same time */
    size_t arena_bytes, bytes;
    cpu_effective_cache *caches;
};

/* Where a tensor or a private buffer lies during a run. */
typedef struct cpu_place {
    void *data; /* set by xst_cpu_bind */
    cpu_layout layout;
    bool in_arena, own;  /* own: memory of the program itself, freed with it */
    int32_t first, last; /* operations that use it */
    size_t offset;       /* in the arena */
} cpu_place;

typedef struct cpu_memory {
    dnnl_memory_t memory;
    const cpu_place *place;
} cpu_memory;

typedef struct cpu_step {
    xst_status (*run)(void *self, xst_error *err);
    void (*release)(void *self); /* frees what `self` holds; may be NULL */
    void *self;
    int32_t op;
} cpu_step;

enum { CPU_VARIANTS = 2 };

struct xst_executable {
    const xst_backend_api *api;
    xst_session *session;
    int32_t ops;
    cpu_step *step;
    int32_t steps;
    size_t step_capacity;
    cpu_place **place;
    int32_t places;
    size_t place_capacity;
    cpu_memory *memory;
    int32_t memories;
    size_t memory_capacity;
    uint64_t **written; /* versions of the STATE tensors that a run changes */
    int32_t writtens;
    size_t written_capacity;
    const void *bound; /* the arena that places point into */
    bool ready;
};

/* A tensor in the program being compiled. w_eff may be wanted in two layouts: forward and backward. */
typedef struct cpu_use {
    int32_t variants;
    cpu_layout layout[CPU_VARIANTS];
    cpu_place *place[CPU_VARIANTS];
} cpu_use;

typedef struct cpu_compiler {
    xst_session *session;
    xst_executable *exe;
    const xst_program *program;
    int32_t op;                   /* being compiled */
    cpu_use *use;                 /* one per tensor */
    struct cpu_conv_choice *conv; /* one per operation; conv.h */
    bool *fused;                  /* one per operation: an earlier step does its work */
    cpu_place **score;            /* one per operation: growth scores that an earlier step makes for DROP_GROW */
    struct cpu_pending {
        xst_tensor tensor;
        cpu_place *place;
    } pending[XST_OP_OUTPUTS]; /* outputs made in another layout than the tensor's, to be copied after the operation */
    int32_t pendings;
} cpu_compiler;

/* session.c */
xst_status xst_cpu_session_create(xst_backend *backend, const xst_tensors *tensors, xst_session **out, xst_error *err);
void xst_cpu_session_destroy(xst_session *session);
size_t xst_cpu_session_bytes(const xst_session *session);
xst_status xst_cpu_upload(xst_session *session, xst_tensor tensor, const void *from, size_t bytes, xst_error *err);
xst_status xst_cpu_download(xst_session *session, xst_tensor tensor, void *to, size_t bytes, xst_error *err);
/* Gives a STATE tensor its memory; a layout that is fixed already stays. */
xst_status xst_cpu_state_place(xst_session *session, xst_tensor tensor, const cpu_layout *layout, xst_error *err);
/* What an allocation of so many bytes takes. */
size_t xst_cpu_memory_held(size_t bytes);
/* Zeroed memory of the session, on huge pages where it is large. Freed with xst_free. */
xst_status xst_cpu_memory_alloc(xst_session *session, void **out, size_t bytes, const char *what, xst_error *err);

/* compile.c */
xst_status xst_cpu_compile(xst_session *session, const xst_program *program, xst_executable **out, xst_error *err);
void xst_cpu_executable_destroy(xst_executable *executable);
/* Points every place of the program at its memory, if the arena has moved. */
void xst_cpu_bind(xst_executable *executable);

/* What operations use to compile themselves (place.c). The place of a tensor in its own layout: */
cpu_place *xst_cpu_place(cpu_compiler *c, xst_tensor tensor);
/* Keeps a place for the operation being compiled (what finds a place by a tensor does so itself). NULL is fine. */
void xst_cpu_touch(const cpu_compiler *c, cpu_place *place);
xst_status xst_cpu_place_new(cpu_compiler *c, const cpu_layout *layout, cpu_place **out, xst_error *err);
/* The tensor in a given layout: its own place, or a copy made before the operation (read) or written back after it. A
 * copy of a STATE tensor that the program does not write is kept, and made again only after the tensor has changed. */
xst_status xst_cpu_read(cpu_compiler *c, xst_tensor tensor, const cpu_layout *layout, cpu_place **out, xst_error *err);
xst_status xst_cpu_write(cpu_compiler *c, xst_tensor tensor, const cpu_layout *layout, cpu_place **out, xst_error *err);
/* The same for row-major order. */
xst_status xst_cpu_read_plain(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err);
xst_status xst_cpu_write_plain(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err);
/* Memory that only this operation uses. */
xst_status xst_cpu_scratch(cpu_compiler *c, size_t bytes, cpu_place **out, xst_error *err);
/* A new step with zeroed parameters of `size` bytes; release (may be NULL) gets them at the end. */
xst_status xst_cpu_step(cpu_compiler *c, size_t size, xst_status (*run)(void *, xst_error *), void (*release)(void *),
                        void **self, xst_error *err);
/* A oneDNN memory of this descriptor that follows a place. */
xst_status xst_cpu_dnnl_memory(cpu_compiler *c, const dnnl_memory_desc_t *desc, const cpu_place *place,
                               dnnl_memory_t *out, xst_error *err);
/* Whether any operation of the program has the tensor among its outputs. */
bool xst_cpu_writes(const xst_program *program, xst_tensor tensor);
/* A STATE tensor that is changed in place, in row-major order. */
xst_status xst_cpu_update_plain(cpu_compiler *c, xst_tensor tensor, cpu_place **out, xst_error *err);
xst_status xst_cpu_flush_writes(cpu_compiler *c, xst_error *err);
xst_status xst_cpu_fail_dnnl(dnnl_status_t status, const char *what, xst_error *err);

static inline const xst_tensor_info *xst_cpu_info(const cpu_compiler *c, xst_tensor tensor)
{
    return &c->session->tensors.info[tensor];
}

/* One per operation kind, in the file named after its idea. */
typedef xst_status cpu_compile_op(cpu_compiler *c, const xst_op *op, xst_error *err);
cpu_compile_op xst_cpu_count, xst_cpu_shuffle, xst_cpu_batch, xst_cpu_gates, xst_cpu_effective, xst_cpu_conv,
    xst_cpu_bn_forward, xst_cpu_bn_backward, xst_cpu_bn_eval, xst_cpu_pool_forward, xst_cpu_pool_backward,
    xst_cpu_reshape, xst_cpu_linear_forward, xst_cpu_linear_backward_data, xst_cpu_linear_backward_weights,
    xst_cpu_relu_backward, xst_cpu_loss, xst_cpu_gradient, xst_cpu_adam, xst_cpu_sgd, xst_cpu_drop_grow, xst_cpu_prune,
    xst_cpu_bn_eval_backward, xst_cpu_mask_count;

#endif
