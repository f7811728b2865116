/* tests/test_residual_graph.c - random networks in which additions take batch norms before them along
 * (engine/onednn_residual.c), beside the same networks with every layer in steps of its own: a [select] of
 * all channels between a batch norm and the addition keeps them apart and computes nothing. */
#include "tests/random_graph.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(residual_graph, .timeout = 120);

enum { GRAPHS = 60, BATCH = 5 };
static const moda_modular_weights weights = {1, 0.8, 0.3};

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* The same model with a select in front of every input of an addition. */
static moda_model *kept_apart(const moda_model *model)
{
    char *text = NULL, *apart = NULL;
    size_t size = 0, selects = 0;
    moda_net *net = NULL;
    moda_model *other = NULL;
    must(moda_net_print(model->net, &text));
    FILE *f = open_memstream(&apart, &size);
    for (size_t i = 1; i < model->net->layer_count; i++) /* by hand: names as they are */
        if (model->net->layers[i].kind == MODA_LAYER_ADD) selects += 2;
    const char *at = text;
    for (size_t i = 0; i < selects; i += 2) {
        const char *add = strstr(at, "[add]"), *from = strstr(add, "from = ");
        char name[2][256];
        cr_assert(eq(int, sscanf(from, "from = %255[^,], %255[^\n]", name[0], name[1]), 2));
        fprintf(f, "%.*s", (int)(add - at), at);
        for (size_t k = 0; k < 2; k++) {
            size_t layer = 0;
            while (strcmp(model->net->layers[layer].name, name[k]) != 0) layer++;
            fprintf(f, "[select]\nname = apart%zu\nfrom = %s\nchannels = 0-%zu\n", i + k, name[k],
                    model->net->layers[layer].shape.c - 1);
        }
        fprintf(f, "%.*sfrom = apart%zu, apart%zu", (int)(from - add), add, i, i + 1);
        at = from + strcspn(from, "\n");
    }
    fprintf(f, "%s", at);
    fclose(f);
    must(moda_net_parse(apart, "apart", (moda_net_defaults){0}, &net));
    must(moda_model_create(net, &other));
    cr_assert(eq(sz, other->parameters.elements, model->parameters.elements));
    memcpy(other->values, model->values, model->parameters.elements * sizeof(float));
    free(text), free(apart);
    return other;
}

/* Additions that the program does together with a batch norm. */
static size_t additions_taken_along(moda_executor *e)
{
    moda_profile *profile = NULL;
    size_t count = 0;
    must(moda_profile_create((moda_profile_peaks){1, 1}, &profile));
    must(moda_executor_profile(e, profile));
    for (size_t i = 0; i < moda_profile_parts(profile); i++)
        count += strstr(moda_profile_part_at(profile, i)->kernel, " + add") != NULL;
    moda_profile_destroy(profile);
    return count / 2; /* forward and backward */
}

typedef struct outcome {
    float *logits, *g;
    size_t taken;
} outcome;

static outcome train(moda_model *model, const float *x, bool modular, moda_precision precision)
{
    const size_t logits = BATCH * model->net->classes;
    uint32_t *labels = small_labels(BATCH, model->net->classes);
    outcome o = {calloc(logits, sizeof(float)), calloc(model->parameters.elements, sizeof(float)),
                 0};
    small_net s = small_create(
        model, (moda_executor_options){
                   .batch = BATCH, .training = true, .modular = modular, .precision = precision});
    memcpy(o.logits, small_forward(&s, x), logits * sizeof(float));
    small_backward(&s, labels, modular ? &weights : NULL);
    small_gradients(&s, o.g);
    o.taken = additions_taken_along(s.executor); /* borrows: nothing runs after it */
    small_destroy(&s);
    free(labels);
    return o;
}

static void release(outcome *o)
{
    free(o->logits), free(o->g);
}

static double distance(size_t n, const float *got, const float *want)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
        largest = fmax(largest, fabs((double)want[i]));
    }
    return worst / largest;
}

typedef struct tally {
    size_t taken, same; /* additions; networks with such, of which forward is the same to the bit */
    size_t networks;
} tally;

/* Forward computes the same numbers in the same order, unless a layout is another one: a sum has that
 * of the batch norm, not of its first input. Sums of backward that have three addends or come from
 * activation vectors are rounded differently. */
static void compare(random_source *source, bool modular, tally *sum)
{
    moda_model *model = random_graph(source, false), *apart = kept_apart(model);
    float *x = random_image(source, model->net, BATCH);
    outcome one = train(model, x, modular, MODA_PRECISION_F32);
    outcome other = train(apart, x, modular, MODA_PRECISION_F32);
    const size_t logits = BATCH * model->net->classes;
    sum->taken += one.taken, sum->networks += one.taken > 0;
    const bool same = memcmp(one.logits, other.logits, logits * sizeof(float)) == 0;
    sum->same += one.taken && same;
    cr_assert(zero(sz, other.taken), "a select does not keep them apart");
    cr_assert(lt(dbl, distance(logits, one.logits, other.logits), 1e-5), "logits");
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *p = &model->parameters.items[t];
        if (p->role != MODA_WEIGHT && p->role != MODA_BIAS) continue;
        float largest = 0; /* a bias before a batch norm has none but rounding */
        for (size_t i = 0; i < p->elements; i++)
            largest = fmaxf(largest, fabsf(other.g[p->offset + i]));
        if (largest < 1e-4f) continue;
        const double off = distance(p->elements, one.g + p->offset, other.g + p->offset);
        cr_assert(lt(dbl, off, same ? 2e-4 : 2e-2), "gradient by %s, modular %d, same bits %d",
                  p->name, modular, same); /* what is rounded otherwise may pass a kink */
    }
    release(&one), release(&other);
    moda_model_destroy(model), moda_model_destroy(apart);
    free(x);
}

Test(residual_graph, as_with_every_layer_for_itself)
{
    tally sum = {0, 0, 0};
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        random_source source = random_seed(7000 + seed);
        compare(&source, seed % 2, &sum);
    }
    cr_assert(ge(sz, sum.taken, GRAPHS / 3), "only %zu additions were taken along", sum.taken);
    cr_assert(ge(sz, sum.same, sum.networks * 9 / 10), "%zu of %zu have the same bits", sum.same,
              sum.networks);
}
