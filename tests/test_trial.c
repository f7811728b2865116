/* tests/test_trial.c - the trials of engine/tuner.h: which ways there are for a pass of a layer, and that they
 * run. What convolutions compute is test_tuner.c's business; how long anything takes is no matter. */
#include "base/isa.h"
#include "base/rng.h"
#include "engine/onednn_trial_internal.h"
#include "engine/tuner.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

TestSuite(trial, .timeout = 120);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

enum { BATCH = 5 };
#define END ";[linear];name=z;outputs=4"

typedef struct seen {
    size_t ways, direct, inner_product, matmul;
} seen;

/* Opens every pass of a layer and runs all ways, in turns, with values that stay finite. */
static seen check(const char *input, const char *body, size_t layer, moda_precision precision)
{
    seen s = {0};
    moda_model *m = small_model(input, body, 2);
    moda_tuner *tuner = NULL;
    must(moda_tuner_create(m->net, BATCH, precision, &tuner));
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
        moda_trial *t = NULL;
        must(moda_trial_open(tuner, layer, p, &t));
        cr_assert(ge(sz, moda_trial_count(t), 1));
        for (size_t turn = 0; turn < 3; turn++)
            for (size_t i = 0; i < moda_trial_count(t); i++) must(moda_trial_run(t, i));
        for (size_t i = 0; i < moda_trial_count(t); i++) {
            const moda_trial_way w = moda_trial_describe(t, i);
            cr_assert(lt(sz, 0, strlen(w.implementation)));
            cr_assert(lt(sz, 0, w.operands));
            cr_assert(eq(int, w.type,
                         precision == MODA_PRECISION_BF16 ? MODA_DTYPE_BF16 : MODA_DTYPE_F32));
            s.ways++;
            s.direct += strcmp(w.algorithm, "direct") == 0;
            s.inner_product += strcmp(w.algorithm, "inner_product") == 0;
            s.matmul += strcmp(w.algorithm, "matmul") == 0;
        }
        moda_trial_close(t);
    }
    moda_tuner_destroy(tuner);
    moda_model_destroy(m);
    return s;
}

/* The first layer, too, whose gradient by the input training does not want. */
Test(trial, convolutions)
{
    const seen s = check("3 9 9", "[conv];name=a;outputs=32;kernel=3;padding=1" END, 1, 0);
    cr_assert(ge(sz, s.direct, 3));
    cr_assert(eq(sz, s.inner_product + s.matmul, 0));
}

Test(trial, linear_layers)
{
    const seen flat = check("7 1 1", "[linear];name=a;outputs=6" END, 1, 0);
    cr_assert(flat.inner_product >= 3 && flat.matmul >= 3 && flat.direct == 0, "%zu %zu",
              flat.inner_product, flat.matmul);
    const seen maps =
        check("32 4 4", "[linear];name=a;outputs=48;bias=no" END, 1, MODA_PRECISION_F32);
    cr_assert(maps.inner_product >= 3 && maps.matmul >= 3, "%zu %zu", maps.inner_product,
              maps.matmul);
}

Test(trial, in_bf16_too)
{
    if (!moda_cpu_has_bf16()) cr_skip("no bf16 on this CPU");
    const seen c = check("16 8 8", "[conv];name=a;outputs=32;kernel=3" END, 1, MODA_PRECISION_BF16);
    const seen l = check("16 4 4", "[linear];name=a;outputs=32" END, 1, MODA_PRECISION_BF16);
    cr_assert(ge(sz, c.direct, 3));
    cr_assert(ge(sz, l.inner_product, 3));
}

/* Plain features: n*k + o*k + n*o and the bias, which only inner products have in all passes. */
Test(trial, bytes_are_those_of_the_operands)
{
    enum { K = 64, O = 32 };
    moda_model *m = small_model("64 1 1", "[linear];name=a;outputs=32" END, 2);
    moda_tuner *tuner = NULL;
    moda_trial *t = NULL;
    must(moda_tuner_create(m->net, BATCH, MODA_PRECISION_F32, &tuner));
    must(moda_trial_open(tuner, 1, MODA_CONV_FORWARD, &t));
    for (size_t i = 0; i < moda_trial_count(t); i++) {
        const moda_trial_way w = moda_trial_describe(t, i);
        cr_assert(eq(sz, w.operands, 4 * (BATCH * K + O * K + BATCH * O + O)), "%s", w.algorithm);
    }
    moda_trial_close(t);
    moda_trial_close(NULL);
    moda_tuner_destroy(tuner);
    moda_model_destroy(m);
}

/* The first value of what a pass reads; its lower half is the upper one again, for bf16. */
static uint32_t first_value(moda_tuner *tuner)
{
    moda_trial *t = NULL;
    must(moda_trial_open(tuner, 1, MODA_CONV_FORWARD, &t));
    must(moda_trial_run(t, 0));
    uint32_t word;
    memcpy(&word, tuner->memory, sizeof word);
    moda_trial_close(t);
    return word;
}

Test(trial, values_are_drawn_from_the_seed)
{
    moda_model *m = small_model("3 9 9", "[conv];name=a;outputs=32;kernel=3;padding=1" END, 2);
    moda_tuner *tuner = NULL;
    must(moda_tuner_create(m->net, BATCH, MODA_PRECISION_F32, &tuner));
    const uint64_t seeds[] = {1, 0, 7}; /* the first: as trainings measure */
    for (size_t i = 0; i < 3; i++) {
        const float want =
            (float)moda_rng_normal(moda_rng_make(seeds[i], MODA_RNG_SYNTHETIC, 0), 0);
        uint32_t bits;
        memcpy(&bits, &want, sizeof bits);
        if (i) moda_tuner_draw(tuner, seeds[i]);
        cr_assert(eq(u32, first_value(tuner), (bits & 0xffff0000u) | bits >> 16), "seed %zu", i);
    }
    moda_tuner_destroy(tuner);
    moda_model_destroy(m);
}
