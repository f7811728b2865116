/* bench/step.c - timed training steps, and their figures. */
#include "bench/step.h"
#include "base/isa.h"
#include "engine/trainer.h"
#include "numa/cpu.h"
#include "numa/placement.h"
#include "numa/team.h"
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
    WARM_STEPS = 2,    /* clocks, caches, and the pages that only a step touches */
    MOST_BATCHES = 16, /* of different images, which is enough to come from memory */
    LIMIT_RUNS = 3     /* of each limit where a profile shows it: some are undisturbed */
};

void moda_step_bench_count(moda_step_bench *b)
{
    b->counted = moda_remote_open(&b->remote, b->why, sizeof b->why);
}

/* Images in the size that the network wants. */
static moda_status make_up(const moda_step_bench *b, const moda_net *net, moda_dataset **data)
{
    moda_status st = MODA_OK;
    char spec[128];
    const size_t steps = WARM_STEPS + b->steps;
    const size_t batches = steps < MOST_BATCHES ? steps : MOST_BATCHES;
    const moda_shape in = net->input;
    MODA_CHECK(in.h == in.w, MODA_ERR_ARG,
               "%s has inputs of %zux%zu, and made-up images are square: take another network",
               b->model, in.h, in.w);
    snprintf(spec, sizeof spec, "synthetic:classes=%zu,channels=%zu,size=%zu,train=%zu,test=0",
             net->classes, in.c, in.h, b->batch * batches);
    MODA_TRY(moda_dataset_open(spec, NULL, data));
out:
    return st;
}

static moda_status open_all(const moda_step_bench *b, moda_model **model, moda_dataset **data)
{
    moda_status st = MODA_OK;
    moda_net *net;
    moda_net_defaults defaults = {{3, 32, 32}, 10};
    if (b->data) {
        MODA_TRY(moda_dataset_open(b->data, NULL, data));
        const moda_images *x = &(*data)->train;
        MODA_CHECK(x->n >= b->batch, MODA_ERR_ARG,
                   "%s has %zu training images, fewer than a batch of %zu: make it smaller",
                   b->data, x->n, b->batch);
        defaults = (moda_net_defaults){{x->channels, x->height, x->width}, (*data)->classes};
    }
    MODA_TRY(moda_method_net(b->method, b->model, defaults, &net));
    MODA_TRY(moda_model_create(net, model));
    moda_model_init(*model, b->seed);
    if (!b->data) MODA_TRY(make_up(b, (*model)->net, data));
    MODA_TRY(moda_model_describe_data(*model, *data));
out:
    return st;
}

static moda_status on_step(void *user, const moda_train_record *record)
{
    moda_status st = MODA_OK;
    moda_step_bench *b = user;
    if (record->steps > WARM_STEPS) MODA_TRY(moda_timings_add(&b->timings, record->seconds));
    if (b->counted && record->steps == WARM_STEPS) moda_remote_start(&b->remote);
out:
    return st;
}

/* A profile that has all its steps only knows what the parts do, and costs no step any time. */
static void fill_profile(moda_profile *p)
{
    for (size_t i = 0; i < MODA_PROFILE_WARMUP + MODA_PROFILE_STEPS; i++) {
        moda_profile_begin_step(p, 0);
        moda_profile_end_step(p, 0);
    }
}

static moda_status prepare_profile(moda_step_bench *b)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; b->profiled && i < LIMIT_RUNS; i++)
        MODA_TRY(moda_limits_measure(&b->limits));
    MODA_TRY(moda_profile_create((moda_profile_peaks){b->limits.flops, b->limits.bandwidth},
                                 &b->profile));
    if (!b->profiled) fill_profile(b->profile);
out:
    return st;
}

static size_t resident_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

/* Steps of full batches only: those that an epoch leaves over would be shorter. */
static moda_status train(moda_step_bench *b, moda_model *model, const moda_dataset *all)
{
    moda_status st = MODA_OK;
    moda_trainer *trainer = NULL;
    moda_dataset data = *all;
    data.train.n -= data.train.n % b->batch, data.test.n = 0;
    const size_t steps = WARM_STEPS + b->steps, per_epoch = data.train.n / b->batch;
    moda_train_options options = {.epochs = (steps + per_epoch - 1) / per_epoch,
                                  .max_steps = steps,
                                  .batch_size = b->batch,
                                  .sgd = {0.01, 0.9, 0},
                                  .augment = true,
                                  .shuffle = true,
                                  .crop_padding = 4,
                                  .tuning = b->tuning.count ? &b->tuning : NULL,
                                  .precision = b->precision,
                                  .seed = b->seed,
                                  .profile = b->profile};
    moda_method_set(b->method, &options);
    MODA_TRY(moda_trainer_create(model, &data, &options, &trainer));
    MODA_TRY(moda_trainer_run(trainer, (moda_train_events){.user = b, .step = on_step}));
    b->memory = moda_trainer_bytes(trainer), b->resident = resident_bytes();
    if (!b->counted) goto out;
    moda_remote_stop(&b->remote);
    b->counted = moda_remote_read(&b->remote, &b->counts);
    if (!b->counted)
        snprintf(b->why, sizeof b->why, "other programs held the counters all the time");
out:
    moda_trainer_destroy(trainer);
    return st;
}

moda_status moda_step_bench_run(moda_step_bench *b)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL;
    moda_dataset *data = NULL;
    moda_tune_summary tuned;
    MODA_TRY(open_all(b, &model, &data));
    if (b->tune != MODA_TUNE_OFF)
        MODA_TRY(moda_tune(model->net, b->batch, moda_team_current()->threads, b->precision,
                           b->tune, &b->tuning, &tuned));
    MODA_TRY(prepare_profile(b));
    MODA_TRY(train(b, model, data));
    /* The limits' arrays are no part of what the steps need: they come behind them. */
    if (!b->profiled) MODA_TRY(moda_limits_measure(&b->limits));
    const bool bf16 = b->precision == MODA_PRECISION_BF16 ||
                      (b->precision == MODA_PRECISION_AUTO && moda_cpu_has_bf16());
    b->work = moda_workload_of_parts(b->profile, bf16);
    MODA_TRY(moda_timings_summarise(&b->timings, &b->time));
out:
    moda_dataset_destroy(data);
    moda_model_destroy(model);
    return st;
}

void moda_step_bench_free(moda_step_bench *b)
{
    if (!b) return;
    moda_timings_free(&b->timings);
    moda_remote_close(&b->remote);
    moda_profile_destroy(b->profile);
    moda_tuning_free(&b->tuning);
    *b = (moda_step_bench){.remote = MODA_REMOTE_CLOSED};
}

/* ---- figures ---- */

/* The median of what lies between a step's parts: an interruption hits a part. */
static moda_status between_parts(const moda_profile *p, double *seconds)
{
    moda_status st = MODA_OK;
    moda_timings gaps = {0};
    moda_timing_summary summary;
    for (size_t s = 0; s < moda_profile_steps(p); s++) {
        double gap = moda_profile_step_seconds(p, s);
        for (size_t i = 0; i < moda_profile_parts(p); i++) gap -= moda_profile_seconds(p, s, i);
        MODA_TRY(moda_timings_add(&gaps, gap > 0 ? gap : 0));
    }
    MODA_TRY(moda_timings_summarise(&gaps, &summary));
    *seconds = summary.median;
out:
    moda_timings_free(&gaps);
    return st;
}

/* What a step is, and how long it took. NULL when out of memory, as those that follow. */
static json_t *times_json(const moda_step_bench *b)
{
    static const char *const words[] = {"f32", "bf16", "auto"};
    char cpu[128], placed[24];
    const moda_placement placement = moda_placement_current();
    return json_pack(
        "{s:o s:o s:s s:o s:I s:s s:s s:o s:o s:o s:o s:o}", "cpu",
        moda_json_text(moda_cpu_name(cpu, sizeof cpu)), "team", moda_team_json(moda_team_current()),
        "placement", moda_placement_word(&placement, placed), "model", moda_json_text(b->model),
        "batch_size", (json_int_t)b->batch, "method", moda_method_names[b->method], "precision",
        words[b->precision], "median_seconds", moda_json_number(b->time.median), "low_seconds",
        moda_json_number(b->time.low), "high_seconds", moda_json_number(b->time.high),
        "best_seconds", moda_json_number(b->time.best), "seconds", moda_timings_json(&b->timings));
}

static json_t *work_json(const moda_step_bench *b)
{
    return json_pack("{s:o s:o s:b s:I s:o s:o s:o s:o s:o}", "flops",
                     moda_json_number(b->work.flops), "bytes", moda_json_number(b->work.bytes),
                     "work_in_bf16", (int)b->work.bf16, "memory_bytes", (json_int_t)b->memory,
                     "resident_bytes",
                     b->profiled ? json_null() : json_integer((json_int_t)b->resident), "events",
                     b->counted ? json_string(moda_remote_events()) : json_null(), "not_counted",
                     b->counted ? json_null() : json_string(b->why), "near_fetches",
                     moda_json_number(b->counted ? b->counts.near : NAN), "far_fetches",
                     moda_json_number(b->counted ? b->counts.far : NAN));
}

static json_t *tuning_json(const moda_tuning *tuning)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < tuning->count; i++)
        if (json_array_append_new(entries, moda_tuning_entry_json(&tuning->entries[i])) != 0) {
            json_decref(entries);
            return NULL;
        }
    return entries;
}

moda_status moda_step_bench_json(const moda_step_bench *b, json_t **json)
{
    moda_status st = MODA_OK;
    double gap;
    json_t *all = times_json(b), *work = work_json(b);
    MODA_CHECK(all && json_object_update(all, work) == 0, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_limits_json(&b->limits, all));
    MODA_CHECK(json_object_set_new(all, "tuning", tuning_json(&b->tuning)) == 0, MODA_ERR_NOMEM,
               "out of memory");
    if (b->profiled) {
        MODA_TRY(between_parts(b->profile, &gap));
        MODA_CHECK(json_object_set_new(all, "profile", moda_profile_json(b->profile)) == 0 &&
                       json_object_set_new(all, "between_parts_seconds", moda_json_number(gap)) ==
                           0,
                   MODA_ERR_NOMEM, "out of memory");
    }
    *json = all, all = NULL;
out:
    json_decref(all);
    json_decref(work);
    return st;
}
