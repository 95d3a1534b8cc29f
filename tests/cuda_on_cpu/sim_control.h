/* What tests, in C, control and see of the kernel runner behind cuda_on_cpu.h. */
#ifndef XST_TESTS_SIM_CONTROL_H
#define XST_TESTS_SIM_CONTROL_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sim_options {
    unsigned order;           /* 0: threads and blocks ascending, 1: descending, else: shuffled with this seed */
    bool blocks_concurrent;   /* for the thread sanitizer: two blocks are never ordered (8,000 threads at most in a
                                 launch), and races on static shared memory are not looked for */
    unsigned char fill;       /* what shared memory holds when a block starts */
    const char *without_file; /* leave out the barrier, or the wait for copies, in this file ... */
    int without_line;         /* ... at this line: if the tests still pass, they do not test it */
} sim_options;

/* A kernel with the arguments that cudaLaunchKernel is given, run to its end: for tables that queue nothing. */
cudaError_t sim_launch_now(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream);
/* The settings of all later launches; plain data of the test program. */
sim_options *sim_settings(void);
/* The last failed launch in words, or NULL. */
const char *sim_error(void);
void sim_clear_error(void);
/* The barriers and waits met so far: fills at most n, returns how many there are. */
int sim_sites(const char **file, int *line, int n);
/* How often a fiber was entered. */
uint64_t sim_switches(void);

#ifdef __cplusplus
}
#endif
#endif
