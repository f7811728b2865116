/* bench/cmd_tune.c - moda bench tune: every candidate for every pass of a network's convolutions, what
 * would be chosen, and what that brings. Reads and writes no cache. docs/tuning.md. */
#include "base/csv.h"
#include "base/progress.h"
#include "base/table.h"
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "engine/tuner.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const *const efforts = &moda_tune_efforts[MODA_TUNE_QUICK];
static const char *const precisions[] = {"f32", "bf16", NULL};

/* A pass, and how many layers of the network have one just like it. */
typedef struct row {
    moda_measurement m;
    size_t layer; /* the first of them */
    size_t layers;
} row;

/* The passes of all layers, seconds; without those that were not timed: quick, one candidate. */
typedef struct sums {
    double best, direct, rule;
} sums;

typedef struct settings {
    const char *model;
    size_t batch;
    int effort, precision;
    uint64_t seed;        /* of the operands' values */
    moda_session session; /* calibrated between layers; candidates are timed as the tuner does */
    moda_net *net;
    row *rows; /* [count] */
    size_t count;
} settings;

static moda_status check(void *state, const moda_common_options *common)
{
    moda_status st = MODA_OK;
    settings *s = state;
    s->seed = common->seed;
    MODA_CHECK(s->model, MODA_ERR_ARG, "--model is missing: name a network, as in --model vgg16");
    MODA_TRY(moda_net_open(s->model, (moda_net_defaults){{3, 32, 32}, 10}, &s->net));
out:
    return st;
}

/* ---- measuring ---- */

static row *find(settings *s, const moda_tuning_key *key)
{
    for (size_t i = 0; i < s->count; i++)
        if (moda_tuning_key_equal(&s->rows[i].m.key, key)) return &s->rows[i];
    return NULL;
}

static moda_status measure_pass(settings *s, moda_tuner *tuner, size_t layer, moda_conv_pass pass)
{
    moda_status st = MODA_OK;
    const moda_tuning_key key = moda_tuner_key(tuner, layer, pass);
    row *same = find(s, &key), *fresh = &s->rows[s->count];
    if (same) {
        same->layers++;
        goto out;
    }
    MODA_TRY(moda_tuner_measure(tuner, layer, pass, (moda_tune_effort)(MODA_TUNE_QUICK + s->effort),
                                false, &fresh->m));
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): rows[count] is there */
    fresh->layer = layer, fresh->layers = 1;
    s->count++;
out:
    return st;
}

static moda_status measure(void *state)
{
    moda_status st = MODA_OK;
    settings *s = state;
    moda_tuner *tuner = NULL;
    moda_progress progress;
    moda_progress_begin(&progress, "tuning", "layers", s->net->layer_count);
    MODA_ALLOC(s->rows, s->net->layer_count * MODA_CONV_PASSES * sizeof *s->rows);
    MODA_TRY(moda_calibration_take(&s->session.calibration));
    MODA_TRY(moda_tuner_create(s->net, s->batch,
                               s->precision ? MODA_PRECISION_BF16 : MODA_PRECISION_F32, &tuner));
    moda_tuner_draw(tuner, s->seed);
    for (size_t i = 0; i < s->net->layer_count; i++) {
        for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++)
            if (moda_tuner_has(s->net, i, p)) MODA_TRY(measure_pass(s, tuner, i, p));
        if (moda_tuner_has(s->net, i, MODA_CONV_FORWARD))
            MODA_TRY(moda_calibration_take(&s->session.calibration));
        moda_progress_update(&progress, i + 1, s->net->layers[i].name);
    }
out:
    moda_progress_end(&progress);
    moda_tuner_destroy(tuner);
    return st;
}

/* ---- figures ---- */

static double gflops(const settings *s, const row *r, const moda_candidate *c)
{
    return 2e-9 * (double)s->batch * (double)moda_layer_flops(s->net, r->layer) / c->seconds;
}

/* What the rule by shape would take. */
static const moda_candidate *by_rule(const row *r)
{
    const moda_algorithm rule = moda_tuning_rule(&r->m.key);
    for (size_t i = 0; i < r->m.count; i++)
        if (r->m.candidates[i].choice.algorithm == rule) return &r->m.candidates[i];
    return &r->m.candidates[0];
}

/* How many times faster the best is than the next; NaN without another. */
static double lead(const row *r)
{
    double next = INFINITY;
    for (size_t i = 0; i < r->m.count; i++)
        if (i != r->m.best) next = fmin(next, r->m.candidates[i].seconds);
    return isfinite(next) ? next / r->m.candidates[r->m.best].seconds : NAN;
}

static sums add_up(const settings *s)
{
    sums sum = {0, 0, 0};
    for (size_t i = 0; i < s->count; i++) {
        const row *r = &s->rows[i];
        const double layers = (double)r->layers;
        if (isnan(r->m.candidates[0].seconds)) continue;
        sum.best += layers * r->m.candidates[r->m.best].seconds;
        sum.direct += layers * r->m.candidates[0].seconds;
        sum.rule += layers * by_rule(r)->seconds;
    }
    return sum;
}

static void why(const row *r, size_t candidate, char *text, size_t size)
{
    const double times = lead(r);
    if (candidate != r->m.best)
        *text = 0;
    else if (isnan(times))
        snprintf(text, size,
                 isnan(r->m.candidates[0].seconds) ? "the only one, not timed" : "the only one");
    else if (times < 1)
        snprintf(text, size, "within 2 %% of the fastest");
    else
        snprintf(text, size, "%.2fx faster than the next", times);
}

static void print_row(const settings *s, const row *r, moda_table *t)
{
    const moda_tuning_key *k = &r->m.key;
    for (size_t i = 0; i < r->m.count; i++) {
        const moda_candidate *c = &r->m.candidates[i];
        char reason[64], layer[96] = "", shape[96] = "";
        why(r, i, reason, sizeof reason);
        if (i == 0) {
            snprintf(layer, sizeof layer, r->layers > 1 ? "%s +%zu" : "%s",
                     s->net->layers[r->layer].name, r->layers - 1);
            snprintf(shape, sizeof shape,
                     k->groups > 1 ? "%zu>%zu %zux%zu k%zu s%zu g%zu" : "%zu>%zu %zux%zu k%zu s%zu",
                     k->ic, k->oc, k->ih, k->iw, k->kernel, k->stride, k->groups);
        }
        moda_table_row(t, "%s|%s|%s|%s %s%s", layer, i ? "" : moda_conv_pass_name(k->pass), shape,
                       moda_algorithm_name(c->choice.algorithm), c->choice.implementation,
                       c->copies ? " +copies" : "");
        if (isnan(c->seconds))
            moda_table_cell(t, "%s", ""), moda_table_cell(t, "%s", "");
        else
            moda_table_cell(t, "%.2f", c->seconds * 1e3),
                moda_table_cell(t, "%.0f", gflops(s, r, c));
        moda_table_cell(t, "%s", reason);
    }
}

static void tables(const void *state)
{
    const settings *s = state;
    const sums sum = add_up(s);
    moda_table *t = moda_table_create("layer|pass|shape|candidate|>ms|>GFLOP/s|chosen");
    for (size_t i = 0; i < s->count; i++) print_row(s, &s->rows[i], t);
    printf("%s, batch %zu, %s\n\n", s->net->name, s->batch, precisions[s->precision]);
    moda_table_print(t);
    moda_table_destroy(t);
    if (sum.best > 0)
        printf("\nall that were timed: %.1f ms as chosen, %.1f ms all direct (%.2fx), %.1f ms by "
               "rule (%.2fx)\n",
               sum.best * 1e3, sum.direct * 1e3, sum.direct / sum.best, sum.rule * 1e3,
               sum.rule / sum.best);
}

/* ---- JSON and CSV ---- */

static json_t *candidate_json(const settings *s, const row *r, const moda_candidate *c)
{
    return json_pack("{s:s s:s s:o s:o s:o s:o s:I s:I s:b}", "algorithm",
                     moda_algorithm_name(c->choice.algorithm), "type",
                     moda_dtype_name(c->choice.type), "implementation",
                     moda_json_text(c->choice.implementation), "seconds",
                     moda_json_number(c->seconds), "median_seconds", moda_json_number(c->median),
                     "gflops", moda_json_number(gflops(s, r, c)), "runs", (json_int_t)c->runs,
                     "copies", (json_int_t)c->copies, "chosen", c == &r->m.candidates[r->m.best]);
}

static json_t *row_json(const void *state, size_t number)
{
    const settings *s = state;
    const row *r = &s->rows[number];
    const moda_tuning_entry entry = {r->m.key, r->m.candidates[r->m.best].choice,
                                     r->m.candidates[r->m.best].seconds};
    json_t *json = moda_tuning_entry_json(&entry), *candidates = json_array();
    bool whole = json && candidates;
    for (size_t i = 0; whole && i < r->m.count; i++)
        whole &= json_array_append_new(candidates, candidate_json(s, r, &r->m.candidates[i])) == 0;
    whole =
        whole &&
        json_object_set_new(json, "layer", moda_json_text(s->net->layers[r->layer].name)) == 0 &&
        json_object_set_new(json, "layers", json_integer((json_int_t)r->layers)) == 0 &&
        json_object_set_new(json, "times_faster", moda_json_number(lead(r))) == 0;
    if (whole) whole = json_object_set(json, "candidates", candidates) == 0;
    json_decref(candidates);
    if (!whole) json_decref(json), json = NULL;
    return json;
}

static json_t *head(const void *state)
{
    const settings *s = state;
    const sums sum = add_up(s);
    return json_pack("{s:s s:o s:I s:s s:o s:o s:o}", "benchmark", "tune", "model",
                     moda_json_text(s->model), "batch_size", (json_int_t)s->batch, "precision",
                     precisions[s->precision], "best_seconds", moda_json_number(sum.best),
                     "direct_seconds", moda_json_number(sum.direct), "rule_seconds",
                     moda_json_number(sum.rule));
}

static void csv_heads(const void *state, FILE *to)
{
    (void)state;
    fputs("layer,layers,pass,algorithm,type,implementation,copies,runs,seconds,median_seconds,"
          "gflops,chosen",
          to);
}

/* A line for each candidate; what was not timed is empty. */
static void csv_row(const void *state, size_t i, FILE *to)
{
    const settings *s = state;
    const row *r = &s->rows[i];
    for (size_t k = 0; k < r->m.count; k++) {
        const moda_candidate *c = &r->m.candidates[k];
        moda_csv_text(to, s->net->layers[r->layer].name);
        fprintf(to, ",%zu,%s,%s,%s,%s,%zu,%zu,", r->layers, moda_conv_pass_name(r->m.key.pass),
                moda_algorithm_name(c->choice.algorithm), moda_dtype_name(c->choice.type),
                c->choice.implementation, c->copies, c->runs);
        if (isnan(c->seconds))
            fputs(",,", to);
        else
            fprintf(to, "%.6g,%.6g,%.6g", c->seconds, c->median, gflops(s, r, c));
        fprintf(to, ",%d\n", k == r->m.best);
    }
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return (moda_results){s,        &s->session, NULL,     tables,    head,
                          "passes", s->count,    row_json, csv_heads, csv_row};
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {.batch = 128, .effort = MODA_TUNE_FULL - MODA_TUNE_QUICK};
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "the network (3x32x32 inputs, 10 classes where it leaves them open)", &s.model, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)", &s.batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_CHOICE, "precision", "P", "as of moda train: f32 or bf16 (default f32)",
         &s.precision, 0, 0, precisions},
        {MODA_OPTION_CHOICE, "tune", "T", "as of moda train: quick or full (default full)",
         &s.effort, 0, 0, efforts},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .session = &s.session,
                                      .check = check,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    free(s.rows);
    moda_session_free(&s.session);
    moda_net_destroy(s.net);
    return st;
}

const moda_command moda_bench_tune = {
    .name = "bench tune",
    .summary = "what oneDNN offers for each pass of a network's convolutions, and what is fastest",
    .operands = "",
    .example = "moda bench tune --model vgg16 --batch-size 128",
    .run = run,
};
