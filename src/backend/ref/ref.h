/* The reference backend: plain loops over doubles, what every other backend is compared with.
 *
 * Every floating tensor is held in double, so that finite differences mean something; temps keep their own memory, and
 * so their value after a run. These two functions are for tests, which look inside: any tensor, of either kind and any
 * dtype. */
#ifndef XST_BACKEND_REF_REF_H
#define XST_BACKEND_REF_REF_H

#include "backend/backend.h"

/* session must be one of the reference backend; out and from hold the tensor's elements in row-major order. */
void xst_ref_get(const xst_session *session, xst_tensor tensor, double *out);
void xst_ref_set(xst_session *session, xst_tensor tensor, const double *from);

#endif
