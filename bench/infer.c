/* bench/infer.c - running the subjects of moda bench infer. */
#include "bench/infer.h"
#include "base/rng.h"
#include "decompose/rate_counter.h"
#include "engine/evaluate.h"
#include <stdio.h>
#include <stdlib.h>

/* Normal numbers as a normalised image has them; a prime period, so that no two channels look alike. */
static void make_input(uint64_t seed, float *x, size_t n)
{
    enum { PERIOD = 4099 };
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = i < PERIOD ? (float)moda_rng_normal(rng, i) : x[i - PERIOD];
}

static moda_status pass(void *executor)
{
    return moda_executor_forward(executor);
}

/* Made for one round and destroyed again: a dozen networks' memory need not fit at once. */
static moda_status measure(const moda_infer *m, moda_infer_subject *s, size_t b, double seconds)
{
    moda_status st = MODA_OK;
    const size_t batch = m->batches.values[b];
    const moda_shape in = s->model->net->input;
    const moda_activity_rule published = {MODA_ACTIVITY_ANY, 0};
    moda_runner *runner = NULL;
    moda_rate_counter *counter = NULL;
    moda_profile *profile = NULL; /* says what the parts do; no step begins, so none is timed */
    if (s->counts) MODA_TRY(moda_rate_counter_create(s->model->net, batch, published, &counter));
    for (size_t i = 0; counter && i < batch; i++)
        counter->row[i] = (uint32_t)(i % s->model->net->classes);
    MODA_TRY(moda_runner_create(s->model, batch, counter ? moda_rate_counter_tap : NULL, counter,
                                &runner));
    moda_executor *executor = moda_runner_executor(runner);
    MODA_TRY(moda_profile_create((moda_profile_peaks){0, 0}, &profile));
    MODA_TRY(moda_executor_profile(executor, profile));
    s->works[b] = moda_workload_of_parts(profile, false); /* evaluation computes in f32 */
    make_input(m->seed, moda_executor_input(executor), batch * in.c * in.h * in.w);
    const moda_timed passes = {pass, NULL, executor};
    MODA_TRY(moda_timings_round(passes, seconds, &s->timings[b]));
out:
    moda_runner_destroy(runner);
    moda_profile_destroy(profile);
    moda_rate_counter_destroy(counter);
    return st;
}

/* Row i: a batch size, and a network, which changes from row to row. */
static moda_infer_subject *subject_of(moda_infer *m, size_t i)
{
    return &m->subjects[i % m->count];
}

static moda_session_row row(void *user, size_t i)
{
    moda_infer *m = user;
    moda_infer_subject *s = subject_of(m, i);
    return (moda_session_row){s->name, &s->timings[i / m->count], &s->summaries[i / m->count]};
}

static moda_status measure_row(void *user, size_t i, double seconds)
{
    moda_infer *m = user;
    moda_infer_subject *s = subject_of(m, i);
    const size_t b = i / m->count;
    moda_status st = measure(m, s, b, seconds);
    if (st != MODA_OK) st = moda_fail_context(st, "%s, %s", s->source, s->name);
    return st;
}

static moda_status measure_limits(void *user)
{
    return moda_limits_measure(&((moda_infer *)user)->limits);
}

moda_status moda_infer_run(moda_infer *m)
{
    const moda_session_work work = {"inference", m->batches.n * m->count, m, row,
                                    measure_row, measure_limits};
    return moda_session_run(&m->session, &work);
}

void moda_infer_free(moda_infer *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->count; i++) {
        moda_infer_subject *s = &m->subjects[i];
        for (size_t b = 0; s->timings && b < m->batches.n; b++) moda_timings_free(&s->timings[b]);
        free(s->timings);
        free(s->summaries);
        free(s->works);
        free(s->source);
        free(s->name);
        free(s->classes);
        moda_model_destroy(s->model);
    }
    free(m->subjects);
    moda_session_free(&m->session);
    *m = (moda_infer){0};
}

double moda_infer_size(const moda_infer *m, const moda_infer_subject *s)
{
    return (double)s->parameters / (double)m->subjects[s->reference].parameters;
}

double moda_infer_share_of_flops(const moda_infer *m, const moda_infer_subject *s)
{
    return (double)s->flops / (double)m->subjects[s->reference].flops;
}

double moda_infer_speedup(const moda_infer *m, const moda_infer_subject *s, size_t b)
{
    return m->subjects[s->reference].summaries[b].median / s->summaries[b].median;
}
