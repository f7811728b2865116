/* bench/scale_fit.c - linear least squares with two or three unknowns that are not negative. */
#include "bench/scale_fit.h"
#include <math.h>
#include <stdbool.h>

enum { UNKNOWNS = 3 };

/* What an unknown is multiplied with at n threads. */
typedef double (*term)(double n);

static double one(double n)
{
    (void)n;
    return 1;
}

static double others(double n)
{
    return n - 1;
}

static double pairs(double n)
{
    return n * (n - 1);
}

/* One and others with the same unknown: a serial fraction of 1. */
static double all(double n)
{
    return n;
}

typedef struct solution {
    double x[UNKNOWNS];
    double error; /* INFINITY: none was found */
} solution;

/* Entry of the problem's matrix: relative errors, so the right side is 1 everywhere. */
static double entry(const moda_scale_sample *s, term f)
{
    const double n = (double)s->threads;
    return f(n) * s->rate / n;
}

static double rms(const moda_scale_sample *s, size_t count, const term *f, size_t unknowns,
                  const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double r = -1;
        for (size_t k = 0; k < unknowns; k++) r += x[k] * entry(&s[i], f[k]);
        sum += r * r;
    }
    return sqrt(sum / (double)count);
}

/* Gram-Schmidt by columns: the normal equations would square how much n(n-1) outgrows 1. A column q is not
 * kept but computed again from those before it: q_k = a_k - sum_j r[j][k] q_j. */
static double direction(const moda_scale_sample *s, const term *f, double r[UNKNOWNS][UNKNOWNS],
                        size_t k)
{
    double q[UNKNOWNS];
    for (size_t c = 0; c <= k; c++) {
        q[c] = entry(s, f[c]);
        for (size_t j = 0; j < c; j++) q[c] -= r[j][c] * q[j];
    }
    return q[k];
}

/* Least squares with these terms; no solution where an unknown would be negative. */
static solution solve(const moda_scale_sample *s, size_t count, const term *f, size_t unknowns)
{
    solution best = {.error = INFINITY};
    double r[UNKNOWNS][UNKNOWNS] = {{0}}, right[UNKNOWNS] = {0};
    for (size_t k = 0; k < unknowns; k++) {
        double square = 0, side = 0, later[UNKNOWNS] = {0};
        for (size_t i = 0; i < count; i++) {
            const double q = direction(&s[i], f, r, k);
            square += q * q;
            side += q;
            for (size_t c = k + 1; c < unknowns; c++) {
                double rest = entry(&s[i], f[c]);
                for (size_t j = 0; j < k; j++) rest -= r[j][c] * direction(&s[i], f, r, j);
                later[c] += q * rest;
            }
        }
        if (!(square > 0)) return best;
        for (size_t c = k + 1; c < unknowns; c++) r[k][c] = later[c] / square;
        right[k] = side / square;
    }
    for (size_t k = unknowns; k-- > 0;) {
        best.x[k] = right[k];
        for (size_t c = k + 1; c < unknowns; c++) best.x[k] -= r[k][c] * best.x[c];
        if (!(best.x[k] >= 0)) return best;
    }
    best.error = rms(s, count, f, unknowns, best.x);
    return best;
}

static moda_fit_kind kind_of(size_t count, size_t unknowns)
{
    return count < unknowns    ? MODA_FIT_NONE
           : count == unknowns ? MODA_FIT_EXACT
                               : MODA_FIT_LEAST_SQUARES;
}

/* Takes a solution if it is better than what the fit has. */
static void offer(moda_scale_fit *fit, double error, double base, double contention,
                  double coherence)
{
    if (!(error < fit->error) || !(base > 0)) return;
    fit->error = error, fit->rate = 1 / base;
    fit->contention = contention / base, fit->coherence = coherence / base;
}

moda_scale_fit moda_scale_fit_amdahl(const moda_scale_sample *s, size_t count)
{
    static const term both[] = {one, others}, parallel[] = {one}, serial[] = {all};
    moda_scale_fit fit = {
        .kind = kind_of(count, 2), .samples = count, .unknowns = 2, .error = INFINITY};
    if (fit.kind == MODA_FIT_NONE) return fit;
    solution x = solve(s, count, both, 2);
    if (x.x[1] <= x.x[0]) offer(&fit, x.error, x.x[0], x.x[1], 0);
    if (isfinite(fit.error)) return fit;
    x = solve(s, count, parallel, 1);
    offer(&fit, x.error, x.x[0], 0, 0);
    x = solve(s, count, serial, 1);
    offer(&fit, x.error, x.x[0], x.x[0], 0);
    return fit;
}

moda_scale_fit moda_scale_fit_usl(const moda_scale_sample *s, size_t count)
{
    static const term law[] = {one, others, pairs}, no_contention[] = {one, pairs};
    moda_scale_fit fit = {
        .kind = kind_of(count, 3), .samples = count, .unknowns = 3, .error = INFINITY};
    if (fit.kind == MODA_FIT_NONE) return fit;
    solution x = solve(s, count, law, 3);
    offer(&fit, x.error, x.x[0], x.x[1], x.x[2]);
    if (isfinite(fit.error)) return fit;
    /* The best lies on an edge: one of the two is 0, or both. */
    x = solve(s, count, law, 2);
    offer(&fit, x.error, x.x[0], x.x[1], 0);
    x = solve(s, count, no_contention, 2);
    offer(&fit, x.error, x.x[0], 0, x.x[1]);
    x = solve(s, count, law, 1);
    offer(&fit, x.error, x.x[0], 0, 0);
    return fit;
}

double moda_scale_fit_rate(const moda_scale_fit *fit, double n)
{
    return fit->rate * n / (1 + fit->contention * (n - 1) + fit->coherence * n * (n - 1));
}

double moda_scale_fit_best_threads(const moda_scale_fit *fit)
{
    if (!(fit->coherence > 0)) return INFINITY;
    return fit->contention < 1 ? fmax(1, sqrt((1 - fit->contention) / fit->coherence)) : 1;
}
