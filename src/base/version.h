/* What this build is. */
#ifndef XST_BASE_VERSION_H
#define XST_BASE_VERSION_H

const char *xst_version(void);    /* "0.1.0" */
const char *xst_git_commit(void); /* of the source, or "unknown" */

#endif
