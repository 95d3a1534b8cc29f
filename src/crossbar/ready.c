#include "crossbar/ready.h"

#include "crossbar/device.h"

#include <string.h>

const char *xst_device_ready(const char *name, size_t *size)
{
    for (const xst_ready_device *d = xst_ready_devices; d->name; d++) {
        if (strcmp(d->name, name) == 0) {
            *size = d->size;
            return (const char *)d->bytes;
        }
    }
    return NULL;
}

const char *xst_device_ready_name(int index)
{
    int i = 0;
    for (const xst_ready_device *d = xst_ready_devices; d->name; d++, i++)
        if (i == index)
            return d->name;
    return NULL;
}
