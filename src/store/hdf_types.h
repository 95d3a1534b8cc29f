/* Inside of store/hdf*.c: HDF5's names for our types, and how its files are opened. */
#ifndef XST_STORE_HDF_TYPES_H
#define XST_STORE_HDF_TYPES_H

#include "store/hdf.h"

hid_t xst_hdf_file_type(xst_array_type type);
hid_t xst_hdf_memory_type(xst_array_type type);
/* Access properties of a file in memory; negative on failure. */
hid_t xst_hdf_access(void);

#endif
