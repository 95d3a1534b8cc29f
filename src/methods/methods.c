#include "methods/method.h"

#include "methods/dense.h"
#include "methods/sparse.h"

static const xst_method methods[] = {
    {.id = XST_METHOD_XST, .begin = xst_sparse_begin},
    {.id = XST_METHOD_XST_ELEMENT, .begin = xst_sparse_begin, .element = true},
    {.id = XST_METHOD_SCRATCH, .begin = xst_scratch_begin, .whole = true},
    {.id = XST_METHOD_FINETUNE, .begin = xst_finetune_begin, .whole = true, .replays = true},
};

const xst_method *xst_method_of(xst_method_id id)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].id == id)
            return &methods[i];
    return NULL;
}
