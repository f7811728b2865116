/* losses/modular.c - the modular losses of one layer in three passes:
 *   rows     norm and 1-norm of each activation vector
 *   columns  class sums of the unit vectors, then, in their place, the gradient that all samples of
 *            a class share; a block of MODA_LANES columns is one thread's work, samples in order
 *   rows     each sample's gradient back through its norm
 * What is summed across rows or blocks goes through memory and is added in order at the end, so
 * the number of threads never shows in the result. */
#include "losses/modular.h"
#include "losses/losses_internal.h"
#include <stdlib.h>
#include <string.h>

enum { PARALLEL_FROM = 1 << 14 }; /* entries of a layer */

typedef struct row_facts {
    double square, absolute; /* of a_i; square turns into |u_i|^2 */
    int clamped;             /* the norm is below MODA_COSINE_EPS */
} row_facts;

struct moda_modular_scratch {
    row_facts *rows;      /* [n] */
    float *inverse;       /* [n] 1 / max(|a_i|, eps) */
    uint32_t *slot;       /* [n] row of its class in a tile */
    uint32_t *slot_of;    /* [k] class to slot */
    uint64_t *count;      /* [k] samples of a class */
    float *tiles;         /* [ceil(d/MODA_LANES), slots, MODA_LANES] */
    double (*squares)[2]; /* [ceil(d/MODA_LANES)] sum_c |S_c|^2 and |S|^2 of a block */
    size_t k;
};

static size_t blocks_of(size_t d)
{
    return (d + MODA_LANES - 1) / MODA_LANES;
}

moda_status moda_modular_scratch_create(size_t n, size_t d, size_t k,
                                        moda_modular_scratch **scratch)
{
    moda_status st = MODA_OK;
    moda_modular_scratch *s = NULL;
    size_t tile_bytes;
    *scratch = NULL;
    MODA_CHECK(n > 0 && d > 0 && k > 0, MODA_ERR_ARG,
               "modular losses: %zu samples, %zu neurons, %zu classes: none may be 0", n, d, k);
    MODA_CHECK(n <= UINT32_MAX && d <= SIZE_MAX - MODA_LANES && k <= UINT32_MAX &&
                   !__builtin_mul_overflow(blocks_of(d) * sizeof(float[MODA_LANES]), n < k ? n : k,
                                           &tile_bytes),
               MODA_ERR_ARG, "modular losses: %zu samples, %zu neurons, %zu classes are too many",
               n, d, k);
    MODA_ALLOC(s, sizeof *s);
    s->k = k;
    MODA_ALLOC(s->rows, n * sizeof *s->rows);
    MODA_ALLOC(s->inverse, n * sizeof *s->inverse);
    MODA_ALLOC(s->slot, n * sizeof *s->slot);
    MODA_ALLOC(s->slot_of, k * sizeof *s->slot_of);
    MODA_ALLOC(s->count, k * sizeof *s->count);
    MODA_ALLOC(s->squares, blocks_of(d) * sizeof *s->squares);
    s->tiles = aligned_alloc(sizeof(float[MODA_LANES]), tile_bytes);
    MODA_CHECK(s->tiles != NULL, MODA_ERR_NOMEM, "out of memory: %zu bytes", tile_bytes);
    *scratch = s, s = NULL;
out:
    moda_modular_scratch_destroy(s);
    return st;
}

void moda_modular_scratch_destroy(moda_modular_scratch *s)
{
    if (!s) return;
    free(s->rows);
    free(s->inverse);
    free(s->slot);
    free(s->slot_of);
    free(s->count);
    free(s->tiles);
    free(s->squares);
    free(s);
}

moda_pair_counts moda_modular_pairs(moda_modular_scratch *s, size_t n, const uint32_t *labels)
{
    uint64_t same = 0;
    memset(s->count, 0, s->k * sizeof *s->count);
    for (size_t i = 0; i < n; i++) same += s->count[labels[i]]++; /* partners seen before */
    const uint64_t all = (uint64_t)n * (n - 1) / 2;
    return (moda_pair_counts){(double)same, (double)(all - same)};
}

/* Numbers the classes of the batch in order of appearance: tiles hold no row for an absent one. */
static size_t assign_slots(moda_modular_scratch *s, size_t n, const uint32_t *labels)
{
    uint32_t slots = 0;
    for (size_t i = 0; i < n; i++) s->slot_of[labels[i]] = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        uint32_t *slot = &s->slot_of[labels[i]];
        if (*slot == UINT32_MAX) *slot = slots++;
        s->slot[i] = *slot;
    }
    return slots;
}

static double mean_or_zero(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

static moda_modular_terms terms_of(const moda_modular_scratch *s, size_t n, size_t d,
                                   moda_pair_counts pairs)
{
    double own = 0, all = 0, units = 0, absolute = 0;
    for (size_t b = 0; b < blocks_of(d); b++) own += s->squares[b][0], all += s->squares[b][1];
    for (size_t i = 0; i < n; i++) units += s->rows[i].square, absolute += s->rows[i].absolute;
    return (moda_modular_terms){.affinity = mean_or_zero((own - units) / 2, pairs.same),
                                .dispersion = mean_or_zero((all - own) / 2, pairs.different),
                                .compactness = absolute / ((double)n * (double)d)};
}

static void one_row(moda_modular_scratch *s, const moda_loss_kernels *k, size_t i, size_t d,
                    const float *a)
{
    row_facts *row = &s->rows[i];
    k->row_sums(d, a, &row->square, &row->absolute);
    const float inverse = moda_inverse_norm(row->square, &row->clamped);
    row->square *= (double)inverse * (double)inverse; /* with inverse as rounded, as in the sums */
    s->inverse[i] = inverse;
}

void moda_modular_layer(moda_modular_scratch *s, size_t n, size_t d, const uint32_t *labels,
                        const float *a, moda_pair_counts pairs, moda_modular_weights w,
                        size_t layers, float *d_a, moda_modular_terms *terms)
{
    const moda_loss_kernels *k = moda_loss_kernels_now();
    const size_t slots = assign_slots(s, n, labels), tile = slots * MODA_LANES;
    const double l = (double)layers;
    const float same = (float)mean_or_zero(-w.affinity / l, pairs.same);
    const float different = (float)mean_or_zero(w.dispersion / l, pairs.different);
    const float compactness = (float)(w.compactness / ((double)n * (double)d * l));
#pragma omp parallel if (n * d > PARALLEL_FROM)
    {
#pragma omp for schedule(static)
        for (size_t i = 0; i < n; i++) one_row(s, k, i, d, a + i * d);
#pragma omp for schedule(static)
        for (size_t b = 0; b < blocks_of(d); b++) {
            const size_t f = b * MODA_LANES, width = d - f < MODA_LANES ? d - f : MODA_LANES;
            float *sums = s->tiles + b * tile;
            k->class_sums(n, width, d, a + f, s->inverse, s->slot, slots, sums);
            k->class_squares(slots, sums, &s->squares[b][0], &s->squares[b][1]);
            if (d_a) k->class_gradients(slots, same, different, sums);
        }
        if (d_a) {
            /* The gradient by u_i is G - same*u_i. Back through the norm its part along u_i is
             * lost, so only a clamped row, whose norm is a constant, ever sees it. */
#pragma omp for schedule(static)
            for (size_t i = 0; i < n; i++)
                k->row_gradient(d, a + i * d, s->inverse[i],
                                s->tiles + s->slot[i] * (size_t)MODA_LANES, tile,
                                !s->rows[i].clamped, same, compactness, d_a + i * d);
        }
    }
    *terms = terms_of(s, n, d, pairs);
}
