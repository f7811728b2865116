/* tests/test_join.c - decompose/join.h: the joined network says what both networks say alone, combined
 * in plain C. */
#include "decompose/join.h"
#include "engine/evaluate.h"
#include "tests/capture.h"
#include "tests/naive_net.h"
#include "tests/small_net.h"
#include "tests/small_nets.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(join, .timeout = 300);

enum { N = 3, K = 4 }; /* images, outputs of each model */

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* A model whose outputs are classes of these numbers, and that wants its images normalised like that. */
static moda_model *new_model(const char *input, const char *body, uint64_t seed,
                             const uint32_t *numbers, float mean, float std)
{
    moda_model *m = small_model(input, body, seed);
    m->class_numbers = calloc(m->net->classes, sizeof *m->class_numbers);
    memcpy(m->class_numbers, numbers, m->net->classes * sizeof *numbers);
    for (size_t c = 0; c < MODA_MAX_CHANNELS; c++) {
        m->mean[c] = mean + 0.05f * (float)c;
        m->std[c] = std + 0.01f * (float)c;
    }
    return m;
}

/* pixels [N,c,h,w] in [0,1] as the model wants them. */
static float *prepared(const moda_model *m, const float *pixels)
{
    const moda_shape in = m->net->input;
    const size_t plane = in.h * in.w, count = N * in.c * plane;
    float *x = malloc(count * sizeof *x);
    for (size_t i = 0; i < count; i++) {
        const size_t c = i / plane % in.c;
        x[i] = (float)(((double)pixels[i] - (double)m->mean[c]) / (double)m->std[c]);
    }
    return x;
}

/* Logits [N,K] of a model alone. */
static void alone(const moda_model *m, const float *pixels, double *z)
{
    float *x = prepared(m, pixels);
    naive_net *net = naive_create(m, N, false);
    naive_forward(net, x);
    memcpy(z, naive_logits(net), N * m->net->classes * sizeof *z);
    naive_destroy(net);
    free(x);
}

/* What the joined network gives. */
static void together(const moda_model *joined, const float *pixels, float *z)
{
    const moda_shape in = joined->net->input;
    float *x = prepared(joined, pixels);
    moda_runner *runner = NULL;
    must(moda_runner_create(joined, N, NULL, NULL, &runner));
    moda_executor *e = moda_runner_executor(runner);
    memcpy(moda_executor_input(e), x, N * in.c * in.h * in.w * sizeof *x);
    must(moda_executor_forward(e));
    memcpy(z, moda_executor_logits(e), N * joined->net->classes * sizeof *z);
    moda_runner_destroy(runner);
    free(x);
}

static float *values_of(moda_model *m, const char *name)
{
    const moda_parameter *p = moda_model_find(m, name);
    cr_assert(ne(ptr, (void *)p, NULL), "no tensor %s", name);
    return m->values + p->offset;
}

/* Random weights where a fit would put them. */
static void fill_decision(moda_model *joined, moda_join_strategy strategy)
{
    const bool minmax = strategy == MODA_JOIN_MINMAX;
    float *w = values_of(joined, minmax ? "module_scale.weight" : "calibration.weight");
    float *b = values_of(joined, minmax ? "module_scale.bias" : "calibration.bias");
    const size_t outputs = joined->net->classes;
    float *random = small_values(outputs * outputs + outputs, 12);
    memcpy(w, random, (minmax ? 1 : outputs * outputs) * sizeof *w);
    memcpy(b, random + outputs * outputs, (minmax ? 1 : outputs) * sizeof *b);
    free(random);
}

/* The definition: weak [K], module [K] logits of one image; target: the class's output in each, in the
 * weak model K if it has none; place: where it belongs in the result. */
static void combine(const double *weak, const double *module, size_t weak_target,
                    size_t module_target, size_t place, moda_join_strategy strategy,
                    moda_model *joined, double *out)
{
    const size_t outputs = joined->net->classes;
    double all[K + 1], sum = 0;
    size_t n = 0;
    for (size_t k = 0; k < K; k++) sum += exp(weak[k]);
    for (size_t k = 0; k < K; k++)
        if (k != weak_target)
            all[n++] = strategy == MODA_JOIN_MINMAX ? exp(weak[k]) / sum : weak[k];
    all[n++] = module[module_target];
    if (strategy == MODA_JOIN_MINMAX) {
        const double scaled = module[module_target] * values_of(joined, "module_scale.weight")[0] +
                              values_of(joined, "module_scale.bias")[0];
        for (size_t k = 0, o = 0; k < outputs; k++) out[k] = k == place ? scaled : all[o++];
        return;
    }
    const float *w = values_of(joined, "calibration.weight");
    const float *b = values_of(joined, "calibration.bias");
    for (size_t k = 0; k < outputs; k++) {
        out[k] = b[k];
        for (size_t i = 0; i < outputs; i++) out[k] += w[k * outputs + i] * all[i];
    }
}

static const uint32_t weak_numbers[K] = {1, 4, 6, 8};
static const uint32_t module_numbers[K] = {2, 4, 8, 9};

/* Class 4 or 8 replaced, class 2 or 9 added. */
static const struct {
    uint32_t number;
    bool add;
    size_t weak_target, module_target, place;
} targets[] = {{4, false, 1, 1, 1}, {8, false, 3, 2, 3}, {2, true, K, 0, 1}, {9, true, K, 3, 4}};

static void check_pair(const small_case *a, const small_case *b, bool same_input)
{
    moda_model *weak = new_model(a->input, a->body, 5, weak_numbers, 0.45f, 0.25f);
    moda_model *module = same_input ? new_model(b->input, b->body, 6, module_numbers, 0.45f, 0.25f)
                                    : new_model(b->input, b->body, 6, module_numbers, 0.3f, 0.2f);
    const moda_shape in = weak->net->input;
    float *pixels = small_values(N * in.c * in.h * in.w, 7), z[N * (K + 1)];
    double zw[N * K], zm[N * K], want[N * (K + 1)];
    for (size_t i = 0; i < N * in.c * in.h * in.w; i++) pixels[i] = 0.5f + 0.2f * pixels[i];
    alone(weak, pixels, zw);
    alone(module, pixels, zm);
    for (size_t t = 0; t < 8; t++) {
        const moda_join_strategy strategy = t < 4 ? MODA_JOIN_CALIBRATE : MODA_JOIN_MINMAX;
        const moda_join_options o = {targets[t % 4].number, targets[t % 4].add, strategy};
        moda_model *joined = NULL;
        must(moda_join(weak, module, &o, &joined));
        cr_assert(eq(sz, joined->net->classes, (size_t)(K + o.add)));
        cr_assert(eq(int, moda_model_find(joined, "module_input.weight") == NULL, same_input));
        fill_decision(joined, strategy);
        together(joined, pixels, z);
        for (size_t i = 0; i < N; i++)
            combine(zw + i * K, zm + i * K, targets[t % 4].weak_target,
                    targets[t % 4].module_target, targets[t % 4].place, strategy, joined,
                    want + i * joined->net->classes);
        cr_assert(lt(dbl, small_distance(N * joined->net->classes, z, want), 1e-4),
                  "'%s' with '%s', target %zu", a->name, b->name, t);
        moda_model_destroy(joined);
    }
    free(pixels);
    moda_model_destroy(weak);
    moda_model_destroy(module);
}

Test(join, says_what_both_networks_say_alone)
{
    size_t pairs = 0;
    for (size_t i = 0; i < small_case_count; i++)
        for (size_t j = 0; j < small_case_count; j++) {
            const small_case *a = &small_cases[i], *b = &small_cases[j];
            if (i == j || strcmp(a->input, b->input) != 0) continue;
            if (strtoul(a->input, NULL, 10) > MODA_MAX_CHANNELS) continue;
            /* Every third pair: there are many, and each case stays in some of them. */
            if (pairs++ % 3 == 0) check_pair(a, b, pairs % 2 == 0);
        }
    cr_assert(lt(sz, 40, pairs), "too few networks of one input: this proves little");
}

static const char body[] = "[conv];name=a;outputs=5;kernel=3;padding=1;[relu];[maxpool];kernel=2;"
                           "[linear];name=end;outputs=4";

Test(join, classes_of_the_result)
{
    moda_model *weak = new_model("3 6 6", body, 1, weak_numbers, 0.5f, 0.2f), *joined = NULL;
    moda_model *module = new_model("3 6 6", body, 2, module_numbers, 0.5f, 0.2f);
    weak->class_names[1] = strdup("of the weak");
    module->class_names[0] = strdup("of the module");
    must(moda_join(weak, module, &(moda_join_options){4, false, MODA_JOIN_MINMAX}, &joined));
    cr_expect(zero(int, memcmp(joined->class_numbers, weak_numbers, sizeof weak_numbers)));
    cr_expect(eq(str, joined->class_names[1], "of the weak"));
    cr_expect(eq(u32, joined->class_ids[3], 3));
    moda_model_destroy(joined);
    /* Renumbered classes get new numbers. */
    must(moda_join(weak, module, &(moda_join_options){2, true, MODA_JOIN_CALIBRATE}, &joined));
    const uint32_t numbers[] = {1, 2, 4, 6, 8}, ids[] = {0, 1, 2, 3, 4};
    cr_expect(zero(int, memcmp(joined->class_numbers, numbers, sizeof numbers)));
    cr_expect(zero(int, memcmp(joined->class_ids, ids, sizeof ids)));
    cr_expect(eq(str, joined->class_names[1], "of the module"));
    cr_expect(eq(str, joined->class_names[2], "of the weak"));
    moda_model_destroy(joined);
    /* Others keep theirs. */
    free(weak->class_numbers);
    weak->class_numbers = NULL;
    must(moda_join(weak, module, &(moda_join_options){9, true, MODA_JOIN_CALIBRATE}, &joined));
    const uint32_t kept[] = {0, 1, 2, 3, 9};
    cr_expect(eq(ptr, joined->class_numbers, NULL));
    cr_expect(zero(int, memcmp(joined->class_ids, kept, sizeof kept)));
    moda_model_destroy(joined);
    moda_model_destroy(weak);
    moda_model_destroy(module);
}

/* A result can be given another module, and comes back from its file as it was. */
Test(join, a_result_is_a_model_like_any_other)
{
    moda_model *weak = new_model("3 6 6", body, 1, weak_numbers, 0.5f, 0.2f);
    moda_model *module = new_model("3 6 6", body, 2, module_numbers, 0.4f, 0.3f);
    moda_model *once = NULL, *twice = NULL, *read = NULL;
    float *pixels = small_values(N * 3 * 6 * 6, 3), z[N * (K + 1)], again[N * (K + 1)];
    must(moda_join(weak, module, &(moda_join_options){4, false, MODA_JOIN_CALIBRATE}, &once));
    fill_decision(once, MODA_JOIN_CALIBRATE);
    must(moda_join(once, module, &(moda_join_options){2, true, MODA_JOIN_MINMAX}, &twice));
    fill_decision(twice, MODA_JOIN_MINMAX);
    together(twice, pixels, z);
    test_folder();
    must(moda_model_save(twice, test_path("twice.safetensors")));
    must(moda_model_open(test_path("twice.safetensors"), (moda_net_defaults){0}, &read));
    together(read, pixels, again);
    cr_expect(zero(int, memcmp(z, again, sizeof z)));
    cr_expect(eq(u32, moda_model_class_number(read, 1), 2));
    test_folder_remove();
    free(pixels);
    moda_model_destroy(read);
    moda_model_destroy(twice);
    moda_model_destroy(once);
    moda_model_destroy(module);
    moda_model_destroy(weak);
}

static void check_refused(const moda_model *weak, const moda_model *module, uint32_t number,
                          bool add, const char *word)
{
    moda_model *joined = NULL;
    const moda_join_options o = {number, add, MODA_JOIN_CALIBRATE};
    cr_expect(eq(int, moda_join(weak, module, &o, &joined), MODA_ERR_ARG), "%s", word);
    cr_expect(ne(ptr, strstr(moda_last_error(), word), NULL), "no '%s' in: %s", word,
              moda_last_error());
    cr_expect(eq(ptr, joined, NULL));
}

Test(join, refuses_what_does_not_fit)
{
    moda_model *weak = new_model("3 6 6", body, 1, weak_numbers, 0.5f, 0.2f);
    moda_model *module = new_model("3 6 6", body, 2, module_numbers, 0.5f, 0.2f);
    moda_model *large = new_model("3 8 8", body, 2, module_numbers, 0.5f, 0.2f);
    moda_model *single =
        new_model("3 6 6", "[linear];name=a;outputs=1", 2, (uint32_t[]){4}, 0.5f, 0.2f);
    check_refused(weak, module, 2, false, "class 2 is no output of the weak model");
    check_refused(weak, module, 1, false, "no output for class 1");
    check_refused(weak, module, 4, true, "class 4 is an output of the weak model");
    check_refused(weak, module, 7, true, "no output for class 7");
    check_refused(weak, large, 4, false, "3x6x6, the module of 3x8x8");
    check_refused(single, module, 4, false, "only output");
    module->std[0] = 0;
    check_refused(weak, module, 4, false, "how the module wants its images");
    module->std[0] = 1, weak->std[0] = 0;
    check_refused(weak, module, 4, false, "how the weak model wants its images");
    moda_model_destroy(weak);
    moda_model_destroy(module);
    moda_model_destroy(large);
    moda_model_destroy(single);
}
