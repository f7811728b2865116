/* decompose/metrics.h - what a module costs and what two modules share, docs/decomposition.md.
 * Everything is counted on kept channels; nothing is sliced. Trainable parameters are weights and
 * biases, of batch norm too, not its running statistics. */
#ifndef MODA_DECOMPOSE_METRICS_H
#define MODA_DECOMPOSE_METRICS_H

#include "decompose/kept.h"
#include "engine/net.h"
#include <stddef.h>
#include <stdint.h>

/* Trainable parameters of the module. */
size_t moda_module_parameters(const moda_net *net, const moda_kept *kept);
/* Trainable parameters of the original network that both modules contain: per tensor the common
 * rows times the common columns. Rows of the classifier count like any other, so modules of
 * different classes share none of them. */
size_t moda_module_shared(const moda_net *net, const moda_kept *a, const moda_kept *b);
/* Multiply-adds of one sample's forward pass through the module. */
uint64_t moda_module_flops(const moda_net *net, const moda_kept *kept);

/* Of the whole network. */
size_t moda_network_parameters(const moda_net *net);
uint64_t moda_network_flops(const moda_net *net);
/* Channels and features of all tracked layers. */
size_t moda_network_neurons(const moda_net *net);

/* Channels and features that a module keeps of the layers that masks decide about. */
size_t moda_module_neurons(const moda_kept *kept);

#endif
