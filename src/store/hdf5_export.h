/* A task's effective network as one plain HDF5 file. */
#ifndef XST_STORE_HDF5_EXPORT_H
#define XST_STORE_HDF5_EXPORT_H

#include "net/record.h"
#include "store/safetensors.h"

/* A dataset per tensor under its name; root attributes `method`, `task`, `name`, `mean`, `std` and `data_sha256` as in
 * tasks/NN.h5. Atomic. */
xst_status xst_hdf5_export(const char *file, const xst_export_tensor *tensors, int count, const xst_task_record *record,
                           xst_error *err);

#endif
