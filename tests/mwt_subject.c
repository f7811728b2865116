/* tests/mwt_subject.c */
#include "tests/mwt_subject.h"
#include "engine/net_masked.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

moda_model *mwt_add_masks(moda_model *plain)
{
    moda_net *net = NULL;
    moda_model *masked = NULL;
    const moda_status st = moda_net_add_masks(plain->net, &net);
    if (st == MODA_OK) {
        cr_assert(eq(int, moda_model_create(net, &masked), MODA_OK));
        formula_fill(masked);
        for (size_t i = 0; i < plain->parameters.count; i++) {
            const moda_parameter *from = &plain->parameters.items[i];
            const moda_parameter *to = moda_model_find(masked, from->name);
            cr_assert(to != NULL, "%s", from->name);
            memcpy(masked->values + to->offset, plain->values + from->offset,
                   from->elements * sizeof *plain->values);
        }
    } else {
        cr_assert(eq(int, st, MODA_ERR_ARG), "%s", moda_last_error());
    }
    moda_model_destroy(plain);
    return masked;
}

static const char description[] =
    "[net]\nname = small\ninput = 3 16 16\nclasses = 6\n"
    "[conv]\nname = c1\noutputs = 12\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = b1\n[relu]\nname = r1\n"
    "[conv]\nname = c2\noutputs = 10\nkernel = 3\nstride = 2\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = b2\n[relu]\nname = r2\n"
    "[conv]\nname = d3\noutputs = 10\nkernel = 3\npadding = 1\ngroups = depthwise\nbias = no\n"
    "[batchnorm]\nname = b3\n[relu]\nname = r3\n"
    "[conv]\nname = c4\noutputs = 14\nkernel = 1\n[batchnorm]\nname = b4\n[relu]\nname = r4\n"
    "[conv]\nname = c5\noutputs = 9\nkernel = 3\npadding = 1\n[batchnorm]\nname = b5\n"
    "[relu]\nname = r5\n"
    "[conv]\nname = c6\noutputs = 14\nkernel = 3\npadding = 1\n[batchnorm]\nname = b6\n"
    "[add]\nname = s\nfrom = b6, r4\n[relu]\nname = r6\n[avgpool]\nkernel = 4\n"
    "[linear]\nname = f1\noutputs = 20\n[relu]\nname = r7\n"
    "[linear]\nname = f2\noutputs = classes\n";

moda_model *mwt_model(void)
{
    moda_net *net = NULL;
    moda_model *plain = NULL;
    cr_assert(eq(int, moda_net_parse(description, "small", (moda_net_defaults){0}, &net), MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(int, moda_model_create(net, &plain), MODA_OK));
    formula_fill(plain);
    moda_model *model = mwt_add_masks(plain);
    for (size_t c = 0; c < 3; c++) model->mean[c] = 0.45f, model->std[c] = 0.25f;
    for (size_t k = 0; k < 6; k++) {
        char name[16];
        snprintf(name, sizeof name, "class %c", (char)('a' + k));
        model->class_names[k] = strdup(name);
    }
    return model;
}

moda_masks *mwt_random_masks(random_source *s, const moda_model *masked, size_t share)
{
    moda_masks *masks = NULL;
    cr_assert(eq(int, moda_masks_create(masked->net, &masks), MODA_OK), "%s", moda_last_error());
    const moda_class_tables *t = &masks->shape;
    for (size_t i = 0; i < t->elements; i++) masks->values[i] = random_below(s, share) == 0;
    for (size_t l = 0; l < t->layers; l++)
        for (size_t c = 0; c < t->classes; c++)
            masks->values[t->offset[l] + c * t->units[l] + random_below(s, t->units[l])] = 1;
    masks->tau = 0.9;
    return masks;
}
