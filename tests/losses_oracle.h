/* tests/losses_oracle.h - the modular losses as their definition reads: double, pair by pair, no
 * class sums. For the tests of losses/. Also the inputs that those tests share. */
#ifndef MODA_TESTS_LOSSES_ORACLE_H
#define MODA_TESTS_LOSSES_ORACLE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct oracle_terms {
    double affinity, dispersion, compactness;
    double same, different; /* pairs */
} oracle_terms;

static inline double oracle_norm(size_t d, const double *a, int *clamped)
{
    double square = 0;
    for (size_t f = 0; f < d; f++) square += a[f] * a[f];
    *clamped = sqrt(square) < 1e-12;
    return *clamped ? 1e-12 : sqrt(square);
}

static inline double oracle_cosine(size_t d, const double *a, const double *b)
{
    double dot = 0;
    int unused;
    for (size_t f = 0; f < d; f++) dot += a[f] * b[f];
    return dot / oracle_norm(d, a, &unused) / oracle_norm(d, b, &unused);
}

static inline oracle_terms oracle_values(size_t n, size_t d, const uint32_t *y, const double *a)
{
    oracle_terms t = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const double c = oracle_cosine(d, a + i * d, a + j * d);
            if (y[i] == y[j])
                t.affinity += c, t.same++;
            else
                t.dispersion += c, t.different++;
        }
    if (t.same > 0) t.affinity /= t.same;
    if (t.different > 0) t.dispersion /= t.different;
    for (size_t f = 0; f < n * d; f++) t.compactness += fabs(a[f]);
    t.compactness /= (double)(n * d);
    return t;
}

/* Gradient by a of alpha*(1 - affinity/L) + beta*dispersion/L + gamma*compactness/L, with the norm
 * a constant where it is clamped. scale [n] (NULL allowed): what row i's entries are sums of at
 * most, before they cancel; rounding is measured by it. */
static inline void oracle_gradient(size_t n, size_t d, const uint32_t *y, const double *a,
                                   double alpha, double beta, double gamma, double layers,
                                   double *d_a, double *scale)
{
    const oracle_terms t = oracle_values(n, d, y, a);
    double *g = malloc(d * sizeof *g);
    for (size_t i = 0; i < n; i++) {
        int clamped, unused;
        const double *x = a + i * d, norm = oracle_norm(d, x, &clamped);
        double along = 0;
        for (size_t f = 0; f < d; f++) g[f] = 0;
        if (scale) scale[i] = gamma / layers / (double)(n * d);
        /* A class sum holds the sample itself, which must cancel. */
        if (scale && t.same > 0) scale[i] += alpha / layers / t.same / norm;
        for (size_t j = 0; j < n; j++) {
            if (j == i) continue;
            const double other = oracle_norm(d, a + j * d, &unused);
            const double w = y[i] == y[j] ? -alpha / layers / t.same : beta / layers / t.different;
            for (size_t f = 0; f < d; f++) g[f] += w * a[j * d + f] / other;
            if (scale) scale[i] += fabs(w) / norm;
        }
        for (size_t f = 0; f < d; f++) along += g[f] * x[f] / norm;
        for (size_t f = 0; f < d; f++)
            d_a[i * d + f] = (g[f] - (clamped ? 0 : along * x[f] / norm)) / norm +
                             gamma / layers / (double)(n * d) * ((x[f] > 0) - (x[f] < 0));
    }
    free(g);
}

/* ---- inputs: splitmix64, so that they share nothing with base/rng.h ---- */

static inline double oracle_uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Rectified: a share of the entries is 0. */
static inline void oracle_fill(uint64_t seed, size_t count, double zeros, float *x)
{
    for (size_t i = 0; i < count; i++) {
        const double chance = oracle_uniform(&seed), value = oracle_uniform(&seed);
        x[i] = chance < zeros ? 0 : (float)value;
    }
}

static inline void oracle_labels(uint64_t seed, size_t n, size_t k, uint32_t *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (uint32_t)(oracle_uniform(&seed) * (double)k);
}

/* Largest |got - want| over largest |want|; NaN anywhere gives infinity. */
static inline double oracle_distance(size_t count, const float *got, const double *want)
{
    double largest = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        const double off = fabs((double)got[i] - want[i]);
        if (isnan(off)) return INFINITY;
        if (off > worst) worst = off;
        if (fabs(want[i]) > largest) largest = fabs(want[i]);
    }
    return largest > 0 ? worst / largest : worst;
}

#endif
