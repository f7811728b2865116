/* losses/pairwise.c - class-blocked Gram matrix, never stored.
 *
 * Samples are sorted by class and packed into panels of MODA_PANEL unit vectors. A group of panels
 * stays in L2 while all panels at or after it stream by in chunks of DEPTH neurons, each chunk of
 * which stays in L1 for the whole group. A finished tile is added to the sums of its row's segment:
 * the samples of one panel that share a class. Segments belong to one panel, so no two threads
 * share a sum, and tiles meet a segment in ascending order: one result for any thread count and
 * group size. */
#include "losses/pairwise.h"
#include "losses/losses_internal.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH = 256, /* 16 KiB per panel: half of a common L1 */
    GROUP = 8,   /* panels: 128 KiB per chunk */
    TILE = MODA_PANEL * MODA_PANEL
};

typedef struct gram {
    const moda_loss_kernels *kernels;
    size_t n, d, k, panels;
    const float *a;         /* [n,d] */
    const uint32_t *labels; /* [n] */
    uint32_t *order;        /* [n] sample at each sorted place */
    uint32_t *sorted;       /* [n] its class */
    uint32_t *segment;      /* [n] its segment */
    uint64_t *count;        /* [k] samples per class */
    float *packed;          /* [panels,d,MODA_PANEL] unit vectors, zeros past the last sample */
    double *sums;           /* [segments,k] */
    size_t segments;
} gram;

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static moda_status gram_check(size_t n, size_t d, size_t k, const uint32_t *labels)
{
    moda_status st = MODA_OK;
    size_t product;
    MODA_CHECK(n > 0 && d > 0 && k > 0, MODA_ERR_ARG,
               "similarity: %zu samples, %zu neurons, %zu classes: none may be 0", n, d, k);
    MODA_CHECK(n <= UINT32_MAX - MODA_PANEL && k <= UINT32_MAX &&
                   !__builtin_mul_overflow((n + MODA_PANEL) * sizeof(float), d, &product) &&
                   !__builtin_mul_overflow((n + k) * sizeof(double), k, &product),
               MODA_ERR_ARG, "similarity: %zu samples, %zu neurons, %zu classes are too many", n, d,
               k);
    for (size_t i = 0; i < n; i++)
        MODA_CHECK(labels[i] < k, MODA_ERR_ARG,
                   "similarity: label %u of sample %zu: there are %zu classes", labels[i], i, k);
out:
    return st;
}

/* Stable counting sort by class, and the segments that it gives. next [k] is scratch. */
static void gram_sort(gram *g, uint64_t *next)
{
    for (size_t i = 0; i < g->n; i++) g->count[g->labels[i]]++;
    uint64_t first = 0;
    for (size_t c = 0; c < g->k; c++) next[c] = first, first += g->count[c];
    for (size_t i = 0; i < g->n; i++) g->order[next[g->labels[i]]++] = (uint32_t)i;
    for (size_t i = 0; i < g->n; i++) {
        g->sorted[i] = g->labels[g->order[i]];
        if (i % MODA_PANEL == 0 || g->sorted[i] != g->sorted[i - 1]) g->segments++;
        g->segment[i] = (uint32_t)(g->segments - 1);
    }
}

static void gram_pack(const gram *g, size_t panel)
{
    float *to = g->packed + panel * g->d * MODA_PANEL;
    const size_t first = panel * MODA_PANEL, rows = least(MODA_PANEL, g->n - first);
    if (rows < MODA_PANEL) memset(to, 0, g->d * MODA_PANEL * sizeof *to);
    for (size_t r = 0; r < rows; r++) {
        const float *from = g->a + g->order[first + r] * g->d;
        double square, absolute;
        g->kernels->row_sums(g->d, from, &square, &absolute);
        const float inverse = moda_inverse_norm(square, NULL);
        for (size_t f = 0; f < g->d; f++) to[f * MODA_PANEL + r] = inverse * from[f];
    }
}

/* Tile (p,q), q >= p: each pair of samples once, added to its row's segment. */
static void gram_reduce(const gram *g, size_t p, size_t q, const float *tile)
{
    const size_t i0 = p * MODA_PANEL, j0 = q * MODA_PANEL;
    const size_t rows = least(MODA_PANEL, g->n - i0), columns = least(MODA_PANEL, g->n - j0);
    for (size_t r = 0; r < rows; r++) {
        double *sums = g->sums + g->segment[i0 + r] * g->k;
        const size_t start = p == q ? r + 1 : 0;
        for (size_t s = start, run; s < columns; s = run) {
            const uint32_t class = g->sorted[j0 + s];
            double sum = 0;
            for (run = s; run < columns && g->sorted[j0 + run] == class; run++)
                sum += (double)tile[r * MODA_PANEL + run];
            sums[class] += sum;
        }
    }
}

/* All tiles in the rows of panels first .. end-1, end - first <= GROUP. */
static void gram_group(const gram *g, size_t first, size_t end)
{
    const size_t size = g->d * MODA_PANEL;
    for (size_t q = first; q < g->panels; q++) {
        float tiles[GROUP][TILE];
        const size_t stop = least(end, q + 1);
        memset(tiles, 0, (stop - first) * sizeof *tiles); /* all: longer than a short tile */
        for (size_t f = 0; f < g->d; f += DEPTH)
            for (size_t p = first; p < stop; p++)
                g->kernels->pair_tile(least(DEPTH, g->d - f), g->packed + p * size + f * MODA_PANEL,
                                      g->packed + q * size + f * MODA_PANEL, tiles[p - first]);
        for (size_t p = first; p < stop; p++) gram_reduce(g, p, q, tiles[p - first]);
    }
}

static void gram_run(const gram *g)
{
    /* Small inputs: smaller groups, so that every thread gets some. */
    const size_t shares = g->panels / (4 * (size_t)omp_get_max_threads());
    const size_t group = shares < 1 ? 1 : least(shares, GROUP);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (size_t p = 0; p < g->panels; p++) gram_pack(g, p);
#pragma omp for schedule(dynamic, 1) /* the first group meets all panels, the last one itself */
        for (size_t first = 0; first < g->panels; first += group)
            gram_group(g, first, least(first + group, g->panels));
    }
}

/* pair [k,k]: sums over pairs with classes (p,q), p <= q. */
static void gram_totals(const gram *g, double *pair)
{
    for (size_t i = 0; i < g->n; i++) {
        if (i > 0 && g->segment[i] == g->segment[i - 1]) continue;
        const double *sums = g->sums + g->segment[i] * g->k;
        double *row = pair + g->sorted[i] * g->k;
        for (size_t q = g->sorted[i]; q < g->k; q++) row[q] += sums[q];
    }
}

static double mean_or_zero(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

/* Writes what was asked for from the sums. */
static void gram_write(const gram *g, const double *pair, double *similarity, double *pairs,
                       double *affinity, double *dispersion)
{
    double sum[2] = {0}, number[2] = {0}; /* within, across */
    for (size_t p = 0; p < g->k; p++)
        for (size_t q = p; q < g->k; q++) {
            const double cp = (double)g->count[p], cq = (double)g->count[q];
            const double many = p == q ? cp * (cp - 1) / 2 : cp * cq, value = pair[p * g->k + q];
            sum[p != q] += value, number[p != q] += many;
            if (similarity)
                similarity[p * g->k + q] = similarity[q * g->k + p] = mean_or_zero(value, many);
            if (pairs) pairs[p * g->k + q] = pairs[q * g->k + p] = many;
        }
    if (affinity) *affinity = mean_or_zero(sum[0], number[0]);
    if (dispersion) *dispersion = mean_or_zero(sum[1], number[1]);
}

moda_status moda_pairwise_similarity(size_t n, size_t d, size_t k, const float *a,
                                     const uint32_t *labels, double *similarity, double *pairs,
                                     double *affinity, double *dispersion)
{
    moda_status st = MODA_OK;
    gram g = {.kernels = moda_loss_kernels_now(), .n = n, .d = d, .k = k, .a = a, .labels = labels};
    uint64_t *next = NULL;
    double *pair = NULL;
    MODA_TRY(gram_check(n, d, k, labels));
    g.panels = (n + MODA_PANEL - 1) / MODA_PANEL;
    const size_t packed_bytes = g.panels * d * sizeof(float[MODA_PANEL]);
    MODA_ALLOC(g.order, n * sizeof *g.order);
    MODA_ALLOC(g.sorted, n * sizeof *g.sorted);
    MODA_ALLOC(g.segment, n * sizeof *g.segment);
    MODA_ALLOC(g.count, k * sizeof *g.count);
    MODA_ALLOC(next, k * sizeof *next);
    MODA_ALLOC(pair, k * k * sizeof *pair);
    gram_sort(&g, next);
    MODA_ALLOC(g.sums, g.segments * k * sizeof *g.sums);
    g.packed = aligned_alloc(sizeof(float[MODA_PANEL]), packed_bytes);
    MODA_CHECK(g.packed != NULL, MODA_ERR_NOMEM, "out of memory: %zu bytes", packed_bytes);
    gram_run(&g);
    gram_totals(&g, pair);
    gram_write(&g, pair, similarity, pairs, affinity, dispersion);
out:
    free(g.order);
    free(g.sorted);
    free(g.segment);
    free(g.count);
    free(next);
    free(pair);
    free(g.sums);
    free(g.packed);
    return st;
}
