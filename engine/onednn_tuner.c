/* engine/onednn_tuner.c - runs the candidates of one pass side by side. All of them read the same
 * inputs, in memory that was touched before. */
#include "base/progress.h"
#include "base/rng.h"
#include "engine/onednn_trial_internal.h"
#include "numa/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG   0.02 /* seconds: of such a run warming up is no part worth mentioning */
#define MARGIN 0.98 /* direct rounds less: others have to be faster than this share of its time */

/* When to give a candidate up, and when to stop. */
static const struct {
    size_t runs;
    double factor; /* slower than this times the best: dropped */
    double seconds;
} efforts[] = {[MODA_TUNE_OFF] = {0, 1, 0},
               [MODA_TUNE_QUICK] = {4, 2, 0.05},
               [MODA_TUNE_FULL] = {MODA_TRIAL_RUNS, 3, 0.5}};

char *moda_tuner_library(char *buffer, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(buffer, size, "%d.%d.%d isa 0x%x", v->major, v->minor, v->patch,
             (unsigned)dnnl_get_effective_cpu_isa());
    return buffer;
}

moda_status moda_tuner_create(const moda_net *net, size_t batch, moda_precision precision,
                              moda_tuner **tuner)
{
    moda_status st = MODA_OK;
    moda_tuner *t = NULL;
    *tuner = NULL;
    MODA_TRY(moda_check_batch(net, batch));
    MODA_TRY(moda_check_precision(precision));
    MODA_ALLOC(t, sizeof *t);
    t->seed = 1;
    MODA_TRY(moda_weights_create(net, &t->weights));
    t->shell =
        (moda_executor){.weights = t->weights,
                        .net = net,
                        .options = {.batch = batch, .training = true, .precision = precision}};
    MODA_ALLOC(t->shell.states, net->layer_count * sizeof *t->shell.states);
    MODA_TRY(moda_types_choose(&t->shell));
    *tuner = t, t = NULL;
out:
    moda_tuner_destroy(t);
    return st;
}

void moda_tuner_draw(moda_tuner *t, uint64_t seed)
{
    t->seed = seed;
}

void moda_tuner_destroy(moda_tuner *t)
{
    if (!t) return;
    free(t->shell.states);
    moda_weights_destroy(t->weights);
    moda_memory_destroy(t->memory, t->bytes);
    free(t);
}

moda_tuning_key moda_tuner_key(const moda_tuner *t, size_t layer, moda_conv_pass pass)
{
    return moda_conv_key(&t->shell, layer, t->shell.states[layer].type, pass);
}

/* ---- memory ---- */

static size_t aligned(size_t bytes)
{
    return (bytes + MODA_PLAN_ALIGNMENT - 1) / MODA_PLAN_ALIGNMENT * MODA_PLAN_ALIGNMENT;
}

/* Normal numbers, as maps and weights have: a multiplication by zero may be as fast as any other, but
 * nobody has to rely on it. Both halves of a word are alike, so that it is such a number in f32 and two
 * in bf16. A prime period: no two channels look alike. */
static void fill(uint64_t seed, uint32_t *x, size_t words)
{
    enum { PERIOD = 4099 };
    uint32_t numbers[PERIOD];
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0);
    for (size_t i = 0; i < PERIOD; i++) {
        const float number = (float)moda_rng_normal(rng, i);
        memcpy(&numbers[i], &number, sizeof number);
        numbers[i] = (numbers[i] & 0xffff0000u) | numbers[i] >> 16;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < words; i++) x[i] = numbers[i % PERIOD];
}

/* The tensors stand at the same place for all contenders, what each has besides begins behind them. */
static moda_status place(moda_trial *t)
{
    moda_status st = MODA_OK;
    moda_tuner *tuner = t->tuner;
    size_t most = 0, tensors = 0;
    for (size_t i = 0; i < MODA_TENSORS; i++)
        tensors += aligned(dnnl_memory_desc_get_size(&t->layout[i]));
    for (size_t i = 0; i < t->count; i++) {
        size_t sum = 0;
        for (size_t b = 0; b < t->contenders[i].program.buffer_count; b++)
            sum += aligned(t->contenders[i].program.buffers[b].bytes);
        if (sum > most) most = sum;
    }
    if (most > tuner->bytes) {
        moda_memory_destroy(tuner->memory, tuner->bytes);
        tuner->memory = NULL, tuner->bytes = 0;
        MODA_TRY(moda_memory_create(most, "measuring convolutions", (void **)&tuner->memory));
        tuner->bytes = most;
        /* no run pays for fresh pages */
        fill(tuner->seed, (uint32_t *)tuner->memory, most / sizeof(uint32_t));
    }
    /* others have written there */
    fill(tuner->seed, (uint32_t *)tuner->memory, tensors / sizeof(uint32_t));
    for (size_t i = 0; i < t->count; i++) {
        char *at = tuner->memory;
        moda_program *p = &t->contenders[i].program;
        for (size_t b = 0; b < p->buffer_count; b++) {
            p->buffers[b].memory = at;
            at += aligned(p->buffers[b].bytes);
        }
        MODA_TRY(moda_program_bind(p));
    }
out:
    return st;
}

/* ---- running ---- */

static double fastest(const moda_contender *c)
{
    double least = INFINITY;
    for (size_t i = 0; i < c->runs; i++) least = fmin(least, c->times[i]);
    return least;
}

/* One run of each that is still in. The first warms up, and counts only if it took long. */
static moda_status one_round(moda_trial *t, bool warm_up)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < t->count; i++) {
        moda_contender *c = &t->contenders[i];
        if (c->out) continue;
        const double start = moda_seconds();
        MODA_TRY(
            moda_program_run(&c->program, t->tuner->weights->stream, 0, c->program.count, true));
        const double seconds = moda_seconds() - start;
        if (!warm_up || seconds >= LONG) c->times[c->runs++] = seconds;
    }
out:
    return st;
}

/* Drops the hopeless; how many are left. One short run may have been another program's turn. */
static size_t judge(moda_trial *t, double factor)
{
    double best = INFINITY;
    size_t left = 0;
    for (size_t i = 0; i < t->count; i++) best = fmin(best, fastest(&t->contenders[i]));
    for (size_t i = 0; i < t->count; i++) {
        moda_contender *c = &t->contenders[i];
        const bool sure = c->runs > 1 || (c->runs && fastest(c) >= LONG);
        c->out |= sure && fastest(c) > factor * best;
        left += !c->out;
    }
    return left;
}

/* True when every contender that is still in has been timed. */
static bool all_timed(const moda_trial *t)
{
    bool all = true;
    for (size_t i = 0; i < t->count; i++) all &= t->contenders[i].out || t->contenders[i].runs;
    return all;
}

static moda_status compete(moda_trial *t, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const double start = moda_seconds();
    bool enough = false;
    for (size_t round = 0; !enough && round < efforts[effort].runs; round++) {
        MODA_TRY(one_round(t, round == 0));
        const size_t left = judge(t, efforts[effort].factor);
        enough = all_timed(t) && (moda_seconds() - start > efforts[effort].seconds ||
                                  (left == 1 && effort == MODA_TUNE_QUICK));
    }
out:
    return st;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(moda_trial *t, moda_measurement *m)
{
    for (size_t i = 0; i < t->count; i++) {
        moda_contender *c = &t->contenders[i];
        qsort(c->times, c->runs, sizeof *c->times, by_size);
        m->candidates[i] =
            (moda_candidate){c->choice, c->runs ? c->times[0] : NAN,
                             c->runs ? c->times[c->runs / 2] : NAN, c->runs, c->program.count - 1};
        if (m->candidates[i].seconds < m->candidates[m->best].seconds) m->best = i;
    }
    if (m->candidates[0].seconds * MARGIN <= m->candidates[m->best].seconds) m->best = 0;
    m->count = t->count;
}

/* ---- trials ---- */

static moda_status prepare(moda_trial *t, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const moda_layer_kind kind = t->tuner->shell.net->layers[t->layer].kind;
    MODA_ALLOC(t->contenders, MODA_CANDIDATES * sizeof *t->contenders);
    MODA_TRY(kind == MODA_LAYER_CONV ? moda_conv_trial(t, effort) : moda_linear_trial(t, effort));
out:
    return st;
}

static void clear(moda_trial *t)
{
    for (size_t i = 0; t->contenders && i < MODA_CANDIDATES; i++)
        moda_program_free(&t->contenders[i].program);
    free(t->contenders);
    dnnl_primitive_desc_destroy(t->first);
}

moda_status moda_tuner_measure(moda_tuner *tuner, size_t layer, moda_conv_pass pass,
                               moda_tune_effort effort, bool always, moda_measurement *m)
{
    moda_status st = MODA_OK;
    moda_trial t = {.tuner = tuner, .layer = layer, .pass = pass};
    *m = (moda_measurement){.key = moda_tuner_key(tuner, layer, pass)};
    MODA_TRY(prepare(&t, effort));
    if (t.count > 1 || effort == MODA_TUNE_FULL || always) {
        MODA_TRY(place(&t));
        MODA_TRY(compete(&t, effort));
    }
    report(&t, m);
out:
    clear(&t);
    return st;
}

moda_status moda_trial_open(moda_tuner *tuner, size_t layer, moda_conv_pass pass,
                            moda_trial **trial)
{
    moda_status st = MODA_OK;
    moda_trial *t = NULL;
    *trial = NULL;
    MODA_ALLOC(t, sizeof *t);
    t->tuner = tuner, t->layer = layer, t->pass = pass;
    MODA_TRY(prepare(t, MODA_TUNE_FULL));
    *trial = t, t = NULL;
out:
    moda_trial_close(t);
    return st;
}

void moda_trial_close(moda_trial *t)
{
    if (!t) return;
    clear(t);
    free(t);
}

size_t moda_trial_count(const moda_trial *t)
{
    return t->count;
}

moda_trial_way moda_trial_describe(const moda_trial *t, size_t i)
{
    const moda_contender *c = &t->contenders[i];
    moda_trial_way way = {.algorithm = c->algorithm,
                          .implementation = c->choice.implementation,
                          .type = c->choice.type,
                          .copies = c->program.count - 1};
    for (size_t b = 0; b < c->program.buffer_count; b++)
        *(b < MODA_TENSORS ? &way.operands : &way.scratch) += c->program.buffers[b].bytes;
    return way;
}

moda_status moda_trial_run(moda_trial *t, size_t i)
{
    moda_status st = MODA_OK;
    const moda_program *p = &t->contenders[i].program;
    if (!t->placed) MODA_TRY(place(t));
    t->placed = true;
    MODA_TRY(moda_program_run(p, t->tuner->weights->stream, 0, p->count, true));
out:
    return st;
}
