/* engine/safetensors.h - reading and writing safetensors files.
 *
 * Format: u64 little-endian header length, a JSON object {name: {dtype, shape, data_offsets},
 * "__metadata__": {string: string}}, then the bytes. A reader trusts nothing: lengths against the
 * file's size, offsets in range, without overlap and hole, shape times size = bytes, known dtypes,
 * no duplicate names. */
#ifndef MODA_ENGINE_SAFETENSORS_H
#define MODA_ENGINE_SAFETENSORS_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef enum moda_dtype {
    MODA_DTYPE_BOOL,
    MODA_DTYPE_U8,
    MODA_DTYPE_I8,
    MODA_DTYPE_I16,
    MODA_DTYPE_I32,
    MODA_DTYPE_I64,
    MODA_DTYPE_F16,
    MODA_DTYPE_BF16,
    MODA_DTYPE_F32,
    MODA_DTYPE_F64
} moda_dtype;

enum { MODA_TENSOR_MAX_RANK = 8 };

/* When reading, name and data belong to the file object; data may be unaligned. When writing, both
 * are the caller's. */
typedef struct moda_tensor {
    const char *name;
    moda_dtype dtype;
    size_t rank, shape[MODA_TENSOR_MAX_RANK];
    size_t bytes;
    const void *data; /* row-major, little-endian */
} moda_tensor;

typedef struct moda_metadata {
    const char *key, *value;
} moda_metadata;

typedef struct moda_tensor_file moda_tensor_file;

/* Fails: MODA_ERR_IO, MODA_ERR_FORMAT (path, byte offset or tensor, remedy), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_tensor_file_open(const char *path, moda_tensor_file **file);
void moda_tensor_file_close(moda_tensor_file *file);
const char *moda_tensor_file_path(const moda_tensor_file *file);
size_t moda_tensor_file_count(const moda_tensor_file *file);
/* In the order of their bytes. */
const moda_tensor *moda_tensor_file_at(const moda_tensor_file *file, size_t i);
/* NULL when there is none. */
const moda_tensor *moda_tensor_file_find(const moda_tensor_file *file, const char *name);
const char *moda_tensor_file_metadata(const moda_tensor_file *file, const char *key);

/* Atomically; tensors in the given order, data 8-byte aligned in the file. */
MODA_MUST_USE moda_status moda_tensor_file_write(const char *path, const moda_tensor *tensors,
                                                 size_t count, const moda_metadata *metadata,
                                                 size_t metadata_count);

size_t moda_dtype_size(moda_dtype dtype);
const char *moda_dtype_name(moda_dtype dtype);
/* A row-major f32 tensor over the caller's data; rank is how many of d0..d3 count. */
moda_tensor moda_tensor_f32(const char *name, const float *data, size_t rank, size_t d0, size_t d1,
                            size_t d2, size_t d3);

#endif
