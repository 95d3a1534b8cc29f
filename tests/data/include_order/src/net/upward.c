#include "backend/backend.h"
#include "base/error.h"
#include "train/state.h"
#include <hdf5.h>
