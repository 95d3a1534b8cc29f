#include "base/version.h"

const char *xst_version(void)
{
    return XST_VERSION;
}

const char *xst_git_commit(void)
{
    return XST_GIT_COMMIT;
}
