/* tests/test_tuner.c - engine/tuner.h: what is offered can be run and computes the same, and where
 * choices come from. How long anything takes is no matter here. */
#include "base/file.h"
#include "base/isa.h"
#include "engine/tuner.h"
#include "tests/capture.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(tuner, .fini = test_folder_remove, .timeout = 120);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

enum { BATCH = 3, LAYER = 2 }; /* the second convolution: it has all passes */
#define END ";[avgpool];kernel=global;[linear];name=z;outputs=4"

/* A convolution of each kind. */
static const struct {
    const char *input, *body;
} nets[] = {
    {"3 9 9", "[conv];name=a;outputs=32;kernel=1;[conv];name=b;outputs=48;kernel=3;padding=1" END},
    {"3 8 8", "[conv];name=a;outputs=17;kernel=1;[conv];name=b;outputs=19;kernel=1;bias=no" END},
    {"3 9 9", "[conv];name=a;outputs=32;kernel=1;[conv];name=b;outputs=64;kernel=1;stride=2" END},
    {"3 8 8", "[conv];name=a;outputs=32;kernel=1;[conv];name=b;outputs=32;kernel=3;padding=1;"
              "groups=depthwise;bias=no" END},
    {"3 11 11", "[conv];name=a;outputs=6;kernel=1;[conv];name=b;outputs=16;kernel=5" END},
    {"3 9 9",
     "[conv];name=a;outputs=7;kernel=3;padding=2;[conv];name=b;outputs=9;kernel=3;bias=no" END},
    {"3 8 8", "[conv];name=a;outputs=16;kernel=1;[conv];name=b;outputs=32;kernel=3;stride=2;"
              "padding=1;groups=2" END}};
enum { NETS = sizeof nets / sizeof *nets };

/* Gradients by all parameters, in which all three passes meet. No tuning: all direct. */
static float *gradients(moda_model *m, moda_precision precision, const moda_tuning *tuning)
{
    const moda_shape in = m->net->input;
    float *x = small_values(BATCH * in.c * in.h * in.w, 9);
    float *g = malloc(m->parameters.elements * sizeof *g);
    uint32_t *labels = small_labels(BATCH, 4);
    cr_assert(ne(ptr, g, NULL));
    small_net s =
        small_create(m, (moda_executor_options){.batch = BATCH,
                                                .training = true,
                                                .precision = precision,
                                                .convolution = tuning ? MODA_CONVOLUTION_AUTO
                                                                      : MODA_CONVOLUTION_DIRECT,
                                                .tuning = tuning});
    small_forward(&s, x);
    small_backward(&s, labels, NULL);
    small_gradients(&s, g);
    small_destroy(&s);
    free(x), free(labels);
    return g;
}

/* A network's gradients with nothing chosen, and how near others must come. */
typedef struct reference {
    moda_model *model;
    moda_precision precision;
    double *gradients, bound;
} reference;

static void check_candidate(const reference *r, const moda_measurement *measured, size_t i)
{
    const moda_candidate *c = &measured->candidates[i];
    const char *name = c->choice.implementation;
    moda_tuning t = {0};
    const moda_tuning_entry e = {measured->key, c->choice, c->seconds};
    cr_assert(lt(sz, 0, strlen(name)));
    for (size_t k = 0; k < i; k++)
        cr_assert(ne(str, (char *)name, (char *)measured->candidates[k].choice.implementation));
    cr_assert(ge(sz, c->runs, 1), "%s was not run", name);
    cr_assert(lt(dbl, 0, c->seconds));
    cr_assert(ge(dbl, c->median, c->seconds));
    must(moda_tuning_set(&t, &e));
    float *got = gradients(r->model, r->precision, &t);
    const double off = small_distance(r->model->parameters.elements, got, r->gradients);
    cr_assert(lt(dbl, off, r->bound), "%s", name);
    moda_tuning_free(&t);
    free(got);
}

/* How many candidates layer b has in all passes; each is tried. */
static size_t check_net(size_t i, moda_precision precision, double bound)
{
    size_t offered = 0;
    moda_model *m = small_model(nets[i].input, nets[i].body, 2);
    const size_t n = m->parameters.elements;
    reference r = {m, precision, malloc(n * sizeof *r.gradients), bound};
    float *direct = gradients(m, precision, NULL);
    moda_tuner *tuner = NULL;
    for (size_t k = 0; k < n; k++) r.gradients[k] = (double)direct[k];
    must(moda_tuner_create(m->net, BATCH, precision, &tuner));
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
        moda_measurement measured;
        must(moda_tuner_measure(tuner, LAYER, p, MODA_TUNE_FULL, false, &measured));
        const moda_tuning_key key = moda_tuning_key_of(
            m->net, LAYER, p, precision ? MODA_DTYPE_BF16 : MODA_DTYPE_F32, BATCH);
        cr_assert(moda_tuning_key_equal(&measured.key, &key));
        cr_assert(lt(sz, measured.best, measured.count));
        cr_assert(eq(int, measured.candidates[0].choice.algorithm, MODA_ALGORITHM_DIRECT));
        offered += measured.count;
        for (size_t k = 0; k < measured.count; k++) check_candidate(&r, &measured, k);
    }
    moda_tuner_destroy(tuner);
    moda_model_destroy(m);
    free(direct), free(r.gradients);
    return offered;
}

Test(tuner, what_is_offered_computes_the_same)
{
    size_t offered = 0;
    for (size_t i = 0; i < NETS; i++) offered += check_net(i, MODA_PRECISION_F32, 1e-5);
    cr_assert(lt(sz, NETS * MODA_CONV_PASSES, offered), "nothing to choose anywhere");
}

/* 8 bits of mantissa, and sums in another order. */
Test(tuner, in_bf16_too)
{
    if (!moda_cpu_has_bf16()) cr_skip("no bf16 on this CPU");
    for (size_t i = 0; i < 2; i++) check_net(i, MODA_PRECISION_BF16, 0.03);
}

/* In a hurry nothing is timed where there is nothing to choose. */
Test(tuner, one_candidate_costs_no_time)
{
    moda_model *m = small_model("3 32 32", "[conv];name=a;outputs=6;kernel=7" END, 2);
    moda_tuner *tuner = NULL;
    moda_measurement measured;
    must(moda_tuner_create(m->net, BATCH, MODA_PRECISION_F32, &tuner));
    must(moda_tuner_measure(tuner, 1, MODA_CONV_FORWARD, MODA_TUNE_QUICK, false, &measured));
    cr_assert(eq(sz, measured.count, 1));
    cr_assert(eq(sz, measured.candidates[0].runs, 0));
    cr_assert(isnan(measured.candidates[0].seconds));
    moda_tuner_destroy(tuner);
    moda_model_destroy(m);
}

Test(tuner, passes_that_training_runs)
{
    moda_model *m = small_model(nets[0].input, nets[0].body, 2);
    cr_assert(moda_tuner_has(m->net, 1, MODA_CONV_FORWARD));
    cr_assert(not(moda_tuner_has(m->net, 1, MODA_CONV_BACKWARD_DATA)), "nobody wants it");
    cr_assert(moda_tuner_has(m->net, 2, MODA_CONV_BACKWARD_DATA));
    for (size_t i = 0; i < m->net->layer_count; i++)
        if (m->net->layers[i].kind != MODA_LAYER_CONV)
            cr_assert(not(moda_tuner_has(m->net, i, MODA_CONV_FORWARD)), "layer %zu", i);
    moda_tuner_destroy(NULL);
    moda_model_destroy(m);
}

/* ---- a whole network ---- */

/* Two layers of one shape, which are one choice. */
static const char twins[] = "[conv];name=a;outputs=32;kernel=1;"
                            "[conv];name=b;outputs=32;kernel=3;padding=1;"
                            "[conv];name=c;outputs=32;kernel=3;padding=1" END;

static moda_tune_summary tune(const moda_net *net, size_t n, moda_tune_effort effort,
                              moda_tuning *t)
{
    moda_tune_summary summary;
    *t = (moda_tuning){0};
    must(moda_tune(net, n, 2, MODA_PRECISION_F32, effort, t, &summary));
    return summary;
}

Test(tuner, measures_once_and_remembers)
{
    moda_model *m = small_model("3 8 8", twins, 2);
    moda_tuning first, second, full;
    setenv("XDG_CACHE_HOME", test_path("cache"), 1);
    const moda_tune_summary off = tune(m->net, BATCH, MODA_TUNE_OFF, &first);
    cr_assert(eq(sz, off.measured + off.cached + first.count, 0));
    cr_assert(not(moda_is_directory(test_path("cache"))));
    const moda_tune_summary fresh = tune(m->net, BATCH, MODA_TUNE_QUICK, &first);
    cr_assert(eq(sz, fresh.cached, 0));
    cr_assert(eq(sz, fresh.measured, first.count));
    const moda_tune_summary again = tune(m->net, BATCH, MODA_TUNE_QUICK, &second);
    cr_assert(eq(sz, again.measured, 0));
    cr_assert(eq(sz, again.cached, first.count));
    cr_assert(eq(sz, second.count, first.count));
    for (size_t i = 0; i < first.count; i++) {
        const moda_tuning_entry *e = moda_tuning_find(&second, &first.entries[i].key);
        cr_assert(e != NULL);
        cr_assert(eq(dbl, e->seconds, first.entries[i].seconds));
    }
    const moda_tune_summary anew = tune(m->net, BATCH, MODA_TUNE_FULL, &full);
    cr_assert(eq(sz, anew.cached, 0), "full takes nothing from the file");
    cr_assert(ge(sz, anew.measured, first.count));
    moda_tuning_free(&first), moda_tuning_free(&second), moda_tuning_free(&full);
    moda_model_destroy(m);
}
