/* bench/cmd_scale.c - moda scale. */
#include "base/file.h"
#include "base/log.h"
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/commands.h"
#include "bench/scale.h"
#include "bench/scale_forecast.h"
#include "bench/scale_plot.h"
#include "bench/word_list_internal.h"
#include "engine/method.h"
#include <string.h>

/* What a list may hold, or NULL: any. */
static const char *const scalings[] = {"strong", "weak", NULL};
static const char *const layouts[] = {"packed", "spread", NULL};

typedef struct settings {
    const char *models, *methods, *precisions, *scalings, *layouts; /* as given */
    moda_word_list model, method, precision, scaling, layout;
    const char *csv, *plot, *machine;
    moda_sizes threads, predict;
    double node_bandwidth; /* GB/s */
    moda_common_options common;
    moda_topology *here, *there;
    moda_scale_bench bench;
    moda_forecast *forecasts;
    size_t forecast_count;
} settings;

/* ---- the call ---- */

/* What every command takes, --threads as a list; without --placement, which is the turns' own. */
static void common_table(settings *s, moda_option table[MODA_COMMON_OPTION_COUNT])
{
    size_t kept = 0;
    moda_benchmark_common_table(&s->common, &s->threads, table);
    for (size_t i = 0; i < MODA_COMMON_OPTION_COUNT; i++) {
        moda_option o = table[i];
        if (o.name && strcmp(o.name, "placement") == 0) continue;
        if (o.name && strcmp(o.name, "threads") == 0)
            o.help = "1,2,4: numbers of threads (default: powers of two, all of a node, ..., all)";
        if (o.name && strcmp(o.name, "bind") == 0)
            o.value = "cores|none", o.help = "bind threads to cores, or to none (default cores)";
        table[kept++] = o;
    }
}

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT];
    char **operands;
    size_t count;
    moda_scale_bench *b = &s->bench;
    common_table(s, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "model", "LIST",
         "networks, NAME or FILE.net (3x32x32 inputs, 10 classes where they leave them open)",
         &s->models, 0, 0, NULL},
        {MODA_OPTION_TEXT, "method", "LIST",
         "standard, moda: with the modular losses, mwt: with masks (default moda)", &s->methods, 0,
         0, NULL},
        {MODA_OPTION_TEXT, "precision", "LIST",
         "f32, bf16 (CPUs with AVX-512-BF16), auto: measured first, for all counts (default f32)",
         &s->precisions, 0, 0, NULL},
        {MODA_OPTION_TEXT, "scaling", "LIST",
         "strong: the batch stays; weak: it grows with threads (default strong,weak)", &s->scalings,
         0, 0, NULL},
        {MODA_OPTION_TEXT, "layout", "LIST",
         "of several nodes: packed fills one by one, spread uses all (default packed,spread)",
         &s->layouts, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step of strong scaling (default 128)",
         &b->batch, 1, 1 << 20, NULL},
        {MODA_OPTION_SIZE, "batch-per-thread", "N",
         "samples per step and thread of weak scaling (default 64)", &b->batch_per_thread, 1,
         1 << 20, NULL},
        {MODA_OPTION_SIZE, "steps", "N",
         "timed steps of a turn, behind two that warm up (default 12)", &b->steps, 2, 10000, NULL},
        {MODA_OPTION_SIZE, "rounds", "N", "turns of each number of threads (default 6)", &b->rounds,
         1, 1000, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "points and their layers as a table", &s->csv, 0, 0,
         NULL},
        {MODA_OPTION_TEXT, "plot", "DIR",
         "draw speedup, efficiency and roofline into DIR, SVG and PNG (needs gnuplot)", &s->plot, 0,
         0, NULL},
        {MODA_OPTION_SIZES, "predict", "LIST", "numbers of threads to predict for --machine",
         &s->predict, 1, 1 << 20, NULL},
        {MODA_OPTION_TEXT, "machine", "TEXT",
         "a machine that is not here, as hwloc describes it: 'node:2 core:32 pu:1'", &s->machine, 0,
         0, NULL},
        {MODA_OPTION_REAL, "node-bandwidth", "GB/S",
         "of a node of --machine (default: what one has here)", &s->node_bandwidth, 0.001, 1e6,
         NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
out:
    return st;
}

/* Bandwidth of the other machine may be given for it alone; its threads are asked about here, so that nothing is
 * measured in vain. */
static moda_status check_machine(settings *s)
{
    moda_status st = MODA_OK;
    double bandwidth;
    size_t nodes;
    const moda_predict_model any = {.thread_bandwidth = 1, .node_bandwidth = 1};
    MODA_CHECK(!s->predict.n == !s->machine, MODA_ERR_ARG,
               s->machine ? "--machine without --predict: say for how many threads"
                          : "--predict without --machine: say for which, as in --machine "
                            "'node:2 core:32 pu:1'");
    MODA_CHECK(s->machine || !(s->node_bandwidth > 0), MODA_ERR_ARG,
               "--node-bandwidth means nothing without --machine");
    if (!s->machine) goto out;
    MODA_CHECK(!s->common.smt, MODA_ERR_ARG,
               "--smt: a prediction is about one thread on each core: leave one of the two out");
    MODA_CHECK(strcmp(s->scaling.word[0], "strong") == 0 || s->scaling.n > 1, MODA_ERR_ARG,
               "--predict carries strong scaling on: leave --scaling weak out");
    MODA_CHECK(s->threads.n > 1, MODA_ERR_ARG,
               "--predict needs at least two numbers of threads here, and --threads has %zu",
               s->threads.n);
    MODA_TRY(moda_topology_synthetic(s->machine, NULL, &s->there));
    for (size_t i = 0; i < s->predict.n; i++)
        MODA_TRY(moda_fail_context(
            moda_predict_bandwidth(&any, s->there, s->predict.values[i], &bandwidth, &nodes),
            "--predict, --machine '%s'", s->machine));
out:
    return st;
}

static moda_status check_outputs(const settings *s)
{
    static const char *const pictures[] = {"*.gp", "*.dat", "*.svg", "*.png", NULL};
    moda_status st = MODA_OK;
    if (!s->plot) goto out;
    MODA_TRY(moda_check_folder(s->plot));
    MODA_TRY(moda_check_distinct("json", s->common.json, s->plot, pictures));
    MODA_TRY(moda_check_distinct("csv", s->csv, s->plot, pictures));
out:
    return st;
}

static moda_status check(settings *s)
{
    moda_status st = MODA_OK;
    const char *bind = s->common.bind;
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_CHECK(s->models, MODA_ERR_ARG,
               "--model is missing: name networks, as in --model vgg16,resnet18");
    MODA_TRY(moda_word_list_split("model", s->models, NULL, &s->model));
    MODA_TRY(moda_word_list_split("method", s->methods, moda_method_names, &s->method));
    MODA_TRY(
        moda_word_list_split("precision", s->precisions, moda_bench_precisions, &s->precision));
    MODA_TRY(moda_word_list_split("scaling", s->scalings, scalings, &s->scaling));
    MODA_TRY(moda_word_list_split("layout", s->layouts, layouts, &s->layout));
    MODA_CHECK(!bind || strcmp(bind, "none") == 0 || strcmp(bind, "cores") == 0, MODA_ERR_ARG,
               "--bind %s: cores or none; taskset keeps moda scale to some CPUs", bind);
    s->bench.unbound = bind && strcmp(bind, "none") == 0;
    s->bench.smt = s->common.smt, s->bench.seed = s->common.seed;
    MODA_TRY(moda_word_list_check_networks(&s->model, &s->method));
    MODA_TRY(check_outputs(s));
    MODA_TRY(moda_topology_load(&s->here));
    s->bench.topology = s->here;
    if (s->threads.n)
        MODA_TRY(moda_scale_check_counts(s->here, s->common.smt, &s->threads));
    else
        MODA_TRY(moda_scale_counts(s->here, s->common.smt, &s->threads));
    MODA_TRY(check_machine(s));
out:
    return st;
}

/* ---- the curves ---- */

/* Nodes with cores of this process; on one, both layouts are the same. */
static bool several_nodes(const moda_topology *t)
{
    size_t used = 0;
    for (size_t i = 0; i < moda_topology_nodes(t); i++) used += moda_topology_node(t, i)->cores > 0;
    return used > 1;
}

/* A curve for each scaling and layout. */
static moda_status add_variant(settings *s, moda_scale_curve curve)
{
    moda_status st = MODA_OK;
    const bool several = several_nodes(s->here) && !s->bench.unbound;
    for (size_t i = 0; i < s->scaling.n; i++)
        for (size_t k = 0; k < (several ? s->layout.n : 1); k++) {
            curve.weak = strcmp(s->scaling.word[i], "weak") == 0;
            curve.spread = several && strcmp(s->layout.word[k], "spread") == 0;
            MODA_TRY(moda_scale_add(&s->bench, &curve, &s->threads));
        }
out:
    return st;
}

static moda_status add_curves(settings *s)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < s->model.n; i++)
        for (size_t k = 0; k < s->method.n; k++)
            for (size_t p = 0; p < s->precision.n; p++)
                MODA_TRY(add_variant(s, (moda_scale_curve){.model = s->model.word[i],
                                                           .method = s->method.word[k],
                                                           .precision = s->precision.word[p]}));
out:
    return st;
}

/* Of strong scaling, one layout. */
static moda_status forecast(settings *s)
{
    moda_status st = MODA_OK;
    const moda_forecast_machine machine = {s->machine, s->there, &s->predict,
                                           1e9 * s->node_bandwidth};
    const bool packed = moda_word_list_has(&s->layout, "packed");
    if (!s->machine) goto out;
    MODA_ALLOC(s->forecasts, s->bench.count * sizeof *s->forecasts);
    for (size_t i = 0; i < s->bench.count; i++) {
        const moda_scale_curve *c = &s->bench.curves[i];
        if (c->weak || (c->spread && packed)) continue;
        MODA_TRY(moda_forecast_make(c, &machine, &s->forecasts[s->forecast_count]));
        s->forecast_count++;
    }
out:
    return st;
}

/* ---- the results ---- */

static moda_status write_json(const settings *s)
{
    moda_status st = MODA_OK;
    json_t *json = NULL, *predictions = json_array(), *one;
    MODA_TRY(moda_scale_json(&s->bench, &json));
    for (size_t i = 0; i < s->forecast_count; i++) {
        MODA_TRY(moda_forecast_json(&s->forecasts[i], &one));
        MODA_CHECK(json_array_append_new(predictions, one) == 0, MODA_ERR_NOMEM, "out of memory");
    }
    MODA_CHECK(json_object_set(json, "predictions", predictions) == 0, MODA_ERR_NOMEM,
               "out of memory");
    MODA_TRY(moda_json_write(s->common.json, json));
out:
    json_decref(json);
    json_decref(predictions);
    return st;
}

static moda_status report(const settings *s)
{
    moda_status st = MODA_OK;
    moda_scale_print(&s->bench);
    for (size_t i = 0; i < s->forecast_count; i++) moda_forecast_print(&s->forecasts[i]);
    if (s->common.json) MODA_TRY(write_json(s));
    if (s->csv) MODA_TRY(moda_scale_write_csv(&s->bench, s->csv));
    if (s->plot) MODA_TRY(moda_scale_plot(&s->bench, s->forecasts, s->forecast_count, s->plot));
out:
    return st;
}

static void free_settings(settings *s)
{
    moda_word_list *const lists[] = {&s->model, &s->method, &s->precision, &s->scaling, &s->layout};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) moda_word_list_free(lists[i]);
    for (size_t i = 0; i < s->forecast_count; i++) moda_forecast_free(&s->forecasts[i]);
    free(s->forecasts);
    free(s->threads.values);
    free(s->predict.values);
    moda_scale_free(&s->bench);
    moda_topology_destroy(s->here);
    moda_topology_destroy(s->there);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    bool help = false;
    settings s = {.methods = "moda",
                  .precisions = "f32",
                  .scalings = "strong,weak",
                  .layouts = "packed,spread",
                  .bench = {.program = "/proc/self/exe",
                            .batch = 128,
                            .batch_per_thread = 64,
                            .steps = 12,
                            .rounds = 6,
                            .session = {.elsewhere = true}}};
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    MODA_TRY(check(&s));
    MODA_TRY(moda_benchmark_stand_in(&s.common, &s.threads));
    MODA_TRY(add_curves(&s));
    MODA_TRY(moda_scale_run(&s.bench));
    MODA_TRY(forecast(&s));
    MODA_TRY(report(&s));
out:
    free_settings(&s);
    return st;
}

const moda_command moda_command_scale = {
    .name = "scale",
    .summary = "how much faster training gets with more threads, and why not more",
    .operands = "",
    .example = "moda scale --model vgg16 --threads 1,2,4,8 --plot plots",
    .run = run,
};
