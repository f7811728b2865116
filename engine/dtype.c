/* engine/dtype.c - element types of safetensors files. */
#include "engine/safetensors_internal.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[MODA_DTYPE_COUNT] = {
    [MODA_DTYPE_BOOL] = {"BOOL", 1}, [MODA_DTYPE_U8] = {"U8", 1},     [MODA_DTYPE_I8] = {"I8", 1},
    [MODA_DTYPE_I16] = {"I16", 2},   [MODA_DTYPE_I32] = {"I32", 4},   [MODA_DTYPE_I64] = {"I64", 8},
    [MODA_DTYPE_F16] = {"F16", 2},   [MODA_DTYPE_BF16] = {"BF16", 2}, [MODA_DTYPE_F32] = {"F32", 4},
    [MODA_DTYPE_F64] = {"F64", 8},
};

size_t moda_dtype_size(moda_dtype dtype)
{
    return (unsigned)dtype < MODA_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *moda_dtype_name(moda_dtype dtype)
{
    return (unsigned)dtype < MODA_DTYPE_COUNT ? dtypes[dtype].name : "unknown";
}

bool moda_dtype_from_name(const char *name, moda_dtype *dtype)
{
    for (unsigned i = 0; i < MODA_DTYPE_COUNT; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *dtype = (moda_dtype)i;
            return true;
        }
    return false;
}

bool moda_tensor_bytes(moda_dtype dtype, size_t rank, const size_t *shape, size_t *bytes)
{
    size_t product = moda_dtype_size(dtype);
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(product, shape[i], &product)) return false;
    *bytes = product;
    return true;
}

moda_tensor moda_tensor_f32(const char *name, const float *data, size_t rank, size_t d0, size_t d1,
                            size_t d2, size_t d3)
{
    moda_tensor t = {.name = name, .dtype = MODA_DTYPE_F32, .rank = rank, .data = data};
    const size_t shape[4] = {d0, d1, d2, d3};
    t.bytes = sizeof(float);
    for (size_t i = 0; i < rank; i++) t.shape[i] = shape[i], t.bytes *= shape[i];
    return t;
}
