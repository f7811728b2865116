/* The values of masks as a finding: models of MwT whose masks are on, but not 1. */
#include "decompose/diagnosis.h"
#include "tests/mwt_subject.h"
#include "tests/reuse_subject.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

TestSuite(mwt_diagnosis, .init = reuse_prepare, .timeout = 60);

enum { LAYERS = 5 };

/* means [LAYERS]; NULL: of an older file. */
static moda_diagnosis *diagnose(const moda_model *model, const double *means)
{
    moda_diagnosis *d = NULL;
    moda_rates *rates = NULL;
    reuse_must(moda_rates_create(model->net, &rates));
    if (means) {
        cr_assert(eq(sz, rates->shape.layers, LAYERS));
        rates->mask_means = malloc(LAYERS * sizeof *means);
        memcpy(rates->mask_means, means, LAYERS * sizeof *means);
    }
    reuse_must(moda_diagnosis_create(&d));
    reuse_must(moda_diagnose_mask_values(d, model, rates));
    moda_rates_destroy(rates);
    return d;
}

static void check_not_judged(const moda_model *model, const double *means, const char *why)
{
    moda_diagnosis *d = diagnose(model, means);
    const char *said = d->not_judged[MODA_SIGNATURE_MASKS];
    cr_assert(eq(sz, d->count, 0));
    cr_assert(said && strstr(said, why) != NULL, "%s", said);
    moda_diagnosis_destroy(d);
}

/* Of layer 3 no mask is on: it is not in the mean. 1/0.7 = 1.43, 1/0.5 = 2. */
Test(mwt_diagnosis, names_mean_lowest_layers_and_growth)
{
    static const double means[LAYERS] = {0.8, 0.5, 0.9, 0, 0.6};
    moda_model *model = mwt_model();
    const moda_net *net = model->net;
    const char *const words[] = {
        "mean of 0.70 over 4 layers",
        "under 0.9, lowest ",
        net->layers[net->masks[1]].name,
        " 0.50, ",
        net->layers[net->masks[4]].name,
        " 0.60, ",
        net->layers[net->masks[0]].name,
        " 0.80: modules ",
        "1.43 (2.00 in ",
        "more epochs",
    };
    moda_diagnosis *d = diagnose(model, means);
    cr_assert(eq(sz, d->count, 1));
    cr_assert(eq(int, (int)d->items[0].signature, MODA_SIGNATURE_MASKS));
    cr_assert(eq(str, (char *)moda_signature_name(MODA_SIGNATURE_MASKS), "masks"));
    cr_assert(epsilon_eq(dbl, d->figure[MODA_SIGNATURE_MASKS], 0.3, 1e-12));
    const char *at = d->items[0].text;
    for (size_t i = 0; at && i < sizeof words / sizeof *words; i++) {
        at = strstr(at, words[i]);
        cr_assert(at != NULL, "no '%s' in its place in %s", words[i], d->items[0].text);
    }
    cr_assert(strchr(d->items[0].text, '\n') == NULL);
    moda_diagnosis_destroy(d);
    moda_model_destroy(model);
}

Test(mwt_diagnosis, masks_near_one_are_healthy)
{
    static const double means[2][LAYERS] = {{1, 1, 1, 1, 1}, {0.97, 0.95, 0.99, 0.7, 0.95}};
    moda_model *model = mwt_model();
    for (int i = 0; i < 2; i++) {
        moda_diagnosis *d = diagnose(model, means[i]);
        cr_assert(eq(sz, d->count, 0));
        cr_assert(d->not_judged[MODA_SIGNATURE_MASKS] == NULL);
        cr_assert(epsilon_eq(dbl, d->figure[MODA_SIGNATURE_MASKS], i ? 0.44 / 5 : 0, 1e-12));
        moda_diagnosis_destroy(d);
    }
    moda_model_destroy(model);
}

Test(mwt_diagnosis, what_is_not_known_is_not_judged)
{
    static const double none[LAYERS];
    moda_model *model = mwt_model();
    moda_model *plain = small_model("1 8 8",
                                    "[linear];name=a;outputs=7;[relu];name=r;[linear];name=b;"
                                    "outputs=4",
                                    3);
    check_not_judged(model, NULL, "measure again with --data");
    check_not_judged(model, none, "none is on");
    moda_diagnosis *d = diagnose(plain, NULL); /* nothing is said of masks that it never had */
    json_t *json = moda_diagnosis_json(d);
    cr_assert(json && !json_object_get(json_object_get(json, "judged"), "masks") &&
              !json_object_get(json_object_get(json, "not_judged"), "masks"));
    json_decref(json);
    moda_diagnosis_destroy(d);
    moda_model_destroy(model);
    moda_model_destroy(plain);
}
