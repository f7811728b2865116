/* tests/random_graph.c */
#include "tests/random_graph.h"
#include "tests/formula.h"
#include <stdio.h>
#include <stdlib.h>

enum { NAME = 16 };

/* A description that grows. Every layer is named; at: the layer that comes out so far. */
typedef struct sketch {
    random_source *source;
    FILE *f;
    size_t layers, channels, side;
    char at[NAME];
} sketch;

random_source random_seed(uint64_t seed)
{
    return (random_source){moda_rng_make(seed, MODA_RNG_TEST, 31), 0};
}

size_t random_below(random_source *s, size_t bound)
{
    return (size_t)moda_rng_below(s->rng, s->drawn++, bound);
}

static size_t draw(sketch *k, size_t bound)
{
    return random_below(k->source, bound);
}

/* Begins a layer that reads k->at, and makes it the one that comes out. */
static void layer(sketch *k, const char *kind)
{
    fprintf(k->f, "[%s]\nfrom = %s\n", kind, k->at);
    snprintf(k->at, NAME, "l%zu", k->layers++);
    fprintf(k->f, "name = %s\n", k->at);
}

static void conv(sketch *k, size_t outputs, size_t kernel, size_t stride)
{
    layer(k, "conv");
    fprintf(k->f, "outputs = %zu\nkernel = %zu\nstride = %zu\npadding = %zu\nbias = %s\n", outputs,
            kernel, stride, kernel / 2, draw(k, 2) ? "yes" : "no");
    k->channels = outputs, k->side = (k->side - 1) / stride + 1;
}

static void conv_norm(sketch *k, size_t outputs, size_t kernel, size_t stride)
{
    conv(k, outputs, kernel, stride);
    if (draw(k, 3)) layer(k, "batchnorm");
}

static void depthwise(sketch *k, bool relu)
{
    const size_t stride = k->side > 3 ? 1 + draw(k, 2) : 1;
    layer(k, "conv");
    fprintf(k->f, "outputs = %zu\nkernel = 3\nstride = %zu\npadding = 1\ngroups = depthwise\n",
            k->channels, stride);
    fprintf(k->f, "bias = %s\n", draw(k, 2) ? "yes" : "no");
    k->side = (k->side - 1) / stride + 1;
    if (draw(k, 2)) layer(k, "batchnorm");
    if (relu) layer(k, "relu");
}

static void add(sketch *k, const char *other)
{
    char sum[NAME];
    snprintf(sum, NAME, "l%zu", k->layers++);
    if (draw(k, 2))
        fprintf(k->f, "[add]\nname = %s\nfrom = %s, %s\n", sum, k->at, other);
    else
        fprintf(k->f, "[add]\nname = %s\nfrom = %s, %s\n", sum, other, k->at);
    snprintf(k->at, NAME, "%s", sum);
}

static void residual(sketch *k, bool downsample)
{
    const size_t outputs = downsample ? 2 + draw(k, 6) : k->channels, before = k->channels;
    const size_t stride = downsample && k->side > 3 ? 2 : 1, side = k->side;
    char start[NAME], main_branch[NAME];
    snprintf(start, NAME, "%s", k->at);
    conv_norm(k, 2 + draw(k, 6), 3, stride);
    layer(k, "relu");
    conv_norm(k, outputs, 3, 1);
    if (downsample) {
        snprintf(main_branch, NAME, "%s", k->at);
        snprintf(k->at, NAME, "%s", start);
        k->channels = before, k->side = side;
        conv_norm(k, outputs, 1, stride);
        add(k, main_branch);
    } else {
        add(k, start);
    }
    if (draw(k, 4)) layer(k, "relu");
}

/* Batch norm and ReLU come before the convolution, the identity passes both. */
static void preactivation(sketch *k)
{
    char start[NAME];
    snprintf(start, NAME, "%s", k->at);
    layer(k, "batchnorm");
    layer(k, "relu");
    conv_norm(k, k->channels, 3, 1);
    add(k, start);
}

/* Branches with ReLUs of their own, added up. */
static void branches(sketch *k)
{
    char start[NAME], sum[NAME];
    const size_t before = k->channels, outputs = 2 + draw(k, 6), count = 2 + draw(k, 2);
    snprintf(start, NAME, "%s", k->at);
    for (size_t i = 0; i < count; i++) {
        snprintf(k->at, NAME, "%s", start);
        k->channels = before;
        conv_norm(k, outputs, 1 + 2 * draw(k, 2), 1);
        if (draw(k, 3)) layer(k, "relu");
        if (i > 0) add(k, sum);
        snprintf(sum, NAME, "%s", k->at);
    }
    if (draw(k, 2)) layer(k, "relu");
}

static void block(sketch *k, bool exact)
{
    switch (draw(k, exact ? 8 : 10)) {
    case 0:
        conv_norm(k, 2 + draw(k, 6), 1 + 2 * draw(k, 2), k->side > 4 ? 1 + draw(k, 2) : 1);
        if (draw(k, 4)) layer(k, "relu");
        break;
    case 1: residual(k, false); break;
    case 2: residual(k, true); break;
    case 3: depthwise(k, true); break;
    case 4: branches(k); break;
    case 5: preactivation(k); break;
    case 6:
        if (draw(k, 2)) layer(k, "batchnorm");
        layer(k, "relu");
        break;
    case 7:
        if (k->side < 4) break;
        layer(k, draw(k, 2) ? "maxpool" : "avgpool");
        fprintf(k->f, "kernel = 2\n");
        k->side /= 2;
        break;
    case 8: depthwise(k, false); break;
    default: layer(k, "batchnorm");
    }
}

static char *describe(random_source *s, bool exact)
{
    char *text = NULL;
    size_t size = 0;
    sketch k = {.source = s, .at = "input", .channels = 1 + random_below(s, 3)};
    k.side = 4 + draw(&k, 5);
    k.f = open_memstream(&text, &size);
    fprintf(k.f, "[net]\nname = random\ninput = %zu %zu %zu\nclasses = 5\n", k.channels, k.side,
            k.side);
    if (draw(&k, 3)) {
        conv_norm(&k, 2 + draw(&k, 6), 3, 1);
        layer(&k, "relu");
    } else if (draw(&k, 2)) {
        layer(&k, "batchnorm");
        layer(&k, "relu");
    }
    for (size_t blocks = 1 + draw(&k, 4); blocks > 0; blocks--) block(&k, exact);
    if (draw(&k, 2)) {
        layer(&k, "avgpool");
        fprintf(k.f, "kernel = global\n");
    }
    layer(&k, "linear");
    fprintf(k.f, "outputs = 5\n");
    fclose(k.f);
    return text;
}

moda_model *random_graph(random_source *s, bool exact)
{
    moda_net *net = NULL;
    moda_model *model = NULL;
    char *text = NULL;
    do { /* a ReLU of the input, say, is refused */
        free(text);
        text = describe(s, exact);
    } while (moda_net_parse(text, "random", (moda_net_defaults){0}, &net) != MODA_OK);
    free(text);
    if (moda_model_create(net, &model) != MODA_OK) abort();
    formula_fill(model);
    for (size_t i = 0; i < model->parameters.elements; i++)
        model->values[i] *= 0.5f + (float)moda_rng_unit(s->rng, s->drawn++);
    return model;
}

uint8_t **random_keep(random_source *s, const moda_net *net, size_t share)
{
    uint8_t **keep = calloc(net->tracked_count + 1, sizeof *keep);
    for (size_t l = 0; l < net->tracked_count; l++) {
        const size_t units = net->layers[net->tracked[l]].shape.c;
        keep[l] = calloc(units, 1);
        for (size_t c = 0; c < units; c++) keep[l][c] = random_below(s, share) > 0;
        keep[l][random_below(s, units)] = 1;
    }
    return keep;
}

void random_keep_free(const moda_net *net, uint8_t **keep)
{
    for (size_t l = 0; l < net->tracked_count; l++) free(keep[l]);
    free(keep);
}

float *random_image(random_source *s, const moda_net *net, size_t n)
{
    const size_t count = n * net->input.c * net->input.h * net->input.w;
    float *x = calloc(count, sizeof *x);
    for (size_t i = 0; i < count; i++) x[i] = (float)moda_rng_normal(s->rng, s->drawn++);
    return x;
}
