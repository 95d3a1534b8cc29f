/* cmocka fixtures: an open run in a temporary folder. */
#ifndef XST_TESTS_OPEN_RUN_H
#define XST_TESTS_OPEN_RUN_H

#include "support/temp_folder.h"

#include "store/run.h"

typedef struct fixture {
    temp_folder folder;
    xst_run *run; /* created in "run" */
} fixture;

static inline int setup(void **state)
{
    static fixture f;
    f.folder = temp_folder_make();
    assert_int_equal(xst_run_open(temp_path_of(&f.folder, "run").text, XST_RUN_CREATE, &f.run, NULL), XST_OK);
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    fixture *const f = *state;
    xst_run_close(f->run);
    temp_folder_remove(&f->folder);
    return 0;
}

#endif
