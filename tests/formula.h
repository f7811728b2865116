/* tests/formula.h - weights by formula, so that a full-size network needs no weight file. */
#ifndef MODA_TESTS_FORMULA_H
#define MODA_TESTS_FORMULA_H

#include "engine/model.h"

/* Fills every tensor of the model from its name and nothing else: h = FNV-1a 64 of the name, then per
 * element i one SplitMix64 number of (h + i), whose upper 24 bits give u in [-1, 1), exact in f32.
 *     convolution, linear weight   f32(sqrt(6 / (elements / shape[0]))) * u,  bias 0.05 * u
 *     batch norm weight, bias      1 + 0.1 * u,  -0.3 + 0.8 * u
 *     running_mean, running_var    0.1 * u,  1 + 0.5 * u */
void formula_fill(moda_model *model);

/* A built-in network with formula weights and classes outputs; stops the test when that fails.
 * input as published: 3x32x32, CIFAR-10's normalisation. */
moda_model *formula_model(const char *name, size_t classes);

#endif
