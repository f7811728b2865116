/* base/bf16.h - bfloat16: the upper half of a float, 8 bits of mantissa. Kernels read and write it
 * and compute in f32; the conversions are plain integer code that every instruction set vectorises,
 * with the same bits as the CPU's own instructions apart from denormals, which those flush. */
#ifndef MODA_BASE_BF16_H
#define MODA_BASE_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t moda_bf16;

/* The type of an array's elements. */
typedef enum moda_real { MODA_F32, MODA_BF16 } moda_real;

static inline size_t moda_real_size(moda_real type)
{
    return type == MODA_BF16 ? sizeof(moda_bf16) : sizeof(float);
}

static inline float moda_bf16_to_f32(moda_bf16 x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Nearest, ties to even. A NaN stays one: rounding alone could carry it into an infinity. */
static inline moda_bf16 moda_f32_to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, nan = bits >> 16 | 0x40;
    return (moda_bf16)((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

/* Element i of an array of that type. Meant for a constant type: the branch is then none. */
static inline float moda_real_get(moda_real type, const void *x, size_t i)
{
    return type == MODA_BF16 ? moda_bf16_to_f32(((const moda_bf16 *)x)[i]) : ((const float *)x)[i];
}

static inline void moda_real_put(moda_real type, void *x, size_t i, float value)
{
    if (type == MODA_BF16)
        ((moda_bf16 *)x)[i] = moda_f32_to_bf16(value);
    else
        ((float *)x)[i] = value;
}

#endif
