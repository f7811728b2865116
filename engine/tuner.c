/* engine/tuner.c - a network's choices: from the cache, and measured where it has none. */
#include "engine/tuner.h"
#include "base/isa.h"
#include "base/log.h"
#include "base/progress.h"
#include "engine/tuning_cache.h"
#include "numa/cpu.h"
#include <stdlib.h>

const char *const moda_tune_efforts[] = {"off", "quick", "full", NULL};

bool moda_tuner_has(const moda_net *net, size_t layer, moda_conv_pass pass)
{
    const moda_layer *l = &net->layers[layer];
    return l->kind == MODA_LAYER_CONV && (pass != MODA_CONV_BACKWARD_DATA || l->input[0] != 0);
}

/* A cache that cannot be used is no reason not to train. */
static moda_status forgive(moda_status st)
{
    const bool fine = st == MODA_OK || st == MODA_ERR_NOMEM;
    if (!fine) moda_log(MODA_LOG_WARNING, "measured choices are not kept: %s", moda_last_error());
    return fine ? st : MODA_OK;
}

/* Where the file is, NULL if nowhere, and what it says if it may be asked. */
static moda_status known(const moda_tuning_machine *machine, moda_tune_effort effort, char **path,
                         moda_tuning *cache)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_tuning_cache_path(path));
    if (!*path) moda_log(MODA_LOG_DEBUG, "no XDG_CACHE_HOME and no HOME: choices are not kept");
    if (*path && effort == MODA_TUNE_QUICK) MODA_TRY(moda_tuning_cache_read(*path, machine, cache));
out:
    return st;
}

moda_tuning_machine moda_tuning_machine_here(size_t threads)
{
    moda_tuning_machine m = {.kernels = moda_isa_name(moda_isa_best()), .threads = threads};
    moda_cpu_name(m.cpu, sizeof m.cpu);
    moda_tuner_library(m.library, sizeof m.library);
    return m;
}

/* What there is to do, and what came of it. */
typedef struct session {
    const moda_net *net;
    moda_tune_effort effort;
    bool both; /* types: then every pass is timed, for they compete with each other */
    moda_tuning cache, *tuning;
    moda_tune_summary *summary;
} session;

/* One pass: taken from the cache, measured, or nothing where there is nothing to choose. */
static moda_status tune_pass(session *s, moda_tuner *tuner, const moda_tuning_key *key,
                             size_t layer)
{
    moda_status st = MODA_OK;
    const moda_tuning_entry *old = moda_tuning_find(&s->cache, key);
    moda_measurement m;
    if (old) {
        s->summary->cached++;
        MODA_TRY(moda_tuning_set(s->tuning, old));
        goto out;
    }
    MODA_TRY(moda_tuner_measure(tuner, layer, key->pass, s->effort, s->both, &m));
    if (m.count < 2 && !s->both) goto out;
    s->summary->measured++;
    const moda_candidate *best = &m.candidates[m.best];
    const moda_tuning_entry entry = {*key, best->choice, best->seconds};
    MODA_TRY(moda_tuning_set(s->tuning, &entry));
out:
    return st;
}

/* All passes in one type. */
static moda_status tune_all(session *s, size_t n, moda_precision precision)
{
    moda_status st = MODA_OK;
    moda_progress progress;
    moda_tuner *tuner = NULL;
    const moda_net *net = s->net;
    size_t done = 0;
    moda_progress_begin(&progress, "tuning", "layers", net->layer_count);
    MODA_TRY(moda_tuner_create(net, n, precision, &tuner));
    for (size_t i = 0; i < net->layer_count; i++) {
        for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
            if (!moda_tuner_has(net, i, p)) continue;
            const moda_tuning_key key = moda_tuner_key(tuner, i, p);
            if (moda_tuning_find(s->tuning, &key)) continue;
            MODA_TRY(tune_pass(s, tuner, &key, i));
        }
        moda_progress_update(&progress, ++done, net->layers[i].name);
    }
out:
    moda_progress_end(&progress);
    moda_tuner_destroy(tuner);
    return st;
}

moda_status moda_tune(const moda_net *net, size_t n, size_t threads, moda_precision precision,
                      moda_tune_effort effort, moda_tuning *tuning, moda_tune_summary *summary)
{
    moda_status st = MODA_OK;
    char *path = NULL;
    session s = {.net = net, .effort = effort, .tuning = tuning, .summary = summary};
    const moda_tuning_machine machine = moda_tuning_machine_here(threads);
    const double start = moda_seconds();
    *summary = (moda_tune_summary){0};
    if (effort == MODA_TUNE_OFF) goto out;
    s.both = precision == MODA_PRECISION_AUTO && moda_cpu_has_bf16();
    MODA_TRY(forgive(known(&machine, effort, &path, &s.cache)));
    if (precision != MODA_PRECISION_BF16) MODA_TRY(tune_all(&s, n, MODA_PRECISION_F32));
    if (precision == MODA_PRECISION_BF16 || s.both) MODA_TRY(tune_all(&s, n, MODA_PRECISION_BF16));
    if (path && summary->measured)
        MODA_TRY(forgive(moda_tuning_cache_add(path, &machine, tuning, effort == MODA_TUNE_FULL)));
    for (size_t i = 0; i < tuning->count; i++)
        summary->winograd += tuning->entries[i].choice.algorithm == MODA_ALGORITHM_WINOGRAD;
    summary->seconds = moda_seconds() - start;
out:
    moda_tuning_free(&s.cache);
    free(path);
    return st;
}
