/* bench/nightly_measure.c - the subjects at work, slice by slice. */
#include "base/progress.h"
#include "base/rng.h"
#include "bench/nightly_subject.h"
#include "bench/shapes.h"
#include "datasets/batch.h"
#include "engine/evaluate.h"
#include "engine/method.h"
#include "engine/trainer.h"
#include "engine/tuner.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { WARM_STEPS = 3, BATCHES = 8, PADDING = 4, MOST_EPOCHS = 100000 };
/* A slice is undisturbed if its threads, together, waited no longer than this for a CPU. */
#define QUIET_SHARE   0.01
#define QUIET_SECONDS 20e-6
#define SLICE_SECONDS 0.001
#define WARM_SECONDS  0.1
/* What neighbours do to caches and clocks only adds to a time. On a machine with ten processes too
 * many the lower decile of one build's batches was 65 to 66 us, the median 67 to 80. Where the cores
 * move apart within a turn, the lower decile is of slices with near ones, if a tenth of them is. */
#define LOW 0.1

static size_t peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

/* Seconds that threads of this process have waited for a CPU, summed; 0 where Linux does not tell.
 */
static double waited(void)
{
    char path[64], line[96];
    unsigned long long sum = 0, run, wait;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *d; tasks && (d = readdir(tasks)) != NULL;) {
        if (*d->d_name == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%.20s/schedstat", d->d_name);
        FILE *f = fopen(path, "r");
        if (f && fgets(line, sizeof line, f) && sscanf(line, "%llu %llu", &run, &wait) == 2)
            sum += wait;
        if (f) fclose(f);
    }
    if (tasks) closedir(tasks);
    return 1e-9 * (double)sum;
}

/* ---- slices ---- */

/* Before a slice's work. */
static moda_status begin_slice(moda_nightly_slices *slices)
{
    moda_status st = MODA_OK;
    if (!slices->count) slices->began = moda_seconds();
    MODA_TRY(moda_probe_take(&slices->probe));
    slices->before = waited();
out:
    return st;
}

/* Behind it. */
static moda_status end_slice(moda_nightly_slices *slices, double took, double seconds)
{
    moda_status st = MODA_OK;
    if (waited() - slices->before <= fmax(QUIET_SHARE * took, QUIET_SECONDS))
        MODA_TRY(moda_timings_add(&slices->quiet, seconds));
    slices->count++;
out:
    return st;
}

static bool enough(const moda_nightly_subject *s, const moda_nightly_slices *slices)
{
    return slices->quiet.n >= s->slices || moda_seconds() - slices->began > slices->patience;
}

/* Work that can be called again and again. */
static moda_status slice_calls(const moda_nightly_subject *s, moda_timed what,
                               moda_nightly_slices *slices)
{
    moda_status st = MODA_OK;
    moda_timings calls = {0};
    moda_timing_summary one;
    MODA_TRY(moda_timings_repeat(what, WARM_SECONDS, 2, NULL));
    do {
        MODA_TRY(begin_slice(slices));
        const double start = moda_seconds();
        calls.n = 0;
        MODA_TRY(moda_timings_repeat(what, SLICE_SECONDS, 1, &calls));
        const double took = moda_seconds() - start;
        MODA_TRY(moda_timings_summarise(&calls, &one));
        MODA_TRY(end_slice(slices, took, one.median));
    } while (!enough(s, slices));
out:
    moda_timings_free(&calls);
    return st;
}

/* ---- training steps ---- */

typedef struct stepper {
    const moda_nightly_subject *subject;
    moda_nightly_slices *slices;
    bool done;
} stepper;

/* Each step is a slice. A failure ends the training: done tells that it is none. */
static moda_status on_step(void *user, const moda_train_record *record)
{
    moda_status st = MODA_OK;
    stepper *s = user;
    if (record->steps > WARM_STEPS)
        MODA_TRY(end_slice(s->slices, record->seconds, record->seconds));
    s->done = record->steps > WARM_STEPS && enough(s->subject, s->slices);
    MODA_CHECK(!s->done, MODA_ERR_INTERNAL, "enough steps");
    if (record->steps >= WARM_STEPS) MODA_TRY(begin_slice(s->slices));
out:
    return st;
}

static moda_status measure_step(const moda_nightly_subject *s, uint64_t seed,
                                moda_nightly_slices *slices)
{
    moda_status st = MODA_OK;
    const moda_method method = moda_method_named(s->method);
    moda_train_options options = {.epochs = MOST_EPOCHS,
                                  .batch_size = s->batch,
                                  .sgd = {0.01, 0.9, 0},
                                  .augment = true,
                                  .shuffle = true,
                                  .crop_padding = PADDING,
                                  .precision = s->bf16 ? MODA_PRECISION_BF16 : MODA_PRECISION_F32,
                                  .seed = seed};
    char spec[96];
    moda_net *net = NULL;
    moda_model *model = NULL;
    moda_dataset *data = NULL;
    moda_trainer *trainer = NULL;
    stepper steps = {s, slices, false};
    snprintf(spec, sizeof spec, "synthetic:train=%zu,test=0", s->batch * BATCHES);
    MODA_TRY(moda_dataset_open(spec, NULL, &data));
    moda_method_set(method, &options);
    MODA_TRY(moda_method_net(method, s->what, (moda_net_defaults){{3, 32, 32}, 10}, &net));
    MODA_TRY(moda_model_create(net, &model));
    moda_model_init(model, seed);
    MODA_TRY(moda_model_describe_data(model, data));
    MODA_TRY(moda_trainer_create(model, data, &options, &trainer));
    st = moda_trainer_run(trainer, (moda_train_events){.user = &steps, .step = on_step});
    if (steps.done) st = MODA_OK;
    if (st == MODA_OK) slices->planned = moda_trainer_bytes(trainer), slices->peak = peak_bytes();
out:
    moda_trainer_destroy(trainer);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    return st;
}

/* ---- a layer's pass, as the rule by shape would choose among candidates: the first one ---- */

static moda_status call_trial(void *trial)
{
    return moda_trial_run(trial, 0);
}

static moda_status measure_layer(const moda_nightly_subject *s, uint64_t seed,
                                 moda_nightly_slices *slices)
{
    moda_status st = MODA_OK;
    const moda_layer_kind kind = strchr(s->what, ':') ? MODA_LAYER_LINEAR : MODA_LAYER_CONV;
    moda_problem problem;
    moda_net *net = NULL;
    moda_tuner *tuner = NULL;
    moda_trial *trial = NULL;
    MODA_TRY(moda_problem_parse(kind, s->what, &problem));
    MODA_TRY(moda_problem_net(&problem, true, &net));
    MODA_TRY(moda_tuner_create(net, problem.n, s->bf16 ? MODA_PRECISION_BF16 : MODA_PRECISION_F32,
                               &tuner));
    moda_tuner_draw(tuner, seed);
    MODA_TRY(moda_trial_open(tuner, 1, s->pass, &trial));
    MODA_TRY(slice_calls(s, (moda_timed){call_trial, NULL, trial}, slices));
out:
    moda_trial_close(trial);
    moda_tuner_destroy(tuner);
    moda_net_destroy(net);
    return st;
}

/* ---- a kernel ---- */

static moda_status measure_kernel(const moda_nightly_subject *s, uint64_t seed,
                                  moda_nightly_slices *slices)
{
    moda_status st = MODA_OK;
    const moda_kernel *kernel = NULL;
    void *operands = NULL;
    for (size_t i = 0; i < s->suite->kernel_count; i++)
        if (strcmp(s->suite->kernels[i].name, s->what) == 0) kernel = &s->suite->kernels[i];
    MODA_CHECK(kernel, MODA_ERR_INTERNAL, "no kernel '%s'", s->what);
    MODA_TRY(kernel->create(s->sizes, seed, &operands));
    MODA_TRY(slice_calls(s, (moda_timed){kernel->call, NULL, operands}, slices));
out:
    if (kernel) kernel->destroy(operands);
    return st;
}

/* ---- inference ---- */

static moda_status call_forward(void *executor)
{
    return moda_executor_forward(executor);
}

static moda_status measure_infer(const moda_nightly_subject *s, uint64_t seed,
                                 moda_nightly_slices *slices)
{
    moda_status st = MODA_OK;
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0);
    const size_t inputs = s->batch * 3 * 32 * 32;
    moda_net *net = NULL;
    moda_model *model = NULL;
    moda_runner *runner = NULL;
    MODA_TRY(moda_net_open(s->what, (moda_net_defaults){{3, 32, 32}, 10}, &net));
    MODA_TRY(moda_model_create(net, &model));
    moda_model_init(model, seed);
    MODA_TRY(moda_runner_create(model, s->batch, NULL, NULL, &runner));
    moda_executor *e = moda_runner_executor(runner);
    for (size_t i = 0; i < inputs; i++) moda_executor_input(e)[i] = (float)moda_rng_normal(rng, i);
    MODA_TRY(slice_calls(s, (moda_timed){call_forward, NULL, e}, slices));
out:
    moda_runner_destroy(runner);
    moda_model_destroy(model);
    return st;
}

/* ---- batches ---- */

typedef struct filler {
    moda_batches *batches;
    size_t step;
    float *x;
    uint32_t *labels;
} filler;

static moda_status call_fill(void *state)
{
    filler *f = state;
    moda_batches_fill(f->batches, f->step++ % BATCHES, f->x, f->labels);
    return MODA_OK;
}

static moda_status measure_batch(const moda_nightly_subject *s, uint64_t seed,
                                 moda_nightly_slices *slices)
{
    moda_status st = MODA_OK;
    moda_dataset *data = NULL;
    filler f = {0};
    moda_batch_options o = {.batch_size = s->batch,
                            .shuffle = true,
                            .crop_padding = PADDING,
                            .flip = true,
                            .seed = seed};
    MODA_TRY(moda_dataset_open(s->what, NULL, &data));
    memcpy(o.mean, data->mean, sizeof o.mean);
    memcpy(o.std, data->std, sizeof o.std);
    const moda_images *x = &data->train;
    MODA_TRY(moda_batches_create(x, &o, &f.batches));
    MODA_ALLOC(f.x, s->batch * x->channels * x->height * x->width * sizeof *f.x);
    MODA_ALLOC(f.labels, s->batch * sizeof *f.labels);
    MODA_TRY(slice_calls(s, (moda_timed){call_fill, NULL, &f}, slices));
out:
    moda_batches_destroy(f.batches);
    moda_dataset_destroy(data);
    free(f.x);
    free(f.labels);
    return st;
}

/* ---- all of them ---- */

moda_status moda_nightly_measure(const moda_nightly_subject *s, uint64_t seed,
                                 moda_nightly_slices *slices)
{
    switch (s->job) {
    case MODA_NIGHTLY_STEP: return measure_step(s, seed, slices);
    case MODA_NIGHTLY_LAYER: return measure_layer(s, seed, slices);
    case MODA_NIGHTLY_KERNEL: return measure_kernel(s, seed, slices);
    case MODA_NIGHTLY_INFER: return measure_infer(s, seed, slices);
    case MODA_NIGHTLY_BATCH: return measure_batch(s, seed, slices);
    case MODA_NIGHTLY_LEARN: break;
    }
    return moda_fail_at(__FILE__, __LINE__, MODA_ERR_ARG, "%s takes several processes", s->name);
}

moda_status moda_nightly_summarise(const moda_nightly_slices *slices, moda_nightly_time *time)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_timings_quantile(&slices->quiet, LOW, &time->seconds));
    MODA_TRY(moda_timings_quantile(&slices->probe.clock, LOW, &time->clock));
    MODA_TRY(moda_timings_quantile(&slices->probe.handover, LOW, &time->handover));
    time->ratio = slices->quiet.n < MODA_NIGHTLY_QUIET ? NAN : time->seconds / time->clock;
out:
    return st;
}

void moda_nightly_slices_free(moda_nightly_slices *slices)
{
    if (!slices) return;
    moda_timings_free(&slices->quiet);
    moda_probe_free(&slices->probe);
    *slices = (moda_nightly_slices){0};
}

static json_t *list(const moda_timings *t)
{
    json_t *array = json_array();
    for (size_t i = 0; i < t->n; i++) json_array_append_new(array, moda_json_number(t->seconds[i]));
    return array;
}

moda_status moda_nightly_slices_json(const moda_nightly_subject *s,
                                     const moda_nightly_slices *slices, json_t **json)
{
    moda_status st = MODA_OK;
    moda_nightly_time time;
    MODA_TRY(moda_nightly_summarise(slices, &time));
    *json = json_pack("{s:s s:o s:o s:o s:o s:I s:o s:o s:o s:I s:I}", "subject", s->name, "ratio",
                      moda_json_number(time.ratio), "seconds", moda_json_number(time.seconds),
                      "clock_seconds", moda_json_number(time.clock), "handover_seconds",
                      moda_json_number(time.handover), "slices", (json_int_t)slices->count, "quiet",
                      list(&slices->quiet), "clocks", list(&slices->probe.clock), "handovers",
                      list(&slices->probe.handover), "planned", (json_int_t)slices->planned, "peak",
                      (json_int_t)slices->peak);
    MODA_CHECK(*json, MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}
