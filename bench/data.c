/* bench/data.c - rows of moda bench data, and running them. */
#include "bench/data.h"
#include "bench/data_internal.h"
#include "bench/temporary_internal.h"
#include "numa/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PADDING = 4, MOST_ROWS = 5 };

/* ---- rows ---- */

static moda_dataset_options options_of(const moda_data_bench *b, const moda_data_set *s,
                                       const char *cache)
{
    moda_dataset_options o = {.crop = b->crop, .image_cache = cache};
    if (s->folder) o.height = o.width = b->side;
    return o;
}

static const moda_images *split_of(const moda_data_set *s)
{
    return s->data->train.n ? &s->data->train : &s->data->test;
}

static size_t image_bytes(const moda_images *x)
{
    return x->channels * x->height * x->width;
}

static size_t batch_of(const moda_data_bench *b, const moda_data_set *s)
{
    const size_t n = split_of(s)->n;
    return b->batch < n ? b->batch : n;
}

/* Bytes: pixels once, and for batches the floats that they become. A step is judged by time alone. */
static void add_row(moda_data_bench *b, size_t set, moda_data_job job, const char *what)
{
    const moda_data_set *s = &b->sets[set];
    moda_data_row *r = &b->rows[b->count++];
    const bool reads = job == MODA_DATA_READ || job == MODA_DATA_READ_CACHED;
    *r = (moda_data_row){.job = job, .set = set};
    snprintf(r->what, sizeof r->what, "%s", what);
    r->images = reads ? s->data->train.n + s->data->test.n : batch_of(b, s);
    r->work.bytes = (double)r->images * (double)image_bytes(split_of(s)) * (reads ? 1 : 5);
    if (job == MODA_DATA_STEP) r->work.bytes = 0;
}

static void add_rows(moda_data_bench *b, size_t set)
{
    const moda_data_set *s = &b->sets[set];
    char text[64];
    add_row(b, set, MODA_DATA_READ, s->folder ? "decode" : "read");
    if (s->folder) add_row(b, set, MODA_DATA_READ_CACHED, "read, image cache");
    add_row(b, set, MODA_DATA_NORMALISE, "normalise");
    snprintf(text, sizeof text, "%s, %snormalise", s->data->crop_resized ? "resized crop" : "crop",
             s->data->flip ? "flip, " : "");
    add_row(b, set, MODA_DATA_AUGMENT, text);
    if (!b->model) return;
    snprintf(text, sizeof text, "step %s", b->model);
    add_row(b, set, MODA_DATA_STEP, text);
}

/* A network that does not fit is told of before anything is measured. */
static moda_status check_step(const moda_data_bench *b, const moda_data_set *s)
{
    moda_status st = MODA_OK;
    moda_data_step step = {0};
    MODA_TRY(moda_data_step_create(b->model, s->data, 1, b->seed, &step));
out:
    moda_data_step_free(&step);
    return st;
}

moda_status moda_data_bench_open(moda_data_bench *b, char *const *specs, size_t count)
{
    moda_status st = MODA_OK;
    MODA_ALLOC(b->sets, count * sizeof *b->sets);
    MODA_ALLOC(b->rows, count * MOST_ROWS * sizeof *b->rows);
    for (size_t i = 0; i < count; i++) {
        moda_data_set *s = &b->sets[b->set_count++];
        *s = (moda_data_set){.spec = specs[i], .folder = strncmp(specs[i], "folder:", 7) == 0};
        const moda_dataset_options options = options_of(b, s, "off");
        MODA_TRY(moda_dataset_open(s->spec, &options, &s->data));
        if (b->model) MODA_TRY(check_step(b, s));
        if (s->folder && !b->cache) MODA_TRY(moda_temporary_make("moda-bench", &b->cache));
        add_rows(b, i);
    }
out:
    return st;
}

/* ---- reading ---- */

typedef struct reader {
    const char *spec;
    moda_dataset_options options;
} reader;

static moda_status read_all(void *state)
{
    moda_status st = MODA_OK;
    const reader *r = state;
    moda_dataset *data = NULL;
    MODA_TRY(moda_dataset_open(r->spec, &r->options, &data));
out:
    moda_dataset_destroy(data);
    return st;
}

/* Seconds a call: one a round at least. The first round's warm-up brings files into the system's cache, and
 * pictures into the image cache. */
static moda_status measure_read(const moda_data_bench *b, moda_data_row *row, double seconds)
{
    moda_status st = MODA_OK;
    const moda_data_set *s = &b->sets[row->set];
    const char *cache = row->job == MODA_DATA_READ ? "off" : moda_temporary_path(b->cache);
    reader r = {s->spec, options_of(b, s, cache)};
    const moda_timed timed = {read_all, NULL, &r};
    if (row->timings.n == 0) MODA_TRY(moda_timings_repeat(timed, 0, 1, NULL));
    MODA_TRY(moda_timings_repeat(timed, seconds, 1, &row->timings));
out:
    return st;
}

/* ---- batches ---- */

typedef struct filler {
    moda_batches *batches;
    size_t step, steps, epoch; /* steps of whole batches */
    float *x;
    uint32_t *labels;
} filler;

static moda_status fill(void *state)
{
    filler *f = state;
    moda_batches_fill(f->batches, f->step++, f->x, f->labels);
    return MODA_OK;
}

static void next_epoch(void *state)
{
    filler *f = state;
    if (f->step < f->steps) return;
    moda_batches_start_epoch(f->batches, ++f->epoch);
    f->step = 0;
}

static moda_status measure_fill(const moda_data_bench *b, moda_data_row *row, double seconds)
{
    moda_status st = MODA_OK;
    const moda_data_set *s = &b->sets[row->set];
    const moda_images *images = split_of(s);
    const size_t n = row->images, bytes = n * image_bytes(images) * sizeof(float);
    const size_t least = images->height < images->width ? images->height : images->width;
    moda_batch_options o = {.batch_size = n, .shuffle = true, .seed = b->seed};
    filler f = {.steps = images->n / n};
    void *x = NULL;
    memcpy(o.mean, s->data->mean, sizeof o.mean);
    memcpy(o.std, s->data->std, sizeof o.std);
    if (row->job == MODA_DATA_AUGMENT) {
        o.crop_resized = s->data->crop_resized, o.flip = s->data->flip;
        if (!o.crop_resized) o.crop_padding = least < PADDING ? least : PADDING;
    }
    MODA_TRY(moda_batches_create(images, &o, &f.batches));
    MODA_TRY(moda_memory_create(bytes, "a batch", &x));
    MODA_ALLOC(f.labels, n * sizeof *f.labels);
    f.x = x;
    MODA_TRY(moda_timings_round((moda_timed){fill, next_epoch, &f}, seconds, &row->timings));
out:
    moda_batches_destroy(f.batches);
    moda_memory_destroy(x, bytes);
    free(f.labels);
    return st;
}

static moda_status measure_step(const moda_data_bench *b, moda_data_row *row, double seconds)
{
    moda_status st = MODA_OK;
    moda_data_step step = {0};
    MODA_TRY(moda_data_step_create(b->model, b->sets[row->set].data, row->images, b->seed, &step));
    MODA_TRY(
        moda_timings_round((moda_timed){moda_data_step_call, NULL, &step}, seconds, &row->timings));
out:
    moda_data_step_free(&step);
    return st;
}

/* ---- running ---- */

static moda_status measure(void *user, size_t i, double seconds)
{
    moda_data_bench *b = user;
    moda_data_row *r = &b->rows[i];
    switch (r->job) {
    case MODA_DATA_READ:
    case MODA_DATA_READ_CACHED: return measure_read(b, r, seconds);
    case MODA_DATA_NORMALISE:
    case MODA_DATA_AUGMENT: return measure_fill(b, r, seconds);
    case MODA_DATA_STEP: break;
    }
    return measure_step(b, r, seconds);
}

static moda_session_row row(void *user, size_t i)
{
    moda_data_bench *b = user;
    moda_data_row *r = &b->rows[i];
    return (moda_session_row){r->what, &r->timings, &r->time};
}

static moda_status measure_limits(void *user)
{
    return moda_limits_measure(&((moda_data_bench *)user)->limits);
}

moda_status moda_data_bench_run(moda_data_bench *b)
{
    const moda_session_work work = {"data", b->count, b, row, measure, measure_limits};
    return moda_session_run(&b->session, &work);
}

void moda_data_bench_free(moda_data_bench *b)
{
    if (!b) return;
    moda_temporary_remove(b->cache);
    for (size_t i = 0; i < b->count; i++) moda_timings_free(&b->rows[i].timings);
    for (size_t i = 0; i < b->set_count; i++) moda_dataset_destroy(b->sets[i].data);
    free(b->rows);
    free(b->sets);
    moda_session_free(&b->session);
    *b = (moda_data_bench){0};
}

double moda_data_share_of_step(const moda_data_bench *b, const moda_data_row *r)
{
    if (r->job != MODA_DATA_NORMALISE && r->job != MODA_DATA_AUGMENT) return NAN;
    for (size_t i = 0; i < b->count; i++)
        if (b->rows[i].set == r->set && b->rows[i].job == MODA_DATA_STEP)
            return r->time.median / b->rows[i].time.median;
    return NAN;
}
