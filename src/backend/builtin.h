/* The tables of the backends that every build has. */
#ifndef XST_BACKEND_BUILTIN_H
#define XST_BACKEND_BUILTIN_H

#include "backend/backend.h"

extern const xst_backend_api xst_cpu_backend, xst_ref_backend;

#endif
