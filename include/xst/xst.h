/* libxst: everything the program `xst` does. */
#ifndef XST_XST_H
#define XST_XST_H

#include "xst/config.h"
#include "xst/eval.h"
#include "xst/export.h"
#include "xst/status.h"
#include "xst/train.h"

#endif
