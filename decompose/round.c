#include "decompose/round.h"
#include "base/file.h"
#include "decompose/checksum.h"
#include "decompose/compose.h"
#include <stdlib.h>
#include <string.h>

static float largest_rate(size_t units, const float *rate, const size_t *classes, size_t count,
                          size_t unit)
{
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        const float r = rate[classes[i] * units + unit];
        if (r > most) most = r;
    }
    return most;
}

void moda_round_layer(size_t units, const float *rate, const size_t *classes, size_t count,
                      size_t multiple, uint32_t *order, uint8_t *keep)
{
    size_t kept = 0, left = 0;
    for (size_t k = 0; k < units; k++) kept += keep[k] != 0;
    const size_t rest = kept % multiple;
    size_t missing = rest ? multiple - rest : 0;
    /* The few that are missing are picked one after the other: no sorting of thousands for 15. */
    for (size_t k = 0; k < units; k++)
        if (!keep[k]) order[left++] = (uint32_t)k;
    for (; missing > 0 && left > 0; missing--) {
        size_t best = 0;
        for (size_t i = 1; i < left; i++)
            if (largest_rate(units, rate, classes, count, order[i]) >
                largest_rate(units, rate, classes, count, order[best]))
                best = i;
        keep[order[best]] = 1;
        memmove(order + best, order + best + 1, (--left - best) * sizeof *order);
    }
}

moda_status moda_kept_rounded(const moda_net *net, const moda_masks *masks, const moda_rates *rates,
                              const size_t *classes, size_t count, size_t multiple,
                              moda_kept **kept)
{
    moda_status st = MODA_OK;
    const moda_class_tables *shape = &masks->shape;
    uint8_t **keep = NULL;
    uint32_t *order = NULL;
    size_t widest = 0;
    MODA_CHECK(multiple > 0, MODA_ERR_ARG, "rounding channels up to a multiple of 0");
    for (size_t i = 0; i < count; i++) /* before tables are read by it */
        MODA_CHECK(classes[i] < shape->classes, MODA_ERR_ARG,
                   "class %zu: %s has %zu outputs, numbered from 0", classes[i], net->name,
                   shape->classes);
    for (size_t l = 0; l < shape->layers; l++)
        if (shape->units[l] > widest) widest = shape->units[l];
    MODA_ALLOC(keep, shape->layers * sizeof *keep);
    MODA_ALLOC(order, widest * sizeof *order);
    for (size_t l = 0; l < shape->layers; l++) {
        MODA_ALLOC(keep[l], shape->units[l]);
        moda_masks_union(masks, l, classes, count, keep[l]);
        moda_round_layer(shape->units[l], rates->values + shape->offset[l], classes, count,
                         multiple, order, keep[l]);
    }
    MODA_TRY(moda_kept_of_unions(net, masks, (const uint8_t *const *)keep, classes, count, kept));
out:
    for (size_t l = 0; keep && l < shape->layers; l++) free(keep[l]);
    free(keep);
    free(order);
    return st;
}

moda_status moda_rates_open(const char *directory, const moda_model *model, const moda_masks *masks,
                            moda_rates **result)
{
    moda_status st = MODA_OK;
    moda_rates *rates = NULL;
    char rule[MODA_ACTIVITY_TEXT], wanted[MODA_ACTIVITY_TEXT];
    char *path = moda_format("%s/rates.safetensors", directory);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", directory);
    MODA_TRY(moda_rates_load(path, model->net, &rates));
    MODA_CHECK(rates->weights == 0 || rates->weights == moda_model_checksum(model), MODA_ERR_FORMAT,
               "%s: measured on other weights than those of %s/model.safetensors: decompose again",
               path, directory);
    moda_activity_rule_print(rates->rule, rule);
    moda_activity_rule_print(masks->rule, wanted);
    MODA_CHECK(moda_activity_rule_equal(rates->rule, masks->rule), MODA_ERR_FORMAT,
               "%s: of the activity rule %s, the masks beside it of %s: decompose again", path,
               rule, wanted);
    *result = rates, rates = NULL;
out:
    moda_rates_destroy(rates);
    free(path);
    return st;
}
