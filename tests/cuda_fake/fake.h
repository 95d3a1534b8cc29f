/* The CPU in place of the CUDA libraries, and a fault injector over it: what tests in C control and see.
 *
 * Device memory is malloc's, filled with NaN, so that sanitizers and comparisons see what was never written; streams
 * run at once; graphs are recorded calls; convolutions and products are plain loops. Every call of the table
 * (XST_CUDA_CALLS) is counted. One thread. */
#ifndef XST_TESTS_FAKE_H
#define XST_TESTS_FAKE_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fake_control {
    int calls;          /* made so far */
    int fail_at;        /* the call of this number (from 1) fails, whatever it is; 0: none */
    const char *failed; /* the one that did */
    int live;           /* objects made and not destroyed: memory, streams, graphs, events, handles, descriptors */
    int launches;       /* of kernels and library calls that compute, replays counted too */
    int convolutions;   /* those of cuDNN among them */
    int no_rules;       /* cuDNN says that no algorithm serves, until it has tried them */
    double conv_ms;     /* how much longer each of these takes by the clock of events; less than 0: shorter */
    double clock_ms;    /* by how much that clock is ahead */
} fake_control;

fake_control *fake_state(void);

#ifdef __cplusplus
}
#endif
#endif
