#include "bench/probe.h"
#include "base/progress.h"
#include "bench/calibration.h"
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>

enum { STEPS = 80000, LINES = 64, LINE_BYTES = 128, WARM_HOPS = LINES, HOPS = 256, SPINS = 4096 };

typedef struct line {
    _Alignas(LINE_BYTES) atomic_size_t ball;
} line;

/* With more threads than cores the next one may not be running. */
static void wait_for(atomic_size_t *ball, size_t number)
{
    for (size_t i = 1; atomic_load_explicit(ball, memory_order_acquire) != number; i++)
        if (i % SPINS == 0) sched_yield();
}

/* Ball h + 1 lies on line h % LINES, where thread h % threads waits for it; the time of `hops` hops behind the first
 * ones, which find threads and lines wherever they were. Thread 0 knows it. */
static double pass_on(line *lines, size_t thread, size_t threads, size_t warm, size_t hops)
{
    double start = 0;
    for (size_t h = thread; h <= warm + hops; h += threads) {
        wait_for(&lines[h % LINES].ball, h + 1);
        if (h == warm) start = moda_seconds();
        if (h == warm + hops) return moda_seconds() - start;
        atomic_store_explicit(&lines[(h + 1) % LINES].ball, h + 2, memory_order_release);
    }
    return 0;
}

static double hand_over(void)
{
    line lines[LINES] = {{1}};
    double seconds = 0;
    size_t hops = 0;
#pragma omp parallel reduction(max : seconds, hops)
    {
        const size_t threads = (size_t)omp_get_num_threads();
        const size_t warm = (WARM_HOPS + threads - 1) / threads * threads;
        hops = (HOPS + threads - 1) / threads * threads;
        if (threads > 1)
            seconds = pass_on(lines, (size_t)omp_get_thread_num(), threads, warm, hops);
    }
    return seconds / (double)hops;
}

moda_status moda_probe_take(moda_probe *p)
{
    moda_status st = MODA_OK;
    double clock = 0;
    uint64_t sum = 0;
#pragma omp parallel reduction(max : clock) reduction(^ : sum)
    {
        const double start = moda_seconds();
        sum = moda_calibration_chain((uint64_t)omp_get_thread_num(), STEPS);
        clock = moda_seconds() - start;
    }
    p->sum ^= sum;
    MODA_TRY(moda_timings_add(&p->clock, clock));
    MODA_TRY(moda_timings_add(&p->handover, hand_over()));
out:
    return st;
}

bool moda_probe_same_state(double a, double b)
{
    return fmax(a, b) <= MODA_PROBE_STATE * fmin(a, b);
}

void moda_probe_free(moda_probe *p)
{
    if (!p) return;
    moda_timings_free(&p->clock);
    moda_timings_free(&p->handover);
    *p = (moda_probe){0};
}
