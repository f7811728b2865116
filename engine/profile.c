/* engine/profile.c - the records of a profile and their figures. */
#include "engine/profile.h"
#include <stdlib.h>
#include <string.h>

typedef struct record {
    moda_profile_part part;
    double begin[MODA_PROFILE_STEPS], seconds[MODA_PROFILE_STEPS];
} record;

struct moda_profile {
    moda_profile_peaks peaks;
    record *records;
    size_t count, capacity;
    size_t seen, kept; /* steps */
    bool recording;
    double begin[MODA_PROFILE_STEPS], seconds[MODA_PROFILE_STEPS]; /* of whole steps */
};

const char *moda_work_name(moda_work work)
{
    static const char *const names[MODA_WORK_COUNT] = {[MODA_WORK_DATA] = "data",
                                                       [MODA_WORK_CONVOLUTION] = "convolution",
                                                       [MODA_WORK_BATCHNORM] = "batch norm",
                                                       [MODA_WORK_ELEMENTWISE] = "elementwise",
                                                       [MODA_WORK_POOLING] = "pooling",
                                                       [MODA_WORK_LINEAR] = "linear",
                                                       [MODA_WORK_SELECT] = "select",
                                                       [MODA_WORK_REORDER] = "reorder",
                                                       [MODA_WORK_LOSSES] = "losses",
                                                       [MODA_WORK_OPTIMIZER] = "optimizer"};
    return names[work];
}

const char *moda_pass_name(moda_pass pass)
{
    static const char *const names[] = {[MODA_PASS_NONE] = "",
                                        [MODA_PASS_FORWARD] = "forward",
                                        [MODA_PASS_BACKWARD] = "backward",
                                        [MODA_PASS_BACKWARD_DATA] = "backward data",
                                        [MODA_PASS_BACKWARD_WEIGHTS] = "backward weights"};
    return names[pass];
}

moda_status moda_profile_create(moda_profile_peaks peaks, moda_profile **profile)
{
    moda_status st = MODA_OK;
    moda_profile *p = NULL;
    *profile = NULL;
    MODA_ALLOC(p, sizeof *p);
    p->peaks = peaks;
    *profile = p;
out:
    return st;
}

void moda_profile_destroy(moda_profile *p)
{
    if (!p) return;
    free(p->records);
    free(p);
}

/* ---- recording ---- */

moda_status moda_profile_add(moda_profile *p, const moda_profile_part *part, size_t *index)
{
    moda_status st = MODA_OK;
    if (p->count == p->capacity) {
        const size_t wanted = p->capacity ? 2 * p->capacity : 128;
        record *more = realloc(p->records, wanted * sizeof *more);
        MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: %zu bytes", wanted * sizeof *more);
        p->records = more, p->capacity = wanted;
    }
    p->records[p->count] = (record){.part = *part};
    *index = p->count++;
out:
    return st;
}

void moda_profile_begin_step(moda_profile *p, double now)
{
    p->recording = p->seen++ >= MODA_PROFILE_WARMUP && p->kept < MODA_PROFILE_STEPS;
    if (p->recording) p->begin[p->kept] = now;
}

bool moda_profile_recording(const moda_profile *p)
{
    return p->recording;
}

void moda_profile_record(moda_profile *p, size_t index, double begin, double end)
{
    record *r = &p->records[index];
    if (!p->recording) return;
    if (r->seconds[p->kept] == 0) r->begin[p->kept] = begin;
    r->seconds[p->kept] += end - begin;
}

void moda_profile_end_step(moda_profile *p, double now)
{
    if (p->recording) {
        p->seconds[p->kept] = now - p->begin[p->kept];
        p->kept++;
    }
    p->recording = false;
}

/* ---- figures ---- */

size_t moda_profile_parts(const moda_profile *p)
{
    return p->count;
}

const moda_profile_part *moda_profile_part_at(const moda_profile *p, size_t index)
{
    return &p->records[index].part;
}

size_t moda_profile_steps(const moda_profile *p)
{
    return p->kept;
}

moda_profile_peaks moda_profile_limits(const moda_profile *p)
{
    return p->peaks;
}

double moda_profile_step_begin(const moda_profile *p, size_t step)
{
    return p->begin[step];
}

double moda_profile_step_seconds(const moda_profile *p, size_t step)
{
    return p->seconds[step];
}

double moda_profile_begin(const moda_profile *p, size_t step, size_t index)
{
    return p->records[index].begin[step];
}

double moda_profile_seconds(const moda_profile *p, size_t step, size_t index)
{
    return p->records[index].seconds[step];
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of what took seconds[step] in the kept steps. */
static double median(const moda_profile *p, const double *seconds)
{
    double sorted[MODA_PROFILE_STEPS];
    const size_t n = p->kept;
    if (n == 0) return 0;
    memcpy(sorted, seconds, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_size);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static moda_profile_time time_of(const moda_profile *p, double seconds)
{
    const double whole = median(p, p->seconds);
    return (moda_profile_time){seconds, whole > 0 ? seconds / whole : 0};
}

moda_profile_time moda_profile_part_time(const moda_profile *p, size_t index)
{
    return time_of(p, median(p, p->records[index].seconds));
}

/* Of the parts of this work, or with MODA_WORK_COUNT of all. */
static double sum_of_medians(const moda_profile *p, moda_work work)
{
    double sum = 0;
    for (size_t i = 0; i < p->count; i++)
        if (work == MODA_WORK_COUNT || p->records[i].part.work == work)
            sum += median(p, p->records[i].seconds);
    return sum;
}

moda_profile_time moda_profile_work_time(const moda_profile *p, moda_work work)
{
    return time_of(p, sum_of_medians(p, work));
}

moda_profile_time moda_profile_all_parts(const moda_profile *p)
{
    return time_of(p, sum_of_medians(p, MODA_WORK_COUNT));
}

moda_profile_time moda_profile_whole_step(const moda_profile *p)
{
    return time_of(p, median(p, p->seconds));
}

moda_profile_time moda_profile_rest(const moda_profile *p)
{
    return time_of(p, median(p, p->seconds) - sum_of_medians(p, MODA_WORK_COUNT));
}
