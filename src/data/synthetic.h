/* A built-in data set of CIFAR-100's shape, for trying the program and for tests without a download.
 *
 * 20 superclasses of 5 classes, 500 + 100 images each, drawn by formula from counter-based random numbers: the same
 * bytes on every machine, whatever the seed of the run. The classes of a superclass share colours and background; they
 * differ in the shape in front, and in the direction and fineness of its stripes. Place, size, rotation, colours,
 * contrast and noise change from image to image, so that no single pixel tells much. */
#ifndef XST_DATA_SYNTHETIC_H
#define XST_DATA_SYNTHETIC_H

#include "data/source.h"

/* All records of the classes asked for; "file order" is image by image, the classes in turn. */
xst_status xst_synthetic_read(xst_part part, const xst_class_set *classes, xst_records *out, xst_error *err);
/* One record: image i of class `fine`. */
void xst_synthetic_record(xst_part part, int fine, uint32_t i, uint8_t record[XST_RECORD_BYTES]);

#endif
