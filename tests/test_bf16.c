/* tests/test_bf16.c - base/bf16.h against the definition: the nearest value, ties to even. */
#include "base/bf16.h"
#include "base/rng.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

TestSuite(bf16, .timeout = 60);

Test(bf16, every_value_survives_the_way_there_and_back)
{
    for (uint32_t i = 0; i <= 0xffff; i++) {
        const float x = moda_bf16_to_f32((moda_bf16)i);
        const moda_bf16 back = moda_f32_to_bf16(x);
        if (isnan(x))
            cr_assert(isnan(moda_bf16_to_f32(back)), "%x: a NaN stays one", i);
        else
            cr_assert(eq(u16, back, (moda_bf16)i), "%x came back as %x", i, (unsigned)back);
    }
}

/* The two neighbours of x among bf16 values, by cutting off and by the next one outward. */
Test(bf16, rounds_to_the_nearest_and_ties_to_even)
{
    const moda_rng rng = moda_rng_make(5, MODA_RNG_TEST, 0);
    size_t ties = 0;
    for (uint64_t k = 0; k < 200000; k++) {
        uint32_t bits =
            (uint32_t)moda_rng_bits(rng, k) & 0xfeffffff; /* finite, and so is the next */
        float x;
        if (k % 4 == 0) bits = (bits & 0xffff0000) | 0x8000, ties++;
        memcpy(&x, &bits, sizeof x);
        const moda_bf16 inner = (moda_bf16)(bits >> 16), outer = (moda_bf16)(inner + 1);
        const double below = fabs((double)x - (double)moda_bf16_to_f32(inner));
        const double above = fabs((double)moda_bf16_to_f32(outer) - (double)x);
        const moda_bf16 even = inner % 2 == 0 ? inner : outer;
        const moda_bf16 want = below < above ? inner : above < below ? outer : even;
        cr_assert(eq(u16, moda_f32_to_bf16(x), want), "%g (%x)", (double)x, bits);
    }
    cr_assert(lt(sz, 1000, ties), "ties were tried");
}

Test(bf16, what_is_too_large_is_infinite_and_a_nan_is_one)
{
    const uint32_t odd_nans[] = {0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff};
    cr_assert(isinf(moda_bf16_to_f32(moda_f32_to_bf16(3.4e38f))), "rounds to infinity");
    cr_assert(isinf(moda_bf16_to_f32(moda_f32_to_bf16(INFINITY))), "stays infinite");
    for (size_t i = 0; i < sizeof odd_nans / sizeof *odd_nans; i++) {
        float x;
        memcpy(&x, &odd_nans[i], sizeof x);
        cr_assert(isnan(moda_bf16_to_f32(moda_f32_to_bf16(x))), "%x", odd_nans[i]);
    }
}
