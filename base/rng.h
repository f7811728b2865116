/* base/rng.h - counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011).
 * A number is a pure function of (seed, stream, index), so any thread may draw any number in any
 * order and the result does not depend on the number of threads; a resumed run needs no state. */
#ifndef MODA_BASE_RNG_H
#define MODA_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a number is for; the low 32 bits are free (epoch, layer). Two purposes never share numbers. */
typedef enum moda_rng_purpose {
    MODA_RNG_INIT = 1,
    MODA_RNG_SHUFFLE,
    MODA_RNG_AUGMENT,
    MODA_RNG_SAMPLE,
    MODA_RNG_SYNTHETIC,
    MODA_RNG_TEST
} moda_rng_purpose;

/* One independent sequence. */
typedef struct moda_rng {
    uint64_t seed;
    uint64_t stream;
} moda_rng;

moda_rng moda_rng_make(uint64_t seed, moda_rng_purpose purpose, uint32_t number);

uint64_t moda_rng_bits(moda_rng rng, uint64_t index);                  /* 64 uniform bits */
double moda_rng_unit(moda_rng rng, uint64_t index);                    /* [0,1), 53 bits */
double moda_rng_normal(moda_rng rng, uint64_t index);                  /* N(0,1), Box-Muller */
uint64_t moda_rng_below(moda_rng rng, uint64_t index, uint64_t bound); /* [0,bound), bound > 0 */

/* order[0..n-1] := a uniformly random permutation of 0..n-1 (Fisher-Yates, serial). n < 2^32. */
void moda_rng_permutation(moda_rng rng, size_t n, uint32_t *order);

/* The generator itself: ten rounds on counter[4] under key[2]. Known answers are in the tests. */
void moda_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
