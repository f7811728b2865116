/* engine/onednn_gradient.c - gradients by the outputs of layers, summed over their consumers. */
#include "engine/onednn_internal.h"

size_t moda_tracked_index(const moda_net *net, size_t layer)
{
    size_t t = 0;
    while (t < net->tracked_count && net->tracked[t] != layer) t++;
    return t < net->tracked_count ? t : MODA_NONE;
}

bool moda_gradient_unwanted(const moda_executor *e, size_t layer)
{
    return e->net->layers[layer].kind == MODA_LAYER_INPUT;
}

moda_status moda_gradient_done(moda_executor *e, size_t layer, const dnnl_memory_desc_t *written,
                               size_t buffer)
{
    moda_status st = MODA_OK;
    moda_value *v = &e->values[layer];
    const char *name = e->net->layers[layer].name;
    dnnl_primitive_desc_t sum = NULL;
    size_t addend;
    MODA_TRY(moda_in_layout(e, layer, buffer, written, &v->layout, &addend));
    if (v->gradient == MODA_NONE) {
        v->gradient = addend;
    } else if (v->share == MODA_NONE && moda_residual_adds_shares(e, layer)) {
        v->share = addend;
    } else { /* another consumer of this output was there before: add in place */
        const float ones[] = {1, 1};
        const dnnl_memory_desc_t layouts[] = {v->layout, v->layout};
        const moda_argument arguments[] = {{DNNL_ARG_MULTIPLE_SRC, v->gradient, &v->layout},
                                           {DNNL_ARG_MULTIPLE_SRC + 1, addend, &v->layout},
                                           {DNNL_ARG_DST, v->gradient, &v->layout}};
        MODA_DNNL(dnnl_sum_primitive_desc_create(&sum, &v->layout, 2, ones, layouts,
                                                 e->weights->attributes, e->weights->engine),
                  "sum", name);
        MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, name, sum, 3, arguments));
    }
out:
    dnnl_primitive_desc_destroy(sum);
    return st;
}
