/* The same work on many things, as many at a time as OpenMP has threads. */
#ifndef XST_BASE_PARALLEL_H
#define XST_BASE_PARALLEL_H

#include "xst/status.h"

/* Calls work(user, 0 .. count-1), in any order; calls must not touch what others write. All are made even where one
 * fails; the failure of the lowest index is returned. */
xst_status xst_parallel(int count, xst_status (*work)(void *user, int index, xst_error *err), void *user,
                        xst_error *err);

#endif
