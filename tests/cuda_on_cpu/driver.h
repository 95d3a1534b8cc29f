/* Between the driver and check.c. */
#ifndef XST_TESTS_DRIVER_H
#define XST_TESTS_DRIVER_H

#include <stdbool.h>

typedef struct check_counts {
    int passed, failed;
} check_counts;

/* Cases since the last call. */
check_counts check_counted(void);
void check_quietly(bool quiet);

#endif
