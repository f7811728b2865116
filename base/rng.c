/* base/rng.c - Philox4x32-10: counter = (index, stream), key = seed. */
#include "base/rng.h"
#include <math.h>

void moda_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0, c1 = (uint32_t)p1, c2 = n2, c3 = (uint32_t)p0;
        k0 += 0x9E3779B9, k1 += 0xBB67AE85; /* golden ratio, sqrt(3)-1 */
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The 128 bits at an index. */
static void draw(moda_rng rng, uint64_t index, uint64_t bits[2])
{
    uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)rng.stream,
                           (uint32_t)(rng.stream >> 32)};
    uint32_t key[2] = {(uint32_t)rng.seed, (uint32_t)(rng.seed >> 32)}, out[4];
    moda_philox4x32(counter, key, out);
    bits[0] = out[0] | (uint64_t)out[1] << 32;
    bits[1] = out[2] | (uint64_t)out[3] << 32;
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

moda_rng moda_rng_make(uint64_t seed, moda_rng_purpose purpose, uint32_t number)
{
    return (moda_rng){seed, (uint64_t)purpose << 32 | number};
}

uint64_t moda_rng_bits(moda_rng rng, uint64_t index)
{
    uint64_t bits[2];
    draw(rng, index, bits);
    return bits[0];
}

double moda_rng_unit(moda_rng rng, uint64_t index)
{
    return unit(moda_rng_bits(rng, index));
}

double moda_rng_normal(moda_rng rng, uint64_t index)
{
    uint64_t bits[2];
    draw(rng, index, bits);
    double radius = sqrt(-2 * log(1 - unit(bits[0]))); /* 1 - [0,1) is never 0 */
    return radius * cos(2 * 3.14159265358979323846 * unit(bits[1]));
}

/* floor(r * bound / 2^128) with all 128 bits r: one draw always suffices, and no value is likelier
 * than another by more than bound / 2^128. */
uint64_t moda_rng_below(moda_rng rng, uint64_t index, uint64_t bound)
{
    uint64_t bits[2];
    draw(rng, index, bits);
    __extension__ typedef unsigned __int128 u128;
    u128 low = (u128)bits[0] * bound, high = (u128)bits[1] * bound;
    return (uint64_t)((high + (low >> 64)) >> 64);
}

void moda_rng_permutation(moda_rng rng, size_t n, uint32_t *order)
{
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        size_t j = (size_t)moda_rng_below(rng, i, i + 1);
        uint32_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}
