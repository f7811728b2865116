/* tests/test_precision.c - engine/executor.h in bf16 beside the same network in f32. 8 bits of mantissa
 * leave about 0.4 % on each number; what is compared is a whole pass. */
#include "base/bf16.h"
#include "base/isa.h"
#include "engine/tuning.h"
#include "tests/small_net.h"
#include "tests/small_nets.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(precision, .timeout = 300);

typedef struct pass_result {
    float *logits, *g;
    size_t bytes;
} pass_result;

static pass_result run(moda_model *model, size_t n, moda_precision precision, const float *x,
                       const uint32_t *labels, const moda_modular_weights *weights)
{
    const size_t logits = n * model->net->classes;
    pass_result r = {malloc(logits * sizeof(float)),
                     calloc(model->parameters.elements, sizeof(float)), 0};
    small_net s = small_create(model, (moda_executor_options){.batch = n,
                                                              .training = true,
                                                              .modular = weights != NULL,
                                                              .precision = precision});
    const float *got = small_forward(&s, x);
    for (size_t i = 0; i < logits; i++) r.logits[i] = got[i];
    small_backward(&s, labels, weights);
    small_gradients(&s, r.g);
    r.bytes = moda_executor_bytes(s.executor);
    small_destroy(&s);
    return r;
}

static double cosine(size_t n, const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static double distance(size_t n, const float *got, const float *want)
{
    double largest = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)want[i]));
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    }
    return worst / largest;
}

/* Whether the gradient by a tensor is more than what is left of numbers that cancel: that of a layer
 * before the batch norm of a single sample, say, which is 0. */
static bool counts(const moda_model *model, const moda_parameter *p, const float *g)
{
    double own = 0, largest = 0;
    for (size_t i = 0; i < model->parameters.elements; i++)
        largest = fmax(largest, fabs((double)g[i]));
    for (size_t i = 0; i < p->elements; i++) own = fmax(own, fabs((double)g[p->offset + i]));
    return own > 1e-3 * largest;
}

static void check(const small_case *c, size_t n, const moda_modular_weights *weights)
{
    moda_model *model = small_model(c->input, c->body, 8);
    const moda_shape in = model->net->input;
    float *x = small_values(n * in.c * in.h * in.w, 9);
    uint32_t *labels = small_labels(n, model->net->classes);
    const pass_result wide = run(model, n, MODA_PRECISION_F32, x, labels, weights);
    const pass_result narrow = run(model, n, MODA_PRECISION_BF16, x, labels, weights);
    size_t compared = 0;
    const double off = distance(n * model->net->classes, narrow.logits, wide.logits);
    cr_assert(lt(dbl, off, 0.06), "%s: logits", c->name);
    if (n > 1) /* of one sample a batch norm of features leaves its bias, whatever came in */
        cr_assert(lt(dbl, 1e-7, off), "%s: the same logits as f32: it was not bf16", c->name);
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *p = &model->parameters.items[t];
        if ((p->role != MODA_WEIGHT && p->role != MODA_BIAS) || !counts(model, p, wide.g)) continue;
        compared++;
        cr_assert(lt(dbl, 0.9, cosine(p->elements, narrow.g + p->offset, wide.g + p->offset)),
                  "%s: the gradient by %s points elsewhere", c->name, p->name);
    }
    moda_model_destroy(model);
    free(x), free(labels), free(wide.logits), free(wide.g), free(narrow.logits), free(narrow.g);
}

Test(precision, bf16_gives_the_gradients_of_f32_nearly)
{
    const moda_modular_weights weights = {1, 0.8, 0.3};
    if (!moda_cpu_has_bf16()) cr_skip("this CPU has no bf16");
    for (size_t i = 0; i < small_case_count; i++) {
        check(&small_cases[i], 7, &weights);
        check(&small_cases[i], 1, NULL);
    }
}

/* What a bf16 number has not: bits in the lower half. */
static size_t finer_than_bf16(const moda_parameter *p, const float *g)
{
    size_t count = 0;
    for (size_t i = 0; i < p->elements; i++) {
        const float x = g[p->offset + i];
        count += moda_bf16_to_f32(moda_f32_to_bf16(x)) != x;
    }
    return count;
}

Test(precision, gradients_by_weights_are_not_rounded_to_bf16)
{
    const size_t n = 4;
    if (!moda_cpu_has_bf16()) cr_skip("this CPU has no bf16");
    moda_model *model = small_model("16 8 8",
                                    "[conv];name=a;outputs=32;kernel=3;padding=1;[relu];"
                                    "[linear];name=b;outputs=20;[relu];" SMALL_END,
                                    8);
    float *x = small_values(n * 16 * 8 * 8, 9);
    uint32_t *labels = small_labels(n, model->net->classes);
    const pass_result r = run(model, n, MODA_PRECISION_BF16, x, labels, NULL);
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *p = &model->parameters.items[t];
        if (p->role == MODA_WEIGHT)
            cr_assert(lt(sz, p->elements / 4, finer_than_bf16(p, r.g)), "%s", p->name);
    }
    moda_model_destroy(model);
    free(x), free(labels), free(r.logits), free(r.g);
}

/* Wide layers: half the memory for maps shows. */
Test(precision, bf16_takes_less_memory)
{
    if (!moda_cpu_has_bf16()) cr_skip("this CPU has no bf16");
    moda_model *model =
        small_model("16 16 16",
                    "[conv];name=a;outputs=64;kernel=3;padding=1;[batchnorm];name=n;"
                    "[relu];[conv];name=b;outputs=64;kernel=3;padding=1;"
                    "[batchnorm];name=m;[relu];" SMALL_END,
                    8);
    size_t bytes[2];
    for (int p = 0; p < 2; p++) {
        small_net s = small_create(
            model, (moda_executor_options){.batch = 8, .training = true, .precision = p});
        bytes[p] = moda_executor_bytes(s.executor);
        small_destroy(&s);
    }
    cr_assert(lt(sz, bytes[MODA_PRECISION_BF16], bytes[MODA_PRECISION_F32] * 3 / 4));
    moda_model_destroy(model);
}

/* ---- auto ---- */

/* Every pass of every convolution, as if it took 1 s in f32. */
static moda_tuning tuning_of(const moda_net *net, size_t n, double bf16_seconds)
{
    moda_tuning tuning = {0};
    for (size_t layer = 1; layer < net->layer_count; layer++)
        for (moda_conv_pass p = 0;
             p < MODA_CONV_PASSES && net->layers[layer].kind == MODA_LAYER_CONV; p++)
            for (int type = 0; type < 2; type++) {
                const moda_dtype d = type ? MODA_DTYPE_BF16 : MODA_DTYPE_F32;
                const moda_tuning_entry entry = {moda_tuning_key_of(net, layer, p, d, n),
                                                 {MODA_ALGORITHM_DIRECT, d, ""},
                                                 type ? bf16_seconds : 1};
                cr_assert(eq(int, moda_tuning_set(&tuning, &entry), MODA_OK));
            }
    return tuning;
}

static float *logits_of(moda_model *model, size_t n, moda_precision precision,
                        const moda_tuning *tuning, const float *x)
{
    float *copy = malloc(n * model->net->classes * sizeof *copy);
    small_net s = small_create(
        model, (moda_executor_options){
                   .batch = n, .training = true, .precision = precision, .tuning = tuning});
    memcpy(copy, small_forward(&s, x), n * model->net->classes * sizeof *copy);
    small_destroy(&s);
    return copy;
}

Test(precision, auto_takes_what_was_measured_to_be_faster)
{
    const size_t n = 6;
    if (!moda_cpu_has_bf16()) cr_skip("this CPU has no bf16");
    moda_model *model = small_model("3 9 9",
                                    "[conv];name=a;outputs=20;kernel=3;[batchnorm];name=n;[relu];"
                                    "[conv];name=b;outputs=8;kernel=3;[relu];" SMALL_END,
                                    8);
    moda_tuning slower = tuning_of(model->net, n, 1.5), faster = tuning_of(model->net, n, 0.5);
    const struct {
        const char *what;
        moda_precision precision;
        const moda_tuning *tuning;
        bool as_f32;
    } cases[] = {{"f32", MODA_PRECISION_F32, &faster, true},
                 {"nothing measured", MODA_PRECISION_AUTO, NULL, true},
                 {"bf16 slower", MODA_PRECISION_AUTO, &slower, true},
                 {"bf16 faster", MODA_PRECISION_AUTO, &faster, false}};
    const size_t bytes = n * model->net->classes * sizeof(float);
    float *x = small_values(n * 3 * 9 * 9, 9);
    float *f32 = logits_of(model, n, MODA_PRECISION_F32, NULL, x);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *got = logits_of(model, n, cases[i].precision, cases[i].tuning, x);
        cr_assert(eq(int, memcmp(got, f32, bytes) == 0, cases[i].as_f32), "%s", cases[i].what);
        free(got);
    }
    moda_tuning_free(&slower), moda_tuning_free(&faster);
    moda_model_destroy(model);
    free(x), free(f32);
}

Test(precision, bf16_without_such_a_cpu_is_refused)
{
    if (moda_cpu_has_bf16()) cr_skip("this CPU has bf16; MODA_ISA=avx2 makes it a CPU without");
    moda_model *model = small_model("3 4 4", SMALL_END, 8);
    moda_weights *weights = NULL;
    moda_executor *executor = NULL;
    const moda_executor_options options = {
        .batch = 2, .training = true, .precision = MODA_PRECISION_BF16};
    cr_assert(eq(int, moda_weights_create(model->net, &weights), MODA_OK));
    cr_assert(eq(int, moda_executor_create(weights, &options, &executor), MODA_ERR_ARG));
    cr_assert(ne(ptr, strstr(moda_last_error(), "use f32"), NULL), "%s", moda_last_error());
    moda_weights_destroy(weights);
    moda_model_destroy(model);
}
