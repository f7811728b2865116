#include "decompose/checksum.h"
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

uint32_t moda_model_checksum(const moda_model *model)
{
    uint32_t sum = (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const unsigned char *)model->values,
                                     model->parameters.elements * sizeof *model->values);
    return sum ? sum : 1;
}

void moda_checksum_print(uint32_t checksum, char text[MODA_CHECKSUM_TEXT])
{
    text[0] = 0;
    if (checksum) snprintf(text, MODA_CHECKSUM_TEXT, "%08x", checksum);
}

uint32_t moda_checksum_of_file(const moda_tensor_file *file)
{
    const char *text = moda_tensor_file_metadata(file, "moda.weights");
    return text ? (uint32_t)strtoul(text, NULL, 16) : 0;
}
