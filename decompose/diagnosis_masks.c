/* decompose/diagnosis_masks.c - what rates and masks tell: overlap, dead neurons, the floor
 * rule. */
#include "decompose/diagnosis_internal.h"
#include "decompose/similarity.h"
#include <stdlib.h>

/* ---- overlap ---- */

/* The layers in which the two classes' rates are most alike. */
static moda_status write_alike(FILE *f, const moda_model *model, const moda_rates *rates, size_t a,
                               size_t b)
{
    moda_status st = MODA_OK;
    const size_t layers = rates->shape.layers;
    double *alike = NULL;
    size_t best[MODA_DIAGNOSIS_NAMED];
    MODA_ALLOC(alike, layers * sizeof *alike);
    for (size_t l = 0; l < layers; l++) alike[l] = moda_rates_similarity(rates, l, a, b);
    const size_t n = moda_diagnosis_largest(layers, alike, 0, best);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%s %.2f", i ? ", " : " (similarity ", moda_diagnosis_layer(model, best[i]),
                alike[best[i]]);
    if (n) fprintf(f, ")");
out:
    free(alike);
    return st;
}

static moda_status judge_overlap(moda_diagnosis *diagnosis, const moda_model *model,
                                 const moda_rates *rates, const moda_decomposition *d)
{
    moda_status st = MODA_OK;
    const size_t classes = d->classes;
    moda_diagnosis_line line = {0};
    double *pairs = NULL;
    size_t best[MODA_DIAGNOSIS_NAMED];
    if (!moda_diagnosis_judge(diagnosis, MODA_SIGNATURE_OVERLAP, d->mean_overlap)) goto out;
    MODA_ALLOC(pairs, classes * classes * sizeof *pairs);
    for (size_t i = 0; i < classes; i++)
        for (size_t j = i + 1; j < classes; j++)
            pairs[i * classes + j] = d->overlap[i * classes + j];
    const size_t n = moda_diagnosis_largest(classes * classes, pairs, 0, best);
    MODA_TRY(moda_diagnosis_line_open(&line));
    fprintf(line.stream, "mean overlap %.1f %%, above %.0f %%, most of all in",
            100 * d->mean_overlap, 100 * MODA_DIAGNOSIS_OVERLAP);
    for (size_t i = 0; i < n; i++) {
        /* classes is not 0, or there would be no pair */
        const size_t a = best[i] / classes; /* NOLINT(clang-analyzer-core.DivideZero) */
        const size_t b = best[i] % classes;
        fprintf(line.stream, "%s ", i ? ";" : "");
        moda_diagnosis_class(line.stream, model, a);
        fprintf(line.stream, " and ");
        moda_diagnosis_class(line.stream, model, b);
        fprintf(line.stream, " %.1f %%", 100 * pairs[best[i]]);
        MODA_TRY(write_alike(line.stream, model, rates, a, b));
    }
    fprintf(line.stream, ": dispersion is not effective: train with a larger beta, or raise tau");
    MODA_TRY(moda_diagnosis_add(diagnosis, MODA_SIGNATURE_OVERLAP, &line));
out:
    moda_diagnosis_line_drop(&line);
    free(pairs);
    return st;
}

/* ---- dead neurons ---- */

/* Share of a layer's neurons that no class ever has active. */
static double dead_share(const moda_rates *rates, size_t l)
{
    const size_t units = rates->shape.units[l];
    size_t dead = 0;
    for (size_t k = 0; k < units; k++) {
        bool active = false;
        for (size_t c = 0; c < rates->shape.classes && !active; c++)
            active = rates->values[rates->shape.offset[l] + c * units + k] > 0;
        dead += !active;
    }
    return (double)dead / (double)units;
}

static moda_status judge_dead(moda_diagnosis *diagnosis, const moda_model *model,
                              const moda_rates *rates)
{
    moda_status st = MODA_OK;
    const size_t layers = rates->shape.layers;
    moda_diagnosis_line line = {0};
    double *share = NULL;
    size_t best[MODA_DIAGNOSIS_NAMED], found = 0;
    double most = 0;
    MODA_ALLOC(share, layers * sizeof *share);
    for (size_t l = 0; l < layers; l++) {
        share[l] = dead_share(rates, l);
        found += share[l] > MODA_DIAGNOSIS_DEAD;
        if (share[l] > most) most = share[l];
    }
    if (!moda_diagnosis_judge(diagnosis, MODA_SIGNATURE_DEAD, most)) goto out;
    const size_t n = moda_diagnosis_largest(layers, share, MODA_DIAGNOSIS_DEAD, best);
    MODA_TRY(moda_diagnosis_line_open(&line));
    fprintf(line.stream,
            "%zu of %zu layers with more than %.0f %% dead neurons (active for no class)", found,
            layers, 100 * MODA_DIAGNOSIS_DEAD);
    for (size_t i = 0; i < n; i++)
        fprintf(line.stream, "%s %s %.1f %%", i ? "," : ":", moda_diagnosis_layer(model, best[i]),
                100 * share[best[i]]);
    fprintf(line.stream, "%s",
            most >= 1 ? ": a layer is dead as a whole, so every class gets the same answer: train "
                        "again with a smaller gamma or learning rate"
                      : ": train with a smaller gamma, or a narrower network");
    MODA_TRY(moda_diagnosis_add(diagnosis, MODA_SIGNATURE_DEAD, &line));
out:
    moda_diagnosis_line_drop(&line);
    free(share);
    return st;
}

/* ---- the floor ---- */

static size_t count_floored(const moda_masks *masks, const moda_rates *rates, size_t l)
{
    size_t n = 0;
    for (size_t c = 0; c < rates->shape.classes; c++) n += moda_masks_floored(masks, rates, c, l);
    return n;
}

static void write_floored(FILE *f, const moda_model *model, const moda_masks *masks,
                          const moda_rates *rates, size_t l)
{
    size_t named = 0;
    const size_t n = count_floored(masks, rates, l);
    fprintf(f, "%s of", moda_diagnosis_layer(model, l));
    for (size_t c = 0; c < rates->shape.classes && named < MODA_DIAGNOSIS_NAMED; c++) {
        if (!moda_masks_floored(masks, rates, c, l)) continue;
        fprintf(f, "%s ", named++ ? "," : "");
        moda_diagnosis_class(f, model, c);
    }
    if (n > named) fprintf(f, " and %zu more", n - named);
}

static moda_status judge_floor(moda_diagnosis *diagnosis, const moda_model *model,
                               const moda_masks *masks, const moda_rates *rates)
{
    moda_status st = MODA_OK;
    const size_t layers = rates->shape.layers;
    moda_diagnosis_line line = {0};
    double *floored = NULL;
    size_t best[MODA_DIAGNOSIS_NAMED], total = 0;
    MODA_ALLOC(floored, layers * sizeof *floored);
    for (size_t l = 0; l < layers; l++) {
        floored[l] = (double)count_floored(masks, rates, l);
        total += count_floored(masks, rates, l);
    }
    if (!moda_diagnosis_judge(diagnosis, MODA_SIGNATURE_FLOOR, (double)total)) goto out;
    const size_t n = moda_diagnosis_largest(layers, floored, 0, best);
    MODA_TRY(moda_diagnosis_line_open(&line));
    fprintf(line.stream, "the floor rule alone fills %zu of %zu layers of classes: ", total,
            layers * rates->shape.classes);
    for (size_t i = 0; i < n; i++) {
        fprintf(line.stream, "%s", i ? "; " : "");
        write_floored(line.stream, model, masks, rates, best[i]);
    }
    fprintf(line.stream,
            ": too few neurons pass tau %g there: lower tau, or train with a smaller gamma",
            masks->tau);
    MODA_TRY(moda_diagnosis_add(diagnosis, MODA_SIGNATURE_FLOOR, &line));
out:
    moda_diagnosis_line_drop(&line);
    free(floored);
    return st;
}

moda_status moda_diagnose_masks(moda_diagnosis *diagnosis, const moda_model *model,
                                const moda_rates *rates, const moda_masks *masks,
                                const moda_decomposition *d)
{
    moda_status st = MODA_OK;
    MODA_TRY(judge_overlap(diagnosis, model, rates, d));
    MODA_TRY(judge_dead(diagnosis, model, rates));
    MODA_TRY(judge_floor(diagnosis, model, masks, rates));
    MODA_TRY(moda_diagnose_mask_values(diagnosis, model, rates));
out:
    return st;
}
