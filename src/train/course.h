/* A task's way through its phases, as it is kept across a crash: where it is, what the method remembers, and the net
 * put aside. */
#ifndef XST_TRAIN_COURSE_H
#define XST_TRAIN_COURSE_H

#include "methods/method.h"
#include "store/arrays.h"

/* Adds the course's arrays. */
xst_status xst_course_save(const xst_course *course, xst_array_list *arrays, xst_error *err);
/* Whether the arrays were saved inside the task at `position`. */
bool xst_course_is_of(const xst_array_list *arrays, int position);
/* Brings back what was saved, into a course of the same task. XST_ERROR_RUN. */
xst_status xst_course_restore(xst_course *course, int classes, const xst_array_list *arrays, xst_error *err);

/* The net of the phase under way, as xst_state_save left it among the arrays: enough for its plan. */
xst_status xst_course_saved_net(const xst_course *course, int classes, const xst_array_list *arrays,
                                xst_task_record *net, xst_error *err);

#endif
