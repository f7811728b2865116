#include "engine/method.h"
#include "engine/net_masked.h"
#include <string.h>

const char *const moda_method_names[] = {"standard", "moda", "mwt", NULL};

moda_method moda_method_named(const char *name)
{
    size_t found = 0;
    for (size_t i = 0; name && moda_method_names[i]; i++)
        if (strcmp(moda_method_names[i], name) == 0) found = i;
    return (moda_method)found;
}

void moda_method_set(moda_method method, moda_train_options *options)
{
    static const moda_modular_weights usual[] = {[MODA_METHOD_STANDARD] = {0, 0, 0},
                                                 [MODA_METHOD_MODA] = {1, 1, 0.3},
                                                 [MODA_METHOD_MWT] = {0.5, 1.5, 0}};
    options->modular = method == MODA_METHOD_MODA, options->masked = method == MODA_METHOD_MWT;
    options->weights = usual[method];
}

moda_status moda_method_net(moda_method method, const char *name_or_path,
                            moda_net_defaults defaults, moda_net **net)
{
    moda_status st = MODA_OK;
    moda_net *plain = NULL;
    *net = NULL;
    MODA_TRY(moda_net_open(name_or_path, defaults, &plain));
    if (method == MODA_METHOD_MWT && plain->mask_count == 0)
        MODA_TRY(moda_fail_context(moda_net_add_masks(plain, net), "--method mwt"));
    else
        *net = plain, plain = NULL;
out:
    moda_net_destroy(plain);
    return st;
}
