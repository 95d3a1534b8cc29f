/* Which part of the session's arena each temp and private buffer of a program takes. */
#ifndef XST_BACKEND_CPU_ARENA_H
#define XST_BACKEND_CPU_ARENA_H

#include "backend/cpu/cpu.h"

/* Gives every place in the arena its offset; *bytes = size of the arena that the program needs. */
xst_status xst_cpu_arena_lay_out(xst_executable *executable, size_t *bytes, xst_error *err);

#endif
