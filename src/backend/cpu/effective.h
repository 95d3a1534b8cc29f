/* Effective weights, kept from step to step.
 *
 * From one step to the next few gates change and only the active columns move, so w_eff of a layer stays in memory of
 * its own and each run rewrites what differs from what it holds: columns whose gate changed, columns that are no longer
 * active, and the active ones. What it holds is remembered here by content (gates and active columns), so it does not
 * matter which program ran before; new frozen weights make the next run write all. */
#ifndef XST_BACKEND_CPU_EFFECTIVE_H
#define XST_BACKEND_CPU_EFFECTIVE_H

#include "backend/cpu/cpu.h"

void xst_cpu_caches_free(xst_session *session);

#endif
