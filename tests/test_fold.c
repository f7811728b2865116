/* tests/test_fold.c - folding batch norms: the same function, on every kind of small network and on
 * random chains; and what is left alone. */
#include "base/rng.h"
#include "engine/fold.h"
#include "tests/formula.h"
#include "tests/naive_net.h"
#include "tests/small_net.h"
#include "tests/small_nets.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(fold, .timeout = 60);

static moda_model *fold(const moda_model *model)
{
    moda_model *folded = NULL;
    cr_assert(eq(int, moda_fold(model, &folded), MODA_OK), "%s", moda_last_error());
    return folded;
}

static size_t count_kind(const moda_net *net, moda_layer_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < net->layer_count; i++) n += net->layers[i].kind == kind;
    return n;
}

/* Batch norms whose convolution or linear layer nobody else reads: what folding must remove. */
static size_t foldable(const moda_net *net)
{
    size_t n = 0;
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        size_t readers = 0;
        if (l->kind != MODA_LAYER_BATCHNORM) continue;
        const moda_layer *before = &net->layers[l->input[0]];
        if (before->kind != MODA_LAYER_CONV && before->kind != MODA_LAYER_LINEAR) continue;
        for (size_t k = 0; k < net->layer_count; k++) {
            const moda_layer *reader = &net->layers[k];
            if (reader->kind == MODA_LAYER_INPUT) continue;
            readers += reader->input[0] == l->input[0];
            const bool two = reader->kind == MODA_LAYER_ADD || reader->kind == MODA_LAYER_CONCAT;
            readers += two && reader->input[1] == l->input[0];
        }
        n += readers == 1;
    }
    return n;
}

/* Both networks in f64 on one input: only the folded weights' rounding may differ. */
static void check_same_function(const moda_model *model, const moda_model *folded, const char *what)
{
    enum { N = 3 };
    const moda_shape in = model->net->input;
    float *x = small_values(N * in.c * in.h * in.w, 5);
    naive_net *a = naive_create(model, N, false), *b = naive_create(folded, N, false);
    naive_forward(a, x);
    naive_forward(b, x);
    const double *want = naive_logits(a), *got = naive_logits(b);
    const size_t outputs = N * model->net->classes;
    const double largest = small_largest(outputs, want);
    cr_assert(lt(dbl, 1e-3, largest), "%s: logits near zero prove nothing", what);
    for (size_t i = 0; i < outputs; i++)
        cr_assert(lt(dbl, fabs(got[i] - want[i]), 2e-6 * largest), "%s, logit %zu: %.9g, %.9g",
                  what, i, got[i], want[i]);
    naive_destroy(a);
    naive_destroy(b);
    free(x);
}

static size_t check(const moda_model *model, const char *what)
{
    moda_model *folded = fold(model);
    const moda_net *from = model->net, *to = folded->net;
    const size_t gone = from->layer_count - to->layer_count;
    cr_assert(ge(sz, gone, foldable(from)), "%s", what);
    cr_assert(
        eq(sz, gone, count_kind(from, MODA_LAYER_BATCHNORM) - count_kind(to, MODA_LAYER_BATCHNORM)),
        "%s: only batch norms go", what);
    cr_assert(eq(sz, foldable(to), 0), "%s: some were left", what);
    cr_assert(eq(sz, to->tracked_count, from->tracked_count), "%s", what);
    cr_assert(eq(sz, to->classes, from->classes), "%s", what);
    check_same_function(model, folded, what);
    moda_model_destroy(folded);
    return gone;
}

Test(fold, every_small_network_stays_the_same_function)
{
    size_t gone = 0, left = 0;
    for (size_t i = 0; i < small_case_count; i++) {
        moda_model *model = small_model(small_cases[i].input, small_cases[i].body, 3 + i);
        const size_t norms = count_kind(model->net, MODA_LAYER_BATCHNORM);
        const size_t folded = check(model, small_cases[i].name);
        gone += folded, left += norms - folded;
        moda_model_destroy(model);
    }
    cr_assert(gone > 5 && left > 2, "%zu folded, %zu left: too few to tell", gone, left);
}

/* Chains of layers drawn at random, groups and biases too. */
Test(fold, random_networks_stay_the_same_function)
{
    static const char *const pieces[] = {
        "[conv];name=c%zu;outputs=6;kernel=3;padding=1;",
        "[conv];name=c%zu;outputs=9;kernel=1;bias=no;",
        "[conv];name=c%zu;outputs=12;kernel=3;groups=3;bias=no;padding=1;",
        "[relu];name=r%zu;",
        "[batchnorm];name=n%zu;",
        "[batchnorm];name=n%zu;eps=0.02;",
        "[conv];name=c%zu;outputs=36;kernel=3;padding=1;groups=depthwise;"};
    size_t gone = 0;
    for (uint32_t seed = 0; seed < 60; seed++) {
        const moda_rng rng = moda_rng_make(seed, MODA_RNG_TEST, 11);
        char body[2000] = "[conv];name=first;outputs=12;kernel=3;", piece[128];
        for (size_t i = 0; i < 9; i++) { /* of 3 channels in groups always comes from 6, 9 or 12 */
            snprintf(piece, sizeof piece, pieces[moda_rng_below(rng, i, 7)], i);
            strcat(body, piece);
        }
        strcat(body, moda_rng_bits(rng, 100) & 1
                         ? "[linear];name=z;outputs=4;bias=no;[batchnorm];name=zn"
                         : "[linear];name=z;outputs=4");
        moda_model *model = small_model("3 6 5", body, seed);
        gone += check(model, body);
        moda_model_destroy(model);
    }
    cr_assert(lt(sz, 60, gone), "%zu", gone);
}

Test(fold, what_a_model_says_of_itself_stays)
{
    moda_model *model = formula_model("vgg16", 10);
    model->class_ids[9] = 31;
    model->class_names[4] = strdup("deer");
    model->module = strdup("{\"tau\": 0.9}");
    moda_model *folded = fold(model);
    cr_assert(eq(sz, count_kind(folded->net, MODA_LAYER_BATCHNORM), 0));
    cr_assert(eq(u32, folded->class_ids[9], 31));
    cr_assert(eq(str, folded->class_names[4], "deer"));
    cr_assert(eq(str, folded->module, "{\"tau\": 0.9}"));
    cr_assert(zero(int, memcmp(folded->mean, model->mean, sizeof model->mean)));
    moda_model *again = fold(folded);
    cr_assert(eq(sz, again->parameters.elements, folded->parameters.elements));
    cr_assert(zero(int, memcmp(again->values, folded->values,
                               folded->parameters.elements * sizeof *folded->values)),
              "nothing to fold: nothing changes");
    moda_model_destroy(again);
    moda_model_destroy(folded);
    moda_model_destroy(model);
}

/* The executor runs a folded network like any other. */
Test(fold, executor_agrees)
{
    enum { N = 4 };
    const char *body =
        "[conv];name=a;outputs=17;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];"
        "[conv];name=b;outputs=20;kernel=3;[batchnorm];name=bn;[relu];[maxpool];kernel=2;"
        "[linear];name=z;outputs=5";
    moda_model *model = small_model("3 8 8", body, 2), *folded = fold(model);
    float *x = small_values(N * 3 * 64, 8), want[N * 5];
    small_net s = small_create(model, (moda_executor_options){.batch = N});
    memcpy(want, small_forward(&s, x), sizeof want);
    small_destroy(&s);
    s = small_create(folded, (moda_executor_options){.batch = N});
    const float *got = small_forward(&s, x);
    for (size_t i = 0; i < N * 5; i++)
        cr_assert(lt(dbl, fabs((double)got[i] - (double)want[i]), 1e-4), "%g, %g", got[i], want[i]);
    small_destroy(&s);
    free(x);
    moda_model_destroy(folded);
    moda_model_destroy(model);
}
