/* engine/safetensors_internal.h - what reader and writer of safetensors files share. */
#ifndef MODA_ENGINE_SAFETENSORS_INTERNAL_H
#define MODA_ENGINE_SAFETENSORS_INTERNAL_H

#include "engine/safetensors.h"
#include <stdbool.h>

enum {
    SAFETENSORS_LENGTH_BYTES = 8,         /* the header's length in front of it */
    SAFETENSORS_MAX_HEADER = 100000000,   /* the format's own limit */
    SAFETENSORS_ALIGNMENT = 8,            /* of the first data byte, by spaces behind the JSON */
    MODA_DTYPE_COUNT = MODA_DTYPE_F64 + 1 /* moda_dtype is 0 .. count-1 */
};

/* false: unknown. */
bool moda_dtype_from_name(const char *name, moda_dtype *dtype);
/* Bytes of a tensor of this shape; false: more than a size_t holds. */
bool moda_tensor_bytes(moda_dtype dtype, size_t rank, const size_t *shape, size_t *bytes);

#endif
