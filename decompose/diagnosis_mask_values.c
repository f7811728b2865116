/* decompose/diagnosis_mask_values.c - what the masks of MwT are where they are on, since modules are cut
 * without them. */
#include "decompose/diagnosis_internal.h"
#include <stdlib.h>

/* off [layers]: what masks that are on take off, 0 where none is on. The mean over the layers that
 * have some; *known: how many these are. */
static double take_off(const moda_rates *rates, double *off, size_t *known)
{
    double sum = 0;
    *known = 0;
    for (size_t l = 0; l < rates->shape.layers; l++) {
        if (rates->mask_means[l] <= 0) continue;
        off[l] = 1 - rates->mask_means[l];
        sum += off[l];
        ++*known;
    }
    return *known ? sum / (double)*known : 0;
}

static moda_status add_finding(moda_diagnosis *diagnosis, const moda_model *model, size_t layers,
                               const double *off, size_t known, double mean_off)
{
    moda_status st = MODA_OK;
    moda_diagnosis_line line = {0};
    size_t best[MODA_DIAGNOSIS_NAMED];
    const size_t n = moda_diagnosis_largest(layers, off, 0, best);
    MODA_TRY(moda_diagnosis_line_open(&line));
    fprintf(line.stream, "masks that are on have a mean of %.2f over %zu layers, under %g, lowest",
            1 - mean_off, known, 1 - MODA_DIAGNOSIS_MASKS);
    for (size_t i = 0; i < n; i++)
        fprintf(line.stream, "%s %s %.2f", i ? "," : "", moda_diagnosis_layer(model, best[i]),
                1 - off[best[i]]);
    fprintf(
        line.stream,
        ": modules are cut without them, so maps of a layer grow by a factor of %.2f (%.2f in %s): "
        "train for more epochs, since MwT needs masks near 0 or 1",
        1 / (1 - mean_off), 1 / (1 - off[best[0]]), moda_diagnosis_layer(model, best[0]));
    MODA_TRY(moda_diagnosis_add(diagnosis, MODA_SIGNATURE_MASKS, &line));
out:
    moda_diagnosis_line_drop(&line);
    return st;
}

moda_status moda_diagnose_mask_values(moda_diagnosis *diagnosis, const moda_model *model,
                                      const moda_rates *rates)
{
    moda_status st = MODA_OK;
    const size_t layers = rates->shape.layers;
    const char **why = &diagnosis->not_judged[MODA_SIGNATURE_MASKS];
    double *off = NULL;
    size_t known = 0;
    *why = "";
    if (!rates->shape.mwt) goto out;
    *why = "rates without their values: measure again with --data";
    if (!rates->mask_means) goto out;
    MODA_ALLOC(off, layers * sizeof *off);
    const double mean_off = take_off(rates, off, &known);
    *why = "none is on";
    if (known && moda_diagnosis_judge(diagnosis, MODA_SIGNATURE_MASKS, mean_off))
        MODA_TRY(add_finding(diagnosis, model, layers, off, known, mean_off));
out:
    free(off);
    return st;
}
