/* bench/cmd_layers.c - moda bench conv and gemm: convolutions and linear layers by every way there is. */
#include "base/isa.h"
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/layers.h"
#include <stdint.h>
#include <string.h>

static const char *const precisions[] = {"f32", "bf16", "all", NULL};
enum { F32, BF16, ALL };

typedef struct settings {
    const char *model, *shapes, *passes;
    int precision;
    bool no_bias;
    moda_problems problems; /* of the command line and of the file */
    moda_layer_bench bench;
} settings;

/* Passes are given as "forward,backward_data". */
static moda_status check(void *state, const moda_common_options *common)
{
    moda_status st = MODA_OK;
    settings *s = state;
    const char *at = s->passes;
    s->bench.bias = !s->no_bias, s->bench.seed = common->seed;
    s->bench.f32 = s->precision != BF16;
    s->bench.bf16 = s->precision == BF16 || (s->precision == ALL && moda_cpu_has_bf16());
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) s->bench.passes[p] = !at;
    while (at) {
        const size_t length = strcspn(at, ",");
        moda_conv_pass p = 0;
        while (p < MODA_CONV_PASSES && (strlen(moda_conv_pass_name(p)) != length ||
                                        strncmp(moda_conv_pass_name(p), at, length) != 0))
            p++;
        MODA_CHECK(p < MODA_CONV_PASSES, MODA_ERR_ARG,
                   "--pass %s: '%.*s' is none of forward, backward_data, backward_weights",
                   s->passes, (int)length, at);
        s->bench.passes[p] = true;
        at = at[length] ? at + length + 1 : NULL;
    }
out:
    return st;
}

/* All texts are read before anything is made of them. */
static moda_status open(void *state, char *const *operands, size_t count)
{
    moda_status st = MODA_OK;
    settings *s = state;
    moda_problem p;
    MODA_CHECK(count || s->shapes || s->model, MODA_ERR_ARG,
               "nothing to measure: give a shape as in %s, or --shapes FILE, or --model NAME",
               s->bench.kind == MODA_LAYER_CONV ? "mb128ic64ih32oc64oh32kh3ph1"
                                                : "128x512:512x4096");
    for (size_t i = 0; i < count; i++) {
        MODA_TRY(moda_fail_context(moda_problem_parse(s->bench.kind, operands[i], &p), "%s",
                                   operands[i]));
        MODA_TRY(moda_problems_add(&s->problems, &p));
    }
    if (s->shapes) MODA_TRY(moda_problems_read(s->bench.kind, s->shapes, &s->problems));
    for (size_t i = 0; i < s->problems.count; i++)
        MODA_TRY(moda_layer_bench_add(&s->bench, &s->problems.items[i]));
    if (s->model) MODA_TRY(moda_layer_bench_add_model(&s->bench, s->model));
out:
    return st;
}

static moda_status measure(void *state)
{
    settings *s = state;
    return moda_layer_bench_run(&s->bench);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return moda_layer_bench_results(&s->bench);
}

static moda_status run(const moda_command *self, moda_layer_kind kind, int argc, char **argv)
{
    settings s = {.precision = ALL,
                  .bench = {.kind = kind, .session = {.seconds = 0.5, .rounds = 5, .spread = 1}}};
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "shapes", "FILE", "shapes, one a line, as benchdnn writes them",
         &s.shapes, 0, 0, NULL},
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "all such layers of a network (3x32x32 inputs, 10 classes where it leaves them open)",
         &s.model, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N",
         "samples, whatever shapes say (default: what they say, else 128)", &s.bench.batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_TEXT, "pass", "LIST",
         "of forward,backward_data,backward_weights (default all)", &s.passes, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "precision", "P",
         "f32, bf16, or all that this CPU computes in (default all)", &s.precision, 0, 0,
         precisions},
        {MODA_OPTION_FLAG, "no-bias", NULL, "layers given by shape have none", &s.no_bias, 0, 0,
         NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .most = SIZE_MAX,
                                      .session = &s.bench.session,
                                      .check = check,
                                      .open = open,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_problems_free(&s.problems);
    moda_layer_bench_free(&s.bench);
    return st;
}

static moda_status conv(const moda_command *self, int argc, char **argv)
{
    return run(self, MODA_LAYER_CONV, argc, argv);
}

static moda_status gemm(const moda_command *self, int argc, char **argv)
{
    return run(self, MODA_LAYER_LINEAR, argc, argv);
}

const moda_command moda_bench_conv = {
    .name = "bench conv",
    .summary = "convolutions of any shape, or a network's: all passes, algorithms and types",
    .operands = "[SHAPE...]",
    .example = "moda bench conv mb128ic64ih32oc64oh32kh3ph1 --pass forward",
    .run = conv,
};

const moda_command moda_bench_gemm = {
    .name = "bench gemm",
    .summary = "linear layers likewise: inner products, and plain products of matrices",
    .operands = "[SHAPE...]",
    .example = "moda bench gemm 128x512:512x4096 --precision f32",
    .run = gemm,
};
