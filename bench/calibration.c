#include "bench/calibration.h"
#include "numa/memory.h"
#include <math.h>
#include <omp.h>

enum { RUNS = 9, LINE_WORDS = 8 };

uint64_t moda_calibration_chain(uint64_t x, size_t steps)
{
    for (size_t i = 0; i < steps; i++) x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
    return x;
}

uint64_t moda_calibration_mix(uint64_t x, const uint64_t *words)
{
    x = moda_calibration_chain(x, MODA_CALIBRATION_STEPS);
    for (size_t i = 0; i < MODA_CALIBRATION_WORDS; i += LINE_WORDS)
        x = (x << 1 | x >> 63) ^ words[i]; /* the rotation ties each step to the one before */
    return x;
}

static moda_status run(void *state)
{
    moda_calibration *c = state;
    const uint64_t *words = c->memory;
    const size_t most = c->bytes / sizeof *words / MODA_CALIBRATION_WORDS;
    uint64_t sum = 0;
#pragma omp parallel reduction(^ : sum)
    {
        const size_t thread = (size_t)omp_get_thread_num();
        if (thread < most)
            sum ^= moda_calibration_mix(thread, words + thread * MODA_CALIBRATION_WORDS);
    }
    c->sum ^= sum;
    return MODA_OK;
}

/* Each thread writes its own part, so that it finds it near. */
static moda_status prepare(moda_calibration *c)
{
    moda_status st = MODA_OK;
    const size_t threads = (size_t)omp_get_max_threads();
    const size_t bytes = threads * MODA_CALIBRATION_WORDS * sizeof(uint64_t);
    if (c->bytes == bytes) goto out;
    moda_memory_destroy(c->memory, c->bytes);
    c->memory = NULL, c->bytes = 0;
    MODA_TRY(moda_memory_create(bytes, "calibration", &c->memory));
    c->bytes = bytes;
    uint64_t *words = c->memory;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < bytes / sizeof *words; i++) words[i] = i;
out:
    return st;
}

moda_status moda_calibration_take(moda_calibration *c)
{
    moda_status st = MODA_OK;
    const moda_timed timed = {run, NULL, c};
    moda_timings runs = {0};
    moda_timing_summary s;
    MODA_TRY(prepare(c));
    MODA_TRY(moda_timings_repeat(timed, 0, 1, NULL));
    MODA_TRY(moda_timings_repeat(timed, 0, RUNS, &runs));
    MODA_TRY(moda_timings_summarise(&runs, &s));
    MODA_TRY(moda_timings_add(&c->rounds, s.median));
out:
    moda_timings_free(&runs);
    return st;
}

double moda_calibration_drift(const moda_calibration *c)
{
    double least = INFINITY, most = 0;
    moda_timing_summary s;
    if (c->rounds.n < 2 || moda_timings_summarise(&c->rounds, &s) != MODA_OK) return NAN;
    for (size_t i = 0; i < c->rounds.n; i++) {
        least = fmin(least, c->rounds.seconds[i]);
        most = fmax(most, c->rounds.seconds[i]);
    }
    return (most - least) / s.median;
}

moda_status moda_calibration_json(const moda_calibration *c, json_t **json)
{
    moda_status st = MODA_OK;
    const double drift = moda_calibration_drift(c);
    moda_timing_summary s;
    json_t *rounds = json_array();
    MODA_TRY(moda_timings_summarise(&c->rounds, &s));
    for (size_t i = 0; i < c->rounds.n; i++)
        MODA_CHECK(json_array_append_new(rounds, moda_json_number(c->rounds.seconds[i])) == 0,
                   MODA_ERR_NOMEM, "out of memory");
    *json = json_pack("{s:O s:o s:o s:b}", "seconds", rounds, "median_seconds",
                      moda_json_number(s.median), "drift", moda_json_number(drift), "comparable",
                      !(drift > MODA_CALIBRATION_DRIFT));
    MODA_CHECK(*json, MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(rounds);
    return st;
}

void moda_calibration_free(moda_calibration *c)
{
    if (!c) return;
    moda_timings_free(&c->rounds);
    moda_memory_destroy(c->memory, c->bytes);
    *c = (moda_calibration){0};
}
