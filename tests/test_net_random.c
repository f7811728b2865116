/* tests/test_net_random.c - engine/net.h on random graphs and damaged texts: shapes, order, and that
 * the canonical text stands for the same graph. */
#include "base/file.h"
#include "base/rng.h"
#include "engine/net.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(net_random, .timeout = 60);

static const moda_net_defaults usual = {{3, 32, 32}, 10};

/* Parses what must be right. */
static moda_net *parse(const char *text)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_parse(text, "t.net", usual, &net), MODA_OK), "%s\n%s",
              moda_last_error(), text);
    return net;
}

static moda_net *open_builtin(const char *name, moda_net_defaults defaults)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_open(name, defaults, &net), MODA_OK), "%s: %s", name,
              moda_last_error());
    return net;
}

static size_t index_of(const moda_net *net, const char *name)
{
    for (size_t i = 0; i < net->layer_count; i++)
        if (strcmp(net->layers[i].name, name) == 0) return i;
    cr_assert(false, "no layer '%s'", name);
    return 0;
}

/* A random network: sections that each name their inputs, and the shapes they must get. */
typedef struct sketch {
    struct {
        char name[32];
        char *text;
        moda_shape shape;
    } layers[64];
    size_t count, current; /* current: the layer that the next one reads; 0 is the input */
    size_t adds, depthwise;
    moda_rng rng;
    uint64_t drawn;
} sketch;

static size_t draw(sketch *s, size_t bound)
{
    return (size_t)moda_rng_below(s->rng, s->drawn++, bound);
}

static size_t add_layer(sketch *s, moda_shape shape, char *text)
{
    const size_t i = ++s->count;
    cr_assert(lt(sz, i, 64));
    snprintf(s->layers[i].name, sizeof s->layers[i].name, "l.%zu_%zu", i, draw(s, 1000));
    s->layers[i].text = text;
    s->layers[i].shape = shape;
    return i;
}

static size_t windows(size_t n, size_t kernel, size_t stride, size_t padding)
{
    size_t places = 0; /* counted, not computed */
    for (size_t at = 0; at + kernel <= n + 2 * padding; at += stride) places++;
    return places;
}

static size_t add_conv(sketch *s, size_t from, bool keep_shape)
{
    const moda_shape in = s->layers[from].shape;
    const size_t kernel = 1 + 2 * draw(s, in.h >= 3 && in.w >= 3 ? 2 : 1);
    const size_t padding = keep_shape ? kernel / 2 : draw(s, kernel);
    const size_t stride = keep_shape ? 1 : 1 + draw(s, 2);
    const bool depthwise = draw(s, 3) == 0;
    const size_t groups = depthwise ? in.c : in.c % 2 == 0 && draw(s, 2) ? 2 : 1;
    const size_t outputs = keep_shape ? in.c : groups * (1 + draw(s, 3));
    char word[32];
    snprintf(word, sizeof word, "%zu", groups);
    s->depthwise += depthwise;
    return add_layer(
        s,
        (moda_shape){outputs, windows(in.h, kernel, stride, padding),
                     windows(in.w, kernel, stride, padding)},
        moda_format("[conv]\noutputs = %zu\nkernel = %zu\nstride = %zu\npadding = %zu\n"
                    "groups = %s\nbias = %s\nfrom = %s\n",
                    outputs, kernel, stride, padding, depthwise ? "depthwise" : word,
                    draw(s, 2) ? "yes" : "no", s->layers[from].name));
}

static size_t add_simple(sketch *s, size_t from)
{
    const moda_shape in = s->layers[from].shape;
    const char *name = s->layers[from].name;
    if (draw(s, 2)) {
        const double eps = 1e-6 + 1e-3 * moda_rng_unit(s->rng, s->drawn++);
        const double momentum = moda_rng_unit(s->rng, s->drawn++);
        return add_layer(s, in,
                         moda_format("[batchnorm]\neps = %.17g\nmomentum = %.17g\nfrom = %s\n", eps,
                                     momentum, name));
    }
    if (in.h < 2 || in.w < 2) return add_layer(s, in, moda_format("[relu]\nfrom = %s\n", name));
    const size_t stride = 1 + draw(s, 2), padding = draw(s, 2);
    return add_layer(
        s, (moda_shape){in.c, windows(in.h, 2, stride, padding), windows(in.w, 2, stride, padding)},
        moda_format("[%s]\nkernel = 2\nstride = %zu\npadding = %zu\nfrom = %s\n",
                    draw(s, 2) ? "maxpool" : "avgpool", stride, padding, name));
}

static void grow(sketch *s)
{
    s->current = add_conv(s, 0, false);
    for (size_t blocks = 1 + draw(s, 8); blocks > 0; blocks--) switch (draw(s, 3)) {
        case 0: s->current = add_conv(s, s->current, false); break;
        case 1: s->current = add_simple(s, s->current); break;
        default: {
            const size_t side = add_conv(s, s->current, true);
            const bool swapped = draw(s, 2);
            const char *a = s->layers[s->current].name, *b = s->layers[side].name;
            char *text = moda_format("[add]\nfrom = %s , %s\n", swapped ? b : a, swapped ? a : b);
            s->current = add_layer(s, s->layers[s->current].shape, text);
            s->adds++;
        }
        }
    s->current = add_layer(
        s, (moda_shape){10, 1, 1},
        moda_format("[linear]\noutputs = classes\nfrom = %s\n", s->layers[s->current].name));
}

/* All sections but the last in random order. */
static char *write_shuffled(sketch *s)
{
    uint32_t order[64];
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    moda_rng_permutation(s->rng, s->count - 1, order);
    fprintf(f, "[net]\nname = random\ninput = %zu %zu %zu\nconv_init = normal\n",
            s->layers[0].shape.c, s->layers[0].shape.h, s->layers[0].shape.w);
    for (size_t i = 0; i < s->count; i++) {
        const size_t at = i + 1 < s->count ? order[i] + 1 : s->count;
        fprintf(f, "%sname = %s\n", s->layers[at].text, s->layers[at].name);
    }
    fclose(f);
    return text;
}

static void compare(const moda_net *a, const moda_net *b, const char *text)
{
    cr_assert(eq(sz, a->layer_count, b->layer_count), "%s", text);
    cr_assert(eq(str, a->name, b->name));
    cr_assert(a->conv_init == b->conv_init && a->linear_init == b->linear_init, "%s", text);
    cr_assert(a->classes == b->classes && a->tracked_count == b->tracked_count, "%s", text);
    for (size_t i = 0; i < a->layer_count; i++) {
        const moda_layer *x = &a->layers[i], *y = &b->layers[i];
        cr_assert(eq(str, x->name, y->name), "%s", text);
        cr_assert(x->kind == y->kind && x->input[0] == y->input[0] && x->input[1] == y->input[1] &&
                      x->shape.c == y->shape.c && x->shape.h == y->shape.h &&
                      x->shape.w == y->shape.w && x->kernel == y->kernel &&
                      x->stride == y->stride && x->padding == y->padding &&
                      x->groups == y->groups && x->bias == y->bias && x->eps == y->eps &&
                      x->momentum == y->momentum,
                  "layer '%s' differs:\n%s", x->name, text);
    }
}

/* net -> text -> net -> text: the same graph and the same text. */
static void check_round_trip(const moda_net *net)
{
    char *first = NULL, *second = NULL;
    moda_net *again = NULL;
    cr_assert(eq(int, moda_net_print(net, &first), MODA_OK));
    cr_assert(eq(int, moda_net_parse(first, "printed", (moda_net_defaults){0}, &again), MODA_OK),
              "%s\n%s", moda_last_error(), first);
    compare(net, again, first);
    cr_assert(eq(int, moda_net_print(again, &second), MODA_OK));
    cr_assert(eq(str, first, second));
    moda_net_destroy(again);
    free(first);
    free(second);
}

Test(net_random, random_graphs_have_the_right_shapes_and_round_trip)
{
    size_t adds = 0, depthwise = 0, moved = 0;
    for (uint32_t seed = 0; seed < 500; seed++) {
        sketch s = {.rng = moda_rng_make(seed, MODA_RNG_TEST, 1)};
        strcpy(s.layers[0].name, "input");
        s.layers[0].shape = (moda_shape){1 + draw(&s, 4), 6 + draw(&s, 20), 6 + draw(&s, 20)};
        grow(&s);
        char *text = write_shuffled(&s);
        moda_net *net = parse(text);
        cr_assert(eq(sz, net->layer_count, s.count + 1));
        for (size_t i = 1; i <= s.count; i++) {
            const size_t at = index_of(net, s.layers[i].name);
            const moda_shape got = net->layers[at].shape, want = s.layers[i].shape;
            cr_assert(got.c == want.c && got.h == want.h && got.w == want.w,
                      "'%s' is %zux%zux%zu, wanted %zux%zux%zu\n%s", s.layers[i].name, got.c, got.h,
                      got.w, want.c, want.h, want.w, text);
            cr_assert(net->layers[at].input[0] < at && net->layers[at].input[1] < at);
            moved += i > 1 && net->layers[at].line < net->layers[at - 1].line;
        }
        check_round_trip(net);
        adds += s.adds, depthwise += s.depthwise;
        moda_net_destroy(net);
        free(text);
        for (size_t i = 1; i <= s.count; i++) free(s.layers[i].text);
    }
    cr_assert(adds > 100 && depthwise > 100 && moved > 100,
              "these graphs prove little: %zu additions, %zu depthwise, %zu moved", adds, depthwise,
              moved);
}

Test(net_random, builtins_round_trip)
{
    for (const char *const *name = moda_net_builtin_names(); *name; name++) {
        moda_net *net = open_builtin(*name, usual);
        check_round_trip(net);
        moda_net_destroy(net);
    }
}

/* Whatever single character changes: a graph or a message with a line, never a crash. */
Test(net_random, damaged_descriptions_are_read_or_refused)
{
    moda_net *net = open_builtin("vgg11", usual);
    const moda_rng rng = moda_rng_make(7, MODA_RNG_TEST, 2);
    char *text = NULL;
    size_t refusals = 0;
    cr_assert(eq(int, moda_net_print(net, &text), MODA_OK));
    moda_net_destroy(net);
    const size_t n = strlen(text);
    for (size_t i = 0; i < 4000; i++) {
        const size_t at = (size_t)moda_rng_below(rng, 2 * i, n);
        const char kept = text[at];
        static const char letters[] = "\n[]=#, 09ax.-\xFF";
        text[at] = letters[moda_rng_below(rng, 2 * i + 1, sizeof letters - 1)];
        net = NULL;
        if (moda_net_parse(text, "t.net", usual, &net) != MODA_OK) {
            cr_assert(strncmp(moda_last_error(), "t.net:", 6) == 0, "%s", moda_last_error());
            refusals++;
        }
        moda_net_destroy(net);
        text[at] = kept;
    }
    cr_assert(refusals > 1000 && refusals < 4000, "%zu of 4000 refused", refusals);
    free(text);
}
