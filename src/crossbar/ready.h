/* The ready device files (experiments/devices), which the build puts into the library. */
#ifndef XST_CROSSBAR_READY_H
#define XST_CROSSBAR_READY_H

#include <stddef.h>

typedef struct xst_ready_device {
    const char *name;
    const unsigned char *bytes;
    size_t size;
} xst_ready_device;

/* Ends with a name of NULL. */
extern const xst_ready_device xst_ready_devices[];

#endif
