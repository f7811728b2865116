/* engine/step_losses.c - the modular terms of a training step. */
#include "engine/step_losses_internal.h"
#include <math.h>

moda_step_layers moda_step_layers_of(const moda_net *net, bool masked)
{
    return masked ? (moda_step_layers){net->masks, net->mask_count}
                  : (moda_step_layers){net->tracked, net->tracked_count};
}

moda_status moda_step_losses_scratch(const moda_net *net, const moda_train_options *options,
                                     moda_modular_scratch **scratch)
{
    const moda_step_layers layers = moda_step_layers_of(net, options->masked);
    size_t widest = 1;
    for (size_t l = 0; l < layers.count; l++) {
        const size_t c = net->layers[layers.index[l]].shape.c;
        if (c > widest) widest = c;
    }
    return moda_modular_scratch_create(options->batch_size, widest, net->classes, scratch);
}

void moda_step_losses(const moda_net *net, const moda_train_options *options,
                      moda_modular_scratch *scratch, moda_executor *e, size_t n,
                      const uint32_t *labels, moda_train_record *r)
{
    const bool masked = options->masked;
    const moda_step_layers layers = moda_step_layers_of(net, masked);
    const double count = (double)layers.count;
    const moda_modular_weights w = options->weights;
    const moda_pair_counts pairs = moda_modular_pairs(scratch, n, labels);
    moda_modular_terms sum = {0, 0, 0};
    for (size_t l = 0; l < layers.count; l++) {
        const float *a = masked ? moda_executor_mask(e, l) : moda_executor_activation(e, l);
        float *d_a = masked ? moda_executor_d_mask(e, l) : moda_executor_d_activation(e, l);
        moda_modular_terms layer;
        moda_modular_layer(scratch, n, net->layers[layers.index[l]].shape.c, labels, a, pairs, w,
                           layers.count, d_a, &layer);
        sum.affinity += layer.affinity;
        sum.dispersion += layer.dispersion;
        sum.compactness += layer.compactness;
    }
    r->affinity = count ? 1 - sum.affinity / count : 0;
    r->dispersion = count ? sum.dispersion / count : 0;
    r->compactness = masked ? NAN : count ? sum.compactness / count : 0;
    r->batches_without_same = pairs.same == 0;
    r->batches_without_different = pairs.different == 0;
    r->loss += w.affinity * r->affinity + w.dispersion * r->dispersion;
    if (!masked) r->loss += w.compactness * r->compactness;
}
