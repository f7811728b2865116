/* tests/test_executor.c - engine/executor.h: executors that share weights and memory, what they
 * leave behind in the weights, the same bits, and the memory plan. Layers and gradients have files of
 * their own (test_layers.c, test_gradients.c). */
#include "tests/small_net.h"
#include "tests/small_nets.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(executor, .timeout = 300);

/* Winograd, direct, batch norm, a branch, maps into a linear layer. */
static const char input[] = "3 10 10";
static const char body[] =
    "[conv];name=a;outputs=16;kernel=3;padding=1;bias=no;[batchnorm];name=an;[relu];name=ar;"
    "[conv];name=b;outputs=16;kernel=3;padding=1;bias=no;[batchnorm];name=bn;[add];from=bn,ar;["
    "relu];"
    "[maxpool];kernel=2;[conv];name=c;outputs=21;kernel=3;[relu];[linear];name=d;outputs=13;[relu];"
    "[linear];name=e;outputs=4";

enum { LARGE, SMALL, EVAL, KINDS };
static const size_t batches[KINDS] = {8, 3, 5};
static const moda_modular_weights weights = {1, 1, 0.3};
static const moda_sgd sgd = {0.05, 0.9, 1e-4};

/* Three executors on one set of weights. */
typedef struct shared {
    moda_model *model; /* what was stored last */
    moda_weights *weights;
    moda_executor *executors[KINDS];
    moda_workspace *workspace;
} shared;

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static moda_executor_options options(int kind)
{
    return (moda_executor_options){
        .batch = batches[kind], .training = kind != EVAL, .modular = kind != EVAL};
}

/* order: which executor is made first and so chooses the layouts. */
static shared open_shared(const int order[KINDS])
{
    shared s = {.model = small_model(input, body, 1)};
    must(moda_weights_create(s.model->net, &s.weights));
    for (int i = 0; i < KINDS; i++) {
        const moda_executor_options o = options(order[i]);
        must(moda_executor_create(s.weights, &o, &s.executors[order[i]]));
    }
    must(moda_workspace_create(s.executors, KINDS, &s.workspace));
    must(moda_weights_load(s.weights, s.model));
    return s;
}

static void close_shared(shared *s)
{
    moda_workspace_destroy(s->workspace);
    for (int i = 0; i < KINDS; i++) moda_executor_destroy(s->executors[i]);
    moda_weights_destroy(s->weights);
    moda_model_destroy(s->model);
}

static const moda_parameter *first_with(const moda_model *m, moda_parameter_role role)
{
    for (size_t t = 0; t < m->parameters.count; t++)
        if (m->parameters.items[t].role == role) return &m->parameters.items[t];
    return NULL;
}

static void compare(size_t n, const float *got, const double *want, const char *what, int step)
{
    cr_assert(lt(dbl, 1e-3, small_largest(n, want)), "%s: near 0: this proves nothing", what);
    cr_assert(lt(dbl, small_distance(n, got, want), 1e-5), "%s, step %d", what, step);
}

/* One forward, against f64 on the weights as they are now; training goes on to an update, after
 * which running statistics must have followed the batch. */
static void run(shared *s, int kind, int step)
{
    const size_t n = batches[kind];
    const small_net view = {s->model, s->weights, s->executors[kind], s->workspace};
    float *x = small_values(n * 3 * 10 * 10, 100 + (uint64_t)step);
    uint32_t *labels = small_labels(n, 4);
    must(moda_weights_store(s->weights, s->model));
    naive_net *naive = naive_create(s->model, n, kind != EVAL);
    naive_forward(naive, x);
    compare(n * 4, small_forward(&view, x), naive_logits(naive), "logits", step);
    if (kind != EVAL) {
        small_backward(&view, labels, &weights);
        moda_weights_update(s->weights, sgd);
        naive_track(naive);
    }
    must(moda_weights_store(s->weights, s->model));
    for (size_t t = 0; t < s->model->parameters.count; t++) {
        const moda_parameter *p = &s->model->parameters.items[t];
        if (p->role != MODA_RUNNING_MEAN && p->role != MODA_RUNNING_VAR) continue;
        compare(p->elements, s->model->values + p->offset, naive->parameters + p->offset, p->name,
                step);
    }
    naive_destroy(naive);
    free(x), free(labels);
}

/* Every executor sees what the others did to the weights, however the memory they share looks. */
Test(executor, several_on_one_set_of_weights)
{
    const int orders[][KINDS] = {{LARGE, SMALL, EVAL}, {EVAL, SMALL, LARGE}};
    const int steps[] = {EVAL, LARGE, SMALL, EVAL, EVAL, LARGE, LARGE, EVAL, SMALL, EVAL};
    for (size_t k = 0; k < sizeof orders / sizeof *orders; k++) {
        shared s = open_shared(orders[k]);
        moda_model *start = small_model(input, body, 1);
        for (int i = 0; i < (int)(sizeof steps / sizeof *steps); i++) run(&s, steps[i], i);
        const moda_parameter *w = first_with(start, MODA_WEIGHT);
        double moved = 0;
        for (size_t i = 0; i < w->elements; i++)
            moved = fmax(moved, fabs((double)s.model->values[w->offset + i] -
                                     (double)start->values[w->offset + i]));
        cr_assert(lt(dbl, 1e-3, moved), "the weights hardly moved: this proves nothing");
        moda_model_destroy(start);
        close_shared(&s);
    }
}

/* One image at a time wants other weight layouts than a large batch does: evaluation keeps a copy of
 * its own, which must follow every update, and may be reused while there is none. */
Test(executor, evaluation_with_layouts_of_its_own)
{
    moda_model *m = small_model("16 8 8",
                                "[conv];name=a;outputs=64;kernel=3;padding=1;[relu];"
                                "[conv];name=b;outputs=64;kernel=3;padding=1;[relu];"
                                "[linear];name=c;outputs=4",
                                4);
    const moda_executor_options o[2] = {{.batch = 128, .training = true}, {.batch = 1}};
    moda_executor *e[2] = {NULL, NULL};
    moda_weights *w = NULL;
    moda_workspace *space = NULL;
    float *x = small_values(128 * 16 * 64, 1), before[4] = {0, 0, 0, 0};
    uint32_t *labels = small_labels(128, 4);
    must(moda_weights_create(m->net, &w));
    for (int i = 0; i < 2; i++) must(moda_executor_create(w, &o[i], &e[i]));
    must(moda_workspace_create(e, 2, &space));
    must(moda_weights_load(w, m));
    const small_net large = {m, w, e[0], space}, one = {m, w, e[1], space};
    for (int step = 0; step < 3; step++) {
        must(moda_weights_store(w, m));
        naive_net *naive = naive_create(m, 1, false);
        naive_forward(naive, x);
        for (int again = 0; again < 2; again++)
            compare(4, small_forward(&one, x), naive_logits(naive), "logits", step);
        cr_assert(ne(int, memcmp(before, moda_executor_logits(e[1]), sizeof before), 0),
                  "an update changed nothing");
        memcpy(before, moda_executor_logits(e[1]), sizeof before);
        small_forward(&large, x);
        small_backward(&large, labels, NULL);
        moda_weights_update(w, sgd);
        naive_destroy(naive);
    }
    moda_workspace_destroy(space);
    for (int i = 0; i < 2; i++) moda_executor_destroy(e[i]);
    moda_weights_destroy(w);
    moda_model_destroy(m);
    free(x), free(labels);
}

/* Momentum outlives the step, and loading forgets it. */
Test(executor, loading_clears_the_momentum)
{
    const int order[KINDS] = {LARGE, SMALL, EVAL};
    shared s = open_shared(order);
    moda_model *start = small_model(input, body, 1);
    const size_t bytes = start->parameters.elements * sizeof(float);
    float *once = malloc(bytes), *twice = malloc(bytes);
    run(&s, LARGE, 0);
    memcpy(once, s.model->values, bytes);
    run(&s, LARGE, 0);
    memcpy(twice, s.model->values, bytes);
    cr_assert(ne(int, memcmp(once, twice, bytes), 0), "a second step changed nothing");
    must(moda_weights_load(s.weights, start));
    run(&s, LARGE, 0);
    cr_assert(eq(int, memcmp(s.model->values, once, bytes), 0), "the first step once more differs");
    run(&s, LARGE, 0);
    cr_assert(eq(int, memcmp(s.model->values, twice, bytes), 0), "the second once more differs");
    free(once), free(twice);
    moda_model_destroy(start);
    close_shared(&s);
}

/* ---- the same bits ---- */

/* Four training steps from the start; the values, free() them. */
static float *train(const char *shape, const char *text, moda_convolution convolution)
{
    moda_model *m = small_model(shape, text, 2);
    const moda_shape in = m->net->input;
    const size_t bytes = m->parameters.elements * sizeof(float);
    uint32_t *labels = small_labels(6, m->net->classes);
    float *values = malloc(bytes);
    small_net s = small_create(
        m, (moda_executor_options){
               .batch = 6, .training = true, .modular = true, .convolution = convolution});
    for (uint64_t step = 0; step < 4; step++) {
        float *x = small_values(6 * in.c * in.h * in.w, step);
        small_forward(&s, x);
        small_backward(&s, labels, &weights);
        moda_weights_update(s.weights, sgd);
        free(x);
    }
    must(moda_weights_store(s.weights, m));
    memcpy(values, m->values, bytes);
    for (size_t i = 0; i < m->parameters.elements; i++)
        cr_assert(isfinite(values[i]), "value %zu of %s is %g", i, text, (double)values[i]);
    small_destroy(&s);
    moda_model_destroy(m);
    free(labels);
    return values;
}

static void check_bits(const small_case *c, moda_convolution convolution)
{
    moda_model *m = small_model(c->input, c->body, 2);
    float *first = train(c->input, c->body, convolution);
    float *again = train(c->input, c->body, convolution);
    const size_t bytes = m->parameters.elements * sizeof(float);
    cr_assert(ne(int, memcmp(first, m->values, bytes), 0), "%s: nothing was trained", c->name);
    cr_assert(eq(int, memcmp(first, again, bytes), 0), "%s: two runs differ", c->name);
    free(first), free(again);
    moda_model_destroy(m);
}

Test(executor, two_runs_have_the_same_bits)
{
    const small_case big = {"the shared network", input, body};
    check_bits(&big, MODA_CONVOLUTION_AUTO);
    check_bits(&big, MODA_CONVOLUTION_DIRECT);
    for (size_t i = 0; i < small_case_count; i++)
        check_bits(&small_cases[i], MODA_CONVOLUTION_AUTO);
}

/* A forward pass leaves nothing behind that the next one would see. */
Test(executor, repeated_runs_have_the_same_bits)
{
    moda_model *m = small_model(input, body, 3);
    float *x = small_values(4 * 300, 1), *other = small_values(4 * 300, 2);
    uint32_t *labels = small_labels(4, 4);
    float *g[2] = {calloc(m->parameters.elements, sizeof(float)),
                   calloc(m->parameters.elements, sizeof(float))};
    float first[16];
    for (int training = 0; training < 2; training++) {
        small_net s = small_create(
            m, (moda_executor_options){.batch = 4, .training = training, .modular = training});
        memcpy(first, small_forward(&s, x), sizeof first);
        cr_assert(ne(int, memcmp(first, small_forward(&s, other), sizeof first), 0),
                  "another input gave the same logits");
        cr_assert(eq(int, memcmp(first, small_forward(&s, x), sizeof first), 0),
                  "the same input gave other logits");
        for (int k = 0; training && k < 2; k++) {
            small_forward(&s, x);
            small_backward(&s, labels, &weights);
            small_gradients(&s, g[k]);
            small_forward(&s, other);
            small_backward(&s, labels, &weights);
        }
        small_destroy(&s);
    }
    cr_assert(eq(int, memcmp(g[0], g[1], m->parameters.elements * sizeof(float)), 0),
              "the same batch gave other gradients");
    moda_model_destroy(m);
    free(x), free(other), free(labels), free(g[0]), free(g[1]);
}

/* An epoch may leave a single sample over, and vectors have one value per channel then: no variance,
 * but no division by zero either. */
Test(executor, batch_norm_of_a_single_value)
{
    moda_model *m = small_model("12 1 1",
                                "[linear];name=a;outputs=19;bias=no;[batchnorm];name=n;[relu];"
                                "[linear];name=b;outputs=4",
                                1);
    float *x = small_values(12, 1);
    const uint32_t label = 2;
    small_net s =
        small_create(m, (moda_executor_options){.batch = 1, .training = true, .modular = true});
    small_forward(&s, x);
    small_backward(&s, &label, &weights);
    moda_weights_update(s.weights, sgd);
    must(moda_weights_store(s.weights, m));
    for (size_t i = 0; i < m->parameters.elements; i++)
        cr_assert(isfinite(m->values[i]), "value %zu is %g", i, (double)m->values[i]);
    small_destroy(&s);
    moda_model_destroy(m);
    free(x);
}

/* ---- memory ---- */

Test(executor, buffers_share_memory)
{
    const moda_net_defaults cifar = {{3, 32, 32}, 10};
    const struct {
        const char *name;
        bool training;
        double most; /* of the unshared bytes */
    } cases[] = {{"lenet5", true, 0.9}, {"vgg11", true, 0.75}, {"vgg11", false, 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const moda_executor_options o = {
            .batch = 16, .training = cases[i].training, .modular = cases[i].training};
        moda_net *net = NULL;
        moda_weights *w = NULL;
        moda_executor *e = NULL;
        must(moda_net_open(cases[i].name, cifar, &net));
        must(moda_weights_create(net, &w));
        must(moda_executor_create(w, &o, &e));
        const double bytes = (double)moda_executor_bytes(e);
        const double unshared = (double)moda_executor_bytes_unshared(e);
        cr_assert(lt(dbl, 16 * 3 * 32 * 32 * 4.0, bytes), "less than the input");
        cr_assert(lt(dbl, bytes, cases[i].most * unshared), "%s, training %d", cases[i].name,
                  cases[i].training);
        moda_executor_destroy(e);
        moda_weights_destroy(w);
        moda_net_destroy(net);
    }
}

/* What a training step of ResNet-18 keeps: about 440 MiB of maps, and the scratch of one layer. */
Test(executor, activations_that_can_be_made_again_are_not_kept)
{
    const moda_executor_options o = {.batch = 128, .training = true, .modular = true};
    moda_net *net = NULL;
    moda_weights *w = NULL;
    moda_executor *e = NULL;
    must(moda_net_open("resnet18", (moda_net_defaults){{3, 32, 32}, 10}, &net));
    must(moda_weights_create(net, &w));
    must(moda_executor_create(w, &o, &e));
    const double mib = (double)moda_executor_bytes(e) / (1 << 20);
    cr_assert(ge(dbl, mib, 300), "less than the convolutions' outputs");
    cr_assert(le(dbl, mib, 600), "%.1f MiB", mib);
    moda_executor_destroy(e);
    moda_weights_destroy(w);
    moda_net_destroy(net);
}

Test(executor, a_batch_of_nothing_is_refused)
{
    moda_model *m = small_model(input, body, 3);
    const moda_executor_options o = {.batch = 0};
    moda_weights *w = NULL;
    moda_executor *e = (moda_executor *)&w;
    must(moda_weights_create(m->net, &w));
    cr_assert(eq(int, moda_executor_create(w, &o, &e), MODA_ERR_ARG));
    cr_assert(eq(ptr, e, NULL));
    moda_weights_destroy(w);
    moda_model_destroy(m);
}

Test(executor, destroying_nothing)
{
    moda_executor_destroy(NULL);
    moda_weights_destroy(NULL);
    moda_workspace_destroy(NULL);
}
