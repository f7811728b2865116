/* bench/scale_fit.h - two laws of how a rate of work grows with threads, fitted to measured rates.
 *
 *   Amdahl's law                   X(n) = X(1) n / (1 + s (n-1))
 *   universal scalability law      X(n) = X(1) n / (1 + s (n-1) + k n (n-1))
 *
 * s is the serial fraction, called contention in the second law: work that one thread does alone, or for
 * which threads queue. k is coherence: what each pair of threads costs, so that beyond
 * sqrt((1-s)/k) threads the rate falls. (N. J. Gunther, Guerrilla Capacity Planning, chapters 4 to 6.)
 *
 * n/X(n) is linear in 1/X(1), s/X(1) and k/X(1), so a fit is one linear problem, of least squares of the
 * relative errors of n/X, that is of the time of a piece of work; s and k are at least 0, Amdahl's s at most 1. */
#ifndef MODA_BENCH_SCALE_FIT_H
#define MODA_BENCH_SCALE_FIT_H

#include <stddef.h>

typedef struct moda_scale_sample {
    size_t threads;
    double rate; /* work a second, in any unit; above 0 */
} moda_scale_sample;

typedef enum moda_fit_kind {
    MODA_FIT_NONE,         /* fewer samples than the law has unknowns: nothing else is set */
    MODA_FIT_EXACT,        /* as many: solved; how well the law holds is not known */
    MODA_FIT_LEAST_SQUARES /* more */
} moda_fit_kind;

typedef struct moda_scale_fit {
    moda_fit_kind kind;
    size_t samples, unknowns;
    double rate;                  /* X(1) */
    double contention, coherence; /* s and k */
    double error;                 /* root mean square of the relative errors of the time */
} moda_scale_fit;

/* Samples have different numbers of threads, each at least 1. */
moda_scale_fit moda_scale_fit_amdahl(const moda_scale_sample *samples, size_t count);
moda_scale_fit moda_scale_fit_usl(const moda_scale_sample *samples, size_t count);

/* The law's rate with that many threads. */
double moda_scale_fit_rate(const moda_scale_fit *fit, double threads);
/* The number of threads beyond which the rate falls; INFINITY: none. */
double moda_scale_fit_best_threads(const moda_scale_fit *fit);

#endif
