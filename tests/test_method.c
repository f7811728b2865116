/* tests/test_method.c - engine/method.h: names, what a method sets, and the network that it trains. */
#include "engine/method.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

TestSuite(method, .timeout = 60);

static const moda_net_defaults small = {{3, 32, 32}, 10};

Test(method, names_there_and_back)
{
    const char *const names[] = {"standard", "moda", "mwt"};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(eq(str, (char *)moda_method_names[i], (char *)names[i]));
        cr_assert(eq(int, (int)moda_method_named(names[i]), (int)i));
    }
    cr_assert(eq(ptr, (void *)moda_method_names[3], NULL));
    cr_assert(eq(int, (int)moda_method_named("none"), MODA_METHOD_STANDARD));
    cr_assert(eq(int, (int)moda_method_named(NULL), MODA_METHOD_STANDARD));
}

/* As the papers have them: docs/equations.md. */
Test(method, terms_and_weights)
{
    const moda_modular_weights want[] = {{0, 0, 0}, {1, 1, 0.3}, {0.5, 1.5, 0}};
    for (int m = MODA_METHOD_STANDARD; m <= MODA_METHOD_MWT; m++) {
        moda_train_options o = {
            .modular = m == 0, .masked = m == 0, .weights = {7, 7, 7}, .seed = 5};
        moda_method_set((moda_method)m, &o);
        cr_assert(eq(int, o.modular, m == MODA_METHOD_MODA));
        cr_assert(eq(int, o.masked, m == MODA_METHOD_MWT));
        cr_assert(eq(dbl, o.weights.affinity, want[m].affinity));
        cr_assert(eq(dbl, o.weights.dispersion, want[m].dispersion));
        cr_assert(eq(dbl, o.weights.compactness, want[m].compactness));
        cr_assert(eq(sz, (size_t)o.seed, 5), "nothing else is touched");
    }
}

Test(method, only_mwt_changes_the_network)
{
    moda_net *net = NULL;
    for (int m = MODA_METHOD_STANDARD; m <= MODA_METHOD_MWT; m++) {
        cr_assert(eq(int, moda_method_net((moda_method)m, "resnet18", small, &net), MODA_OK), "%s",
                  moda_last_error());
        if (m == MODA_METHOD_MWT)
            cr_assert(lt(sz, 10, net->mask_count));
        else
            cr_assert(eq(sz, net->mask_count, 0));
        moda_net_destroy(net);
    }
    cr_assert(eq(int, moda_method_net(MODA_METHOD_MWT, "lenet5", small, &net), MODA_ERR_ARG));
    cr_assert(ne(ptr, (void *)strstr(moda_last_error(), "--method mwt: lenet5 has nothing to mask"),
                 NULL),
              "%s", moda_last_error());
    cr_assert(eq(ptr, net, NULL));
    cr_assert(eq(int, moda_method_net(MODA_METHOD_MODA, "nosuch", small, &net), MODA_ERR_ARG));
}
