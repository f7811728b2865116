/* bench/kernels.c - measuring the cases of a suite. */
#include "bench/kernels.h"
#include "numa/memory.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_SECONDS 0.1                 /* a round, for each of the two limits */
#define WASH_BYTES    ((size_t)256 << 20) /* more than the caches of the cores that we run on */

/* ---- cases ---- */

static moda_status check_sizes(const moda_kernel_suite *s, const size_t *sizes)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < s->size_count; i++)
        MODA_CHECK(sizes[i] > 0 && sizes[i] <= s->sizes[i].most, MODA_ERR_ARG,
                   "--%s %zu: must be from 1 to %zu", s->sizes[i].option, sizes[i],
                   s->sizes[i].most);
out:
    return st;
}

static moda_status check_memory(const moda_kernel_suite *s, const moda_kernel_case *c)
{
    moda_status st = MODA_OK;
    const double bytes = c->work.operands + c->work.scratch, gib = 1 << 30;
    const double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    MODA_CHECK(bytes < there, MODA_ERR_ARG,
               "%s needs %.1f GiB with --%s %zu, this machine has %.1f: use smaller sizes",
               c->kernel->name, bytes / gib, s->sizes[0].option, c->sizes[0], there / gib);
out:
    return st;
}

moda_status moda_kernel_bench_add(moda_kernel_bench *b, const size_t *sizes)
{
    moda_status st = MODA_OK;
    const moda_kernel_suite *s = b->suite;
    MODA_TRY(check_sizes(s, sizes));
    if (b->count + s->kernel_count > b->capacity) {
        const size_t capacity = 2 * (b->count + s->kernel_count);
        moda_kernel_case *grown = realloc(b->cases, capacity * sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu cases", capacity);
        b->cases = grown, b->capacity = capacity;
    }
    for (size_t k = 0; k < s->kernel_count; k++) {
        moda_kernel_case c = {.kernel = &s->kernels[k]};
        memcpy(c.sizes, sizes, s->size_count * sizeof *sizes);
        c.work = c.kernel->work(sizes);
        MODA_TRY(check_memory(s, &c));
        b->cases[b->count++] = c;
    }
out:
    return st;
}

void moda_kernel_bench_free(moda_kernel_bench *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->count; i++) moda_timings_free(&b->cases[i].timings);
    free(b->cases);
    moda_session_free(&b->session);
    *b = (moda_kernel_bench){0};
}

/* ---- running ---- */

/* What a timed call sees: the operands, and a block that pushes them out of the caches. */
typedef struct subject {
    const moda_kernel *kernel;
    void *operands;
    const float *wash; /* [WASH_BYTES] */
    float sum;         /* of wash, so that its reading is not optimised away */
} subject;

static moda_status call(void *state)
{
    subject *s = state;
    return s->kernel->call(s->operands);
}

/* Reads only: lines that were written would have to be written back during the call. */
static void wash(void *state)
{
    subject *s = state;
    float sum = 0;
#pragma omp parallel for schedule(static) reduction(+ : sum)
    for (size_t i = 0; i < WASH_BYTES / sizeof *s->wash; i += 16) sum += s->wash[i];
    s->sum += sum;
}

/* Operands are made for one round and destroyed again: all cases together need not fit. */
static moda_status measure(void *user, size_t i, double seconds)
{
    moda_status st = MODA_OK;
    const moda_kernel_bench *b = user;
    moda_kernel_case *c = &b->cases[i];
    subject s = {.kernel = c->kernel, .wash = b->wash};
    const moda_timed timed = {call, b->wash ? wash : NULL, &s};
    MODA_TRY(c->kernel->create(c->sizes, b->seed, &s.operands));
    MODA_TRY(moda_timings_round(timed, seconds, &c->timings));
out:
    c->kernel->destroy(s.operands);
    return st;
}

static moda_session_row row(void *user, size_t i)
{
    moda_kernel_case *c = &((moda_kernel_bench *)user)->cases[i];
    return (moda_session_row){c->kernel->name, &c->timings, &c->time};
}

static moda_status measure_limits(void *user)
{
    return moda_limits_measure(&((moda_kernel_bench *)user)->limits);
}

moda_status moda_kernel_bench_run(moda_kernel_bench *b)
{
    moda_status st = MODA_OK;
    const moda_session_work work = {b->suite->name, b->count, b, row, measure, measure_limits};
    if (b->cold) {
        MODA_TRY(moda_memory_create(WASH_BYTES, "emptying the caches", &b->wash));
        memset(b->wash, 0, WASH_BYTES); /* pages of its own: untouched ones would all be one */
    }
    MODA_TRY(moda_session_run(&b->session, &work));
out:
    moda_memory_destroy(b->wash, WASH_BYTES);
    b->wash = NULL;
    return st;
}
