/* The files that NeuroSim reads of a layer (notes on NeuroSim, section 2). All are text; matrices have a line per row
 * of the weight matrix: input channel, kernel row, kernel column, the channel slowest. */
#ifndef XST_TRAIN_NEUROSIM_FILES_H
#define XST_TRAIN_NEUROSIM_FILES_H

#include "base/text.h"
#include "net/net.h"

enum { XST_NEUROSIM_INPUT_BITS = 8 };

/* NetWork.csv: IFM rows, columns, channels, kernel rows, columns, outputs, pooling follows, stride; one line per masked
 * layer. NeuroSim knows no padding: the map is larger by what the net pads. */
void xst_neurosim_network(const xst_net *net, xst_text *text);

/* weightLAYER.csv: code / 2^(bits-1), so that NeuroSim's offset code is code + 2^(bits-1). codes [O,I,kh,kw]. */
xst_status xst_neurosim_weights(const char *folder, const xst_layer *layer, const float *codes, int bits,
                                xst_error *err);

/* inputLAYER.csv: the bits of each output position next to each other, most significant first, positions row by row.
 * codes [in][side][side]; padding is 0. */
xst_status xst_neurosim_inputs(const char *folder, const xst_layer *layer, const uint8_t *codes, xst_error *err);

#endif
