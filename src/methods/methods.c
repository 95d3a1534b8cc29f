#include "methods/method.h"

#define METHOD_DECLARE(ID, name, object) extern const xst_method object;
XST_METHODS(METHOD_DECLARE)

#define METHOD_ADDRESS(ID, name, object) [XST_METHOD_##ID] = &object,
static const xst_method *const methods[] = {XST_METHODS(METHOD_ADDRESS)};

const xst_method *xst_method_of(xst_method_id id)
{
    return methods[id];
}

bool xst_method_element(const xst_config *config)
{
    return xst_method_of(config->method)->element ||
           (config->method == XST_METHOD_RIGL && config->granularity == XST_GRANULARITY_ELEMENT);
}

bool xst_method_learns_gumbel(const xst_config *config)
{
    switch (config->method) {
    case XST_METHOD_XST:
    case XST_METHOD_XST_ELEMENT:
        return config->mask == XST_MASK_GUMBEL;
    case XST_METHOD_PIGGYBACK:
        return config->piggyback_mask == XST_PIGGYBACK_GUMBEL;
    default:
        return config->method == XST_METHOD_XBM;
    }
}

int xst_method_most_epochs(const xst_config *config)
{
    const xst_method *const method = xst_method_of(config->method);
    return method->most_epochs ? method->most_epochs(config) : config->epochs;
}

void xst_course_free(xst_course *course)
{
    xst_task_record_free(&course->kept);
}
