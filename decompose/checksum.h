/* decompose/checksum.h - which weights rates and masks belong to.
 *
 * Shapes alone cannot tell a model from the same network trained again, and masks of one on the
 * weights of the other give a network that runs and is wrong. So files of rates and masks carry a
 * checksum of the weights, metadata `moda.weights`, 8 hexadecimal digits. */
#ifndef MODA_DECOMPOSE_CHECKSUM_H
#define MODA_DECOMPOSE_CHECKSUM_H

#include "engine/model.h"
#include "engine/safetensors.h"
#include <stdint.h>

enum { MODA_CHECKSUM_TEXT = 16 };

/* CRC-32 over all values of the model; never 0, which stands for "not known". */
uint32_t moda_model_checksum(const moda_model *model);
/* As metadata: "" when not known. */
void moda_checksum_print(uint32_t checksum, char text[MODA_CHECKSUM_TEXT]);
/* Out of a file's metadata; 0 when it has none. */
uint32_t moda_checksum_of_file(const moda_tensor_file *file);

#endif
