#include "base/parallel.h"

xst_status xst_parallel(int count, xst_status (*work)(void *user, int index, xst_error *err), void *user,
                        xst_error *err)
{
    int failed = count;
    xst_error first = {0};
#pragma omp parallel for schedule(dynamic)
    for (int i = count - 1; i >= 0; i--) { /* the last layers of a network are often the largest */
        xst_error own = {0};
        if (work(user, i, &own) == XST_OK)
            continue;
#pragma omp critical(xst_parallel_failure)
        if (i < failed) {
            failed = i;
            first = own;
        }
    }
    if (failed == count)
        return XST_OK;
    if (err)
        *err = first;
    return first.status;
}
