/* tests/test_winograd.c - how far Winograd convolutions are from direct ones, and that executors do what
 * a tuning says (engine/executor.h).
 *
 * Every entry of all three passes is compared. The gradient by a map has no way out of an executor, so
 * the map is made a parameter: a 1x1 convolution of inputs of which each is 1 at one pixel of one sample
 * and 0 elsewhere writes its weights out as the map, and its weight gradient is the gradient by the map,
 * both without rounding. */
#include "base/isa.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(winograd, .timeout = 120);

typedef struct shape {
    size_t n, ic, oc, h, w;
} shape;

/* Layers of VGG-16 and ResNet-18; channels that fill no vector; maps that no tile of 4x4 fits. */
static const shape shapes[] = {{1, 64, 64, 32, 32}, {1, 128, 128, 16, 16}, {2, 128, 256, 8, 8},
                               {3, 512, 512, 4, 4}, {2, 512, 512, 2, 2},   {2, 17, 19, 15, 13},
                               {1, 33, 16, 7, 9},   {3, 16, 40, 5, 3},     {2, 3, 64, 9, 9},
                               {1, 16, 16, 1, 1}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* What a run gave; passes in the order of moda_conv_pass. */
typedef struct outcome {
    size_t n[MODA_CONV_PASSES];
    double *values[MODA_CONV_PASSES];
    float *single[MODA_CONV_PASSES];
} outcome;

static moda_model *make_model(shape s)
{
    char input[64], body[256];
    snprintf(input, sizeof input, "%zu %zu %zu", s.n * s.h * s.w, s.h, s.w);
    snprintf(body, sizeof body,
             "[conv];name=map;outputs=%zu;kernel=1;bias=no;"
             "[conv];name=c;outputs=%zu;kernel=3;padding=1;[linear];name=end;outputs=1",
             s.ic, s.oc);
    return small_model(input, body, 5);
}

/* The network without its last layer: a description may not end in a map, an executor may. */
static void cut(moda_model *model, int layers)
{
    model->net->layer_count += (size_t)layers;
}

static float *one_hot(shape s)
{
    const size_t hw = s.h * s.w, channels = s.n * hw;
    float *x = calloc(s.n * channels * hw, sizeof *x);
    cr_assert(ne(ptr, x, NULL));
    for (size_t i = 0; i < s.n; i++)
        for (size_t p = 0; p < hw; p++) x[(i * channels + i * hw + p) * hw + p] = 1;
    return x;
}

static void keep(outcome *o, moda_conv_pass pass, size_t n, const float *x)
{
    o->n[pass] = n;
    o->single[pass] = malloc(n * sizeof *x);
    o->values[pass] = malloc(n * sizeof *o->values[pass]);
    cr_assert(o->single[pass] && o->values[pass]);
    memcpy(o->single[pass], x, n * sizeof *x);
    for (size_t i = 0; i < n; i++) o->values[pass][i] = (double)x[i];
}

static outcome run(shape s, moda_executor_options options)
{
    outcome o;
    moda_model *model = make_model(s);
    const moda_parameter_list *list = &model->parameters;
    float *x = one_hot(s), *g = malloc(list->elements * sizeof *g);
    float *d = small_values(s.n * s.oc * s.h * s.w, 3);
    cr_assert(ne(ptr, g, NULL));
    options.batch = s.n, options.training = true;
    cut(model, -1);
    small_net net = small_create(model, options);
    keep(&o, MODA_CONV_FORWARD, s.n * s.oc * s.h * s.w, small_forward(&net, x));
    memcpy(moda_executor_d_logits(net.executor), d, s.n * s.oc * s.h * s.w * sizeof *d);
    cr_assert(eq(int, moda_executor_backward(net.executor), MODA_OK), "%s", moda_last_error());
    small_gradients(&net, g);
    keep(&o, MODA_CONV_BACKWARD_DATA, list->items[0].elements, g + list->items[0].offset);
    keep(&o, MODA_CONV_BACKWARD_WEIGHTS, list->items[1].elements, g + list->items[1].offset);
    small_destroy(&net);
    cut(model, 1);
    moda_model_destroy(model);
    free(x), free(g), free(d);
    return o;
}

static void outcome_free(outcome *o)
{
    for (int p = 0; p < MODA_CONV_PASSES; p++) free(o->values[p]), free(o->single[p]);
}

/* A tuning with one choice for the 3x3 layer's passes. */
static moda_tuning forced(shape s, moda_algorithm algorithm, const char *implementation,
                          unsigned passes)
{
    moda_tuning t = {0};
    moda_model *model = make_model(s);
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
        moda_tuning_entry e = {.key = moda_tuning_key_of(model->net, 2, p, MODA_DTYPE_F32, s.n),
                               .choice = {.algorithm = algorithm, .type = MODA_DTYPE_F32}};
        snprintf(e.choice.implementation, sizeof e.choice.implementation, "%s", implementation);
        if (passes & 1u << p)
            cr_assert(eq(int, moda_tuning_set(&t, &e), MODA_OK), "%s", moda_last_error());
    }
    moda_model_destroy(model);
    return t;
}
enum { ALL_PASSES = 7 };

static outcome run_tuned(shape s, moda_algorithm algorithm, const char *implementation,
                         unsigned passes)
{
    moda_tuning t = forced(s, algorithm, implementation, passes);
    const outcome o = run(s, (moda_executor_options){.tuning = &t});
    moda_tuning_free(&t);
    return o;
}

static bool same_bits(const outcome *a, const outcome *b, moda_conv_pass p)
{
    return memcmp(a->single[p], b->single[p], a->n[p] * sizeof(float)) == 0;
}

/* Largest difference over the largest entry. Measured on AVX-512: at most 3.0e-6. */
#define BOUND 5e-6

Test(winograd, is_as_near_to_direct_as_rounding_allows)
{
    for (size_t i = 0; i < SHAPES; i++) {
        outcome direct =
            run(shapes[i], (moda_executor_options){.convolution = MODA_CONVOLUTION_DIRECT});
        outcome winograd = run_tuned(shapes[i], MODA_ALGORITHM_WINOGRAD, "", ALL_PASSES);
        for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
            const double largest = small_largest(direct.n[p], direct.values[p]);
            const double off = small_distance(direct.n[p], winograd.single[p], direct.values[p]);
            cr_assert(lt(dbl, 0.01, largest), "shape %zu: near 0: this proves nothing", i);
            cr_assert(lt(dbl, off, BOUND), "shape %zu, %s", i, moda_conv_pass_name(p));
            if (moda_isa_best() == MODA_ISA_AVX512)
                cr_assert(not(same_bits(&direct, &winograd, p)), "shape %zu, %s: not Winograd", i,
                          moda_conv_pass_name(p));
        }
        outcome_free(&direct), outcome_free(&winograd);
    }
}

/* ---- choices are taken ---- */

static const shape one = {2, 32, 32, 8, 8};

Test(winograd, each_pass_by_itself)
{
    outcome direct = run(one, (moda_executor_options){.convolution = MODA_CONVOLUTION_DIRECT});
    outcome winograd = run_tuned(one, MODA_ALGORITHM_WINOGRAD, "", ALL_PASSES);
    outcome asked = run_tuned(one, MODA_ALGORITHM_DIRECT, "", ALL_PASSES);
    if (moda_isa_best() != MODA_ISA_AVX512) cr_skip("no Winograd on this CPU");
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++)
        cr_assert(same_bits(&asked, &direct, p), "%s: not direct", moda_conv_pass_name(p));
    for (moda_conv_pass chosen = 0; chosen < MODA_CONV_PASSES; chosen++) {
        moda_tuning t = forced(one, MODA_ALGORITHM_DIRECT, "", ALL_PASSES);
        t.entries[chosen].choice.algorithm = MODA_ALGORITHM_WINOGRAD;
        outcome mixed = run(one, (moda_executor_options){.tuning = &t});
        for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++)
            cr_assert(same_bits(&mixed, p == chosen ? &winograd : &direct, p),
                      "%s Winograd: %s is something else", moda_conv_pass_name(chosen),
                      moda_conv_pass_name(p));
        moda_tuning_free(&t);
        outcome_free(&mixed);
    }
    outcome_free(&direct), outcome_free(&winograd), outcome_free(&asked);
}

/* A name that this oneDNN does not have, and no entry at all: direct, and the rule. */
Test(winograd, what_cannot_be_done_as_told)
{
    outcome direct = run(one, (moda_executor_options){.convolution = MODA_CONVOLUTION_DIRECT});
    outcome ruled = run(one, (moda_executor_options){0});
    outcome unknown = run_tuned(one, MODA_ALGORITHM_WINOGRAD, "jit:from_next_year", ALL_PASSES);
    outcome silent = run_tuned(one, MODA_ALGORITHM_WINOGRAD, "", 0);
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
        cr_assert(same_bits(&unknown, &direct, p), "%s", moda_conv_pass_name(p));
        cr_assert(same_bits(&silent, &ruled, p), "%s", moda_conv_pass_name(p));
    }
    outcome_free(&direct), outcome_free(&ruled), outcome_free(&unknown), outcome_free(&silent);
}

/* --convolution direct is a promise; an implementation may be named; another batch size's choice
 * is better than none. */
Test(winograd, order_of_wishes)
{
    moda_tuning t = forced(one, MODA_ALGORITHM_WINOGRAD, "", ALL_PASSES);
    outcome direct = run(one, (moda_executor_options){.convolution = MODA_CONVOLUTION_DIRECT});
    outcome promised =
        run(one, (moda_executor_options){.convolution = MODA_CONVOLUTION_DIRECT, .tuning = &t});
    outcome winograd = run(one, (moda_executor_options){.tuning = &t});
    for (size_t i = 0; i < t.count; i++) t.entries[i].key.n = 128;
    outcome nearest = run(one, (moda_executor_options){.tuning = &t});
    outcome plain = run_tuned(one, MODA_ALGORITHM_DIRECT, "x64:gemm:jit", ALL_PASSES);
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
        cr_assert(same_bits(&promised, &direct, p), "%s", moda_conv_pass_name(p));
        cr_assert(same_bits(&nearest, &winograd, p), "%s", moda_conv_pass_name(p));
        cr_assert(lt(dbl, small_distance(direct.n[p], plain.single[p], direct.values[p]), BOUND));
    }
    if (moda_isa_best() == MODA_ISA_AVX512)
        cr_assert(not(same_bits(&plain, &direct, MODA_CONV_BACKWARD_WEIGHTS)),
                  "the name made no difference");
    moda_tuning_free(&t);
    outcome_free(&direct), outcome_free(&promised), outcome_free(&winograd);
    outcome_free(&nearest), outcome_free(&plain);
}
