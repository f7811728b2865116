/* bench/step.c - timed training steps, and their figures. */
#include "bench/step.h"
#include "base/isa.h"
#include "base/progress.h"
#include "base/table.h"
#include "engine/peak.h"
#include "engine/trainer.h"
#include "numa/cpu.h"
#include "numa/placement.h"
#include "numa/team.h"
#include <math.h>
#include <stdio.h>

enum {
    WARM_STEPS = 2,   /* clocks, caches, and the pages that only a step touches */
    MOST_BATCHES = 16 /* of different images, which is enough to come from memory */
};

/* Long enough that some of the short runs of each limit are undisturbed. */
#define PEAK_SECONDS 0.3

static size_t batches(const moda_step_bench *b)
{
    const size_t steps = WARM_STEPS + b->steps;
    return steps < MOST_BATCHES ? steps : MOST_BATCHES;
}

void moda_step_bench_count(moda_step_bench *b)
{
    b->counted = moda_remote_open(&b->remote, b->why, sizeof b->why);
}

/* Images in the size that the network wants. */
static moda_status open_data(const moda_step_bench *b, const moda_net *net, moda_dataset **data)
{
    moda_status st = MODA_OK;
    char spec[128];
    const moda_shape in = net->input;
    MODA_CHECK(in.h == in.w, MODA_ERR_ARG,
               "%s has inputs of %zux%zu, and made-up images are square: take another network",
               b->model, in.h, in.w);
    snprintf(spec, sizeof spec, "synthetic:classes=%zu,channels=%zu,size=%zu,train=%zu,test=0",
             net->classes, in.c, in.h, b->batch * batches(b));
    MODA_TRY(moda_dataset_open(spec, NULL, data));
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

static moda_status prepare_profile(moda_step_bench *b)
{
    moda_status st = MODA_OK;
    moda_profile_peaks peaks;
    if (!b->profiled) goto out;
    MODA_TRY(moda_peak_flops(PEAK_SECONDS, &peaks.flops));
    if (b->bf16) MODA_TRY(moda_peak_flops_bf16(PEAK_SECONDS, &b->peak_bf16));
    MODA_TRY(moda_peak_bandwidth(PEAK_SECONDS, &peaks.bandwidth));
    MODA_TRY(moda_profile_create(peaks, &b->profile));
out:
    return st;
}

static moda_status train(moda_step_bench *b, moda_model *model, const moda_dataset *data)
{
    moda_status st = MODA_OK;
    moda_trainer *trainer = NULL;
    const size_t steps = WARM_STEPS + b->steps;
    const moda_train_options options = {.epochs = (steps + batches(b) - 1) / batches(b),
                                        .max_steps = steps,
                                        .batch_size = b->batch,
                                        .sgd = {0.01, 0.9, 0},
                                        .modular = b->modular,
                                        .weights = {1, 1, 0.3},
                                        .augment = true,
                                        .shuffle = true,
                                        .crop_padding = 4,
                                        .precision =
                                            b->bf16 ? MODA_PRECISION_BF16 : MODA_PRECISION_F32,
                                        .seed = b->seed,
                                        .profile = b->profile};
    MODA_TRY(moda_trainer_create(model, data, &options, &trainer));
    MODA_TRY(moda_trainer_run(trainer, (moda_train_events){b, on_step, NULL}));
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
    moda_net *net = NULL;
    moda_model *model = NULL;
    moda_dataset *data = NULL;
    MODA_TRY(moda_net_open(b->model, (moda_net_defaults){{3, 32, 32}, 10}, &net));
    MODA_TRY(moda_model_create(net, &model));
    moda_model_init(model, b->seed);
    MODA_TRY(open_data(b, net, &data));
    MODA_TRY(moda_model_describe_data(model, data));
    MODA_TRY(prepare_profile(b));
    MODA_TRY(train(b, model, data));
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
    *b = (moda_step_bench){.remote = MODA_REMOTE_CLOSED};
}

/* ---- figures ---- */

static const char *method(const moda_step_bench *b)
{
    return b->modular ? "moda" : "standard";
}

void moda_step_bench_print(const moda_step_bench *b)
{
    char cpu[128];
    const double fetches = b->counts.near + b->counts.far;
    moda_table *t = moda_table_create("network|>batch|method|>steps|>ms/step|>quartiles|>images/s");
    printf("%s, %zu threads, %s\n", moda_cpu_name(cpu, sizeof cpu), moda_team_current()->threads,
           moda_isa_name(moda_isa_best()));
    moda_table_row(t, "%s|%zu|%s|%zu|%.3f|%.3f - %.3f|%.0f", b->model, b->batch, method(b),
                   b->time.n, 1e3 * b->time.median, 1e3 * b->time.low, 1e3 * b->time.high,
                   (double)b->batch / b->time.median);
    moda_table_print(t);
    moda_table_destroy(t);
    if (!b->counted)
        printf("fetches from other nodes: not counted, %s\n", b->why);
    else
        printf("fetches from other nodes: %.1f %% of %.3g a step (%s)\n",
               fetches > 0 ? 100 * b->counts.far / fetches : 0, fetches / (double)b->time.n,
               moda_remote_events());
}

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

moda_status moda_step_bench_json(const moda_step_bench *b, json_t **json)
{
    moda_status st = MODA_OK;
    double gap;
    char cpu[128], placed[24];
    const moda_placement placement = moda_placement_current();
    json_t *seconds = json_array();
    for (size_t i = 0; i < b->timings.n; i++)
        MODA_CHECK(json_array_append_new(seconds, moda_json_number(b->timings.seconds[i])) == 0,
                   MODA_ERR_NOMEM, "out of memory");
    *json = json_pack("{s:o s:o s:s s:o s:I s:s s:o s:o s:o s:o s:o s:o s:o s:o s:O}", "cpu",
                      moda_json_text(moda_cpu_name(cpu, sizeof cpu)), "team",
                      moda_team_json(moda_team_current()), "placement",
                      moda_placement_word(&placement, placed), "model", moda_json_text(b->model),
                      "batch_size", (json_int_t)b->batch, "method", method(b), "median_seconds",
                      moda_json_number(b->time.median), "low_seconds",
                      moda_json_number(b->time.low), "high_seconds", moda_json_number(b->time.high),
                      "best_seconds", moda_json_number(b->time.best), "events",
                      b->counted ? json_string(moda_remote_events()) : json_null(), "not_counted",
                      b->counted ? json_null() : json_string(b->why), "near_fetches",
                      moda_json_number(b->counted ? b->counts.near : NAN), "far_fetches",
                      moda_json_number(b->counted ? b->counts.far : NAN), "seconds", seconds);
    MODA_CHECK(*json && json_object_set_new(*json, "precision",
                                            json_string(b->bf16 ? "bf16" : "f32")) == 0,
               MODA_ERR_NOMEM, "out of memory");
    if (!b->profile) goto out;
    MODA_TRY(between_parts(b->profile, &gap));
    MODA_CHECK(json_object_set_new(*json, "profile", moda_profile_json(b->profile)) == 0 &&
                   json_object_set_new(*json, "between_parts_seconds", moda_json_number(gap)) ==
                       0 &&
                   json_object_set_new(*json, "peak_flops_bf16",
                                       b->bf16 ? moda_json_number(b->peak_bf16) : json_null()) == 0,
               MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(seconds);
    return st;
}
