#include "store/hdf5_export.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/hdf.h"
#include "store/task_file.h"

xst_status xst_hdf5_export(const char *file, const xst_export_tensor *tensors, int count, const xst_task_record *record,
                           xst_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    xst_hdf hdf = xst_hdf_create(file, err);
    xst_hdf_write_task_attributes(&hdf, record);
    for (int i = 0; i < count; i++)
        xst_hdf_write_tensor(&hdf, tensors[i].name, tensors[i].rank, tensors[i].dim, tensors[i].values);
    xst_status status = xst_hdf_image(&hdf, 0, &bytes, &size);
    xst_hdf_close(&hdf);
    if (status == XST_OK)
        status = xst_file_write(file, bytes, size, err);
    xst_free(bytes);
    return status;
}
