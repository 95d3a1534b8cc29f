#include "store/records.h"

#include "base/memory.h"

#include <string.h>

void xst_task_record_free(xst_task_record *record)
{
    for (int i = 0; i < record->layer_count; i++) {
        xst_free(record->layers[i].columns);
        xst_free(record->layers[i].values);
        xst_free(record->layers[i].mask);
    }
    for (int i = 0; i < record->tensor_count; i++)
        xst_free(record->tensors[i].values);
    xst_free(record->layers);
    xst_free(record->tensors);
    xst_free(record->logits);
    memset(record, 0, sizeof *record);
}

const xst_tensor_record *xst_task_record_find(const xst_task_record *record, const char *name)
{
    for (int i = 0; i < record->tensor_count; i++)
        if (strcmp(record->tensors[i].name, name) == 0)
            return &record->tensors[i];
    return NULL;
}
