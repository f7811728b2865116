/* bench/cmd_layers.c - moda bench conv and gemm: convolutions and linear layers by every way there is. */
#include "base/isa.h"
#include "base/log.h"
#include "bench/bench_internal.h"
#include "bench/layers.h"
#include "numa/threads.h"
#include <stdlib.h>
#include <string.h>

static const char *const precisions[] = {"f32", "bf16", "all", NULL};
enum { F32, BF16, ALL };

typedef struct settings {
    const char *csv, *model, *shapes, *passes;
    int precision;
    bool no_bias;
    moda_common_options common;
    moda_problems problems; /* of the command line and of the file */
    moda_layer_bench bench;
} settings;

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s,
                         char ***operands, size_t *count, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT], measuring[MODA_SESSION_OPTION_COUNT];
    s->precision = ALL;
    s->bench.session = (moda_session){.seconds = 0.5, .rounds = 5, .spread = 1};
    moda_session_options(&s->bench.session, measuring);
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "shapes", "FILE", "shapes, one a line, as benchdnn writes them",
         &s->shapes, 0, 0, NULL},
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "all such layers of a network (3x32x32 inputs, 10 classes where it leaves them open)",
         &s->model, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N",
         "samples, whatever shapes say (default: what they say, else 128)", &s->bench.batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_TEXT, "pass", "LIST",
         "of forward,backward_data,backward_weights (default all)", &s->passes, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "precision", "P",
         "f32, bf16, or all that this CPU computes in (default all)", &s->precision, 0, 0,
         precisions},
        {MODA_OPTION_FLAG, "no-bias", NULL, "layers given by shape have none", &s->no_bias, 0, 0,
         NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, measuring, 0, 0, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "the figures as a table", &s->csv, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, SIZE_MAX, operands, count, help));
    if (*help) goto out;
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    s->bench.bias = !s->no_bias;
    s->bench.f32 = s->precision != BF16;
    s->bench.bf16 = s->precision == BF16 || (s->precision == ALL && moda_cpu_has_bf16());
out:
    return st;
}

/* "forward,backward_data" */
static moda_status parse_passes(settings *s)
{
    moda_status st = MODA_OK;
    const char *at = s->passes;
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
static moda_status add(settings *s, char **operands, size_t count)
{
    moda_status st = MODA_OK;
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

static moda_status report(const settings *s)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    if (s->common.json) {
        MODA_TRY(moda_layer_bench_json(&s->bench, &json));
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    if (s->csv) MODA_TRY(moda_layer_bench_write_csv(&s->bench, s->csv));
    moda_layer_bench_print(&s->bench);
out:
    json_decref(json);
    return st;
}

static moda_status run(const moda_command *self, moda_layer_kind kind, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {.bench.kind = kind};
    char **operands = NULL;
    size_t count = 0, threads = 0;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &operands, &count, &help));
    if (help) goto out;
    MODA_TRY(parse_passes(&s));
    MODA_TRY(moda_threads_start(&s.common, &threads));
    MODA_TRY(add(&s, operands, count));
    MODA_TRY(moda_layer_bench_run(&s.bench));
    MODA_TRY(report(&s));
out:
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
