/* For tests: finished run folders that no training made, with known figures in every file. */
#ifndef XST_TESTS_FAKE_RUN_H
#define XST_TESTS_FAKE_RUN_H

#include "store/run.h"

enum { FAKE_TASKS = 2 };

/* Two synthetic tasks (500 test images each). */
typedef struct fake_run {
    const char *method;
    const char *options[8]; /* key, value, ... beside tasks: 2 and method; NULL-terminated */
    uint32_t seed;
    int done;              /* tasks learnt */
    int right[FAKE_TASKS]; /* test images that are right, when learnt: `right` from image `from` on */
    int from;
    double first_at_end; /* accuracy on task 1 after task 2, percent; 0: as when learnt */
    int epochs;
    double epoch_seconds; /* for 79 updates */
    bool whole;
} fake_run;

/* Writes the folder at path; a failure fails the test. Two layers: a conv [4,8,3,3] in groups of 4, 8 columns of 36
 * weights, and an FC layer [4,16] in groups of 4, 16 columns of 4. Task 1 owns columns 0, 1 and 0..3, task 2 columns 2
 * and 4; its mask has 0 on and 1 off, 0..2 on and 3 off. whole: each task owns all columns and has no mask. */
void fake_run_write(const char *path, const fake_run *fake);

#endif
